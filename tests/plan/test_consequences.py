"""What newer versions cause: builds along host edges, gates along run edges, and what NumPy's ABI spares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.farm import make_farm, plan_of
from wheelfarm.model import Name
from wheelfarm.plan.consequences import find_consequences

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.graph import Plan

API = {"numpy-api": "2.0"}
RECIPES: dict[str, dict[str, Any]] = {
    "numpy": {},
    "scipy": {"requires": {"host": ["numpy"], "run": ["numpy"]}, "expect": API},
    "pandas": {"requires": {"host": ["numpy"], "run": ["numpy"]}},
    # What is compiled against something rebuilt is rebuilt, whether or not it needs numpy itself.
    "sklearn": {"requires": {"host": ["scipy", "numpy"], "run": ["scipy"]}, "expect": API},
    "shap": {"requires": {"host": ["pandas", "numpy"], "run": ["pandas"]}, "expect": API},
    "report": {"requires": {"run": ["pandas"]}, "compilers": []},
    "other": {},
}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plan_of(make_farm(tmp_path, RECIPES))


def _names(plan: Plan, versions: dict[str, str]) -> dict[str, list[str]]:
    found = find_consequences(plan, {Name(name): version for name, version in versions.items()})
    kinds = {"rebuilt": found.rebuilt, "tested": found.tested, "spared": found.spared}
    return {kind: sorted(build.id.name for build in builds) for kind, builds in kinds.items()}


def test_a_bump_rebuilds_what_is_compiled_against_it(plan: Plan) -> None:
    found = _names(plan, {"numpy": "2.5.0"})
    assert found["rebuilt"] == ["numpy", "pandas", "scipy", "shap", "sklearn"]
    assert found["tested"] == ["report"]


def test_a_stated_abi_spares_builds_but_for_those_on_something_rebuilt(plan: Plan) -> None:
    assert _names(plan, {"numpy": "2.5.0"})["spared"] == ["scipy", "sklearn"]


@pytest.mark.parametrize("version", ["1.26.4", "3.0"])
def test_an_abi_says_nothing_of_another_major_version(plan: Plan, version: str) -> None:
    assert _names(plan, {"numpy": version})["spared"] == []


def test_other_bumps_spare_nothing_of_what_is_compiled_against_them(plan: Plan) -> None:
    found = _names(plan, {"numpy": "2.5.0", "scipy": "2.0"})
    assert found["spared"] == []
    assert _names(plan, {"other": "2.0"}) == {"rebuilt": ["other"], "tested": [], "spared": []}


def test_the_plan_of_the_new_version_has_the_same_builds(tmp_path: Path) -> None:
    before = plan_of(make_farm(tmp_path / "before", RECIPES))
    after = plan_of(make_farm(tmp_path / "after", RECIPES | {"numpy": {"version": "2.5.0"}}))
    keys = {build.id: build.key for build in before.builds}
    changed = sorted(build.id.name for build in after.builds if keys[build.id] != build.key)
    assert changed == _names(before, {"numpy": "2.5.0"})["rebuilt"]
    gates = {build.id: build.gate_key for build in before.builds}
    tested = [each.id.name for each in after.builds if gates[each.id] != each.gate_key]
    assert sorted(set(tested) - set(changed)) == _names(before, {"numpy": "2.5.0"})["tested"]
