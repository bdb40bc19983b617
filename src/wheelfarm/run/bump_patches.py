"""Moves the patches of a recipe to another source: as they are where they apply exactly, else with git."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wheelfarm.errors import GroupError, PatchError
from wheelfarm.model import GitCommit
from wheelfarm.run.patch_check import TARGETS, all_series, check_patches
from wheelfarm.run.patch_rebase import rebase
from wheelfarm.run.patch_series import plan_save
from wheelfarm.run.patch_tree import PatchTree, pins_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.errors import FarmError
    from wheelfarm.model import Source
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe


@dataclass(frozen=True, kw_only=True)
class PatchFate:
    """What becomes of a patch with the new source."""

    file: str
    fate: str
    """applies, refreshed, no longer needed, or left out."""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class MovedPatches:
    """The patches for the new source."""

    contents: Mapping[str, bytes]
    """Those that it needs, with their contents."""
    fates: tuple[PatchFate, ...]


def excluded_patches(recipe: LoadedRecipe, version: str) -> list[PatchFate]:
    """The patches whose `versions` exclude a version."""
    return [
        PatchFate(file=each.file, fate="left out", why=f'its versions = "{each.versions}" exclude {version}')
        for each in recipe.table.patches
        if not each.is_for(version)
    ]


def move_patches(tree: PatchTree, source: Source) -> MovedPatches:
    """Move the patches of a recipe, for all variants and platforms, to another source.

    Args:
        tree: the patch tree of a copy of the recipe, which is for the old source.
        source: the new source.

    Raises:
        PatchError: when a patch conflicts with the new source.
        FarmError: when a source cannot be fetched, or the recipe does not fit it.
    """
    recipe = tree.recipe
    old = {each.file: (recipe.patches / each.file).read_bytes() for each in recipe.table.patches}
    pins = {key.removeprefix("source."): value for key, value in pins_of(source).items()}
    table = recipe.table.source.model_copy(update=pins)
    update = {"version": source.version, "source": table}
    moved = replace(recipe, table=recipe.table.model_copy(update=update))
    try:
        # All of it, as an error may come after the first series.
        list(check_patches(replace(tree, recipe=moved)))
    except (PatchError, GroupError) as problem:
        if not _of_patches(problem):
            raise
        new = _rebased(tree, source)
    else:
        new = old
    return MovedPatches(contents=new, fates=tuple(_fate(file, old[file], new.get(file)) for file in old))


def _fate(file: str, old: bytes, new: bytes | None) -> PatchFate:
    if new is None:
        return PatchFate(file=file, fate="no longer needed", why="the new source has it")
    if new == old:
        return PatchFate(file=file, fate="applies")
    return PatchFate(file=file, fate="refreshed", why="what it changes has moved")


def _rebased(tree: PatchTree, source: Source) -> dict[str, bytes]:
    """The contents of the patches that are left of each series after a rebase."""
    recipe, found = tree.recipe, dict[str, bytes | None]()
    commit = source.commit if isinstance(source, GitCommit) else None
    for number, (series, users) in enumerate(all_series(tree).items()):
        variant, platform = users[0]
        work = tree.settings.work / str(number)
        settings = tree.settings.replace(variant=variant, platforms=(TARGETS[platform],), work=work)
        mine = PatchTree(settings, recipe, tree.fetcher)
        try:
            rebase(mine, source.version, commit=commit)
            plan = plan_save(mine)
        except (PatchError, GroupError) as problem:
            if not _of_patches(problem):
                raise
            first = problem.errors[0] if isinstance(problem, GroupError) else problem
            raise _conflict(tree, source, first.what, first.why) from problem
        for file in map(tree.file_of, series):
            content = plan.series.get(file)
            if found.setdefault(file, content) != content:
                what = f"{file} becomes one patch in {variant} and another one elsewhere"
                raise _conflict(tree, source, what, None)
    return {file: content for file, content in found.items() if content is not None}


def _of_patches(problem: FarmError) -> bool:
    errors = problem.errors if isinstance(problem, GroupError) else (problem,)
    return all(isinstance(each, PatchError) for each in errors)


def _conflict(tree: PatchTree, source: Source, what: str, why: str | None) -> PatchError:
    recipe = tree.recipe
    return PatchError(
        what,
        where=f"{recipe.where}: {recipe.table.version} to {source.version}",
        why=why,
        hint=f"inv patch.rebase {recipe.name} --onto={source.version} and, with its conflicts resolved, "
        f"inv patch.save {recipe.name}, then inv recipe.lock {recipe.name}",
    )
