"""Moves a recipe to another version: source, patches, locks and a line for the changelog, all or nothing.

All that can fail happens in a copy of the recipe. Then the files that differ are written; the next bump takes
back what a killed one has written.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import PatchError, RecipeError, counted
from wheelfarm.recipes.lock_compiler import LockCompiler
from wheelfarm.recipes.locks import parse_lines
from wheelfarm.recipes.recipe_set import RecipeSet, load_recipe, read_recipe
from wheelfarm.recipes.recipe_text import drop_local_version, edit_recipe
from wheelfarm.recipes.versions import VERSIONS
from wheelfarm.run.bump_files import (
    changed_files,
    changelog_line,
    keep_version,
    read_file,
    read_files,
    restore_files,
    write_changes,
)
from wheelfarm.run.bump_patches import PatchFate, excluded_patches, move_patches
from wheelfarm.run.newer_source import find_newer_source
from wheelfarm.run.patch_tree import PATCHES, PatchTree, pins_of
from wheelfarm.system.files import ensure_directory, write_atomically
from wheelfarm.system.locks import LockTimeoutError, hold_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.model import Source
    from wheelfarm.recipes.draft.release import Policy
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.newer_source import NewerSource
    from wheelfarm.sources.fetcher import Fetcher

RECIPE: Final = "recipe.toml"
_JOURNALS: Final = "bump"
_LOCKS: Final = ("build.lock", "test.lock", "suite.lock")


@dataclass(frozen=True, kw_only=True)
class Bump:
    """A recipe that has moved to another version."""

    name: str
    old: str
    new: str
    notes: tuple[str, ...]
    """What to know of the choice, and what the farm could not change."""
    patches: tuple[PatchFate, ...]
    pinned: Mapping[str, int]
    """Lock → the lines in it."""
    files: Mapping[str, str]
    """The files of the farm that change → new, changed or removed."""
    line: str
    """What the changelog says of it."""


@dataclass(frozen=True, kw_only=True)
class Bumper:
    """Moves recipes to other versions.

    Args:
        settings: those of the farm.
        recipes: its recipes.
        fetcher: reads indexes and repositories, and fetches the sources.
        env: the environment of uv.
        policy: which releases are suitable.
        leave_out: whether patches go whose `versions` exclude the new version.
        keep: whether the recipe of the old version stays below `versions`.
    """

    settings: Settings
    recipes: RecipeSet
    fetcher: Fetcher
    env: Mapping[str, str]
    policy: Policy
    leave_out: bool = False
    keep: bool = False

    def find(self, recipe: LoadedRecipe, version: str | None = None) -> NewerSource:
        """What there is above the version of a recipe; see `find_newer_source` for the errors."""
        found = find_newer_source(recipe, self.fetcher, self.policy, version)
        if found.source is None:
            return found
        excluded = excluded_patches(recipe, found.source.version)
        return replace(found, notes=(*found.notes, *(f"{each.file}: {each.why}" for each in excluded)))

    def bump(
        self, recipe: LoadedRecipe, version: str | None = None, *, dry_run: bool = False
    ) -> Bump | NewerSource:
        """Move a recipe to the newest suitable version, or to one that is named.

        Returns:
            What has moved; what was found, where nothing is newer.

        Raises:
            PatchError: when a patch conflicts with the new source or is not for it, or another run works on
                the recipe.
            RecipeError: when recipe.toml cannot be edited, does not fit the new source, or has changed
                meanwhile.
            FarmError: when the source cannot be fetched, or the locks cannot be made.
        """
        with PatchTree(self.settings, recipe, self.fetcher).locked():
            # Another run may have moved it since the recipes were read.
            recipe = replace(recipe, table=load_recipe(recipe.directory, self.settings).table)
            found = find_newer_source(recipe, self.fetcher, self.policy, version)
            if found.source is None:
                return found
            _refuse_second(recipe, found.source.version)
            with tempfile.TemporaryDirectory(prefix="wheelfarm-bump-") as scratch:
                move = _Move(self, recipe, found.source, Path(scratch), self.leave_out)
                return move.run(found.notes, dry_run=dry_run)

    def journal(self, recipe: LoadedRecipe) -> Path:
        """The file from which a killed bump is taken back."""
        return self.settings.work / _JOURNALS / f"{recipe.name}.json"


def _refuse_second(recipe: LoadedRecipe, version: str) -> None:
    """Refuse a version that has a recipe of its own, which may say more than the new one would."""
    directory = recipe.directory / VERSIONS / version
    if directory.is_dir():
        shown = f"{recipe.where.removesuffix(RECIPE)}{VERSIONS}/{version}"
        what = f"there is a recipe for {recipe.name} {version} already"
        raise RecipeError(what, where=shown, hint=f"git rm -r {shown}, where nothing in it is needed")


def restore_killed(settings: Settings) -> None:
    """Take back what killed bumps have written, of recipes that no other run works on.

    Raises:
        WheelhouseError: when a file cannot be written.
    """
    for journal in sorted((settings.work / _JOURNALS).glob("*.json")):
        ensure_directory(settings.work / PATCHES)
        lock = settings.work / PATCHES / f"{journal.stem}.lock"
        with suppress(LockTimeoutError), hold_lock(lock, timeout=0):
            restore_files(journal)


@dataclass(frozen=True)
class _Move:
    """One move, in a copy of the recipe and its patches."""

    bumper: Bumper
    recipe: LoadedRecipe
    source: Source
    scratch: Path
    leave_out: bool

    def run(self, notes: Sequence[str], *, dry_run: bool) -> Bump:
        before = read_files(self._places())
        directory = self.scratch / "recipes" / self.recipe.name
        shutil.copytree(self.recipe.directory, directory)
        if self.recipe.patches.is_dir():
            shutil.copytree(self.recipe.patches, self.scratch / "patches" / self.recipe.name)
        fates = self._patch(directory)
        notes = (*notes, *self._drop_local_version(directory, fates))
        self._edit_smoke_test(directory)
        pinned = self._lock(directory)
        line = changelog_line(self.recipe, self.source, fates)
        if self.bumper.keep:
            keep_version(self.recipe, directory)
        after, name = self._places(self.scratch), self.recipe.name
        changes = changed_files(before, after, self.bumper.settings, name, line)
        if not dry_run:
            old = {path: content for path in changes if (content := read_file(path)) is not None}
            if read_files(self._places()) != before:
                what = f"the recipe of {self.recipe.name} has changed meanwhile"
                raise RecipeError(what, where=self.recipe.where, hint="run this again")
            write_changes(changes, old, self.bumper.journal(self.recipe))
        root = self.bumper.settings.root
        return Bump(
            name=self.recipe.name,
            old=self.recipe.table.version,
            new=self.source.version,
            notes=(*notes, *self._mentions(directory)),
            patches=fates,
            pinned=pinned,
            files={path.relative_to(root).as_posix(): change.kind for path, change in changes.items()},
            line=line,
        )

    @property
    def settings(self) -> Settings:
        """Those of a farm of this one recipe."""
        changes = {name: self.scratch / name for name in ("recipes", "patches", "work")}
        return self.bumper.settings.replace(**changes)

    def _places(self, below: Path | None = None) -> dict[Path, Path]:
        """Directory of the farm → the same, or the copy."""
        places = self.recipe.directory, self.recipe.patches
        if below is None:
            return {path: path for path in places}
        return {
            path: below / kind / path.name for path, kind in zip(places, ("recipes", "patches"), strict=True)
        }

    def _patch(self, directory: Path) -> tuple[PatchFate, ...]:
        """Move the patches, and pin the source."""
        version, table = self.source.version, self.recipe.table.patches
        excluded = excluded_patches(self.recipe, version)
        if excluded and not self.leave_out:
            why = "\n".join(f"{each.file}: {each.why}" for each in excluded)
            widen = "widen `versions` of what the new source needs, and bump again"
            hint = f"{widen}; or without them: inv recipe.bump {self.recipe.name} --leave-out"
            number, verb = counted(len(excluded), "patch", "patches"), "is" if len(excluded) == 1 else "are"
            what = f"{number} of {self.recipe.name} {verb} not for {version}"
            raise PatchError(what, where=f"{self.recipe.where}: patches", why=why, hint=hint)
        included = [each.file for each in table if each.file not in {other.file for other in excluded}]
        self._edit(directory, included, {})
        tree = PatchTree(self.settings, load_recipe(directory, self.settings), self.bumper.fetcher)
        moved = move_patches(tree, self.source)
        fates = [*excluded, *moved.fates]
        remaining = [file for file in included if file in moved.contents]
        for file, content in moved.contents.items():
            (tree.recipe.patches / file).write_bytes(content)
        for each in {each.file for each in table} - set(remaining):
            (tree.recipe.patches / each).unlink()
        pins = {"version": version, **pins_of(self.source)}
        self._edit(directory, remaining, {tuple(key.split(".")): value for key, value in pins.items()})
        order = [each.file for each in table]
        return tuple(sorted(fates, key=lambda fate: order.index(fate.file)))

    def _edit(self, directory: Path, files: Sequence[str], pins: Mapping[tuple[str, ...], str]) -> None:
        # Not as text, which would change the ends of lines.
        path = directory / RECIPE
        text = edit_recipe(path.read_bytes().decode(), files=files, pins=pins, where=self.recipe.where)
        path.write_bytes(text.encode())

    def _drop_local_version(self, directory: Path, fates: Sequence[PatchFate]) -> tuple[str, ...]:
        """Drop the local version with the last patch, unless the recipe edits the requirements too.

        Returns:
            What to know of it.
        """
        edits = self.recipe.table.metadata
        gone = {"no longer needed", "left out"}
        if edits.local_version is None or not fates or not edits.requires.is_empty:
            return ()
        if not all(each.fate in gone for each in fates):
            return ()
        path, named = directory / RECIPE, f'metadata.local-version = "{edits.local_version}"'
        text = drop_local_version(path.read_bytes().decode())
        if text is None:
            return (f"{named} stays, and no patch is left: remove it by hand",)
        path.write_bytes(text.encode())
        return (f"{named} is dropped: no patch is left",)

    def _edit_smoke_test(self, directory: Path) -> None:
        """The smoke test that `inv recipe.new` writes compares the version."""
        name = self.recipe.table.test.smoke
        if name is None:
            return
        path, line = directory / name, f'version("{self.recipe.name}") == "{{}}"'.encode()
        moved = load_recipe(directory, self.settings).table.wheel_version
        old, new = (line.replace(b"{}", each.encode()) for each in (self.recipe.table.wheel_version, moved))
        path.write_bytes(path.read_bytes().replace(old, new))

    def _lock(self, directory: Path) -> dict[str, int]:
        """Write the locks of the new version, which the whole recipe is checked with."""
        bumper, loaded = self.bumper, read_recipe(directory, self.settings)
        recipes = RecipeSet({**bumper.recipes.by_name, self.recipe.name: loaded}, bumper.recipes.broken)
        recipes = recipes.in_variant(bumper.settings.variant)
        compiler = LockCompiler(
            settings=bumper.settings,
            recipes=recipes,
            fetcher=bumper.fetcher,
            env=bumper.env,
            age=bumper.policy,
        )
        locks = compiler.compile(recipes.find(self.recipe.name))
        for name in _LOCKS:
            (directory / name).unlink(missing_ok=True)
            if name in locks:
                write_atomically(directory / name, locks[name].encode(), "the lock")
        return {name: len(parse_lines(text, name)) for name, text in locks.items()}

    def _mentions(self, directory: Path) -> Iterator[str]:
        """Files of the recipe that name the old version still."""
        version = self.recipe.table.version
        found = re.compile(rb"(?<![\w.])" + re.escape(version).encode() + rb"(?!\w|\.\d)")
        for path in sorted(directory.glob("*")):
            if path.is_file() and path.suffix not in {".lock", ".pyc"} and found.search(path.read_bytes()):
                yield f"{self.recipe.where.removesuffix(RECIPE)}{path.name} names {version} still"
