"""From a finished build to its record, and the warnings that the record gives."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.build.commands import records_calls
from wheelfarm.build.environment import build_environment, config_settings
from wheelfarm.build.environment_report import read_environment_report, read_library_provenance
from wheelfarm.build.refused_programs import warn_of_refused
from wheelfarm.build.repair import propose_exclude
from wheelfarm.errors import ChainError, counted
from wheelfarm.model import Digest, Isolation, PublicWheel, Sdist
from wheelfarm.provenance.record import (
    EMBEDDED,
    EmbeddedRecord,
    Record,
    RecordedSource,
    RecordedWheel,
    SourceKind,
    UpstreamWheel,
)
from wheelfarm.provenance.sbom import embed
from wheelfarm.provenance.sbom_components import Library
from wheelfarm.provenance.sbom_reader import vendored_members
from wheelfarm.sources.patches import read_patch
from wheelfarm.sources.urls import shown
from wheelfarm.system.install_hints import missing_sandbox
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import contents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.gate.check import Result
    from wheelfarm.model import CompiledObjects, Name, RepairedWheel
    from wheelfarm.plan.build import Build
    from wheelfarm.wheels.archive import Wheel


def embedded_record(directory: BuildDirectory, distribution: Name, repaired: RepairedWheel) -> EmbeddedRecord:
    """The record for a wheel's own `.dist-info`.

    Raises:
        ChainError: when the plan has not made the build's inputs yet.
    """
    build, toolchain, fetched = directory.build, directory.build.toolchain, directory.tree.source
    if build.inputs is None:
        raise ChainError(f"{build.id} has no inputs", why="it was not planned with what it is built on")
    programs = {f"program {name}": version for name, version in toolchain.programs.items()}
    return EmbeddedRecord(
        distribution=distribution,
        inputs=build.inputs,
        source=RecordedSource(
            kind=SourceKind(build.recipe.table.source.kind),
            filename=fetched.path.name,
            sha256=fetched.sha256,
            url=None,
        ),
        build_requirements=repaired.environment,
        upstream=tuple(
            UpstreamWheel(name=wheel.name, filename=wheel.path.name, sha256=wheel.sha256)
            for wheel in directory.requirements
            if wheel.farm
        ),
        toolchain={**toolchain.facts, **programs, **dict(repaired.toolchain)},
    )


def document(
    directory: BuildDirectory, distribution: Name, wheel: RepairedWheel, target: Path
) -> RepairedWheel:
    """The wheel with its SBOM, license texts and embedded record, in a directory of its own."""
    record = embedded_record(directory, distribution, wheel).to_json().encode()
    provenance = read_library_provenance(directory)
    report = read_environment_report(directory)
    return embed(
        directory,
        wheel,
        provenance,
        target,
        built=report.built.members,
        subprojects=report.subprojects,
        members={EMBEDDED: record},
    )


def recorded_wheel(wheel: RepairedWheel) -> RecordedWheel:
    """A wheel's file, as its record names it."""
    return RecordedWheel(
        filename=wheel.path.name,
        sha256=wheel.sha256,
        size=wheel.path.stat().st_size,
        built_sha256=wheel.built_sha256,
    )


def _record(build: Build, embedded: EmbeddedRecord, wheel: RepairedWheel, **more: Any) -> Record:  # noqa: ANN401
    """The record of a wheel from its plan, its embedded record and its contents."""
    tables = {
        "system-packages": build.resolved.system_packages.model_dump(by_alias=True),
        "cibuildwheel": dict(build.resolved.cibuildwheel),
        "expect": build.resolved.expect.model_dump(by_alias=True, exclude_none=True),
        "test": build.resolved.test.model_dump(by_alias=True, exclude_none=True, exclude={"suite"}),
    }
    return Record(
        recipe=build.id.name,
        distribution=embedded.distribution,
        version=build.version,
        variant=build.id.variant,
        target=build.id.target,
        engine=build.engine,
        key=build.key_of(embedded.distribution),
        key_parts=build.key_parts,
        inputs=embedded.inputs,
        resolved={**tables, "origins": dict(build.resolved.origins)},
        build_requirements=embedded.build_requirements,
        upstream=embedded.upstream,
        toolchain=embedded.toolchain,
        wheel=recorded_wheel(wheel),
        sizes={kind.value: share.size for kind, share in contents(open_wheel(wheel.path)).kinds},
        **more,
    )


def make_record(
    directory: BuildDirectory,
    distribution: Name,
    repaired: RepairedWheel,
    results: tuple[Result, ...],
    *,
    times: Mapping[str, float],
    started: datetime,
    log: Path,
    root: Path,
    isolation: Isolation,
) -> Record:
    """The record of a build whose wheel has passed the gate."""
    build, embedded = directory.build, embedded_record(directory, distribution, repaired)
    source = build.recipe.source
    # The index says where these are.
    url = None if isinstance(source, Sdist | PublicWheel) else shown(source.url)
    return _record(
        build,
        embedded,
        repaired,
        gate_key=build.gate_key,
        source=embedded.source.model_copy(update={"url": url}),
        patches=directory.tree.patches,
        non_source=directory.tree.non_source,
        config_settings=dict(config_settings(directory).items),
        environment=build_environment(directory),
        compiler_cache=repaired.cache_use,
        build_cache=repaired.build_cache,
        compiled=repaired.compiled,
        warnings=(
            *taken_over(directory),
            *unnamed_packages(directory),
            *copied_libraries(directory, open_wheel(repaired.path)),
            *warn_of_refused(directory),
            *unknown_compiles(directory, repaired.compiled),
        ),
        isolation=isolation,
        isolation_reason=build.recipe.table.isolation_reason,
        gate_results=tuple(asdict(result) for result in results),
        times=dict(times),
        started=started.replace(microsecond=0),
        finished=datetime.now(UTC).replace(microsecond=0),
        log=PurePosixPath(log.relative_to(root).as_posix() if log.is_relative_to(root) else log.name),
    )


def record_from_embedded(build: Build, embedded: EmbeddedRecord, wheel: RepairedWheel) -> Record:
    """The record of a published wheel, made from the plan and the record in the wheel.

    It has no results of a gate, and does not claim that the build began from nothing: the embedded record
    proves neither.
    """
    now = datetime.now(UTC)
    return _record(
        build,
        embedded,
        wheel,
        gate_key=Digest("0" * 64),
        source=embedded.source,
        patches=tuple(map(read_patch, build.patches)),
        config_settings=embedded.inputs.config_settings,
        environment=embedded.inputs.environment,
        compiler_cache=None,
        build_cache=True,
        gate_results=(),
        times={},
        started=now,
        finished=now,
        log=PurePosixPath("logs") / f"{build.id.slug}.log",
    )


def regated(record: Record, build: Build, results: tuple[Result, ...]) -> Record:
    """The record of a wheel that was not built again, but passed a gate that has changed."""
    changes = {"gate_key": build.gate_key, "gate_results": tuple(map(asdict, results))}
    return record.model_copy(update=changes)


def unnamed_packages(directory: BuildDirectory) -> tuple[str, ...]:
    """A warning for each system package whose library repair put into the wheel and that nobody names."""
    build = directory.build
    managers = {"deb": "apt", "rpm": "dnf"}
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for member, package in read_library_provenance(directory).unnamed().items():
        found[managers[package.kind], package.development or package.name].append(member.rpartition("/")[2])
    return tuple(
        f"{', '.join(files)} comes from a system package that the recipe does not name, so a build elsewhere "
        f"may lack it: [system-packages] {manager} = "
        f"{json.dumps([*build.system_packages[manager], name])} in {build.recipe.where}"
        for (manager, name), files in found.items()
    )


def copied_libraries(directory: BuildDirectory, wheel: Wheel) -> tuple[str, ...]:
    """A warning for each library that the repair copied from a wheel that the wheel needs to run anyway."""
    vendored = vendored_members(wheel)
    members = [member for member in wheel.members if member.name in vendored]
    found = (propose_exclude(Library.of(member).name, directory) for member in members)
    return tuple(f"the repair copied a library that another wheel installs: {line}" for line in found if line)


def taken_over(directory: BuildDirectory) -> tuple[str, ...]:
    """A warning where the wheel is a public one."""
    if not isinstance(directory.build.recipe.source, PublicWheel):
        return ()
    wheel = directory.tree.source
    return (f"{wheel.path.name} (sha256 {wheel.sha256}) was taken over from the index, not built",)


def unknown_compiles(directory: BuildDirectory, compiled: CompiledObjects) -> tuple[str, ...]:
    """A warning where the build has modules that no recorded call of a compiler made."""
    build = directory.build
    if not records_calls(build) or isinstance(build.recipe.source, PublicWheel):
        return ()
    members = read_environment_report(directory).built.members
    unknown = [each for each in members if each.endswith(".so") and each not in compiled.objects]
    if not unknown:
        return ()
    more = f" and {counted(len(unknown) - 1, 'other')}" if len(unknown) > 1 else ""
    why = "a compiler that is called by its path, or a file that was not built here"
    return (f"how {unknown[0]}{more} was compiled is not recorded, nor its instruction set: {why}",)


_ENOUGH: Final = 0.9
_SHOWN: Final = 3


def missing_isolation(record: Record) -> tuple[str, ...]:
    """A warning where nothing isolated a build."""
    if record.isolation is not Isolation.NONE:
        return ()
    why = ": ".join(filter(None, missing_sandbox(record.target.platform)))
    return (f"not isolated: {record.isolation_reason or why}",)


def slow_compiles(record: Record, predecessor: Record | None) -> tuple[str, ...]:
    """A warning where a build compiled much that had been compiled before, and what may be the reason."""
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
    nothing = "no part of the build key, so the cache may be too small or new"
    inputs = ", ".join(differing[:_SHOWN] + more) or nothing
    missed = f"{use.misses} of {use.compiles} compiled again, first {', '.join(use.missed[:_SHOWN])}"
    return (f"the compiler cache spared {use.rate():.0%} only: {missed}; what differs: {inputs}",)
