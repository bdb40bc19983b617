"""patch.start, patch.save, patch.check, patch.rebase."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from wheelfarm.cli.shell import one_build
from wheelfarm.cli.task import PLANNING, parse_packages, task
from wheelfarm.errors import Collector, PatchError, UsageError
from wheelfarm.plan.graph import order
from wheelfarm.report.patch import check_lines, rebase_lines, save_data, save_lines, start_lines, take_lines
from wheelfarm.run import patch_rebase, patch_save, patch_start
from wheelfarm.run.edited_source import take_edits
from wheelfarm.run.patch_check import check_patches
from wheelfarm.run.patch_tree import PatchTree, find_recipe
from wheelfarm.run.services import make_fetcher

if TYPE_CHECKING:
    from wheelfarm.cli.task import Invocation

_PACKAGE = "one distribution"
_BASE = "the version that the patches are for; the recipe's by default"


def _tree(call: Invocation, package: str) -> PatchTree:
    settings = call.farm.settings
    return PatchTree(settings, find_recipe(settings, package), make_fetcher(settings))


@task(
    *("variant", "platform", "offline", "dry_run", "json"),
    package=_PACKAGE,
    base=_BASE,
    discard="remove a patch tree that has work which is not saved",
)
def start(call: Invocation, package: str, *, base: str | None = None, discard: bool = False) -> None:
    """Make the source of a recipe a git tree, with its patches as commits."""
    tree = _tree(call, package)
    state = patch_start.start(tree, base=base, discard=discard, dry_run=call.dry_run)
    data = {"tree": str(tree.path), **(state.model_dump() if state else {})}
    call.show(data, start_lines(tree, state))


@task(
    *PLANNING,
    *("dry_run", "json"),
    package=_PACKAGE,
    from_build="first take what was edited in the build directory, where inv shell was",
    title="commit all changes of the patch tree as a new patch of this title first",
    why="its reason, with --title",
    upstream="the link to the issue or change with its status, or why there is none, with --title",
)
def save(
    call: Invocation,
    package: str,
    *,
    from_build: bool = False,
    title: str | None = None,
    why: str | None = None,
    upstream: str | None = None,
) -> None:
    """Write the commits of a patch tree as patches, with the recipe's list of them."""
    given = {"title": title, "why": why, "upstream": upstream}
    missing = [name for name, value in given.items() if not value]
    if missing and len(missing) < len(given):
        raise UsageError(
            f"--{missing[0]} is missing", why="a patch has a title, a reason and an upstream status"
        )
    if call.dry_run and (title or from_build):
        raise UsageError("--title and --from-build change the patch tree, and a dry run does not")
    tree = _tree(call, package)
    if from_build:
        files = _take(call, tree)
        if not title:
            call.show({"tree": str(tree.path), "files": files}, take_lines(tree, files))
            return
    with tree.locked():
        if title and why and upstream:
            patch_save.commit_work(tree, title=title, why=why, upstream=upstream)
        plan = patch_save.save(tree, dry_run=call.dry_run)
    call.show(save_data(tree, plan), save_lines(tree, plan, dry_run=call.dry_run))


def _take(call: Invocation, tree: PatchTree) -> list[str]:
    """Take the edits of a build directory into the patch tree, which is made when there is none."""
    pipeline = one_build(call, tree.recipe.name)
    if not tree.exists:
        patch_start.start(tree)
    with pipeline.locked(pipeline.lock), tree.locked():
        if tree.state().variant != pipeline.build.id.variant:
            what = f"the patch tree is for the variant {tree.state().variant}"
            hint = f"inv patch.start {tree.recipe.name} --variant={pipeline.build.id.variant}"
            raise PatchError(what, where=str(tree.path), hint=hint)
        return take_edits(tree, pipeline.root)


@task("offline", "json")
def check(call: Invocation, packages: str) -> None:
    """Check that patches apply exactly to their source, for each variant and platform."""
    farm, names, data, problems = call.farm, parse_packages(packages), list[dict[str, object]](), Collector()
    if names is None:
        with problems.collect():
            farm.recipes.check()
    for recipe in order(farm.recipes, names):
        if names is not None and recipe.name not in names:
            continue
        tree = PatchTree(farm.settings, recipe, make_fetcher(farm.settings))
        with problems.collect():
            found = list(check_patches(tree))
            data += [{"name": recipe.name, "version": recipe.table.version, **asdict(each)} for each in found]
            if not call.json:
                call.screen.result(check_lines(recipe, found))
    if call.json:
        call.screen.data(data)
    problems.check()


@task(
    *("variant", "platform", "offline", "dry_run", "json"),
    package=_PACKAGE,
    onto="the version to move the patches to",
    base=_BASE,
    commit="of a git repository; that of the version's tag by default",
    continue_="go on after a conflict",
    skip="leave the patch out that conflicts, and go on",
    abort="go back to where the rebase began",
)
def rebase(
    call: Invocation,
    package: str,
    *,
    onto: str | None = None,
    base: str | None = None,
    commit: str | None = None,
    continue_: bool = False,
    skip: bool = False,
    abort: bool = False,
) -> None:
    """Move the patches of a recipe to another version of its source."""
    tree = _tree(call, package)
    tree.recipe.check_own("a newer base moves the patches of {name}; yours stay behind them")
    action = patch_rebase.chosen_action(resume=continue_, skip=skip, abort=abort)
    if (action is None) is (onto is None):
        hint = f"inv patch.rebase {tree.recipe.name} --onto=VERSION"
        raise UsageError("a rebase needs a version, or one that has stopped to continue", hint=hint)
    if action is not None and call.dry_run:
        raise UsageError(f"--{action} has no dry run", hint="git status in the patch tree shows where it is")
    if action is not None:
        found = patch_rebase.resume(tree, action)
    else:
        found = patch_rebase.rebase(tree, str(onto), base=base, commit=commit, dry_run=call.dry_run)
    verb = "back at" if action == "abort" else "would move to" if call.dry_run else "now at"
    call.show({"tree": str(tree.path), **asdict(found)}, rebase_lines(tree, found, verb))
