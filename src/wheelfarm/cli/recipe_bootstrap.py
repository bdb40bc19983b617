"""recipe.new --bootstrap: recipes for a requirement and for all compiled code that it needs to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement

from wheelfarm.errors import ChainFailedError, UsageError, counted
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.recipes.draft.bootstrap import Action, plan_bootstrap
from wheelfarm.report.bootstrap import bootstrap_data, bootstrap_lines
from wheelfarm.report.build import summary_lines
from wheelfarm.system.new_directory import write_new_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from packaging.requirements import Requirement

    from wheelfarm.cli.task import Invocation
    from wheelfarm.model import Name
    from wheelfarm.recipes.draft.bootstrap import BootstrapPlan
    from wheelfarm.recipes.draft.drafter import Draft, Drafter
    from wheelfarm.run.outcome import Outcome

    Measure = Callable[[Invocation, Draft, Path], object]


def write_recipe(draft: Draft, directory: Path) -> None:
    """Write the directory of a recipe as a whole or not at all."""
    files = {file: text.encode() for file, text in draft.files.items()}
    write_new_directory(directory, files, "the recipe")


def build_recipes(call: Invocation, names: Sequence[Name]) -> Sequence[Outcome]:
    """Build recipes and all that they need, and print what became of each."""
    call.farm.provide(names)
    outcomes = call.run(call.plan(names))
    call.screen.lines(summary_lines(outcomes))
    return outcomes


def write_closure(
    call: Invocation, drafter: Drafter, text: str, *, measure: Measure | None, build: bool
) -> None:
    """Plan, show the table, write the recipes in an order in which each is complete, and perhaps build.

    What is missing in the end makes the task fail, after all else.
    """
    plan = plan_bootstrap(drafter, _parse(text))
    call.show(bootstrap_data(plan, dry_run=call.dry_run), bootstrap_lines(plan, call.screen.width))
    for error in (*plan.conflicts, *(row.error for row in plan.of(Action.CANNOT) if row.error)):
        call.problems.add(error)
    if plan.conflicts:
        call.screen.say("nothing is written: recipes have versions that requirements exclude")
        return
    if call.dry_run:
        return
    for draft in plan.drafts:
        write_recipe(draft, call.farm.settings.recipes / draft.name)
        call.screen.say(f"wrote recipes/{draft.name}")
    if measure is not None:
        _measure_all(call, plan, measure)
    if build:
        _build(call, plan)
    elif plan.name not in {row.name for row in plan.of(Action.CANNOT)}:
        call.screen.say(f"next: inv chain {plan.name}")


def _parse(text: str) -> Requirement:
    try:
        requirement = parse_requirement(text)
    except InvalidRequirement as error:
        why = str(error).splitlines()[0]
        raise UsageError(
            f"{text!r} is not a requirement", why=why, hint="scikit-image, or h5py>=3.10"
        ) from error
    if requirement.url or requirement.marker:
        raise UsageError(
            f"{text!r} has a url or a marker", hint=f"inv recipe.new {requirement.name} --bootstrap"
        )
    return requirement


def _measure_all(call: Invocation, plan: BootstrapPlan, measure: Measure) -> None:
    """Measure each new recipe after those that it requires; a failed one stops no other."""
    for draft in plan.drafts:
        with call.problems.collect():
            measure(call, draft, call.farm.settings.recipes / draft.name)
            call.screen.say(f"measured recipes/{draft.name}")


def _build(call: Invocation, plan: BootstrapPlan) -> None:
    """Build what was requested, or, where it has no recipe, all that was added."""
    fresh = call.fresh()
    names = [plan.name] if plan.name in fresh.farm.recipes else [draft.name for draft in plan.drafts]
    if not names:
        return
    outcomes = build_recipes(fresh, names)
    for error in fresh.problems.errors:
        call.problems.add(error)
    if failed := [outcome for outcome in outcomes if not outcome.state.good]:
        call.problems.add(
            ChainFailedError(
                f"{counted(len(failed), 'build')} failed: {', '.join(each.build.id.name for each in failed)}",
                hint=f"correct the recipe, then inv chain {','.join(names)}",
            )
        )
