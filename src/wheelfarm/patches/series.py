"""The patches that a recipe lists against the files that there are."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from wheelfarm.errors import PatchError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def unlisted(directory: Path, listed: Collection[str]) -> list[PatchError]:
    """The files of `patches/<name>/` that the recipe does not list, and what it lists that is not there.

    Args:
        directory: of the patches of one recipe; it need not exist.
        listed: paths below it, with slashes.
    """
    there = {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.startswith((".", "README"))
    }
    return [
        *(
            PatchError(
                f"{name} is not listed in the recipe",
                where=str(directory / name),
                why="a patch that is not listed is never applied",
                hint="list it under `patches`, or delete it",
            )
            for name in sorted(there.difference(listed))
        ),
        *(
            PatchError(
                f"{name} is listed in the recipe, but is not there",
                where=str(directory / name),
                hint=_nearest(name, there),
            )
            for name in sorted(set(listed) - there)
        ),
    ]


def _nearest(name: str, there: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(there), n=1)
    return f"did you mean {near[0]}?" if near else "add the file, or remove it from the recipe"
