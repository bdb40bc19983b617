"""From a finished build to its record."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.build.environment import build_environment, config_settings
from wheelfarm.errors import ChainError
from wheelfarm.model import AppliedPatch, Digest, Sdist
from wheelfarm.provenance.record import (
    EmbeddedRecord,
    Record,
    RecordedSource,
    RecordedWheel,
    SourceKind,
    UpstreamWheel,
)
from wheelfarm.sources.urls import shown
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import contents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.gate.check import Result
    from wheelfarm.model import Name, RepairedWheel
    from wheelfarm.plan.build import Build


def _resolved(build: Build) -> dict[str, object]:
    """Each value of the resolved recipe with its origin."""
    tables = {
        "system-packages": build.resolved.system_packages.model_dump(by_alias=True),
        "cibuildwheel": dict(build.resolved.cibuildwheel),
        "expect": build.resolved.expect.model_dump(by_alias=True, exclude_none=True),
        "test": build.resolved.test.model_dump(by_alias=True, exclude_none=True, exclude={"suite"}),
    }
    return {**tables, "origins": dict(build.resolved.origins)}


def embedded_record(stage: BuildDirectory, distribution: Name, repaired: RepairedWheel) -> EmbeddedRecord:
    """The record for a wheel's own `.dist-info`.

    Raises:
        ChainError: when the plan has not made the build's inputs yet.
    """
    build = stage.build
    if build.inputs is None:
        raise ChainError(f"{build.id} has no inputs", why="it was not planned with what it is built on")
    return EmbeddedRecord(
        distribution=distribution,
        inputs=build.inputs,
        source=_source(stage).model_copy(update={"url": None}),
        build_requirements=repaired.environment,
        upstream=_upstream(stage),
        toolchain=_toolchain(build, repaired),
    )


def _source(stage: BuildDirectory) -> RecordedSource:
    source, fetched = stage.build.recipe.source, stage.tree.source
    return RecordedSource(
        kind=SourceKind(stage.build.recipe.table.source.kind),
        filename=fetched.path.name,
        sha256=fetched.sha256,
        # The index says where an sdist is.
        url=None if isinstance(source, Sdist) else shown(source.url),
    )


def _upstream(stage: BuildDirectory) -> tuple[UpstreamWheel, ...]:
    return tuple(
        UpstreamWheel(name=wheel.name, filename=wheel.path.name, sha256=wheel.sha256)
        for wheel in stage.requirements
        if wheel.farm
    )


def _toolchain(build: Build, repaired: RepairedWheel) -> dict[str, str]:
    toolchain = build.toolchain
    programs = {f"program {name}": version for name, version in toolchain.programs.items()}
    return {**toolchain.facts, **programs, **dict(repaired.toolchain)}


def make_record(
    stage: BuildDirectory,
    distribution: Name,
    repaired: RepairedWheel,
    results: tuple[Result, ...],
    *,
    times: Mapping[str, float],
    started: datetime,
    log: Path,
    root: Path,
) -> Record:
    """The record of a build whose wheel has passed the gate."""
    build = stage.build
    kinds = contents(open_wheel(repaired.path)).kinds
    return Record(
        recipe=build.id.name,
        distribution=distribution,
        version=build.version,
        variant=build.id.variant,
        target=build.id.target,
        engine=build.engine,
        key=build.key_of(distribution),
        key_parts=build.key_parts,
        inputs=build.inputs,
        gate_key=build.gate_key,
        source=_source(stage),
        patches=stage.tree.patches,
        config_settings=dict(config_settings(stage).items),
        environment=build_environment(stage),
        resolved=_resolved(build),
        build_requirements=repaired.environment,
        upstream=_upstream(stage),
        toolchain=_toolchain(build, repaired),
        compiler_cache=repaired.cache_use,
        build_cache=repaired.build_cache,
        wheel=RecordedWheel(
            filename=repaired.path.name,
            sha256=repaired.sha256,
            size=repaired.path.stat().st_size,
            built_sha256=repaired.built_sha256,
        ),
        sizes={kind.value: share.size for kind, share in kinds},
        gate_results=tuple(asdict(result) for result in results),
        times=dict(times),
        started=started.replace(microsecond=0),
        finished=datetime.now(UTC).replace(microsecond=0),
        log=PurePosixPath(log.relative_to(root).as_posix() if log.is_relative_to(root) else log.name),
    )


_ENOUGH: Final = 0.9
_SHOWN: Final = 3


def slow_compiles(record: Record, predecessor: Record | None) -> tuple[str, ...]:
    """A warning where a rebuild compiled much that had been compiled before, and what may be the reason."""
    if predecessor is None or record.build_cache or predecessor.engine != record.engine:
        # A build from the build cache compiles only what changed, and that misses. Another engine has a
        # cache of its own.
        return ()
    use, before = record.compiler_cache, predecessor.compiler_cache
    if use is None or before is None or use.rate() >= _ENOUGH:
        return ()
    differing = sorted(
        name
        for name in record.key_parts.keys() | predecessor.key_parts.keys()
        if record.key_parts.get(name) != predecessor.key_parts.get(name)
    )
    if any(name.startswith("patch") for name in differing):
        return ()  # other source lines: misses are expected
    more = [f"{len(differing) - _SHOWN} more"] if len(differing) > _SHOWN else []
    nothing = "no part of the rebuild key, so the cache may be too small or new"
    inputs = ", ".join(differing[:_SHOWN] + more) or nothing
    missed = f"{use.misses} of {use.compiles} compiled again, first {', '.join(use.missed[:_SHOWN])}"
    return (f"the compiler cache spared {use.rate():.0%} only: {missed}; what differs: {inputs}",)


def regated(record: Record, build: Build, results: tuple[Result, ...]) -> Record:
    """The record of a wheel that was not built again, but passed a gate that has changed."""
    changes = {"gate_key": build.gate_key, "gate_results": tuple(map(asdict, results))}
    return record.model_copy(update=changes)


def _read_patch(path: Path) -> AppliedPatch:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    return AppliedPatch(file=path.name, sha256=sha256_of_file(path), text=text)


def record_from_embedded(build: Build, embedded: EmbeddedRecord, path: Path) -> Record:
    """The record of a published wheel, made from the plan and the record in the wheel.

    It has no results of a gate, and does not claim that the build began from nothing: the embedded record
    proves neither.
    """
    inputs, now = embedded.inputs, datetime.now(UTC)
    wheel = open_wheel(path)
    return Record(
        recipe=build.id.name,
        distribution=embedded.distribution,
        version=inputs.version,
        variant=inputs.variant,
        target=build.id.target,
        engine=inputs.engine,
        key=embedded.key,
        key_parts=inputs.key_parts(),
        inputs=inputs,
        gate_key=Digest("0" * 64),
        source=embedded.source,
        patches=tuple(map(_read_patch, build.patches)),
        config_settings=inputs.config_settings,
        environment=inputs.environment,
        resolved=_resolved(build),
        build_requirements=embedded.build_requirements,
        upstream=embedded.upstream,
        toolchain=embedded.toolchain,
        compiler_cache=None,
        build_cache=True,
        wheel=RecordedWheel(
            filename=path.name, sha256=sha256_of_file(path), size=wheel.packed, built_sha256=None
        ),
        sizes={kind.value: share.size for kind, share in contents(wheel).kinds},
        gate_results=(),
        times={},
        started=now,
        finished=now,
        log=PurePosixPath("logs") / f"{build.id.slug}.log",
    )
