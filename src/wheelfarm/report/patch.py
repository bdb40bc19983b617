"""What the patch tasks print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wheelfarm.errors import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.run.patch_check import CheckedSeries
    from wheelfarm.run.patch_rebase import Rebased
    from wheelfarm.run.patch_series import SavePlan
    from wheelfarm.run.patch_tree import PatchTree, TreeState


def start_lines(tree: PatchTree, state: TreeState | None) -> Iterator[str]:
    """The tree, its series, and the next commands."""
    name = tree.recipe.name
    if state is None:
        yield f"would make {tree.path}"
        return
    version = next(iter(state.sources.values())).version
    yield f"{tree.path}: {name} {version}, {counted(len(state.files), 'patch', 'patches')} ({state.variant})"
    yield from (f"  {file}" for file in state.files)
    yield f"next: edit, git -C {tree.path} commit, inv patch.save {name}"


def take_lines(tree: PatchTree, files: Sequence[str]) -> Iterator[str]:
    """The files that a build directory gave to the patch tree."""
    yield f"{tree.path}: {counted(len(files), 'file')} of the build directory"
    yield from (f"  {file}" for file in files)
    yield f"next: git -C {tree.path} diff, commit, inv patch.save {tree.recipe.name}"


def save_data(tree: PatchTree, plan: SavePlan) -> dict[str, Any]:
    """What a save writes, as JSON."""
    return {
        "tree": str(tree.path),
        "version": plan.source.version,
        "series": list(plan.series),
        "written": dict(plan.written),
        "removed": list(plan.removed),
        "recipe": plan.recipe is not None,
        "warnings": list(plan.warnings),
    }


def save_lines(tree: PatchTree, plan: SavePlan, *, dry_run: bool) -> Iterator[str]:
    """The files that a save changes, and what is to be done next."""
    recipe = tree.recipe
    directory = f"{recipe.patches.parent.name}/{recipe.patches.name}"
    series = counted(len(plan.series), "patch", "patches")
    if not plan.changes:
        yield f"nothing changed: {series} of {recipe.name} {plan.source.version}"
    else:
        yield f"{series} of {recipe.name} {plan.source.version}{', not written' if dry_run else ''}"
    yield from (f"  {directory}/{file}: {state}" for file, state in plan.written.items())
    yield from (f"  {directory}/{file}: removed" for file in plan.removed)
    if plan.recipe is not None:
        yield f"  {recipe.own_where}: changed"
    yield from (f"warning: {warning}" for warning in plan.warnings)
    if plan.recipe is not None and plan.source.version != recipe.table.version:
        yield f"next: inv recipe.lock {recipe.name}, inv recipe.check {recipe.name}"


def check_lines(recipe: LoadedRecipe, found: Sequence[CheckedSeries]) -> Iterator[str]:
    """A line for each series of a recipe."""
    title = f"{recipe.name} {recipe.table.version}"
    if not found:
        yield f"{title}: no patches"
    for each in found:
        where = "" if each.everywhere else f" ({', '.join(each.variants)}; {', '.join(each.platforms)})"
        count = len(each.patches)
        yield f"{title}: {counted(count, 'patch applies', 'patches apply')}{where}"


def rebase_lines(tree: PatchTree, found: Rebased, verb: str) -> Iterator[str]:
    """The series after a rebase, and the next command."""
    count = counted(len(found.patches), "patch", "patches")
    yield f"{tree.path}: {count} {verb} {found.version}"
    yield from (f"  {title}" for title in found.patches)
    yield from (f"  {file}: left out, since the source has it or you skipped it" for file in found.dropped)
    if verb == "now at":
        yield f"next: inv patch.save {tree.recipe.name}"
