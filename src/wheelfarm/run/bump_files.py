"""The files that a bump changes, and the line in the changelog."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - of pydantic's field
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, TypeAdapter

from wheelfarm.recipes.versions import VERSIONS
from wheelfarm.system.files import explain_os_errors, write_atomically, write_if_changed
from wheelfarm.system.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wheelfarm.model import Source
    from wheelfarm.recipes.loaded_recipe import LoadedRecipe
    from wheelfarm.recipes.settings import Settings
    from wheelfarm.run.bump_patches import PatchFate

logger = get_logger(__name__)

CHANGELOG: Final = "changelog.d"
"""The directory of changelog fragments; a farm without it has no changelog of bumps."""
_CACHES: Final = "__pycache__"


class JournalEntry(BaseModel):
    """A file that a bump writes or removes."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    path: Path
    before: bytes | None
    after: bytes | None
    """None where there is no file."""


_JOURNAL: Final = TypeAdapter(list[JournalEntry])


@dataclass(frozen=True)
class Change:
    """What becomes of a file."""

    kind: str
    """new, changed or removed."""
    content: bytes | None
    """None where it is removed."""


def read_files(places: Mapping[Path, Path]) -> dict[Path, bytes]:
    """The files of directories, by the path that each has in the farm.

    Args:
        places: directory of the farm → where it is read.
    """
    return {
        directory / path.relative_to(place): path.read_bytes()
        for directory, place in places.items()
        for path in sorted(place.rglob("*"))
        if path.is_file() and _CACHES not in path.parts
    }


def changed_files(
    before: Mapping[Path, bytes], places: Mapping[Path, Path], settings: Settings, name: str, line: str
) -> dict[Path, Change]:
    """The files of the farm that differ.

    Args:
        before: the files of the recipe and its patches.
        places: directory of the farm → its changed copy.
        settings: those of the farm.
        name: the recipe.
        line: of the changelog.
    """
    after = read_files(places)
    changes = {
        path: Change("changed" if path in before else "new", content)
        for path, content in after.items()
        if before.get(path) != content
    }
    changes |= {path: Change("removed", None) for path in before if path not in after}
    directory = settings.root / CHANGELOG
    if directory.is_dir():
        path = directory / f"+bump-{name}.changed.md"
        old = path.read_bytes() if path.is_file() else b""
        changes[path] = Change("changed" if old else "new", old + f"{line}\n".encode())
    return changes


def keep_version(recipe: LoadedRecipe, directory: Path) -> None:
    """Copy a recipe, as it is, below the directory of another version of it, with its patches."""
    copy = directory / VERSIONS / recipe.table.version
    copy.mkdir(parents=True, exist_ok=True)
    for path in recipe.directory.iterdir():
        if path.is_file():
            # The schema, for editors, is two directories further away.
            content = path.read_bytes().replace(b"#:schema ../../", b"#:schema ../../../../")
            (copy / path.name).write_bytes(content)
    if recipe.patches.is_dir():
        shutil.copytree(recipe.patches, copy / "patches", dirs_exist_ok=True)


def changelog_line(recipe: LoadedRecipe, source: Source, fates: Sequence[PatchFate]) -> str:
    """What the changelog says of a bump."""
    old, new = recipe.table.version, source.version
    changed = [f"`{each.file}` is {each.fate}" for each in fates if each.fate != "applies"]
    return f"`{recipe.name}` {old} → {new}" + (f": {', '.join(changed)}" if changed else "") + "."


def write_changes(changes: Mapping[Path, Change], before: Mapping[Path, bytes], journal: Path) -> None:
    """Write and remove files: all, or none of them.

    What they were is first written to a journal. After a kill the next bump restores it from there.

    Args:
        changes: the files.
        before: the contents of those that exist.
        journal: a file that is there only meanwhile.

    Raises:
        WheelhouseError: when the disk is full or not writable.
    """
    entries = [
        JournalEntry(path=path, before=before.get(path), after=change.content)
        for path, change in changes.items()
    ]
    write_atomically(journal, _JOURNAL.dump_json(entries), "the journal")
    try:
        for each in entries:
            _write(each.path, each.after)
    except BaseException:
        restore_files(journal)
        raise
    journal.unlink()


def restore_files(journal: Path) -> None:
    """Restore what a bump has changed that was killed; what somebody has edited since stays.

    Raises:
        WheelhouseError: when the disk is full or not writable.
    """
    if not journal.is_file():
        return
    with explain_os_errors(journal, "the journal"):
        entries = _JOURNAL.validate_json(journal.read_bytes())
    edited = [each.path.name for each in entries if read_file(each.path) not in {each.before, each.after}]
    if edited:
        logger.warning("a bump was killed, and %s has changed since: nothing is restored", ", ".join(edited))
    for each in () if edited else entries:
        _write(each.path, each.before)
    journal.unlink()


def read_file(path: Path) -> bytes | None:
    """The content of a file; None where there is none."""
    return path.read_bytes() if path.is_file() else None


def _write(path: Path, content: bytes | None) -> None:
    if content is not None:
        write_if_changed(path, content)
        return
    with explain_os_errors(path, "the recipe"):
        path.unlink(missing_ok=True)
