"""Asking the index for its own wheels: one at a time, and no longer once it cannot be reached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from wheelfarm.errors import FarmError, NetworkError
from wheelfarm.report.survey import PublicWheel, content_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.model import Name, Target
    from wheelfarm.wheels.archive import Wheel

_MANYLINUX: Final = re.compile(r"manylinux_(\d+)_(\d+)_")
_COMMON: Final = (2, 28)
"""The glibc of the image that most public wheels are built in; our wheels for older ones are compared too."""


def glibc_for(filename: str) -> tuple[int, int]:
    """The glibc that a machine for which one of our wheels is meant may have, from the wheel's tags."""
    levels = [(int(major), int(minor)) for major, minor in _MANYLINUX.findall(filename)]
    return max([_COMMON, *levels])


class Public(Protocol):
    """Where public wheels come from, if from anywhere."""

    @property
    def left_out(self) -> str:
        """Why public wheels are left out; empty when they are compared."""

    def beside(self, name: Name, version: str, target: Target | None, filename: str) -> PublicWheel:
        """The public wheel that ours is compared with."""


@dataclass(frozen=True)
class Unpublished:
    """No index: every comparison is left out, for the reason given."""

    left_out: str

    def beside(self, name: Name, version: str, target: Target | None, filename: str) -> PublicWheel:  # noqa: ARG002
        """None, and why."""
        return PublicWheel(why_not=self.left_out)


@dataclass
class Published:
    """The configured index.

    Args:
        ask: gives the index's wheel of a distribution, version and target for machines with this glibc.
    """

    ask: Callable[[Name, str, Target, tuple[int, int]], Wheel]
    left_out: str = ""
    _gone: str = ""

    def beside(self, name: Name, version: str, target: Target | None, filename: str) -> PublicWheel:
        """The index's wheel, or why there is none: it has none, it is damaged, or nobody answers."""
        if target is None:
            return PublicWheel(why_not="its tags do not say for which target to ask")
        if self._gone:
            return PublicWheel(why_not=self._gone)
        try:
            return PublicWheel(content=content_of(self.ask(name, version, target, glibc_for(filename))))
        except NetworkError as error:
            self._gone = f"the index cannot be reached: {error.what}"
            return PublicWheel(why_not=self._gone)
        except FarmError as error:
            return PublicWheel(why_not=error.what)
