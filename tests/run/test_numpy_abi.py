"""Which stored wheels serve where NumPy alone has changed, by made-up wheels with whole records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.farm import make_farm, over, plan_of
from support.records import sample_record
from support.wheels import make_wheel
from wheelfarm.errors import ExpectationError, GateTestError, GroupError, ProcessError
from wheelfarm.model import Name
from wheelfarm.plan.inputs import RULES
from wheelfarm.provenance.record import Record, RecordedWheel, UpstreamWheel
from wheelfarm.run.decision import Action, decide_all
from wheelfarm.run.numpy_abi import explain_failed_gate, use_stored_wheels
from wheelfarm.run.recording import regated
from wheelfarm.system.files import sha256_of_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.errors import FarmError
    from wheelfarm.plan.build import Build
    from wheelfarm.plan.graph import Plan
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

ON_NUMPY: dict[str, Any] = {
    "requires": {"host": ["numpy"], "run": ["numpy"]},
    "expect": {"numpy-api": "2.0"},
}
ON_SCIPY = over(ON_NUMPY, {"requires": {"host": ["scipy", "numpy"], "run": ["scipy"]}})
RECIPES: dict[str, Any] = {"numpy": {"version": "2.4.0"}, "scipy": ON_NUMPY, "sklearn": ON_SCIPY}
NEW = {"numpy": {"version": "2.5.0"}}
LOCK = "setuptools==80.9.0 --hash=sha256:{0}\nnumpy=={1} --hash=sha256:{2}\n"
NAMES = b"\0numpy._core._multiarray_umath\0_ARRAY_API\0"


def module(api: str | None = "2.0") -> bytes:
    """An extension module as far as its use of NumPy's C API shows; None names no version."""
    text = "" if api is None else f"compiled against NumPy C-API version 0x%x (NumPy {api})"
    return b"\x7fELF" + NAMES + text.encode()


def farm_plan(root: Path, *changes: Mapping[str, Any], files: Mapping[str, str] | None = None) -> Plan:
    """The plan of a farm of the three recipes with changes laid over them."""
    recipes = RECIPES
    for each in changes:
        recipes = over(recipes, each)
    return plan_of(make_farm(root, recipes, files=files))


def store(wheelhouse: Wheelhouse, plan: Plan, directory: Path, code: bytes = module()) -> None:
    """Store a wheel with a module for each build of a plan, as if it was built."""
    for build in plan.builds:
        store_build(wheelhouse, plan, build, directory, code)


def store_build(wheelhouse: Wheelhouse, plan: Plan, build: Build, directory: Path, code: bytes) -> None:
    upstream = [wheelhouse.find(build.id.variant, plan.build(each).key) for each in build.upstream]
    for name in reversed(build.distributions):
        place = directory / build.key
        place.mkdir(parents=True, exist_ok=True)
        tag = "cp311-cp311-manylinux_2_17_x86_64"
        wheel = make_wheel(place, name, build.version, {f"{name}/ext.so": code}, tag=tag)
        sha256 = sha256_of_file(wheel)
        record = sample_record(
            recipe=build.id.name,
            distribution=name,
            version=build.version,
            variant=build.id.variant,
            target=build.id.target,
            key=build.key_of(name),
            key_parts=build.key_parts,
            inputs=build.inputs,
            gate_key=build.gate_key,
            upstream=tuple(
                UpstreamWheel(name=each.name, filename=each.path.name, sha256=each.sha256)
                for each in upstream
                if each
            ),
            wheel=RecordedWheel(
                filename=wheel.name, sha256=sha256, size=wheel.stat().st_size, built_sha256=None
            ),
        )
        key, variant = build.key_of(name), build.id.variant
        wheelhouse.store(wheel, sha256=sha256, variant=variant, key=key, record=record.to_json())


def builds(plan: Plan) -> dict[str, Build]:
    return {str(build.id.name): build for build in plan.builds}


def actions(wheelhouse: Wheelhouse, plan: Plan) -> dict[str, str]:
    return {str(each.build.id.name): each.action.value for each in decide_all(wheelhouse, plan)}


def refusal(build: Build) -> str:
    """Why a stored wheel does not serve, of a build that keeps its own key."""
    assert build.numpy_abi is not None
    assert not build.has_stored_inputs
    return build.numpy_abi.why


def test_a_plan_takes_the_keys_of_wheels_that_serve(tmp_path: Path, wheelhouse: Wheelhouse) -> None:
    before = farm_plan(tmp_path / "farm")
    store(wheelhouse, before, tmp_path)
    after = farm_plan(tmp_path / "farm", NEW)
    found = use_stored_wheels(after, wheelhouse)
    for name in ("scipy", "sklearn"):
        one, other = builds(before)[name], builds(found)[name]
        assert (other.key, other.inputs) == (one.key, one.inputs)
        assert other.gate_key != one.gate_key
    assert builds(found)["numpy"] == builds(after)["numpy"]
    assert actions(wheelhouse, after) == {"numpy": "build", "scipy": "build", "sklearn": "build"}
    assert actions(wheelhouse, found) == {"numpy": "build", "scipy": "gate", "sklearn": "gate"}
    for each in decide_all(wheelhouse, found)[1:]:
        assert each.why[-1] == (
            "it is compiled against NumPy 2.4.0, "
            "and the newest C API that its modules ask for is that of NumPy 2.0"
        )


def test_a_plan_that_stored_wheels_fit_is_the_same(tmp_path: Path, wheelhouse: Wheelhouse) -> None:
    plan = farm_plan(tmp_path / "farm")
    assert use_stored_wheels(plan, wheelhouse).builds == plan.builds
    store(wheelhouse, plan, tmp_path)
    assert use_stored_wheels(plan, wheelhouse).builds == plan.builds


def test_a_wheel_with_the_own_key_is_preferred(tmp_path: Path, wheelhouse: Wheelhouse) -> None:
    store(wheelhouse, farm_plan(tmp_path / "farm"), tmp_path)
    after = farm_plan(tmp_path / "farm", NEW)
    store_build(wheelhouse, after, builds(after)["scipy"], tmp_path, module())
    store(wheelhouse, farm_plan(tmp_path / "farm"), tmp_path)  # which is listed now
    found = use_stored_wheels(after, wheelhouse)
    assert builds(found)["scipy"] == builds(after)["scipy"]
    assert actions(wheelhouse, found)["scipy"] == "activate"
    # sklearn was compiled against another scipy.
    assert builds(found)["sklearn"].numpy_abi is None


def test_what_has_passed_its_gate_with_the_new_numpy_needs_nothing(
    tmp_path: Path, wheelhouse: Wheelhouse
) -> None:
    store(wheelhouse, farm_plan(tmp_path / "farm"), tmp_path)
    after = farm_plan(tmp_path / "farm", NEW)
    store_build(wheelhouse, after, builds(after)["numpy"], tmp_path, module())
    served = builds(use_stored_wheels(after, wheelhouse))["scipy"]
    stored = wheelhouse.find(served.id.variant, served.key)
    assert stored is not None
    record = Record.from_json(wheelhouse.record(stored.variant, stored.key), stored.path.name)
    wheelhouse.store(
        stored.path,
        sha256=stored.sha256,
        variant=stored.variant,
        key=stored.key,
        record=regated(record, served, ()).to_json(),
    )
    found = use_stored_wheels(after, wheelhouse)
    assert actions(wheelhouse, found) == {"numpy": "nothing", "scipy": "nothing", "sklearn": "gate"}
    why = builds(found)["scipy"].numpy_abi
    assert why is not None
    assert why.why == "it is compiled against NumPy 2.4.0, and has passed its gate with NumPy 2.5.0"


@pytest.mark.parametrize(
    "change",
    [
        {"scipy": {"environment": {"A": "1"}}},
        {"scipy": {"config-settings": {"quiet": "1"}}},
        {"scipy": {"source": {"sha256": "c" * 64}}},
        {"scipy": {"version": "1.1"}},
        {"other": {}, "scipy": {"requires": {"host": ["numpy", "other"]}}},
    ],
)
def test_nothing_serves_where_more_than_numpy_has_changed(
    tmp_path: Path, wheelhouse: Wheelhouse, change: dict[str, Any]
) -> None:
    store(wheelhouse, farm_plan(tmp_path / "farm"), tmp_path)
    after = farm_plan(tmp_path / "farm", NEW, change)
    found = builds(use_stored_wheels(after, wheelhouse))
    for name in ("scipy", "sklearn"):
        assert found[name] == builds(after)[name]


@pytest.mark.parametrize(
    ("code", "version", "why"),
    [
        (module("2.3"), "2.2.6", "scipy/ext.so asks for the C API of NumPy 2.3"),
        (module("2.0"), "1.26.4", "scipy/ext.so asks for the C API of NumPy 2.0"),
        (module("2.0"), "3.0", "scipy/ext.so asks for the C API of NumPy 2.0"),
        (module(None), "2.5.0", "scipy/ext.so does not say which C API of NumPy it asks for"),
        (b"\x7fELF", "2.5.0", "no module of its wheel takes NumPy's C API"),
    ],
)
def test_the_binaries_prove_it(
    tmp_path: Path, wheelhouse: Wheelhouse, code: bytes, version: str, why: str
) -> None:
    store(wheelhouse, farm_plan(tmp_path / "farm"), tmp_path, code)
    after = farm_plan(tmp_path / "farm", {"numpy": {"version": version}})
    found = use_stored_wheels(after, wheelhouse)
    assert refusal(builds(found)["scipy"]).startswith(
        f"only NumPy has changed, from 2.4.0 to {version}, but "
    )
    assert refusal(builds(found)["scipy"]).endswith(why)
    assert builds(found)["scipy"].key == builds(after)["scipy"].key
    # What is built on a wheel that is built again is built again, too.
    assert builds(found)["sklearn"].numpy_abi is None
    decisions = {str(each.build.id.name): each for each in decide_all(wheelhouse, found)}
    assert decisions["scipy"].action is Action.BUILD
    assert decisions["scipy"].why[-1] == refusal(builds(found)["scipy"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"expect": None}, "its recipe does not state expect.numpy-api"),
        ({"requires": {"run": []}}, "its gate does not run with NumPy 2.5.0"),
    ],
)
def test_a_recipe_must_state_and_test_it(
    tmp_path: Path, wheelhouse: Wheelhouse, change: dict[str, Any], why: str
) -> None:
    own = {"scipy": change, "sklearn": {"requires": {"run": ["scipy", "numpy"]}}}
    store(wheelhouse, farm_plan(tmp_path / "farm", own), tmp_path)
    found = use_stored_wheels(farm_plan(tmp_path / "farm", own, NEW), wheelhouse)
    assert refusal(builds(found)["scipy"]) == f"only NumPy has changed, from 2.4.0 to 2.5.0, but {why}"


def test_another_build_of_the_same_numpy_is_a_change_too(tmp_path: Path, wheelhouse: Wheelhouse) -> None:
    store(wheelhouse, farm_plan(tmp_path / "farm"), tmp_path, module(None))
    after = farm_plan(tmp_path / "farm", {"numpy": {"environment": {"A": "1"}}})
    why = refusal(builds(use_stored_wheels(after, wheelhouse))["scipy"])
    assert why.startswith("only NumPy 2.4.0 has changed, but ")


def test_each_wheel_of_a_build_must_be_there_and_prove_it(tmp_path: Path, wheelhouse: Wheelhouse) -> None:
    split = {"scipy": {"splits": {"tests": {"files": ["scipy/tests/**"], "imports": []}}}}
    before = farm_plan(tmp_path / "farm", split)
    store(wheelhouse, before, tmp_path)
    after = farm_plan(tmp_path / "farm", split, NEW)
    assert builds(use_stored_wheels(after, wheelhouse))["scipy"].has_stored_inputs
    (tests,) = wheelhouse.current(before.builds[0].id.variant, Name("scipy-tests"))
    tests.path.unlink()
    why = refusal(builds(use_stored_wheels(after, wheelhouse))["scipy"])
    assert why.endswith("but scipy-tests is missing or damaged")


def test_a_wheel_that_was_built_on_other_bytes_does_not_serve(tmp_path: Path, wheelhouse: Wheelhouse) -> None:
    before = farm_plan(tmp_path / "farm")
    store(wheelhouse, before, tmp_path)
    # The same key, and other bytes: another build of scipy.
    store_build(wheelhouse, before, builds(before)["scipy"], tmp_path / "again", module("1.23"))
    found = use_stored_wheels(farm_plan(tmp_path / "farm", NEW), wheelhouse)
    assert builds(found)["scipy"].has_stored_inputs
    why = refusal(builds(found)["sklearn"])
    assert why.endswith("but the wheel of scipy has other bytes than the one it was built with")


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("2.4.0", "2.5.0", "the newest C API that its modules ask for is that of NumPy 2.0"),
        ("2.5.0", "2.5.0", "and has passed its gate with NumPy 2.5.0"),
        ("3.0", "3.0", "asks for the C API of NumPy 2.0"),
    ],
)
def test_a_locked_numpy_serves_where_the_tests_have_it_too(
    tmp_path: Path, wheelhouse: Wheelhouse, before: str, after: str, why: str
) -> None:
    """The tests had `before` when the wheel was stored; now the build and they have `after`."""
    recipes: dict[str, Any] = {"scipy": {"requires": None}, "sklearn": None, "numpy": None}

    def plan(build: str, test: str) -> Plan:
        files = {
            "recipes/scipy/build.lock": LOCK.format("b" * 64, build, "d" * 64),
            "recipes/scipy/test.lock": LOCK.format("b" * 64, test, "d" * 64),
        }
        return farm_plan(tmp_path / "farm", recipes, files=files)

    store(wheelhouse, plan("2.4.0", before), tmp_path)
    (found,) = use_stored_wheels(plan(after, after), wheelhouse).builds
    assert found.numpy_abi is not None
    assert found.numpy_abi.why.endswith(why)
    assert found.has_stored_inputs is found.numpy_abi.why.startswith("it is compiled against NumPy 2.4.0, ")
    (other,) = use_stored_wheels(plan("2.6.0", after), wheelhouse).builds
    assert refusal(other).endswith("but its gate does not run with NumPy 2.6.0")


def test_a_damaged_record_serves_nothing(tmp_path: Path, wheelhouse: Wheelhouse) -> None:
    before = farm_plan(tmp_path / "farm")
    store(wheelhouse, before, tmp_path)
    build = builds(before)["scipy"]
    path = wheelhouse.root / build.id.variant / "records" / f"{build.key}.json"
    text = path.read_text()
    # Another number of the rules than the key was made of.
    path.write_text(text.replace(f'"rules": "{RULES}"', '"rules": "0"', 1))
    assert path.read_text() != text
    after = farm_plan(tmp_path / "farm", NEW)
    assert builds(use_stored_wheels(after, wheelhouse))["scipy"] == builds(after)["scipy"]


def test_the_error_of_a_gate_says_once_how_to_build_instead(tmp_path: Path, wheelhouse: Wheelhouse) -> None:
    store(wheelhouse, farm_plan(tmp_path / "farm"), tmp_path)
    found = builds(use_stored_wheels(farm_plan(tmp_path / "farm", NEW), wheelhouse))
    first, second = GateTestError("it fails", hint="look"), ExpectationError("too large")
    other = ProcessError("no memory")
    group: FarmError = GroupError([first, second, other])
    for _ in range(2):
        explain_failed_gate(group, found["scipy"])
        explain_failed_gate(group, found["numpy"])
    assert str(first.hint).startswith("look\nor build it against the new NumPy: ")
    assert str(first.hint).count("WHEELFARM_TRUST_NUMPY_ABI") == 1
    assert str(second.hint).startswith("or build it against the new NumPy: ")
    assert other.hint is None
