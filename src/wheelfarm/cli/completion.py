"""Completion of package and variant names for `inv --complete`; invoke itself completes tasks and options.

The shell waits for it, so it imports little.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.cli.farm_files import FarmFiles, recipe_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from invoke.program import Program

_ALL: Final = "all"
_VARIANT: Final = ("--variant", "-v")


def complete_names(program: Program) -> None:
    """Print what completes a package or variant on the command line, and end; nothing for other words.

    Raises:
        SystemExit: when it has printed something.
    """
    if not hasattr(program, "core") or not program.args.complete.value:
        return
    found = candidates(words_of(program.core.remainder), Path.cwd())
    if found:
        print("\n".join(found))  # noqa: T201 - for the shell, as invoke does
        raise SystemExit(0)


def words_of(line: str) -> list[str]:
    """The words of an unfinished command line after the program's name."""
    try:
        return shlex.split(line)[1:]
    except ValueError:  # a quote that is still open
        return []


def candidates(words: Sequence[str], directory: Path) -> list[str]:
    """What the last word of a command line may become.

    Nothing for a task or option, and where the directory is in no farm. Packages are separated by commas.
    """
    *before, last = words or [""]
    farm = _farm_around(directory)
    if not before or last.startswith("-") or farm is None:
        return []
    if before[-1] in _VARIANT:
        return [*farm.variants]
    return packages(farm, last)


def packages(farm: FarmFiles, word: str = "") -> list[str]:
    """The packages that an unfinished list of packages may end with, each with what precedes it."""
    *chosen, _ = word.split(",")
    farms = [each for each in (farm.base, farm) if each]
    names = sorted({file.parent.name for each in farms for file in recipe_files(each.recipes)})
    prefix = "".join(f"{name}," for name in chosen)
    return [f"{prefix}{name}" for name in names if name not in chosen] + ([] if chosen else [_ALL])


def packages_here() -> list[str]:
    """The packages of the farm around the current directory."""
    farm = _farm_around(Path.cwd())
    return packages(farm) if farm else []


def _farm_around(directory: Path) -> FarmFiles | None:
    for farm in map(FarmFiles, (directory, *directory.parents)):
        if (farm.root / "pyproject.toml").is_file() and (farm.recipes.is_dir() or farm.base):
            return farm
    return None
