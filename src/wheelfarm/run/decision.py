"""Decides from the wheelhouse what a build needs, and explains why and how it would be built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheelfarm.build.backends import MESON_PYTHON
from wheelfarm.build.directory import SOURCE, BuildDirectory
from wheelfarm.build.engine import Rendering
from wheelfarm.errors import RecordError, WheelhouseError
from wheelfarm.model import Digest, FetchedSource, Name, PatchedTree, PinnedWheel
from wheelfarm.provenance.record import Record
from wheelfarm.provenance.record_comparison import compare_keys
from wheelfarm.recipes.source_table import WheelSource

if TYPE_CHECKING:
    from wheelfarm.model import StoredWheel
    from wheelfarm.plan.build import Build, BuildId
    from wheelfarm.plan.graph import Plan
    from wheelfarm.run.farm import Farm
    from wheelfarm.run.reuse import Published, PublishedBuild
    from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


class Action(StrEnum):
    """What is to be done."""

    BUILD = "build"
    REUSE = "reuse"
    """Its wheels come from an index that has them, or else it is built."""
    GATE = "gate"
    """The stored wheel has to pass a gate that has changed."""
    ACTIVATE = "activate"
    """The stored wheel becomes the current one again."""
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done for one build, and why."""

    build: Build
    action: Action
    why: tuple[str, ...]
    predecessor: Record | None = None
    """The record of the wheel that a new one takes the place of."""
    found: PublishedBuild | None = None
    """The published wheels that are to be taken."""
    stored: StoredWheel | None = None
    """The stored wheel that stays; None where it is built anew."""


def read_record(wheelhouse: Wheelhouse, variant: str, key: Digest) -> Record | None:
    """The record of a stored wheel; None without a readable one: a damaged record proves nothing."""
    try:
        return Record.from_json(wheelhouse.record(variant, key), f"records/{key}.json")
    except (RecordError, WheelhouseError):
        return None


def _predecessor(wheelhouse: Wheelhouse, build: Build) -> Record | None:
    """The record of the wheel that the index lists for this distribution and target."""
    listed = wheelhouse.current(build.id.variant, build.id.name, target=build.id.target)
    records = (read_record(wheelhouse, build.id.variant, stored.key) for stored in reversed(listed))
    return next(filter(None, records), None)


def _rebuild(wheelhouse: Wheelhouse, build: Build) -> Decision:
    old = _predecessor(wheelhouse, build)
    why = compare_keys(old.key_parts, build.key_parts) if old else ["not built yet"]
    reasons = (*(why or ["its stored wheel is damaged"]), *_abi(build, serves=False))
    return Decision(build=build, action=Action.BUILD, why=reasons, predecessor=old)


def _abi(build: Build, *, serves: bool) -> tuple[str, ...]:
    """Why NumPy's ABI lets a stored wheel serve, or why it does not."""
    found = build.numpy_abi
    return (found.why,) if found is not None and found.serves is serves else ()


def built_on_others(wheelhouse: Wheelhouse, build: Build, record: Record) -> str | None:
    """Which wheel that a build was built on has other bytes in the wheelhouse; None when none has."""
    for upstream in record.upstream:
        key = build.key_parts.get(f"upstream.{upstream.name}")
        now = wheelhouse.find(build.id.variant, Digest(key)) if key else None
        if now is None or now.sha256 == upstream.sha256:
            continue
        # Earlier farms stored a wheel again under the build number that it was published with.
        stored = read_record(wheelhouse, now.variant, now.key)
        if stored is None or stored.wheel.unnumbered != upstream.sha256:
            return f"the wheel of {upstream.name} has other bytes than the one it was built with"
    return None


def _why_anew(wheelhouse: Wheelhouse, build: Build, record: Record, *, from_nothing: bool) -> str | None:
    """Why a build whose wheel is stored is built again; None when it is not."""
    variant = build.id.variant
    lost = [name for name in build.splits if not wheelhouse.find(variant, build.key_of(name), verify=True)]
    if lost:
        return f"{', '.join(lost)} is missing or damaged"
    others = built_on_others(wheelhouse, build, record)
    if others:
        return others
    if from_nothing and not record.from_nothing:
        return "it was built with a compiler cache, and a release is built from nothing"
    return None


def decide(
    wheelhouse: Wheelhouse, build: Build, *, from_nothing: bool = False, published: Published | None = None
) -> Decision:
    """What is to be done for a build.

    Args:
        wheelhouse: the wheelhouse.
        build: the build.
        from_nothing: whether a wheel into which an earlier build's compiles went does not count.
        published: finds wheels in indexes, where they may come from there.
    """
    decision = _decide(wheelhouse, build, from_nothing=from_nothing)
    found = published.find(build) if published and decision.action is Action.BUILD else None
    if found is None:
        return decision
    return replace(decision, action=Action.REUSE, why=(*decision.why, found.why), found=found)


def _decide(wheelhouse: Wheelhouse, build: Build, *, from_nothing: bool) -> Decision:
    stored = wheelhouse.find(build.id.variant, build.key, verify=True)
    record = read_record(wheelhouse, build.id.variant, build.key) if stored else None
    if stored is None or record is None:
        return _rebuild(wheelhouse, build)
    anew = _why_anew(wheelhouse, build, record, from_nothing=from_nothing)
    if anew:
        return Decision(build=build, action=Action.BUILD, why=(anew,))
    if record.gate_key != build.gate_key:
        abi = _abi(build, serves=True)
        changed = "NumPy, its expectations or its tests" if abi else "its expectations or tests"
        why = f"{changed} changed; nothing is compiled"
        return Decision(build=build, action=Action.GATE, why=(why, *abi), stored=stored)
    current = {
        each.key
        for name in build.distributions
        for each in wheelhouse.current(build.id.variant, name, target=build.id.target)
    }
    short = f"key {build.key[:12]}, {stored.path.name}"
    if not current.issuperset(build.key_of(name) for name in build.distributions):
        why = f"stored before: {short}"
        return Decision(build=build, action=Action.ACTIVATE, why=(why,), stored=stored)
    why = f"nothing changed: {short}"
    return Decision(build=build, action=Action.NOTHING, why=(why, *_abi(build, serves=True)), stored=stored)


def decide_all(
    wheelhouse: Wheelhouse, plan: Plan, *, from_nothing: bool = False, published: Published | None = None
) -> tuple[Decision, ...]:
    """What a run of the plan would do, in its order.

    A wheel that is built anew may come out with other bytes than before; only then is what was built on it
    built again, so a decision to do nothing says so.
    """
    decisions: dict[BuildId, Decision] = {}
    for build in plan.builds:
        decision = decide(wheelhouse, build, from_nothing=from_nothing, published=published)
        # A stored wheel that another NumPy serves does not depend on the bytes of the new one.
        anew = [
            str(each.name)
            for each in build.upstream
            if decisions[each].action is Action.BUILD
            and build.key_parts.get(f"upstream.{each.name}") == decisions[each].build.key
        ]
        if anew and decision.action is not Action.BUILD:
            unless = f"unless {', '.join(anew)} comes out with other bytes this time"
            decision = replace(decision, why=(*decision.why, unless))
        decisions[build.id] = decision
    return tuple(decisions.values())


def explanation(farm: Farm, build: Build) -> dict[str, Any]:
    """The commands that the engine would run, with placeholders for what only a build knows.

    Under `record` stands the build record of the wheel with this very key; None where there is none to read.
    """
    root = farm.engine.stages / build.id.slug
    version = build.recipe.table.version
    source = FetchedSource(name=build.id.name, version=version, path=Path("source"), sha256=build.key)
    wheels = [
        PinnedWheel(name=r.name, version=r.version, path=Path(f"{r.name}.whl"), sha256=build.key)
        for r in build.requirements
    ]
    table = build.recipe.table.source
    subdirectory = "." if isinstance(table, WheelSource) else table.subdirectory or "."
    directory = BuildDirectory(
        build=build,
        root=root,
        inside=farm.engine.inside(root, build.id.target),
        tree=PatchedTree(source=source, path=root / SOURCE, subdirectory=subdirectory),
        requirements=tuple(wheels),
        backend=MESON_PYTHON if any(r.name == Name("meson-python") for r in build.requirements) else "",
        build_requires=(),
        epoch=0,
        jobs=farm.settings.jobs,
    )
    taken_over = isinstance(table, WheelSource)
    rendering = Rendering(steps=()) if taken_over else farm.engine.render(directory)
    record = read_record(farm.wheelhouse, build.id.variant, build.key)
    return {
        "id": str(build.id),
        "source": build.key_parts["source"],
        "patches": [path.name for path in build.patches],
        "requirements": [f"{r.name}=={r.version}" for r in build.requirements],
        "upstream": [str(each) for each in build.upstream],
        "splits": {
            str(name): split.model_dump(by_alias=True, exclude_none=True, include={"install_tags", "files"})
            for name, split in build.splits.items()
        },
        "origins": dict(build.resolved.origins),
        "key": build.key,
        "key-parts": dict(build.key_parts),
        "record": record.to_mapping() if record else None,
        "files": dict(rendering.files),
        "directory": str(root),
        "steps": [
            {
                "phase": step.phase,
                "argv": step.argv,
                "cwd": str(step.cwd),
                "env": dict(step.env),
            }
            for step in rendering.steps
        ],
    }
