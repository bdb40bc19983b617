"""The errors that a call raises, as a list, whether they came alone or as a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wheelfarm.errors import FarmError, GroupError

if TYPE_CHECKING:
    from collections.abc import Callable


def raised(call: Callable[[], object], kind: type[FarmError]) -> list[FarmError]:
    """All errors of a call, each of which is of one class."""
    with pytest.raises(FarmError) as caught:
        call()
    errors = list(caught.value.errors) if isinstance(caught.value, GroupError) else [caught.value]
    assert {type(error) for error in errors} == {kind}
    return errors


def only(call: Callable[[], object], kind: type[FarmError]) -> FarmError:
    """The one error of a call."""
    (error,) = raised(call, kind)
    return error
