"""What recipe.bump prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import counted
from wheelfarm.run.bump import Bump

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.run.newer_source import NewerSource

_TITLE: Final = 72
"""Characters of the title."""


def bump_data(recipe: LoadedRecipe, found: Bump | NewerSource, *, dry_run: bool) -> dict[str, Any]:
    """A recipe that has moved, or what is newer, as JSON."""
    return _moved_data(found, dry_run=dry_run) if isinstance(found, Bump) else _found_data(recipe, found)


def bump_lines(
    recipe: LoadedRecipe, found: Bump | NewerSource, *, dry_run: bool, width: int
) -> Iterator[str]:
    """The same for people, with the next command."""
    if isinstance(found, Bump):
        return _moved_lines(found, dry_run=dry_run, width=width)
    return _found_lines(recipe, found, width)


def _found_data(recipe: LoadedRecipe, found: NewerSource) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "version": recipe.table.version,
        "newer": found.source.version if found.source else None,
        "known": found.known,
        "notes": list(found.notes),
    }


def _found_lines(recipe: LoadedRecipe, found: NewerSource, width: int) -> Iterator[str]:
    version = recipe.table.version
    if found.source is not None:
        answer = f"{version} → {found.source.version}"
    elif found.known:
        answer = f"{version} is the newest"
    else:
        answer = f"{version}: the farm cannot know whether there is a newer one"
    yield f"{recipe.name:{width}}  {answer}"
    yield from (f"  {note}" for note in found.notes)


def _moved_data(bump: Bump, *, dry_run: bool) -> dict[str, Any]:
    return {
        "name": bump.name,
        "version": bump.old,
        "newer": bump.new,
        "known": True,
        "notes": list(bump.notes),
        "patches": [{"file": each.file, "fate": each.fate, "why": each.why} for each in bump.patches],
        "pinned": dict(bump.pinned),
        "files": dict(bump.files),
        "line": bump.line,
        "written": not dry_run,
    }


def _moved_lines(bump: Bump, *, dry_run: bool, width: int) -> Iterator[str]:
    yield f"{bump.name:{width}}  {bump.old} → {bump.new}{', not written' if dry_run else ''}"
    yield from (f"  {note}" for note in bump.notes)
    for each in bump.patches:
        yield f"  {each.file}: {each.fate}{f': {each.why}' if each.why else ''}"
    for lock, number in bump.pinned.items():
        yield f"  {lock}: {number} pinned"
    if not dry_run:
        yield f"  {counted(len(bump.files), 'file')} written; next: nox -s build-{bump.name}"


def request_message(found: Sequence[tuple[LoadedRecipe, Bump | NewerSource]], problems: Sequence[str]) -> str:
    """The title and the text of a pull request with bumps: Markdown, in which what others wrote is code."""
    bumps = [each for _, each in found if isinstance(each, Bump)]
    title = "recipes: bump " + ", ".join(f"{each.name} to {each.new}" for each in bumps)
    if len(title) > _TITLE:
        title = f"recipes: bump {counted(len(bumps), 'recipe')}"
    width = max((len(recipe.name) for recipe, _ in found), default=0)
    lines = [line for recipe, each in found for line in bump_lines(recipe, each, dry_run=False, width=width)]
    parts = [title, "`inv recipe.bump all` has written this.", _code(lines)]
    if problems:
        parts += ["What could not be moved:", _code(problems)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _code(lines: Sequence[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)
