"""test: the upstream suite of stored wheels, and their gate."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from invoke.tasks import task

from wheelfarm.cli.task import farm_task, selected, words
from wheelfarm.errors import Collector, SuiteError, UsageError
from wheelfarm.gate.suite import JUNIT, Selection, tests_name
from wheelfarm.report.chain import ChainReport
from wheelfarm.report.screen import Screen
from wheelfarm.report.wheel import suite_lines
from wheelfarm.run.upstream_suite import Upstream

if TYPE_CHECKING:
    from invoke.context import Context

    from wheelfarm.gate.suite import Failed, Verdict

_SHOWN = 20


@task(
    name="test",
    help=words(
        *("packages", "variant", "python", "engine", "jobs"),
        fast="upstream's own quick subset",
        k="an expression that selects tests, as pytest's -k",
        pytest="further arguments of pytest, as one word",
        gate="the gate alone, without the upstream suite",
    ),
    positional=["packages"],
)
@farm_task
def run_tests(  # noqa: PLR0917
    _context: Context,
    packages: str,
    variant: str | None = None,
    python: str | None = None,
    engine: str | None = None,
    jobs: str | None = None,
    fast: bool = False,  # noqa: FBT001, FBT002
    k: str | None = None,
    pytest: str | None = None,
    gate: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Run the upstream suite of stored wheels; without their tests wheel, put them through their gate."""
    selection = Selection(fast=fast, keyword=k or "", arguments=_arguments(pytest))
    farm, whole, builds = selected(packages, variant=variant, python=python, engine=engine, jobs=jobs)
    screen, problems = Screen.standard(), Collector()
    with ChainReport(screen, builds=builds, environ=farm.settings.environ) as report:
        line = farm.line(whole, report.hear, report.watch)
        for build in builds:
            with problems.collect():
                suite, upstream = build.resolved.test.suite, Upstream(line, build)
                lacking = None if gate else _lacking(upstream)
                if lacking:
                    screen.say(f"{build.id}: {lacking}; the gate tests it instead")
                if suite is None or lacking or gate:
                    for name, results in line.check(build).items():
                        whose = replace(build.id, name=name)
                        screen.result(f"{whose}: {result.name}: {result.found}" for result in results)
                else:
                    _tell(upstream, upstream.run(suite, selection), screen)
            report.leave(build)
    problems.check()


def _arguments(text: str | None) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text or ""))
    except ValueError as problem:
        raise UsageError(f"bad value {text!r}", where="--pytest", why=str(problem)) from problem


def _lacking(upstream: Upstream) -> str | None:
    """Why there is no upstream suite to run, and what would give one; None when there is."""
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


def _tell(upstream: Upstream, verdict: Verdict, screen: Screen) -> None:
    """Tell what came of a suite.

    Raises:
        SuiteError: when a test fails that may not.
    """
    build, log = upstream.build, upstream.log
    screen.result(f"{build.id}: {text}" for text in suite_lines(verdict))
    screen.say(f"{build.id}: each test is in {log.with_suffix(JUNIT)}")
    if not verdict.good:
        raise SuiteError(
            f"{build.id}: {len(verdict.failed)} tests of the upstream suite fail",
            where=f"{build.recipe.where}: test.suite",
            why=_failures(verdict),
            hint="look at each; what is no fault of the wheel is listed under test.suite.known-failures, "
            "with its reason",
            log=log,
        )


def _failures(verdict: Verdict) -> str:
    def line(failed: Failed) -> str:
        return f"{failed.test}: {failed.why}"

    more = len(verdict.failed) - _SHOWN
    return "\n".join([*map(line, verdict.failed[:_SHOWN]), *([f"and {more} more"] if more > 0 else [])])
