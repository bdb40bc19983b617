"""Chains on a tiny NumPy that changes: stored wheels serve, or are built again where they do not."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from support.clones import publish_all, reloaded, with_index
from support.door import Door
from support.farm import HERE
from support.runs import QUIET
from support.store import check_tidy
from support.tiny import VARIANT, run_farm
from support.tinynumpy import BROKEN, NEW, OLD, numpy_farm, numpy_index
from wheelfarm.errors import ChainError
from wheelfarm.recipes.settings import load
from wheelfarm.run.build_pipeline import run_build
from wheelfarm.run.decision import decide_all
from wheelfarm.run.farm import Farm
from wheelfarm.run.publication import Publication
from wheelfarm.run.reproduce import Reproduction
from wheelfarm.system.machine import native_target

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index
    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.slow

USERS = ("tinyarray", "tinystats")
COMPILED = (
    f"it is compiled against NumPy {OLD}, and the newest C API that its modules ask for is that of NumPy 2.0"
)
NEWEST_API = {"environment": {"CFLAGS": "-DNEWEST_API"}, "expect": {"numpy-api": "2.5"}}


@pytest.fixture(scope="module")
def packages(index: Index, tmp_path_factory: pytest.TempPathFactory) -> Index:
    return numpy_index(index, tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="module")
def built_once(packages: Index, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm that has built all on the old NumPy."""
    root = tmp_path_factory.mktemp("built") / "farm"
    run = run_farm(numpy_farm(root, packages, settings=stages(root)))
    assert set(run.states.values()) == {"built"}, [str(each.error) for each in run.outcomes.values()]
    return root


@pytest.fixture
def root(built_once: Path, tmp_path: Path) -> Path:
    """A copy of it; build directories are in one place, since their path is in the keys."""
    return shutil.copytree(built_once, tmp_path / "farm", symlinks=True)


def environ_of(root: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(root / "home")}


def stages(built_once: Path) -> dict[str, str]:
    return {"stages": str(built_once.parent / "stages")}


def decided(settings: Settings) -> dict[str, tuple[str, str]]:
    """What a run would do and why, by name."""
    farm = Farm(settings=settings)
    return {
        str(each.build.id.name): (each.action.value, "; ".join(each.why))
        for each in decide_all(farm.wheelhouse, farm.plan(None), published=farm.published)
    }


def test_stored_wheels_serve_and_pass_their_gates_with_the_new_numpy(
    root: Path, packages: Index, built_once: Path
) -> None:
    before = run_farm(load(root, environ=environ_of(root)))
    assert set(before.states.values()) == {"cached"}
    records = {name: before.record(name) for name in USERS}
    settings = numpy_farm(root, packages, NEW, settings=stages(built_once))
    found = decided(settings)
    assert {name: action for name, (action, _) in found.items()} == {
        "numpy": "build",
        "tinyarray": "gate",
        "tinystats": "gate",
    }
    assert found["tinystats"][1] == (
        f"NumPy, its expectations or its tests changed; nothing is compiled; {COMPILED}"
    )
    run = run_farm(settings)
    assert run.states == {"numpy": "built", "tinyarray": "checked", "tinystats": "checked"}, [
        str(each.error) for each in run.outcomes.values()
    ]
    for name in USERS:
        old, new = records[name], run.record(name)
        # The record says as before what the wheel was compiled against, and now what it was tested with.
        assert new.wheel == old.wheel
        assert (new.key, new.inputs, new.upstream) == (old.key, old.inputs, old.upstream)
        assert any(each.filename.startswith(f"numpy-{OLD}-") for each in new.upstream)
        (api,) = (each["found"] for each in new.gate_results if each["check"] == "numpy-api")
        assert api == f"2.0, tested with NumPy {NEW}"
        assert new.gate_key != old.gate_key
        assert run.wheel(name) == before.wheel(name)
    check_tidy(settings.wheelhouse, VARIANT)
    found = decided(settings)
    assert {action for action, _ in found.values()} == {"nothing"}
    assert found["tinyarray"][1].endswith(
        f"it is compiled against NumPy {OLD}, and has passed its gate with NumPy {NEW}"
    )
    assert set(run_farm(settings).states.values()) == {"cached"}


@pytest.fixture
def serving(root: Path, packages: Index, built_once: Path) -> Settings:
    """A farm whose wheels, of the old NumPy, have passed their gates with the new one."""
    settings = numpy_farm(root, packages, NEW, settings=stages(built_once))
    run = run_farm(settings)
    assert run.states == {"numpy": "built", "tinyarray": "checked", "tinystats": "checked"}
    return settings


def test_a_wheel_that_serves_is_reproduced_and_published_as_what_it_is(
    serving: Settings, tmp_path: Path
) -> None:
    run = run_farm(serving)
    for name in USERS:
        (made,) = Reproduction.of(
            run.record(name), settings=serving, wheelhouse=Farm(settings=serving).wheelhouse
        ).run(QUIET)
        assert made.identical
    public = str(tmp_path / "public")
    with_index(serving, targets=[str(native_target(serving.pythons[0]))], url=public)
    settings = reloaded(serving)
    publish_all(settings)
    publication = Publication(farm=Farm(settings=settings), index_name="internal", variant=VARIANT)
    verdicts = [*publication.verify(None)]
    assert [each.error for each in verdicts] == [None] * 3
    assert {each.key for each in verdicts} == {run.build(name).key for name in ("numpy", *USERS)}
    assert {each.filename.split("-")[0] for each in verdicts} == {"numpy", *USERS}


def test_what_is_compiled_against_a_wheel_that_serves_has_that_very_wheel(
    root: Path, packages: Index, built_once: Path
) -> None:
    before = run_farm(load(root, environ=environ_of(root)))
    recipes = {"tinystats": {"expect": None}}
    settings = numpy_farm(root, packages, NEW, recipes=recipes, settings=stages(built_once))
    action, why = decided(settings)["tinystats"]
    assert action == "build"
    assert why.startswith(f"upstream.numpy changed from {before.build('numpy').key[:12]} to ")
    assert why.endswith(
        f"; only NumPy has changed, from {OLD} to {NEW}, but its recipe does not state expect.numpy-api"
    )
    run = run_farm(settings)
    assert run.states == {"numpy": "built", "tinyarray": "checked", "tinystats": "built"}
    record = run.record("tinystats")
    assert {each.name: each.sha256 for each in record.upstream} == {
        "numpy": run.record("numpy").wheel.sha256,
        "tinyarray": before.record("tinyarray").wheel.sha256,
    }
    assert record.key_parts["upstream.tinyarray"] == before.record("tinyarray").key
    assert set(run_farm(settings).states.values()) == {"cached"}


def test_a_release_and_a_farm_without_the_setting_build_again(
    serving: Settings, packages: Index, built_once: Path
) -> None:
    served = run_farm(serving)
    for changes in ({"trust-numpy-abi": False}, {"release": True}):
        settings = numpy_farm(serving.root, packages, NEW, settings={**stages(built_once), **changes})
        found = decided(settings)
        assert [found[name][0] for name in USERS] == ["build", "build"]
    # What was built for it is preferred from then on, and the other wheel stays.
    settings = numpy_farm(
        serving.root, packages, NEW, settings={**stages(built_once), "trust-numpy-abi": False}
    )
    run = run_farm(settings)
    assert run.states == {"numpy": "cached", "tinyarray": "built", "tinystats": "built"}
    assert run.wheel("tinyarray").name == served.wheel("tinyarray").name
    assert run.wheel("tinyarray") != served.wheel("tinyarray")
    assert {action for action, _ in decided(serving).values()} == {"nothing"}
    assert run_farm(serving).wheel("tinyarray") == run.wheel("tinyarray")
    assert served.wheel("tinyarray").is_file()
    check_tidy(serving.wheelhouse, VARIANT)


def test_a_module_that_asks_for_a_newer_api_is_built_again(
    packages: Index, built_once: Path, tmp_path: Path
) -> None:
    root, recipes = tmp_path / "farm", {"tinyarray": NEWEST_API}
    settings = numpy_farm(root, packages, NEW, recipes=recipes, settings=stages(built_once))
    first = run_farm(settings, "tinyarray")
    assert first.states == {"numpy": "built", "tinyarray": "built"}
    settings = numpy_farm(root, packages, OLD, recipes=recipes, settings=stages(built_once))
    action, why = decided(settings)["tinyarray"]
    assert action == "build"
    assert f"only NumPy has changed, from {NEW} to {OLD}, but {first.wheel('tinyarray').name}: " in why
    assert why.endswith(" asks for the C API of NumPy 2.5")
    run = run_farm(settings, "tinyarray")
    assert run.states == {"numpy": "built", "tinyarray": "built"}, run.outcomes["tinyarray"].error
    # Now its API is one that the newer NumPy has too.
    settings = numpy_farm(root, packages, NEW, recipes=recipes, settings=stages(built_once))
    assert decided(settings)["tinyarray"][0] == "activate"


def test_a_gate_that_fails_with_the_new_numpy_loses_nothing(
    root: Path, packages: Index, built_once: Path
) -> None:
    before = run_farm(load(root, environ=environ_of(root)))
    settings = numpy_farm(root, packages, BROKEN, settings=stages(built_once))
    run = run_farm(settings)
    assert run.states == {"numpy": "built", "tinyarray": "failed", "tinystats": "blocked"}, run.lines
    error = run.error("tinyarray")
    assert error.slug == "test"
    assert "WHEELFARM_TRUST_NUMPY_ABI=false" in str(error.hint)
    assert before.wheel("tinyarray").is_file()
    # Back to the NumPy that works.
    settings = numpy_farm(root, packages, OLD, settings=stages(built_once))
    assert set(run_farm(settings).states.values()) == {"cached"}
    check_tidy(settings.wheelhouse, VARIANT)


def test_a_wheel_that_is_removed_while_the_farm_runs_is_not_built_under_its_key(
    serving: Settings,
) -> None:
    farm = Farm(settings=serving)
    plan = farm.plan(None)
    (build,) = (each for each in plan.builds if each.id.name == "tinyarray")
    assert build.has_stored_inputs
    stored = farm.wheelhouse.find(VARIANT, build.key)
    assert stored is not None
    stored.path.unlink()
    with pytest.raises(ChainError, match="changed while the farm ran") as raised:
        run_build(farm.services(plan, QUIET), build, 1)
    assert raised.value.hint == "run it again: the next plan builds it"
    assert not raised.value.retryable
    action, why = decided(serving)["tinyarray"]
    assert (action, "upstream.numpy" in why) == ("build", True)
    assert run_farm(serving).states == {"numpy": "cached", "tinyarray": "built", "tinystats": "built"}


def test_a_published_wheel_that_is_compiled_against_the_new_numpy_is_preferred(
    root: Path, packages: Index, built_once: Path, tmp_path: Path
) -> None:
    """Another farm with the same recipes has built and published it."""
    other = shutil.copytree(root, tmp_path / "other", symlinks=True)
    plain = {**stages(built_once), "trust-numpy-abi": False}
    public = str(tmp_path / "public")
    settings = numpy_farm(other, packages, NEW, settings=plain)
    run = run_farm(settings, "tinyarray")
    assert run.states == {"numpy": "built", "tinyarray": "built"}
    with_index(settings, targets=[str(native_target(settings.pythons[0]))], url=public)
    publish_all(reloaded(settings))
    settings = numpy_farm(root, packages, NEW, settings=stages(built_once))
    with_index(settings, targets=[str(native_target(settings.pythons[0]))], url=public)
    settings = reloaded(settings)
    found = decided(settings)
    assert [found[name][0] for name in ("numpy", *USERS)] == ["reuse", "reuse", "build"]


def test_the_tasks_have_an_option(
    root: Path,
    packages: Index,
    built_once: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = {**stages(built_once), "trust-numpy-abi": False}
    numpy_farm(root, packages, NEW, settings=plain)
    door, option = Door(root, capsys, monkeypatch), "--trust-numpy-abi"
    finished = door.inv("why", "tinyarray", option)
    assert finished.stdout.splitlines() == [
        f"gate: tinyarray (plain, {HERE})",
        "  NumPy, its expectations or its tests changed; nothing is compiled",
        f"  {COMPILED}",
    ]
    assert door.inv("why", "tinyarray").stdout.startswith("build: tinyarray ")
    for task in (("plan", "all"), ("chain", "all", "--dry-run")):
        assert door.inv(*task, option).stdout.startswith("1 build, 2 gate: ")
        assert door.inv(*task).stdout.startswith("3 build: ")
    finished = door.inv("chain", "all", option, "--release")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "--release and --trust-numpy-abi exclude each other" in finished.stderr
    finished = door.inv("chain", "all", option)
    assert finished.returncode == 0, finished.stderr
    finished = door.inv("test", "tinyarray", "--gate", option)
    assert f"2.0, tested with NumPy {NEW}" in finished.stdout
    # Without the option, the wheel with the build's own key is not there.
    assert door.inv("test", "tinyarray", "--gate").returncode != 0
