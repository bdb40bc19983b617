"""The tests of a gate: other Pythons, and stored downstream wheels."""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.progress import RecordingListener
from support.raised import only
from support.runs import LineListener
from support.suite import pinned
from support.tiny import ABI3, VARIANT, run_farm, tiny_farm
from support.wheels import make_wheel
from wheelfarm.errors import ChainError, GateTestError
from wheelfarm.gate.check import Result
from wheelfarm.gate.gate import GateTests, pass_gates
from wheelfarm.model import Python
from wheelfarm.recipes.layers import resolve
from wheelfarm.run.farm import Farm
from wheelfarm.run.test_environments import GateTestPlanner
from wheelfarm.system.environment import allowed
from wheelfarm.system.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.index import Index
    from wheelfarm.model import PinnedWheel, Target
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan
    from wheelfarm.recipes.layers import ResolvedRecipe
    from wheelfarm.recipes.recipe import Recipe
    from wheelfarm.recipes.settings import Settings

HERE = Python(major=3, minor=11)


def planner_of(settings: Settings, **changes: Any) -> tuple[GateTestPlanner, Plan]:
    """The planner of a farm whose plan has all its builds."""
    farm = Farm(settings=settings.replace(**changes))
    plan = farm.plan(None)
    services = farm.services(plan, LineListener())
    return GateTestPlanner(services), plan


def build_of(plan: Plan, name: str) -> Build:
    return next(build for build in plan.builds if build.id.name == name)


def other_base(root: Path, settings: Settings, code: str = "", version: str = "1.0") -> PinnedWheel:
    """The stored tinybase with further code, and so with other bytes."""
    (stored,) = settings.wheelhouse.glob("*/wheels/*/tinybase-*.whl")
    written_anew = tuple(f".dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD"))
    with zipfile.ZipFile(stored) as archive:
        files = {
            name.replace("-1.0.dist-info", f"-{version}.dist-info"): archive.read(name)
            for name in archive.namelist()
            if not name.endswith(("/", *written_anew))
        }
    files["tinybase/__init__.py"] += f"# other bytes\n{code}".encode()
    root.mkdir(exist_ok=True)
    tag = stored.stem.split("-", 2)[2]
    return pinned(make_wheel(root, "tinybase", version, files, tag=tag), "tinybase", version, farm=True)


@pytest.mark.slow
def test_a_wheel_is_tested_with_each_python_that_it_supports(index: Index, tmp_path: Path) -> None:
    settings = tiny_farm(tmp_path, index, ABI3)
    run = run_farm(settings)
    assert run.states == {"tinyabi3": "built"}, str(run.outcomes["tinyabi3"].error)
    assert "-cp311-abi3-" in run.wheel("tinyabi3").name
    here = Machine(allowed(settings.environ)).pythons()
    names = [f"Python {python}" for python in here if python >= HERE and not python.threads]
    results = run.record("tinyabi3").gate_results
    assert [each["environment"] for each in results if each["check"] == "smoke"] == names


class TestAnotherPython:
    """The choice of Pythons, without a second interpreter: the engine lists one."""

    def gate_tests(self, settings: Settings, root: Path, monkeypatch: pytest.MonkeyPatch) -> GateTests:
        planner, plan = planner_of(settings)
        pythons = (HERE, Python(major=3, minor=12), Python(major=3, minor=13))
        monkeypatch.setattr(type(planner.services.engine), "pythons", lambda _engine, _target: pythons)
        wheel = pinned(make_wheel(root, "tinytop", "1.0", {"tinytop.py": ""}), "tinytop", farm=True)
        return planner.plan_tests(build_of(plan, "tinytop"), wheel)

    def test_a_python_without_the_required_wheels_is_skipped_with_a_reason(
        self, chain: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tests = self.gate_tests(chain, tmp_path, monkeypatch)
        assert [each.name for each in tests.own] == ["Python 3.11"]
        target = build_of(planner_of(chain)[1], "tinytop").id.target
        there = replace(target, python=Python(major=3, minor=12))
        assert tests.skipped[0] == Result(
            check="smoke",
            expected="passed",
            found=f"not tried: the wheelhouse has no tinybase 1.0 for {there}",
            environment="Python 3.12",
        )
        assert [result.environment for result in tests.skipped] == ["Python 3.12", "Python 3.13"]


def test_a_recipe_is_resolved_once_a_plan(
    chain: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the search for system packages, in the plan, and for the gate of what is not in the plan."""
    calls: Counter[tuple[str, str, str]] = Counter()

    def counted(recipe: Recipe, *, lineage: Sequence[str], target: Target, **layers: Any) -> ResolvedRecipe:
        calls[recipe.name, lineage[-1], str(target)] += 1
        return resolve(recipe, lineage=lineage, target=target, **layers)

    monkeypatch.setattr("wheelfarm.recipes.loaded_recipe.resolve", counted)
    farm = Farm(settings=chain)
    farm.missing(["tinybase"])
    plan = farm.plan(["tinybase"])
    planner = GateTestPlanner(farm.services(plan, LineListener()))
    for number in range(2):
        tests = planner.plan_tests(plan.builds[0], other_base(tmp_path / str(number), chain))
        assert [each.recipe.name for each in tests.downstream] == ["tinytop"]
    (target,) = farm.targets()
    assert calls == {("tinybase", VARIANT, str(target)): 1, ("tinytop", VARIANT, str(target)): 1}


@pytest.mark.slow
class TestDownstream:
    def results(
        self, settings: Settings, root: Path, code: str = "", *, version: str = "1.0"
    ) -> tuple[tuple[Result, ...], list[str]]:
        """The gate's results for another tinybase, and its log lines."""
        planner, plan = planner_of(settings)
        build, listener = build_of(plan, "tinybase"), RecordingListener()
        wheel = other_base(root / "wheel", settings, code, version)
        tests = planner.plan_tests(build, wheel)
        results = pass_gates(
            [(build, tests)],
            planner.services.engine,
            root / "environments",
            log=root / "gate.log",
            listener=listener,
        )
        return results[build.id.name], listener.lines

    @pytest.mark.slow
    def test_a_stored_wheel_works_with_the_new_one(self, chain: Settings, tmp_path: Path) -> None:
        results, _ = self.results(chain, tmp_path)
        assert [result.name for result in results[-2:]] == [
            "imports (tinytop 1.0, Python 3.11)",
            "smoke (tinytop 1.0, Python 3.11)",
        ]
        assert (tmp_path / "gate-tinytop-cp311.log").exists()

    def test_one_that_does_not_is_named_with_what_to_do(self, chain: Settings, tmp_path: Path) -> None:
        code = "def marker():\n    return 'another'\n"
        error = only(lambda: self.results(chain, tmp_path, code), GateTestError)
        assert "the stored wheel of tinytop 1.0 does not work with it: the test failed" in error.what
        assert (error.where, error.why) == ("recipes/tinytop/recipe.toml", "smoke.py: AssertionError")
        assert str(error.hint).startswith("inv chain tinytop builds both")
        assert error.log == tmp_path / "gate-tinytop-cp311.log"

    @pytest.mark.slow
    def test_one_that_this_run_builds_again_stops_nothing(self, chain: Settings, tmp_path: Path) -> None:
        recipe = chain.recipes / "tinytop" / "recipe.toml"
        recipe.write_text(recipe.read_text() + '\n[environment]\nCFLAGS = "-O0"\n')
        results, lines = self.results(chain, tmp_path, "def marker():\n    return 'another'\n")
        assert results[-1].found == "failed: smoke.py: AssertionError; this run builds or tests it again"
        assert lines[-1].startswith("warning: ")

    def test_it_is_not_tested_when_its_own_tests_failed(self, chain: Settings, tmp_path: Path) -> None:
        error = only(lambda: self.results(chain, tmp_path, "raise OSError('broken')\n"), GateTestError)
        assert error.why == "import tinybase: OSError: broken"

    def test_the_wheel_that_it_was_built_on_was_tested_before(self, chain: Settings) -> None:
        planner, plan = planner_of(chain)
        build = build_of(plan, "tinybase")
        tests = planner.plan_tests(build, pinned(planner.stored(build.id).path, "tinybase", farm=True))
        assert tests.downstream == ()
        assert [(each.environment, each.found) for each in tests.skipped] == [
            ("tinytop 1.0", "passed in its own gate, with this very wheel")
        ]

    def test_a_version_that_an_installer_would_refuse(self, chain: Settings, tmp_path: Path) -> None:
        planner, plan = planner_of(chain)
        wheel = other_base(tmp_path, chain, version="0.9")
        (skipped,) = planner.plan_tests(build_of(plan, "tinybase"), wheel).skipped
        assert skipped.found == "not tried: tinytop 1.0 asks for tinybase>=1.0, not 0.9"

    @pytest.mark.parametrize("listed", [[], ["tinytop"]])
    def test_a_recipe_may_say_which(self, chain: Settings, tmp_path: Path, listed: list[str]) -> None:
        recipe = chain.recipes / "tinybase" / "recipe.toml"
        recipe.write_text(recipe.read_text().replace("[test]\n", f"[test]\ndownstream = {listed}\n"))
        planner, plan = planner_of(chain)
        tests = planner.plan_tests(build_of(plan, "tinybase"), other_base(tmp_path, chain))
        assert [each.wheel.name for each in tests.downstream] == listed
        assert tests.replaced == frozenset()

    def test_a_package_that_is_not_stored_is_skipped(self, index: Index, tmp_path: Path) -> None:
        recipes = {"tinybase": {"test": {"downstream": ["tinytop"]}}, "tinytop": {}}
        planner, plan = planner_of(tiny_farm(tmp_path, index, recipes))
        wheel = pinned(make_wheel(tmp_path, "tinybase", "1.0"), "tinybase", farm=True)
        (skipped,) = planner.plan_tests(build_of(plan, "tinybase"), wheel).skipped
        assert (skipped.environment, skipped.found) == (
            "tinytop 1.0",
            "not tried: it is not in the wheelhouse",
        )

    def test_a_stored_wheel_that_was_changed(self, chain: Settings, tmp_path: Path) -> None:
        planner, plan = planner_of(chain)
        wheel = other_base(tmp_path, chain)
        (stored,) = chain.wheelhouse.glob("*/wheels/*/tinytop-*.whl")
        stored.chmod(0o644)
        data = bytearray(stored.read_bytes())
        data[-1] ^= 1
        stored.write_bytes(data)
        error = only(lambda: planner.plan_tests(build_of(plan, "tinybase"), wheel), ChainError)
        assert error.what == "the stored wheel of tinytop 1.0 was changed"
