"""test: the upstream suite of stored wheels, and their gate."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from wheelfarm.cli.task import PLANNING, task
from wheelfarm.errors import Collector, SuiteError, UsageError
from wheelfarm.gate.suite import JUNIT, Selection, tests_name
from wheelfarm.report.run_report import RunReport
from wheelfarm.report.wheel import suite_lines
from wheelfarm.run.build_pipeline import BuildPipeline
from wheelfarm.run.upstream_suite import UpstreamSuite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wheelfarm.cli.task import Invocation
    from wheelfarm.gate.suite import FailedTest, SuiteResult
    from wheelfarm.recipes.recipe import Suite

_SHOWN = 20


@task(
    *PLANNING,
    *("jobs", "json"),
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
    selection = Selection(fast=fast, keyword=keyword, arguments=_arguments(pytest))
    plan, builds = call.select(packages)
    problems, lines = Collector(), list[str]()
    with RunReport(call.screen, builds=builds, environ=call.farm.settings.environ) as report:
        services = call.farm.services(plan, report)
        for build in builds:
            with problems.collect():
                pipeline = BuildPipeline(services=services, build=build, jobs=call.farm.settings.jobs)
                upstream = UpstreamSuite(pipeline)
                lacking = None if gate else _lacking(upstream)
                if lacking:
                    call.screen.say(f"{build.id}: {lacking}; the gate tests it instead")
                suite = build.resolved.test.suite
                tests = (
                    _gate(pipeline)
                    if suite is None or lacking or gate
                    else _suite(call, upstream, suite, selection)
                )
                for text in tests:
                    lines.append(text)
                    if not call.json:
                        call.screen.result([text])
            report.leave(build)
    if call.json:
        call.screen.data(lines)
    problems.check()


def _gate(pipeline: BuildPipeline) -> Iterator[str]:
    for name, results in pipeline.check().items():
        build_id = replace(pipeline.build.id, name=name)
        yield from (f"{build_id}: {result.name}: {result.found}" for result in results)


def _arguments(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as problem:
        raise UsageError(f"bad value {text!r}", where="--pytest", why=str(problem)) from problem


def _lacking(upstream: UpstreamSuite) -> str | None:
    """Why there is no upstream suite to run, and what would provide one; None when there is."""
    build = upstream.build
    if build.resolved.test.suite is None:
        return f"{build.recipe.where} has no [test.suite]"
    if upstream.tests is None:
        name = tests_name(build.id.name)
        return (
            f"the wheelhouse has no {name} {build.version} for {build.id.target}; "
            f"nox -s build-{build.id.name} makes it when the recipe splits it off"
        )
    return None


def _suite(call: Invocation, upstream: UpstreamSuite, suite: Suite, selection: Selection) -> Iterator[str]:
    """Run a suite and describe its end.

    Raises:
        SuiteError: when a test fails that may not.
    """
    build, log = upstream.build, upstream.log
    verdict = upstream.run(suite, selection)
    yield from (f"{build.id}: {text}" for text in suite_lines(verdict))
    call.screen.say(f"{build.id}: each test is in {log.with_suffix(JUNIT)}")
    if not verdict.good:
        raise SuiteError(
            f"{build.id}: {len(verdict.failed)} tests of the upstream suite fail",
            where=f"{build.recipe.where}: test.suite",
            why=_failures(verdict),
            hint="look at each; a failure that is not the wheel's fault belongs into "
            "test.suite.known-failures, with its reason",
            log=log,
        )


def _failures(verdict: SuiteResult) -> str:
    def line(failed: FailedTest) -> str:
        return f"{failed.test}: {failed.why}"

    more = len(verdict.failed) - _SHOWN
    return "\n".join([*map(line, verdict.failed[:_SHOWN]), *([f"and {more} more"] if more > 0 else [])])
