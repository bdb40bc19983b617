"""Variables that a recipe gives CMake and no file of the project reads: CMake only warns of them.

The warning is there unless a project asks for `--no-warn-unused-cli` (cmake(1)).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wheelfarm.plan.build import Build

_WARNING: Final = "Manually-specified variables were not used by the project:"
_SETTING: Final = re.compile(r"(?:skbuild\.)?cmake\.define\.(.+)")
_ARGUMENTS: Final = re.compile(r"(?:skbuild\.)?cmake\.args")
_DEFINED: Final = re.compile(r"(?:^|\s)-D\s*([^\s:=]+)")


def check_unused_variables(build: Build, log: Path) -> None:
    """Refuse variables of CMake that had no effect, as the log of the build says.

    Raises:
        RecipeError: a group with each variable.
    """
    given = dict(_given_variables(build))
    if not given:
        return
    with log.open(encoding="utf-8", errors="replace") as lines:
        unused = set(find_unused(lines))
    problems = Collector()
    for name in (name for name in given if name in unused):
        problems.add(
            RecipeError(
                f"{build.id.name}: no file of the project reads the CMake variable {name}",
                where=build.resolved.origins[given[name]],
                why="the option had no effect: CMake warns of it in the log",
                hint="grep the source's CMakeLists.txt for the name of the option, or take the line out",
            )
        )
    problems.check()


def find_unused(lines: Iterable[str]) -> Iterator[str]:
    """The variables that CMake's warning lists, one a line and indented further than the warning."""
    indent = None
    for line in lines:
        text = line.strip()
        if text == _WARNING:
            indent = len(line) - len(line.lstrip())
        elif indent is not None and text:
            if len(line) - len(line.lstrip()) > indent:
                yield text
            else:
                indent = None


def _given_variables(build: Build) -> Iterator[tuple[str, str]]:
    """Each variable that the recipe defines, with the path of the key that does."""
    for key, values in build.resolved.config_settings.items:
        if match := _SETTING.fullmatch(key):
            yield match[1], f"config-settings.{key}"
        elif _ARGUMENTS.fullmatch(key):
            yield from (
                (name, f"config-settings.{key}") for each in values for name in _DEFINED.findall(each)
            )
    # scikit-build-core and most others read it.
    arguments = build.resolved.environment.get("CMAKE_ARGS", "")
    yield from ((name, "environment.CMAKE_ARGS") for name in _DEFINED.findall(arguments))
