"""plan: what a chain would do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from wheelfarm.cli.run_stamp import input_states, plan_stamp, read_plan_stamp, write_plan_stamp
from wheelfarm.cli.task import PLANNING, task
from wheelfarm.errors import UsageError, counted
from wheelfarm.plan.consequences import find_consequences
from wheelfarm.recipes.nightly import is_nightly
from wheelfarm.recipes.strict import suggestion
from wheelfarm.report.build import decision_lines
from wheelfarm.report.consequences import consequence_data, consequence_lines
from wheelfarm.report.fixes import fix_data, fix_lines
from wheelfarm.report.machines import machine_data, machine_lines
from wheelfarm.report.screen import data_lines
from wheelfarm.report.text import about
from wheelfarm.run.decision import Action, decide_all
from wheelfarm.run.machines import estimate_machines
from wheelfarm.run.publication import named_releases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.cli.task import Invocation
    from wheelfarm.model import Name
    from wheelfarm.plan.graph import Plan
    from wheelfarm.run.decision import Decision
    from wheelfarm.run.recipe_fix import RecipeFix


@task(
    *PLANNING,
    *("no_remote", "nightly", "offline", "trust_numpy_abi", "json"),
    machines="how long so many machines as this one take together, and how many are enough",
    after="what newer versions would cause, as numpy==2.5.0: builds, gates, and what a stable ABI spares",
)
def plan(call: Invocation, packages: str, *, machines: str | None = None, after: str | None = None) -> None:
    """Show what a chain would do, in order, and why."""
    count = None if machines is None else _parse_machines(machines)
    if after is not None:
        _show_consequences(call, call.choose(packages), after, machines=count or 1)
        return
    names, settings = call.choose(packages), call.farm.settings
    words = {**call.options, "packages": packages, "machines": machines, "width": call.screen.width}
    path = plan_stamp(settings, words)
    stamp = None if call.options.get("nightly") else read_plan_stamp(path, settings)
    if stamp is not None:
        call.screen.lines(stamp.before)
        call.screen.result(stamp.lines)
        call.screen.lines(stamp.after)
        return
    call, inputs = call.with_nightlies(names), input_states(settings)
    found = call.plan(names)
    decisions, lines, notes = show_plan(call, found, machines=count)
    if not call.commits:
        more = {"lines": lines, "before": [*found.skipped], "after": notes}
        write_plan_stamp(path, call.farm, found, decisions, inputs, **more)


def _parse_machines(text: str) -> int:
    """The number of machines that `--machines` gives."""
    if not re.fullmatch(r"[1-9]\d{0,4}", text):
        raise UsageError(f"{text!r} is no number of machines", hint="--machines 16")
    return int(text)


def _show_consequences(call: Invocation, names: Sequence[Name] | None, after: str, *, machines: int) -> None:
    """Show what other versions of some recipes cause."""
    found, versions = call.plan(names), _parse_versions(after)
    present = {build.id.name: build.recipe.table.version for build in found.builds}
    for name, version in versions.items():
        if name not in present:
            hint = suggestion(name, present)
            raise UsageError(f"{name} is in no build of this plan", where="--after", hint=hint)
        if Version(version) == Version(present[name]):
            hint = f"name another version, as {name}==X.Y.Z"
            raise UsageError(f"the recipe has {name} {present[name]} already", where="--after", hint=hint)
    consequences = find_consequences(found, versions)
    spared = {build.id for build in consequences.spared}
    others = [build for build in consequences.rebuilt if build.id not in spared]
    whole, rest = (
        estimate_machines(call.farm.tasks_of_builds(builds), jobs=call.farm.settings.jobs, machines=machines)
        for builds in (consequences.rebuilt, others)
    )
    call.show(
        consequence_data(consequences, whole, rest),
        consequence_lines(consequences, whole, rest, call.screen.width),
    )


def _parse_versions(text: str) -> dict[Name, str]:
    """The releases that `--after` gives, each with its version."""
    versions: dict[Name, str] = {}
    for name, version in (named_releases(text) or {}).items():
        try:
            versions[name] = str(Version(version or ""))
        except InvalidVersion as error:
            what = f"{text!r} names no version of {name}"
            raise UsageError(what, where="--after", hint=f"--after '{name}==1.2.3'") from error
    return versions


def decide_plan(call: Invocation, plan: Plan) -> tuple[Decision, ...]:
    """The one answer to what would be done, for `plan`, `chain --dry-run` and `why`."""
    farm = call.farm
    return decide_all(
        farm.wheelhouse, plan, from_nothing=farm.settings.from_nothing, published=farm.published
    )


def decision_data(decision: Decision) -> dict[str, Any]:
    """A decision for programs."""
    build = decision.build
    source = build.recipe.table.source.model_dump(include={"url", "branch", "commit"})
    return {
        "id": str(build.id),
        "key": build.key,
        "action": decision.action,
        "why": decision.why,
        "reason": build.reason,
    } | ({"version": build.version, "source": source} if is_nightly(build.recipe.table) else {})


def show_plan(
    call: Invocation,
    plan: Plan,
    *,
    fixes: Sequence[RecipeFix] | None = None,
    machines: int | None = None,
) -> tuple[tuple[Decision, ...], list[str], list[str]]:
    """Show what would be done; return the decisions, the lines of the result, and those for people behind it.

    Args:
        call: the call of the task.
        plan: the plan.
        fixes: edits that would be made, where `--fix` is given.
        machines: how many machines the builds could run on, where somebody wants to know.
    """
    call.screen.lines(plan.skipped)
    farm, decisions = call.farm, decide_plan(call, plan)
    tasks = farm.tasks(plan)
    spans = farm.simulate(tasks)
    jobs, estimate = farm.settings.jobs, None
    if machines is not None:
        estimate = estimate_machines(tasks, jobs=jobs, machines=machines)
    after: list[str] = []
    if call.json:
        data: Any = list(map(decision_data, decisions))
        more: dict[str, Any] = {} if fixes is None else {"fixes": list(map(fix_data, fixes))}
        more |= {"machines": machine_data(estimate)} if estimate else {}
        lines = data_lines({"plan": data, **more} if more else data)
    else:
        expected = {build_id: seconds for build_id, (_, seconds) in spans.items()}
        lines = decision_lines(decisions, expected, call.screen.width)
        lines += [line for each in fixes or () for line in fix_lines(each, dry_run=True)]
        lines += machine_lines(estimate) if estimate else []
        if any(each.action is not Action.NOTHING for each in decisions):
            seconds = max(map(sum, spans.values()), default=0.0)
            here = f"about {about(seconds)} on {counted(jobs, 'processor')}"
            by_workers = farm.settings.workers not in {None, "none"}
            # A plan asks no scheduler: it may not be there.
            after.append(f"{here} of this machine; workers: see inv plan --machines" if by_workers else here)
    call.screen.result(lines)
    call.screen.lines(after)
    return decisions, lines, after
