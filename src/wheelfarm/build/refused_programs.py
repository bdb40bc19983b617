"""Build tools of this machine that a build called and its key does not hold, and what the recipe lacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from wheelfarm.build.diagnosis import Hints
from wheelfarm.build.inside.programs import REFUSED, TOOLS
from wheelfarm.plan.inputs import named_programs
from wheelfarm.system.machine import PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build
    from wheelfarm.system.machine import Machine

_COMPILERS: Final = {"c": ("cc", "gcc"), "c++": ("c++", "g++"), "fortran": ("gfortran", "f77", "f95")}
"""The usual names of a compiler, by the language that the recipe lists."""


def visible_programs(build: Build) -> tuple[str, ...]:
    """The programs whose versions are in the key: the compilers, and what the recipe's variables name."""
    compilers = (name for language in build.recipe.table.compilers for name in _COMPILERS[language])
    return tuple(dict.fromkeys((*compilers, *named_programs(build.resolved.environment))))


def refused_programs(root: Path) -> dict[str, str]:
    """The programs that a build was refused, each with its file, in the order of the calls."""
    path = root / REFUSED
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return dict(line.split(" ", 1) for line in lines)


def explain_refused(refused: dict[str, str], build: Build, machine: Machine) -> Hints:
    """The cause, and the lines of the recipe that let the build use the programs."""
    names = ", ".join(f"{name} ({path})" for name, path in refused.items())
    return Hints(
        f"the build called {names}, which its key does not hold",
        "; ".join(f"{name}: {_remedies(name, path, build, machine)}" for name, path in refused.items())
        + f"; then inv recipe.lock {build.id.name}",
    )


def _remedies(name: str, path: str, build: Build, machine: Machine) -> str:
    language = next((each for each, names in _COMPILERS.items() if name in names), None)
    if language is not None:
        known = [each for each in PROGRAMS if each in {*build.recipe.table.compilers, language}]
        return f"compilers = {json.dumps(known)}"
    owner, manager = machine.owner(path), build.toolchain.manager
    ways = [f'[build-requires] add = ["{TOOLS[name]}"]'] if TOOLS[name] else []
    ways += [f'[system-packages] {manager} = ["{owner}"]'] if owner else []
    return " or ".join(ways) or "take the call out by a patch or a config setting"
