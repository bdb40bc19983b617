"""A library of a system package that the recipe does not name: a warning in outcome, record and JSON."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.packages import tinyleaf
from support.tiny import LEAF, run_farm, tiny_farm, tiny_index
from wheelfarm.report.build import outcome_data

if TYPE_CHECKING:
    from support.farm import Table

INSTALLED = bool(list(Path("/usr/lib").glob("*/libxml2.so"))) and shutil.which("dpkg-query") is not None


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="needs Debian's libxml2-dev")
@pytest.mark.parametrize("named", [False, True])
def test_a_library_of_a_system_package(tmp_path: Path, named: bool) -> None:  # noqa: FBT001
    files = tinyleaf()
    files["setup.py"] = files["setup.py"].replace('"])]', '"], libraries=["xml2"])]')
    files["native/ext.c"] += "void xmlCheckVersion(int);\nvoid tiny_check(void) { xmlCheckVersion(1); }\n"
    index = tiny_index(tmp_path / "index", tinyleaf=files)
    packages: Table = {"system-packages": {"apt": ["libxml2-dev"]}} if named else {}
    run = run_farm(tiny_farm(tmp_path / "farm", index, dict.fromkeys(LEAF, packages)))
    outcome = run.outcomes["tinyleaf"]
    assert run.states == {"tinyleaf": "built"}, outcome.error
    assert tuple(run.record("tinyleaf").warnings) == outcome.warnings
    assert outcome_data(outcome)["warnings"] == list(outcome.warnings)
    if named:
        assert outcome.warnings == ()
        return
    (warning,) = outcome.warnings
    assert warning.startswith("libxml2-")
    assert '[system-packages] apt = ["libxml2-dev"] in recipes/tinyleaf/recipe.toml' in warning
