"""Builds that want the network: they fail, and the error says that builds have none and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.downloads import DOWNLOADS, downloading_farm
from support.tiny import run_farm
from wheelfarm.build.error_patterns import Failure

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize("how", DOWNLOADS)
def test_a_build_that_wants_the_network(tmp_path: Path, how: str) -> None:
    settings, name = downloading_farm(tmp_path, how)
    error = run_farm(settings).error(name)
    assert str(error.why).startswith("builds have no network\n")
    assert str(error.hint).startswith("give it by system-packages, a source of its own, a patch or config")
    assert error.failure == Failure.CONFIGURE
