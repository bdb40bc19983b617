"""Builds whose recipe edits the metadata of the wheel: stored, recorded, reproduced, and used downstream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.runs import LineListener
from support.store import check_tidy
from support.tiny import VARIANT, run_farm, tiny_farm, tiny_index
from wheelfarm.run.farm import Farm
from wheelfarm.run.reproduce import Reproduction
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from support.farm import Table
    from support.tiny import Run

pytestmark = pytest.mark.slow


def built(run: Run, *names: str) -> None:
    assert run.states == dict.fromkeys(names, "built"), [str(each.error) for each in run.outcomes.values()]


def test_a_local_version_and_a_pin_are_recorded_and_reproduced(tmp_path: Path) -> None:
    # Installers pass over a requirement for another system.
    edits = {"add": ['setuptools; sys_platform == "plan9"'], "pin-to-built": {"setuptools": ">=x"}}
    table = {"metadata": {"local-version": "team.1", "requires": edits}}
    settings = tiny_farm(tmp_path / "farm", tiny_index(tmp_path / "index"), {"tinyleaf": table})
    run = run_farm(settings)
    built(run, "tinyleaf")
    wheel, record = open_wheel(run.wheel("tinyleaf")), run.record("tinyleaf")
    assert (wheel.version, record.version) == ("1.0+team.1", "1.0+team.1")
    assert record.inputs is not None
    assert record.inputs.version == "1.0"
    (setuptools,) = (each for each in record.build_requirements if each.name == "setuptools")
    major = setuptools.version.partition(".")[0]
    assert wheel.metadata.requires_dist == (f'setuptools>={major}; sys_platform == "plan9"',)
    (sbom,) = (name for name in wheel.names if name.endswith("wheelfarm.cdx.json"))
    assert json.loads(wheel.read(sbom))["metadata"]["component"]["purl"] == "pkg:pypi/tinyleaf@1.0%2Bteam.1"
    check_tidy(settings.wheelhouse, VARIANT)
    assert run_farm(settings).states == {"tinyleaf": "cached"}
    wheelhouse = Farm(settings=settings).wheelhouse
    (again,) = Reproduction.of(record, settings=settings, wheelhouse=wheelhouse).run(LineListener([]))
    assert again.identical


def test_a_pin_to_the_farms_own_wheel(tmp_path: Path) -> None:
    tables: dict[str, Table] = {
        "tinybase": {"metadata": {"local-version": "team.2"}},
        "tinytop": {"metadata": {"requires": {"pin-to-built": {"tinybase": "~=x.x"}}}},
    }
    settings = tiny_farm(tmp_path / "farm", tiny_index(tmp_path / "index"), tables)
    run = run_farm(settings)
    built(run, "tinybase", "tinytop")
    assert open_wheel(run.wheel("tinytop")).metadata.requires_dist == ("tinybase~=1.0",)
    assert Version("1.0") < Version(run.record("tinybase").version) < Version("1.0.post1")
    environment = {str(each.name): each for each in run.record("tinytop").build_requirements}
    assert (environment["tinybase"].version, environment["tinybase"].farm) == ("1.0+team.2", True)


def test_an_edit_that_changes_nothing_stores_nothing(tmp_path: Path) -> None:
    table = {"metadata": {"requires": {"loosen": ["numpy"]}}}
    settings = tiny_farm(tmp_path / "farm", tiny_index(tmp_path / "index"), {"tinyleaf": table})
    run = run_farm(settings)
    assert run.states == {"tinyleaf": "failed"}
    error = run.error("tinyleaf")
    assert error.what == "'numpy' is not among the run requirements"
    assert error.where == "recipes/tinyleaf/recipe.toml: metadata.requires.loosen"
    assert not list(settings.wheelhouse.glob("**/*.whl"))
