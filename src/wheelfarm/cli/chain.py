"""chain, plan: the plan and its run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.exceptions import Exit
from invoke.tasks import task

from wheelfarm.cli.run_stamp import input_states, write_stamp
from wheelfarm.cli.task import farm_task, open_farm, packages_word, split_names, words
from wheelfarm.errors import ChainFailedError, UsageError
from wheelfarm.report.actions import job_summary
from wheelfarm.report.chain import ChainReport
from wheelfarm.report.outcome import decision_lines, outcome_data, summary_lines
from wheelfarm.report.quantity import about
from wheelfarm.report.screen import Screen
from wheelfarm.run.decision import Action, decide_all
from wheelfarm.run.outcome import Interrupted
from wheelfarm.system.machine import peak_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.context import Context

    from wheelfarm.model import Name
    from wheelfarm.plan.graph import Plan
    from wheelfarm.run.farm import Farm
    from wheelfarm.run.outcome import Outcome


def _names(packages: str | None, *, everything: bool) -> list[Name] | None:
    names = split_names(packages)
    if names is None and not everything:
        raise UsageError("say which packages", hint="inv chain scipy, or inv chain --all")
    return None if everything else names


@task(
    help=words(
        *("packages", "variant", "python", "place", "engine", "jobs", "memory", "offline", "release"),
        *("no_compiler_cache", "no_remote", "dry_run", "json", "all"),
        stamp="a file for what this run depended on",
    ),
    positional=packages_word("chain"),
)
@farm_task
def chain(  # noqa: PLR0917
    _context: Context,
    packages: str | None = None,
    variant: str | None = None,
    python: str | None = None,
    place: str | None = None,
    engine: str | None = None,
    jobs: str | None = None,
    stamp: str | None = None,
    memory: str | None = None,
    offline: bool = False,  # noqa: FBT001, FBT002
    release: bool = False,  # noqa: FBT001, FBT002
    no_compiler_cache: bool = False,  # noqa: FBT001, FBT002
    no_remote: bool = False,  # noqa: FBT001, FBT002
    dry_run: bool = False,  # noqa: FBT001, FBT002
    json: bool = False,  # noqa: FBT001, FBT002
    all: bool = False,  # noqa: A002, FBT001, FBT002
) -> None:
    """Build packages and all that they need, against each other's wheels, into the wheelhouse."""
    names = _names(packages, everything=all)
    farm = open_farm(
        variant=variant,
        python=python,
        place=place,
        engine=engine,
        jobs=jobs,
        memory=memory,
        offline="true" if offline else None,
        release="true" if release else None,
        compiler_cache="false" if no_compiler_cache else None,
        remote="false" if no_remote else None,
    )
    screen = Screen.standard()
    if dry_run:
        lacking = farm.missing(names)
        if lacking:
            screen.say(f"would install system packages: {' '.join(lacking)}")
            screen.say("their versions are in the rebuild keys: what stands below may then be built again")
        _show(farm, farm.plan(names), screen, json=json)
        return
    before = input_states(farm.settings)
    farm.provide(names)
    plan = farm.plan(names)
    screen.lines(plan.skipped)
    try:
        outcomes = _run(farm, plan, screen)
    except Interrupted as interrupt:
        _summarise(farm, interrupt.outcomes, screen, json=json)
        raise
    _summarise(farm, outcomes, screen, json=json)
    _end(outcomes, screen)
    if stamp:
        write_stamp(Path(stamp), farm, plan, outcomes, before)


def _run(farm: Farm, plan: Plan, screen: Screen) -> tuple[Outcome, ...]:
    expected = farm.expected(plan)
    with ChainReport(screen, builds=plan.builds, expected=expected, environ=farm.settings.environ) as report:
        return farm.run(plan, hear=report.hear, tell=report.tell, watch=report.watch, expected=expected)


def _summarise(farm: Farm, outcomes: Sequence[Outcome], screen: Screen, *, json: bool) -> None:
    """What came of a run: for people, for GitHub's page of the job, for programs."""
    screen.lines(summary_lines(outcomes))
    page = farm.settings.environ.get("GITHUB_STEP_SUMMARY")
    if page:
        with Path(page).open("a", encoding="utf-8") as file:
            file.write(job_summary(outcomes))
    if json:
        screen.data({"outcomes": [outcome_data(each) for each in outcomes], "peak-memory": peak_memory()})


def _end(outcomes: Sequence[Outcome], screen: Screen) -> None:
    """Nothing when all is there; else the exit code of the one cause, or the one for several."""
    missing = [str(outcome.build.id) for outcome in outcomes if not outcome.state.good]
    if missing:
        screen.say(f"missing: {', '.join(missing)}")
        codes = {outcome.error.exit_code for outcome in outcomes if outcome.error is not None}
        raise Exit(code=codes.pop() if len(codes) == 1 else ChainFailedError.exit_code)


def _show(farm: Farm, plan: Plan, screen: Screen, *, json: bool) -> None:
    screen.lines(plan.skipped)
    decisions = decide_all(
        farm.wheelhouse, plan, from_nothing=farm.settings.from_nothing, published=farm.published
    )
    if json:
        screen.data(
            [
                {
                    "id": str(d.build.id),
                    "key": d.build.key,
                    "action": d.action,
                    "why": d.why,
                    "reason": d.build.reason,
                }
                for d in decisions
            ]
        )
    else:
        screen.result(decision_lines(decisions))
        if any(decision.action is not Action.NOTHING for decision in decisions):
            screen.say(f"{about(farm.forecast(plan))} on {farm.settings.jobs} processors")


@task(
    help=words("packages", "variant", "python", "place", "engine", "no_remote", "json"),
    positional=packages_word("plan"),
    auto_shortflags=False,
)
@farm_task
def plan(  # noqa: PLR0917
    _context: Context,
    packages: str | None = None,
    variant: str | None = None,
    python: str | None = None,
    place: str | None = None,
    engine: str | None = None,
    no_remote: bool = False,  # noqa: FBT001, FBT002
    json: bool = False,  # noqa: FBT001, FBT002
    all: bool = False,  # noqa: A002, FBT001, FBT002
) -> None:
    """Show what a chain would do, in order, and why."""
    remote = "false" if no_remote else None
    farm = open_farm(variant=variant, python=python, place=place, engine=engine, remote=remote)
    _show(farm, farm.plan(_names(packages, everything=all)), Screen.standard(), json=json)
