"""recipe.new: a recipe from what the index has of a distribution."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.cli.recipe_bootstrap import build_recipes, write_closure, write_recipe
from wheelfarm.cli.release_options import MIN_AGE, make_policy
from wheelfarm.cli.task import PLANNING, parse_releases, task
from wheelfarm.errors import ChainFailedError, UsageError
from wheelfarm.recipes.draft.drafter import Drafter
from wheelfarm.report.draft import draft_data, draft_lines
from wheelfarm.run.first_build import measure_recipe
from wheelfarm.run.services import make_fetcher
from wheelfarm.system.environment import system_environment
from wheelfarm.system.files import write_atomically
from wheelfarm.system.machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.cli.task import Invocation
    from wheelfarm.model import Name
    from wheelfarm.recipes.draft.drafter import Draft
    from wheelfarm.run.farm import Farm


@task(
    *PLANNING,
    *("jobs", "dry_run", "json"),
    package="a distribution or release, as scipy==1.17.1; with --bootstrap a requirement",
    min_age=f"{MIN_AGE}, or 7 where the index gives dates",
    require_dates="an error where the index does not say when a release was uploaded",
    prereleases="choose also among pre-releases",
    subdirectory="the directory of its project in the source, where that is not the top",
    measure="build it, and expect of the wheel what the first one has",
    bootstrap="recipes too for all compiled code that it needs to run, and that the farm has none for",
    build="with --bootstrap: build it, and all that it needs",
)
def new(
    call: Invocation,
    package: str,
    *,
    min_age: str | None = None,
    require_dates: bool = False,
    prereleases: bool = False,
    subdirectory: str = "",
    measure: bool = False,
    bootstrap: bool = False,
    build: bool = False,
) -> None:
    """Write a recipe, its locks and a smoke test, from what the index has."""
    if build and not bootstrap:
        raise UsageError("--build is for --bootstrap", hint="nox -s build-NAME builds one recipe")
    if subdirectory and bootstrap:
        raise UsageError("--subdirectory is for one recipe", hint="leave --bootstrap out")
    farm = call.farm
    policy = make_policy(
        farm.settings,
        command="inv recipe.new",
        min_age=min_age,
        require_dates=require_dates,
        prereleases=prereleases,
    )
    drafter = Drafter(
        settings=farm.settings,
        recipes=farm.recipes,
        fetcher=replace(make_fetcher(farm.settings), pages={}),
        env=programs_environment(farm.settings),
        policy=policy,
    )
    if bootstrap:
        write_closure(call, drafter, package, measure=measure_draft if measure else None, build=build)
        return
    name, version = _release(package)
    draft = drafter.draft(name, version, subdirectory or None)
    directory = farm.settings.recipes / name
    if not call.dry_run:
        write_recipe(draft, directory)
    lacking = _lacking(call, draft)
    data, lines = (
        draft_data(draft, lacking, dry_run=call.dry_run),
        draft_lines(draft, lacking, dry_run=call.dry_run),
    )
    if measure and not call.dry_run:
        call.screen.lines(lines)
        data["files"] |= (measured := measure_draft(call, draft, directory))
        lines = iter([f"measured recipes/{name}: its first wheel meets {' and '.join(measured)}"])
    call.show(data, lines)


def measure_draft(call: Invocation, draft: Draft, directory: Path) -> dict[str, str]:
    """Build the recipe, write what its wheel has as expectations, and run the gate with them."""
    wheel, farm = _build(call, draft.name)
    files = measure_recipe(farm, draft.recipe, wheel)
    for file, text in files.items():
        write_atomically(directory / file, text.encode(), "the recipe")
    _build(call, draft.name)
    return dict(files)


def _build(call: Invocation, name: Name) -> tuple[Path, Farm]:
    """Build a recipe as it is on the disk now; its wheel, and the farm that has built it."""
    fresh = call.fresh()
    outcomes = build_recipes(fresh, [name])
    wheel = next((each.wheel for each in outcomes if each.build.id.name == name and each.state.good), None)
    if wheel is None:
        fresh.problems.check()
        raise ChainFailedError(
            f"the first build of {name} failed, so nothing of it is measured",
            where=f"recipes/{name}",
            hint=f"correct the recipe, then nox -s build-{name} and inv recipe.sizes {name}",
        )
    return wheel, fresh.farm


def _release(text: str) -> tuple[Name, str | None]:
    releases = list((parse_releases(text) or {}).items())
    if len(releases) != 1:
        raise UsageError(f"{text!r} is not one package", hint="inv recipe.new scipy, or scipy==1.17.1")
    return releases[0]


def _lacking(call: Invocation, draft: Draft) -> tuple[str, ...]:
    """The system packages of the recipe that this machine does not have."""
    machine, libraries = Machine(system_environment(call.farm.settings.environ)), draft.recipe.libraries
    manager = machine.manager()
    if manager is None or not libraries:
        return ()
    names = [getattr(each, manager) for each in libraries]
    return tuple(sorted(set(names) - set(machine.packages(manager, names))))
