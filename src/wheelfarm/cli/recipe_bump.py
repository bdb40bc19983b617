"""recipe.bump: a recipe for the newest version of its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wheelfarm.build.host_engine import programs_environment
from wheelfarm.cli.release_options import MIN_AGE, make_policy
from wheelfarm.cli.task import parse_releases, task
from wheelfarm.errors import OutdatedError, UsageError, counted
from wheelfarm.plan.graph import order
from wheelfarm.report.bump import bump_data, bump_lines
from wheelfarm.run.bump import Bumper, restore_killed
from wheelfarm.run.newer_source import NewerSource
from wheelfarm.run.services import make_fetcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.cli.task import Invocation
    from wheelfarm.model import Name
    from wheelfarm.recipes.draft.release import Policy
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe


_HINT = """a newer base moves it; or move it in recipes/{name}/recipe.toml, then inv recipe.lock {name}
[replace]
version = "..."
source.sha256 = "..."\
"""


@task(
    *("dry_run", "json"),
    packages="distributions, separated by commas, each perhaps with its version as scipy==1.17.1; or all",
    check="only look whether something newer is there: exit code 15 where it is",
    min_age=f"{MIN_AGE}, or 7; an error where it gives no dates",
    prereleases="choose also among pre-releases",
    leave_out="take out the patches whose versions exclude the new version",
    keep="leave the recipe of the old version below versions/, to build it again as NAME==VERSION",
)
def bump(
    call: Invocation,
    packages: str,
    *,
    check: bool = False,
    min_age: str | None = None,
    prereleases: bool = False,
    leave_out: bool = False,
    keep: bool = False,
) -> None:
    """Move recipes to the newest version of their sources: version, hash, patches, locks and changelog."""
    releases, farm = parse_releases(packages), call.farm
    if not check and not call.dry_run:
        restore_killed(farm.settings)
    policy = make_policy(
        farm.settings,
        command="inv recipe.bump",
        min_age=min_age,
        enforced=True,
        prereleases=prereleases,
    )
    if check and releases and any(releases.values()):
        raise UsageError("--check looks for the newest version", hint="leave ==VERSION out, or --check")
    recipes = select_recipes(call, releases)
    width = max((len(each.name) for each in recipes), default=0)
    data, outdated = list[dict[str, Any]](), list[str]()
    bumper = make_bumper(call, policy, leave_out=leave_out, keep=keep)
    for recipe in recipes:
        version = (releases or {}).get(recipe.name)
        with call.problems.collect():
            found = bumper.find(recipe) if check else bumper.bump(recipe, version, dry_run=call.dry_run)
            data.append(bump_data(recipe, found, dry_run=call.dry_run))
            outdated += [recipe.name] if isinstance(found, NewerSource) and found.source else []
            # A later recipe may take minutes.
            if not call.json:
                call.screen.result(bump_lines(recipe, found, dry_run=call.dry_run, width=width))
    if call.json:
        call.screen.data(data)
    if outdated:
        number = counted(len(outdated), "recipe")
        what = f"{number} {'is' if len(outdated) == 1 else 'are'} not for the newest version"
        call.problems.add(OutdatedError(what, hint=f"inv recipe.bump {','.join(outdated)}"))


def make_bumper(call: Invocation, policy: Policy, *, leave_out: bool = False, keep: bool = False) -> Bumper:
    """What moves the recipes of a farm."""
    farm = call.farm
    return Bumper(
        settings=farm.settings,
        recipes=farm.recipes,
        fetcher=make_fetcher(farm.settings),
        env=programs_environment(farm.settings),
        policy=policy,
        leave_out=leave_out,
        keep=keep,
    )


def select_recipes(call: Invocation, releases: Mapping[Name, str | None] | None) -> list[LoadedRecipe]:
    """The requested recipes, each after what it needs; those of a base move with it.

    Raises:
        UsageError: where a base has a requested one.
    """
    recipes = call.farm.recipes
    if releases is None:
        with call.problems.collect():
            recipes.check()
    chosen = [each for each in order(recipes, releases) if releases is None or each.name in releases]
    for recipe in chosen if releases is not None else ():
        recipe.check_own(_HINT)
    own = [each for each in chosen if each.base is None]
    if base := call.farm.settings.base_farm if len(own) < len(chosen) else None:
        number = counted(len(chosen) - len(own), "recipe")
        call.screen.say(f"left out: {number} of the base {base.label}; a newer base moves them")
    return own
