"""Lets stored wheels serve where NumPy alone has changed, and has the C API that their modules ask for.

Such a build takes the inputs of the stored wheel, and so its key. Nothing is stored anew: the wheel's record
and SBOM go on to say what it was compiled against, and what is built on it has the key of its very bytes. Its
gate key has the new NumPy, so its gate runs again. See docs/decisions/0023.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from wheelfarm.errors import ExpectationError, GateTestError, GroupError
from wheelfarm.plan.build import NumpyAbi
from wheelfarm.plan.graph import with_keys
from wheelfarm.run.decision import Action, decide, read_record
from wheelfarm.run.test_environments import stored_wheels
from wheelfarm.wheelhouse.layout import name_and_version
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.linkage import numpy_apis
from wheelfarm.wheels.numpy_api import NUMPY, UNPROVEN, serves_numpy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.errors import FarmError
    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.plan.graph import Plan
    from wheelfarm.plan.inputs import BuildInputs
    from wheelfarm.provenance.record import Record
    from wheelfarm.run.reuse import Published
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


_HINT: Final = (
    "or build it against the new NumPy: without --trust-numpy-abi, or with WHEELFARM_TRUST_NUMPY_ABI=false"
)


def use_stored_wheels(plan: Plan, wheelhouse: Wheelhouse, published: Published | None = None) -> Plan:
    """Let stored wheels serve in a plan, each for a build of which NumPy alone has changed.

    A wheel with the build's own key is preferred, in the wheelhouse or in an index. What is compiled against
    a wheel that serves gets keys with the key of that one.

    Raises:
        WheelhouseError: when a page of the wheelhouse's index is damaged.
    """
    builds: dict[BuildId, Build] = {}
    changed: set[BuildId] = set()
    for planned in plan.builds:
        needs = (*planned.upstream, *planned.run)
        build = planned if changed.isdisjoint(needs) else with_keys(planned, builds)
        builds[build.id] = _choose(build, builds, wheelhouse, published)
        if builds[build.id].key != planned.key:
            changed.add(build.id)
    return replace(plan, builds=tuple(builds.values()))


def explain_failed_gate(error: FarmError, build: Build) -> None:
    """Let the error of a gate say how to build the wheel instead, where a stored one should serve."""
    for each in error.errors if isinstance(error, GroupError) else (error,):
        is_gate = isinstance(each, GateTestError | ExpectationError)
        # A worker has added it already.
        if build.has_stored_inputs and is_gate and _HINT not in (each.hint or ""):
            each.hint = f"{each.hint}\n{_HINT}" if each.hint else _HINT


@dataclass(frozen=True, kw_only=True)
class _NumpyChange:
    """The NumPy that a stored wheel was compiled against, and that of the plan."""

    inputs: BuildInputs
    """Those of the stored wheel."""
    old: str
    new: str
    tested: bool
    """Whether the gate runs with the new one."""

    def __str__(self) -> str:
        if self.old == self.new:
            return f"only NumPy {self.new} has changed"
        return f"only NumPy has changed, from {self.old} to {self.new}"


def _choose(
    build: Build, builds: Mapping[BuildId, Build], wheelhouse: Wheelhouse, published: Published | None
) -> Build:
    """The build as it is, or with the inputs of a stored wheel that serves."""
    if wheelhouse.find(build.id.variant, build.key) is not None:
        return build
    change = _find_change(build, builds, wheelhouse)
    if change is None or (published and published.find(build)):
        return build
    stored = replace(build, inputs=change.inputs, key_parts=change.inputs.key_parts())
    found = _examine(stored, change, wheelhouse)
    return replace(stored if found.serves else build, numpy_abi=found)


def _find_change(
    build: Build, builds: Mapping[BuildId, Build], wheelhouse: Wheelhouse
) -> _NumpyChange | None:
    """The change of a listed wheel of this build whose other inputs are all the same."""
    variant, name = build.id.variant, build.id.name
    for stored in wheelhouse.current(variant, name, build.version, build.id.target):
        record = read_record(wheelhouse, variant, stored.key)
        change = _compare(build, record, builds) if record else None
        if change is not None:
            return change
    return None


def _compare(build: Build, record: Record, builds: Mapping[BuildId, Build]) -> _NumpyChange | None:
    old, new = record.inputs, build.inputs
    if old is None or new is None or old.key_of(build.id.name) != record.key:
        return None
    before, now = old.key_parts(), new.key_parts()
    differing = {part for part in before.keys() | now.keys() if before.get(part) != now.get(part)}
    if differing == {f"upstream.{NUMPY}"} and NUMPY in old.upstream and NUMPY in new.upstream:
        numpy = next(each for each in build.upstream if each.name == NUMPY)
        filenames = (each.filename for each in record.upstream if each.name == NUMPY)
        version = next((name_and_version(each)[1] for each in filenames), "?")
        return _NumpyChange(inputs=old, old=version, new=builds[numpy].version, tested=numpy in build.run)
    if differing == {f"requirement.{NUMPY}"} and NUMPY in old.requirements and NUMPY in new.requirements:
        version = new.requirements[NUMPY].version
        tested = any((each.name, each.version) == (NUMPY, version) for each in build.test_requirements)
        return _NumpyChange(inputs=old, old=old.requirements[NUMPY].version, new=version, tested=tested)
    return None


def _examine(build: Build, change: _NumpyChange, wheelhouse: Wheelhouse) -> NumpyAbi:
    """Whether the stored wheels of a build work with another NumPy, as its recipe and their modules say.

    Args:
        build: the build with the inputs of the stored wheel.
        change: of NumPy.
        wheelhouse: where the wheels are.
    """
    decision, stated = decide(wheelhouse, build), build.resolved.expect.numpy_api
    refusal, proof = None, f"has passed its gate with NumPy {change.new}"
    if stated is None:
        refusal = "its recipe does not state expect.numpy-api"
    elif not change.tested:
        refusal = f"its gate does not run with NumPy {change.new}"
    elif decision.action is Action.BUILD:
        refusal = "; ".join(decision.why)
    elif decision.action is Action.GATE or not serves_numpy(stated, change.new):
        apis = {
            f"{wheel.path.name}: {member}": api
            for wheel in stored_wheels(wheelhouse, build)
            for member, api in numpy_apis(open_wheel(wheel.path)).items()
        }
        refusal = _refuse(apis, change.new)
        if refusal is None:
            newest = max(apis.values(), key=Version)
            proof = f"the newest C API that its modules ask for is that of NumPy {newest}"
    if refusal is not None:
        return NumpyAbi(serves=False, why=f"{change}, but {refusal}")
    return NumpyAbi(serves=True, why=f"it is compiled against NumPy {change.old}, and {proof}")


def _refuse(apis: Mapping[str, str], version: str) -> str | None:
    """Why modules do not work with a version of NumPy, by the version of the C API that each asks for."""
    if not apis:
        return "no module of its wheel takes NumPy's C API"
    for member, api in apis.items():
        if api == UNPROVEN:
            return f"{member} does not say which C API of NumPy it asks for"
        if not serves_numpy(api, version):
            return f"{member} asks for the C API of NumPy {api}"
    return None
