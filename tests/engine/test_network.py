"""Builds in containers that want the network, which they do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.downloads import downloading_farm
from support.packages import tinyleaf
from support.tiny import run_farm, tiny_farm, tiny_index
from wheelfarm.build.error_patterns import Failure

if TYPE_CHECKING:
    from pathlib import Path

    from support.farm import Table

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("how", ["urllib", "git", "pip", "cmake-git", "meson-wrap"])
def test_the_error_says_that_there_is_none(container: dict[str, str], tmp_path: Path, how: str) -> None:
    settings = {"engine": "cibuildwheel", "time-limit": 600.0}
    farm, name = downloading_farm(tmp_path, how, settings=settings, environ=container)
    error = run_farm(farm).error(name)
    assert str(error.why).startswith("builds have no network\n"), error
    assert str(error.hint).startswith("give it by system-packages, a source of its own")
    assert error.failure == Failure.CONFIGURE


HAS_NETWORK = """\
interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
assert interfaces != ["lo"], interfaces
"""


def test_a_recipe_without_isolation_has_it(container: dict[str, str], tmp_path: Path) -> None:
    """Outcome and record give the reason."""
    files = tinyleaf()
    files["setup.py"] = HAS_NETWORK + files["setup.py"]
    table: Table = {"tinyleaf": {"isolation": "none", "isolation-reason": "its data is downloaded"}}
    settings = {"engine": "cibuildwheel", "time-limit": 600.0}
    index = tiny_index(tmp_path / "index", tinyleaf=files)
    run = run_farm(tiny_farm(tmp_path / "farm", index, table, settings=settings, environ=container))
    assert run.states == {"tinyleaf": "built"}, str(run.outcomes["tinyleaf"].error)
    record = run.record("tinyleaf")
    assert (record.isolation, record.isolation_reason) == ("none", "its data is downloaded")
    assert run.outcomes["tinyleaf"].warnings == ("not isolated: its data is downloaded",)
