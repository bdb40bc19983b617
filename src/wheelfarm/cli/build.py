"""chain, why, explain, clean: the builds of a farm."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.exceptions import Exit

from wheelfarm.cli.fixes import Fixer
from wheelfarm.cli.plan import decide_plan, decision_data, show_plan
from wheelfarm.cli.run_stamp import input_states, write_stamp
from wheelfarm.cli.task import PLANNING, task
from wheelfarm.errors import ChainFailedError
from wheelfarm.report.build import (
    explanation_lines,
    outcome_data,
    refused_data,
    refused_lines,
    summary_lines,
)
from wheelfarm.report.fixes import fix_data, proposal_data, proposal_lines
from wheelfarm.report.text import size
from wheelfarm.report.workflow import job_summary
from wheelfarm.run.decision import explanation
from wheelfarm.run.disk_space import clean as clean_farm
from wheelfarm.run.last_proposal import last_proposal
from wheelfarm.run.outcome import Interrupted
from wheelfarm.run.recipe_fix import ROUNDS
from wheelfarm.system.machine import peak_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.cli.task import Invocation
    from wheelfarm.model import Name
    from wheelfarm.plan.graph import Plan, Refused
    from wheelfarm.run.farm import Farm
    from wheelfarm.run.outcome import Outcome


@task(
    *PLANNING,
    *("jobs", "memory", "offline", "release", "no_compiler_cache", "no_remote", "nightly"),
    "trust_numpy_abi",
    *("workers", "dry_run", "json"),
    fix=f"put the edit that a failure proposes into the recipe, and build again, {ROUNDS} times at most",
    stamp="the file for the stamp of a nox session",
)
def chain(call: Invocation, packages: str, *, fix: bool = False, stamp: str | None = None) -> None:
    """Build packages and all that they need, against each other's wheels, into the wheelhouse."""
    names = call.choose(packages)
    call = call.with_nightlies(names)
    fixer = Fixer(call=call)
    if call.dry_run:
        _show_chain(call, names, fixer if fix else None)
        return
    run = _run_chain(call, names, fixer)
    while fix and fixer.mend(run.outcomes):
        run = _run_chain(call.fresh(), names, fixer)
    _write_data(call, run.outcomes, run.plan.refused, fixer)
    _end(call, run.outcomes, run.plan.refused)
    if stamp and not call.commits:
        write_stamp(Path(stamp), run.farm, run.plan, run.outcomes, run.inputs)


@dataclass(frozen=True, kw_only=True)
class _ChainRun:
    """A plan that was run to its end, and the files that it was made from."""

    farm: Farm
    plan: Plan
    outcomes: Sequence[Outcome]
    inputs: Mapping[str, list[int] | None]


def _run_chain(call: Invocation, names: Sequence[Name] | None, fixer: Fixer) -> _ChainRun:
    farm = call.farm
    inputs = input_states(farm.settings)
    farm.provide(names)
    selected = farm.plan(names)
    call.screen.lines(selected.skipped)
    try:
        outcomes = call.run(selected)
    except Interrupted as interrupt:
        if interrupt.outcomes or call.json:
            _summarize(call, interrupt.outcomes, selected.refused)
            _write_data(call, interrupt.outcomes, selected.refused, fixer)
        raise
    _summarize(call, outcomes, selected.refused)
    return _ChainRun(farm=farm, plan=selected, outcomes=outcomes, inputs=inputs)


def _show_chain(call: Invocation, names: Sequence[Name] | None, fixer: Fixer | None) -> None:
    """Show the plan, and with `--fix` the edits that the last failures propose."""
    lacking = call.farm.missing(names)
    if lacking:
        call.screen.say(f"would install system packages: {' '.join(lacking)}")
        call.screen.say("their versions are part of the build keys, so the plan below may change")
    selected = call.plan(names)
    fixes = None if fixer is None else fixer.planned(selected)
    if fixes == []:
        call.screen.say("no last failure of these builds proposes an edit that can be made")
    show_plan(call, selected, fixes=fixes)


def _summarize(call: Invocation, outcomes: Sequence[Outcome], refused: Sequence[Refused]) -> None:
    """Write the outcomes for people."""
    call.screen.lines(refused_lines(refused))
    call.screen.lines(summary_lines(outcomes))


def _write_data(
    call: Invocation, outcomes: Sequence[Outcome], refused: Sequence[Refused], fixer: Fixer
) -> None:
    """Write the outcomes for GitHub's job page, and with `--json` for programs."""
    call.append("GITHUB_STEP_SUMMARY", job_summary(outcomes))
    if call.json:
        data = [*map(outcome_data, outcomes), *map(refused_data, refused)]
        fixes = [fix_data(each) for each in fixer.made]
        call.screen.data({"outcomes": data, "fixes": fixes, "peak-memory": peak_memory()})


def _end(call: Invocation, outcomes: Sequence[Outcome], refused: Sequence[Refused]) -> None:
    """Exit where a wheel is missing: with the code of the only cause, or the one for several."""
    missing = [str(outcome.build.id) for outcome in outcomes if not outcome.state.good]
    missing += [each.name for each in refused]
    if missing:
        call.screen.say(f"missing: {', '.join(missing)}")
        errors = [*(outcome.error for outcome in outcomes), *(each.error for each in refused)]
        codes = {error.exit_code for error in errors if error is not None}
        raise Exit(code=codes.pop() if len(codes) == 1 else ChainFailedError.exit_code)


@task(*PLANNING, "no_remote", "trust_numpy_abi", "json")
def why(call: Invocation, packages: str) -> None:
    """Show why a package would be built again, key part by key part."""
    whole, builds = call.select(packages)
    wanted = {build.id for build in builds}
    decisions = [each for each in decide_plan(call, whole) if each.build.id in wanted]
    data, lines = [], []
    for each in decisions:
        proposal = last_proposal(call.farm.settings, each.build)
        more = {"proposal": proposal_data(proposal)} if proposal else {}
        data.append({**decision_data(each), **more})
        lines += [f"{each.action.value}: {each.build.id}", *(f"  {why}" for why in each.why)]
        lines += [f"  {line}" for line in proposal_lines(proposal)] if proposal else []
    call.show(data, lines)


@task(*PLANNING, "json")
def explain(call: Invocation, packages: str) -> None:
    """Show the exact commands, files and environment of a build, and where each value comes from."""
    data = [explanation(call.farm, build) for build in call.select(packages)[1]]
    call.show(data, (line for each in data for line in explanation_lines(each)))


@task("dry_run", "json", wheels="also wheels of the wheelhouse that its index no longer lists")
def clean(call: Invocation, *, wheels: bool = False) -> None:
    """Remove build caches, build directories of failed builds and wheels that have not passed their gate."""
    total, removed = 0, []
    for each in clean_farm(call.farm, wheels=wheels, dry_run=call.dry_run):
        total += each.size
        removed.append(asdict(each))
        if not call.json:
            call.screen.result([f"{each.kind:14} {size(each.size):>9}  {each.place}"])
    if call.json:
        call.screen.data(removed)
    call.screen.say(f"{size(total)} {'would be freed' if call.dry_run else 'freed'}")
