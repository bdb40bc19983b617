"""From a finished build to its record."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from wheelfarm.records import Record, RecordedSource, RecordedWheel, SourceKind, UpstreamWheel
from wheelfarm.wheels import contents, open_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.gate import Result
    from wheelfarm.model import RepairedWheel
    from wheelfarm.plan import Build
    from wheelfarm.stage import Stage


def _resolved(build: Build) -> dict[str, object]:
    """Each value of the resolved recipe with its origin."""
    tables = {
        "system-packages": build.resolved.system_packages.model_dump(by_alias=True),
        "cibuildwheel": dict(build.resolved.cibuildwheel),
        "expect": build.resolved.expect.model_dump(by_alias=True, exclude_none=True),
        "test": build.resolved.test.model_dump(by_alias=True, exclude_none=True),
    }
    return {**tables, "origins": dict(build.resolved.origins)}


def make_record(
    stage: Stage,
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
    toolchain = build.toolchain
    kinds = contents(open_wheel(repaired.path)).kinds
    return Record(
        recipe=build.id.name,
        version=build.version,
        variant=build.id.variant,
        target=build.id.target,
        engine=build.engine,
        key=build.key,
        key_parts=dict(build.key_parts),
        gate_key=build.gate_key,
        source=RecordedSource(
            kind=SourceKind(build.entry.recipe.source.kind),
            filename=stage.tree.source.path.name,
            sha256=stage.tree.source.sha256,
        ),
        patches=stage.tree.patches,
        config_settings=dict(build.resolved.config_settings.items),
        environment=dict(build.resolved.environment),
        resolved=_resolved(build),
        build_requirements=repaired.environment,
        upstream=tuple(
            UpstreamWheel(name=wheel.name, filename=wheel.path.name, sha256=wheel.sha256)
            for wheel in stage.requirements
            if wheel.farm
        ),
        toolchain={
            **toolchain.facts,
            **{f"program {name}": text for name, text in toolchain.programs.items()},
            **dict(repaired.toolchain),
        },
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


def regated(record: Record, build: Build, results: tuple[Result, ...]) -> Record:
    """The record of a wheel that was not built again, but passed a gate that has changed."""
    return replace(record, gate_key=build.gate_key, gate_results=tuple(asdict(result) for result in results))
