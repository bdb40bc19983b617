"""Build tools of this machine that a build called and its key does not hold, and what the recipe lacks."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Final

from wheelfarm.build.edits import Compile, Require
from wheelfarm.build.environment_report import read_environment_report
from wheelfarm.build.hints import Hints
from wheelfarm.build.inside.environment_report import refused
from wheelfarm.build.inside.programs import REFUSED, TOOLS
from wheelfarm.build.versions import version_variables
from wheelfarm.plan.inputs import named_programs
from wheelfarm.system.machine import PROGRAMS, Machine

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wheelfarm.build.directory import BuildDirectory
    from wheelfarm.build.edits import Edit
    from wheelfarm.plan.build import Build

_REPOSITORIES: Final = frozenset({"git", "hg"})
_OF_MESON: Final = frozenset({"pkg-config", "pkgconf"})
_AS_NAMED: Final = dict.fromkeys(_OF_MESON, r"pkg-?conf")
"""How Meson's messages write a program, where they do not write its name."""
_COMPILERS: Final = {"c": ("cc", "gcc"), "c++": ("c++", "g++"), "fortran": ("gfortran", "f77", "f95")}
"""The usual names of a compiler, by the language that the recipe lists."""


def visible_programs(build: Build) -> tuple[str, ...]:
    """The programs whose versions are in the key: the compilers, and what the recipe's variables name."""
    compilers = (name for language in build.recipe.table.compilers for name in _COMPILERS[language])
    return tuple(dict.fromkeys((*compilers, *named_programs(build.resolved.environment))))


def refused_programs(root: Path) -> dict[str, str]:
    """The programs that a build was refused, each with its file, in the order of the calls."""
    return _known(refused(root / REFUSED))


def suspected_programs(directory: BuildDirectory, lines: Iterable[str]) -> dict[str, str]:
    """The programs that a failed build was refused, and that the failure may come from.

    What each build of that kind calls and does without counts only where the lines of the failure name it.
    """
    found, probed, text = refused_programs(directory.root), _probed(directory), "\n".join(lines)
    return {
        name: path
        for name, path in found.items()
        if name not in probed or re.search(_AS_NAMED.get(name, name), text, re.IGNORECASE)
    }


def _known(found: dict[str, str]) -> dict[str, str]:
    """Without what the build itself may have written."""
    return {name: path for name, path in found.items() if name in TOOLS}


def explain_refused(programs: dict[str, str], build: Build, machine: Machine) -> Hints:
    """The cause, and the lines of the recipe that let the build use the programs."""
    names = ", ".join(f"{name} ({path})" for name, path in programs.items())
    return Hints(
        f"the build called {names}, which its key does not hold",
        "; ".join(f"{name}: {_remedies(name, path, build, machine)}" for name, path in programs.items())
        + f"; then inv recipe.lock {build.id.name}",
        tuple(edit for name in programs if (edit := _edit(name))),
    )


def warn_of_refused(directory: BuildDirectory) -> tuple[str, ...]:
    """A warning where a build went on without programs that it called."""
    build, found = directory.build, _known(read_environment_report(directory).refused)
    probed = _probed(directory)
    found = {name: path for name, path in found.items() if name not in probed}
    if not found:
        return ()
    cause, hint, _ = explain_refused(found, build, Machine({"PATH": os.defpath}))
    none = "; a source holds no repository, so what names its version there gets none"
    more = none if _REPOSITORIES.intersection(found) else ""
    return (f"{cause}, and went on without: {hint}{more}",)


def _probed(directory: BuildDirectory) -> frozenset[str]:
    """The programs that a build calls and does not need."""
    probed: frozenset[str] = frozenset()
    if version_variables(directory) or directory.build_dir is not None:
        # The farm gives such backends the version, and Meson projects have it in their source.
        probed |= _REPOSITORIES
    if directory.build_dir is not None:
        # Meson asks it for Python's headers in each project, and then finds them by Python itself.
        probed |= _OF_MESON
    return probed


def _edit(name: str) -> Edit | None:
    """What lets a build use a program; None where only a person can choose."""
    language = next((each for each, names in _COMPILERS.items() if name in names), None)
    if language is not None:
        return Compile(language)
    return Require(TOOLS[name]) if TOOLS[name] else None


def _remedies(name: str, path: str, build: Build, machine: Machine) -> str:
    language = next((each for each, names in _COMPILERS.items() if name in names), None)
    if language is not None:
        known = [each for each in PROGRAMS if each in {*build.recipe.table.compilers, language}]
        return f"compilers = {json.dumps(known)}"
    owner, manager = machine.owner(path), build.toolchain.manager
    ways = [f'[build-requires] add = ["{TOOLS[name]}"]'] if TOOLS[name] else []
    ways += [f'[system-packages] {manager} = ["{owner}"]'] if owner else []
    return " or ".join(ways) or "take the call out by a patch or a config setting"
