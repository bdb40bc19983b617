"""test, reproduce, report: what the wheelhouse has."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.version import Version

from wheelfarm.cli.task import ALL, PLANNING, parse_packages, parse_releases, task
from wheelfarm.errors import Collector, RecordError, ReproductionError, SuiteError, UsageError, counted
from wheelfarm.gate.suite import JUNIT, Selection, tests_name
from wheelfarm.model import EngineName
from wheelfarm.provenance.record import Record
from wheelfarm.provenance.record_comparison import input_difference
from wheelfarm.recipes.settings import parse_size
from wheelfarm.report.page.html import render_page
from wheelfarm.report.run_report import RunReport
from wheelfarm.report.survey import PublicWheels, survey_wheelhouse
from wheelfarm.report.wheel import preparation_lines, reproduction_lines, suite_lines
from wheelfarm.run.build_pipeline import BuildPipeline
from wheelfarm.run.reproduce import Reproduction
from wheelfarm.run.services import make_fetcher
from wheelfarm.run.test_environments import UpstreamSuite
from wheelfarm.system.files import write_atomically
from wheelfarm.system.logs import report_unexpected
from wheelfarm.wheelhouse.tags import serves
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.comparison import difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.cli.task import Invocation
    from wheelfarm.gate.suite import SuiteResult
    from wheelfarm.model import Name, Target
    from wheelfarm.recipes.recipe import Suite
    from wheelfarm.run.farm import Farm
    from wheelfarm.run.reproduce import ReproducedWheel
    from wheelfarm.wheels.archive import Wheel

_FAILURES_SHOWN: Final = 20


@task(
    *PLANNING,
    *("jobs", "trust_numpy_abi", "json"),
    name="test",
    fast="upstream's own quick subset",
    keyword="an expression that selects tests, as pytest's -k",
    pytest="further arguments of pytest, as one word",
    gate="the gate alone, without the upstream suite",
)
def run_tests(
    call: Invocation,
    packages: str,
    *,
    fast: bool = False,
    keyword: str = "",
    pytest: str = "",
    gate: bool = False,
) -> None:
    """Run the upstream suite of stored wheels; without their tests wheel, put them through their gate."""
    try:
        arguments = tuple(shlex.split(pytest))
    except ValueError as problem:
        raise UsageError(f"bad value {pytest!r}", where="--pytest", why=str(problem)) from problem
    selection = Selection(fast=fast, keyword=keyword, arguments=arguments)
    plan, builds = call.select(packages)
    problems, lines = Collector(), list[str]()
    environ = call.farm.settings.environ
    with RunReport(call.screen, builds=builds, environ=environ, tests=True) as report:
        services = call.farm.services(plan, report)
        for build in builds:
            pipeline = BuildPipeline(services=services, build=build, jobs=call.farm.settings.jobs)
            with problems.collect(), report_unexpected(pipeline.log):
                for line in _gate(pipeline) if gate else _suite_or_gate(call, pipeline, selection):
                    lines.append(line)
                    if not call.json:
                        call.screen.result([line])
            report.leave(build)
    if call.json:
        call.screen.data(lines)
    problems.check()


def _gate(pipeline: BuildPipeline) -> Iterator[str]:
    for name, results in pipeline.check().items():
        build_id = replace(pipeline.build.id, name=name)
        yield from (f"{build_id}: {result.name}: {result.found}" for result in results)


def _suite_or_gate(call: Invocation, pipeline: BuildPipeline, selection: Selection) -> Iterator[str]:
    build, upstream = pipeline.build, UpstreamSuite(pipeline)
    suite = build.resolved.test.suite
    if suite is not None and upstream.tests is not None:
        yield from _suite(call, upstream, suite, selection)
        return
    missing = f"{build.recipe.where} has no [test.suite]"
    if suite is not None:
        missing = (
            f"the wheelhouse has no {tests_name(build.id.name)} {build.version} for {build.id.target}; "
            f"nox -s build-{build.id.name} makes it when the recipe splits it off"
        )
    call.screen.say(f"{build.id}: {missing}; the gate tests it instead")
    yield from _gate(pipeline)


def _suite(call: Invocation, upstream: UpstreamSuite, suite: Suite, selection: Selection) -> Iterator[str]:
    build, log = upstream.build, upstream.log
    verdict = upstream.run(suite, selection)
    yield from (f"{build.id}: {text}" for text in suite_lines(verdict))
    call.screen.say(f"{build.id}: each test is in {log.with_suffix(JUNIT)}")
    if not verdict.good:
        raise SuiteError(
            f"{build.id}: the upstream suite has {counted(len(verdict.failed), 'failure')}",
            where=f"{build.recipe.where}: test.suite",
            why=_failures(verdict),
            hint="look at each; list one that is not the wheel's fault in test.suite.known-failures, "
            "with its reason",
            log=log,
        )


def _failures(verdict: SuiteResult) -> str:
    lines = [f"{failed.test}: {failed.why}" for failed in verdict.failed[:_FAILURES_SHOWN]]
    more = len(verdict.failed) - len(lines)
    return "\n".join([*lines, *([f"and {more} more"] if more else [])])


@task(
    *PLANNING,
    *("jobs", "offline", "dry_run", "json"),
    packages="distributions or releases, such as scipy or scipy==1.17.1, or all",
    work="a directory to build in; below the farm's own by default",
)
def reproduce(call: Invocation, packages: str, *, work: str | None = None) -> None:
    """Build stored wheels again from their records alone, from nothing, and compare the bytes."""
    farm, engine = call.farm, call.options["engine"]
    wanted = EngineName(str(engine)) if engine else None
    found = (
        Reproduction.of(
            *_records(farm, name, target, wanted, version=version),
            settings=farm.settings,
            wheelhouse=farm.wheelhouse,
            work=Path(work) if work else None,
        )
        for name, version in (parse_releases(packages) or dict.fromkeys(farm.recipes.by_name)).items()
        for target in farm.targets()
    )
    reproductions = list({each.record.key: each for each in found}.values())
    # All of them, before the first one is compiled.
    prepared = [_preparation(each) for each in reproductions]
    if call.dry_run:
        call.show(prepared, (line for each in prepared for line in preparation_lines(each)))
        return
    results = [_result(reproduced) for each in reproductions for reproduced in _run(call, each)]
    call.show(results, (line for each in results for line in reproduction_lines(each)))
    others = [each["id"] for each in results if not each["identical"]]
    if others:
        raise ReproductionError(
            f"built again with other bytes: {', '.join(others)}",
            why="an input that the record does not capture affects the output",
            hint="the sections and lines above show where; see docs/how-to/rebuild-and-compare.md",
        )


def _records(
    farm: Farm, name: Name, target: Target, engine: EngineName | None, *, version: str | None
) -> list[Record]:
    """The records of one build, the main wheel's first: of the listed wheel, or the newest of an engine.

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
        # A pure wheel is built for one of the targets that it serves.
        if serves(record.wheel.filename, target) and engine in {None, record.engine}:
            found.append(record)
    of_name = [record for record in found if record.distribution == name]
    named = [each for each in of_name if not version or Version(each.version) == Version(version)]
    if not named:
        release = f"{name} {version}" if version else name
        what = f"the wheelhouse has no wheel of {release} ({variant}, {target})"
        raise UsageError(what + (f" by {engine}" if engine else ""), hint=f"nox -s build-{name}")
    chosen = max(named, key=lambda record: (record.key in listed, record.finished))
    build = [record for record in found if record.key_parts == chosen.key_parts]
    return sorted(build, key=lambda record: (record.distribution != record.recipe, record.distribution))


def _preparation(reproduction: Reproduction) -> dict[str, Any]:
    build, record = reproduction.build, reproduction.record
    return {
        "id": str(build.id),
        "wheels": {each.wheel.filename: each.wheel.sha256 for each in (record, *reproduction.splits)},
        "key": record.key,
        "engine": str(record.engine),
        "directory": str(reproduction.root),
        "source": f"{record.source.filename} {record.source.sha256}",
        "patches": [patch.file for patch in record.patches],
        "requirements": [f"{each.name}=={each.version}" for each in build.requirements],
        "upstream": [wheel.filename for wheel in record.upstream],
    }


def _run(call: Invocation, reproduction: Reproduction) -> tuple[ReproducedWheel, ...]:
    build, record = reproduction.build, reproduction.record
    # The time of a build with a compiler cache says nothing about one from nothing.
    expected = {build.id: record.times["build"]} if record.from_nothing and "build" in record.times else {}
    environ = call.farm.settings.environ
    with RunReport(call.screen, builds=[build], expected=expected, environ=environ) as report:
        report.start(build)
        try:
            return reproduction.run(report)
        finally:
            report.leave(build)


def _result(reproduced: ReproducedWheel) -> dict[str, Any]:
    before, after = reproduced.before, reproduced.after
    result: dict[str, Any] = {
        "id": f"{before.distribution} ({before.variant}, {before.target}, {before.engine})",
        "wheel": before.wheel.filename,
        "before": before.wheel.sha256,
        "after": after.wheel.sha256,
        "identical": reproduced.identical,
        "seconds": sum(after.times.values()),
        "inputs": input_difference(before, after),
    }
    if reproduced.identical:
        return result
    one, other = open_wheel(reproduced.stored), open_wheel(reproduced.wheel)
    found = {"before": one.path.name, "after": str(other.path)}
    found |= difference(one, other)
    return result | {"difference": found}


@task(
    *("offline", "dry_run", "json"),
    variant="one variant; all that the wheelhouse has by default",
    packages="a set for the limit, separated by commas; each by itself and all together by default",
    output="the file; report.html in the work directory by default",
    public="compare with the index's own wheels, which are fetched once",
    limit="bytes that what is installed together may have, such as 250M, which AWS Lambda allows",
)
def report(
    call: Invocation,
    *,
    variant: str | None = None,
    packages: str = ALL,
    output: str | None = None,
    public: bool = True,
    limit: str = "250M",
) -> None:
    """Write one HTML page of the wheelhouse: graph, sizes beside the public wheels, times, gates, records."""
    farm, screen = call.farm, call.screen
    variants = farm.wheelhouse.variants()
    if variant is not None:
        if variant not in variants:
            farm.settings.choose_variant(variant)
        variants = [variant]
    survey = survey_wheelhouse(
        farm.wheelhouse,
        variants=variants,
        packages=parse_packages(packages) or (),
        limit=parse_size(limit),
        public=_public_wheels(farm, wanted=public),
        progress=screen.status,
    )
    screen.status("")
    if call.json:
        screen.data(survey.as_data())
    if output is not None or not call.json:
        file = Path(output) if output is not None else farm.settings.work / "report.html"
        if file.is_dir():
            raise UsageError(f"{file} is a directory", hint="--output names a file")
        if not call.dry_run:
            write_atomically(file, render_page(survey).encode(), "the report")
        screen.say(f"{file}: {counted(sum(len(each.wheels) for each in survey.variants), 'wheel')}")


def _public_wheels(farm: Farm, *, wanted: bool) -> PublicWheels:
    if not wanted:
        return PublicWheels(left_out="--no-public")
    if farm.settings.offline:
        return PublicWheels(left_out="the farm is offline")
    fetcher = make_fetcher(farm.settings)

    def fetch(name: Name, version: str, target: Target, glibc: tuple[int, int]) -> Wheel:
        return open_wheel(fetcher.published(name, version, target, glibc).path)

    return PublicWheels(fetch)
