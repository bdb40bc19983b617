"""reproduce: build a stored wheel again from its record alone, and compare the bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wheelfarm.cli.task import PLANNING, parse_packages, task
from wheelfarm.errors import RecordError, ReproductionError, UsageError
from wheelfarm.model import EngineName
from wheelfarm.provenance.record import Record, input_difference
from wheelfarm.report.run_report import RunReport
from wheelfarm.report.wheel import preparation_lines, reproduction_lines
from wheelfarm.run.reproduce import Reproduction
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.comparison import difference
from wheelfarm.wheels.linkage import linkage
from wheelfarm.wheels.member_comparison import inside

if TYPE_CHECKING:
    from wheelfarm.cli.task import Invocation
    from wheelfarm.model import Name, Target
    from wheelfarm.run.farm import Farm
    from wheelfarm.run.reproduce import ReproducedWheel


def _records(farm: Farm, name: Name, target: Target, engine: EngineName | None) -> list[Record]:
    """The records of one build, the main wheel's first.

    It is the build that the listed wheel of a distribution came from, or the newest one of an engine.

    Raises:
        UsageError: when there is none.
        RecordError: when the listed wheel's cannot be read.
    """
    wheelhouse, variant = farm.wheelhouse, farm.settings.variant
    listed = [wheel.key for wheel in wheelhouse.current(variant, name, target=target)]
    found = []
    for key, text in wheelhouse.records(variant):
        try:
            record = Record.from_json(text, f"wheelhouse/{variant}/records/{key}.json")
        except RecordError:
            if key in listed:
                raise
            continue
        if record.target == target and engine in {None, record.engine}:
            found.append(record)
    named = [record for record in found if record.distribution == name]
    if not named:
        by = f" by {engine}" if engine else ""
        raise UsageError(
            f"the wheelhouse has no wheel of {name} ({variant}, {target}){by}", hint=f"nox -s build-{name}"
        )
    chosen = max(named, key=lambda record: (record.key in listed, record.finished))
    build = [record for record in found if record.key_parts == chosen.key_parts]
    return sorted(build, key=lambda record: (record.distribution != record.recipe, record.distribution))


def _prepared(rebuild: Reproduction) -> dict[str, Any]:
    build, record = rebuild.build, rebuild.record
    return {
        "id": str(build.id),
        "wheels": {each.wheel.filename: each.wheel.sha256 for each in (record, *rebuild.splits)},
        "key": record.key,
        "engine": str(record.engine),
        "directory": str(rebuild.root),
        "source": f"{record.source.filename} {record.source.sha256}",
        "patches": [patch.file for patch in record.patches],
        "requirements": [f"{each.name}=={each.version}" for each in build.requirements],
        "upstream": [wheel.filename for wheel in record.upstream],
    }


def _result(rebuilt: ReproducedWheel) -> dict[str, Any]:
    """The result as data; the difference only where there is one."""
    before, after = rebuilt.before, rebuilt.after
    result: dict[str, Any] = {
        "id": f"{before.distribution} ({before.variant}, {before.target}, {before.engine})",
        "wheel": before.wheel.filename,
        "before": before.wheel.sha256,
        "after": after.wheel.sha256,
        "identical": rebuilt.identical,
        "seconds": sum(after.times.values()),
        "inputs": input_difference(before, after),
    }
    if rebuilt.identical:
        return result
    one, other = open_wheel(rebuilt.stored), open_wheel(rebuilt.wheel)
    found = {"before": one.path.name, "after": str(other.path)}
    found |= difference(one, other, linkage(one), linkage(other)) | inside(one, other)
    return result | {"difference": found}


@task(
    *PLANNING,
    *("jobs", "offline", "dry_run", "json"),
    work="a directory to build in; below the farm's own by default",
)
def reproduce(call: Invocation, packages: str, *, work: str | None = None) -> None:
    """Build stored wheels again from their records alone, from nothing, and compare the bytes."""
    farm, engine = call.farm, call.options["engine"]
    wanted = EngineName(str(engine)) if engine else None
    rebuilds = [
        Reproduction.of(
            *_records(farm, name, target, wanted),
            settings=farm.settings,
            wheelhouse=farm.wheelhouse,
            work=Path(work) if work else None,
        )
        for name in parse_packages(packages) or farm.recipes.by_name
        for target in farm.targets()
    ]
    # All of them, before the first one is compiled.
    prepared = [_prepared(each) for each in rebuilds]
    if call.dry_run:
        call.show(prepared, (line for each in prepared for line in preparation_lines(each)))
        return
    results = [_result(rebuilt) for each in rebuilds for rebuilt in _run(call, each)]
    call.show(results, (line for each in results for line in reproduction_lines(each)))
    others = [each["id"] for each in results if not each["identical"]]
    if others:
        raise ReproductionError(
            f"built again with other bytes: {', '.join(others)}",
            why="an input that the record does not capture affects the output",
            hint="the sections and lines above show where; see docs/how-to/rebuild-and-compare.md",
        )


def _run(call: Invocation, rebuild: Reproduction) -> tuple[ReproducedWheel, ...]:
    build, record = rebuild.build, rebuild.record
    # The time of a build with a compiler cache says nothing about one from nothing.
    expected = {build.id: record.times["build"]} if record.from_nothing and "build" in record.times else {}
    environ = call.farm.settings.environ
    with RunReport(call.screen, builds=[build], expected=expected, environ=environ) as report:
        report.start(build)
        try:
            return rebuild.run(report)
        finally:
            report.leave(build)
