"""The options that a source tree's Meson really has, and whether what a recipe says fits them.

Meson itself refuses an unknown option, minutes into a chain and inside a container; a wrong value of a
project's own string it does not refuse at all. `meson introspect` reads the build files without a compiler.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import Collector, ProcessError, RecipeError
from wheelfarm.model import sha256_of_json
from wheelfarm.recipes.strict import suggestion
from wheelfarm.system.files import sha256_of_file
from wheelfarm.system.output import which
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wheelfarm.plan.build import Build
    from wheelfarm.sources.cache import Cache


_TIME_LIMIT: Final = 120.0
_READ: Final = frozenset({"meson.build", "meson.options", "meson_options.txt"})
_PROGRAMS: Final = ("meson", "cc", "gcc", "clang", "c++", "g++", "clang++", "gfortran", "flang", "cython")
"""Whose answers it gives; what the environment names beside them is told by that."""


def introspect(tree: Path, env: Mapping[str, str], cache: Cache) -> str | None:
    """The options of a source tree as `meson introspect --buildoptions` prints them.

    Args:
        tree: the patched source tree.
        env: for the program.
        cache: where the answer is kept.

    Returns:
        JSON; None where there is no Meson on this machine.

    Raises:
        ProcessError: when it fails, which is not kept.
        OSError: when the tree cannot be read.
    """
    if which("meson", env) is None:
        return None
    asked = {
        "environment": dict(env),
        "programs": [_identity(program, env) for program in _PROGRAMS],
        "files": dict(sorted(_files(tree))),
    }
    question = {"kind": "meson introspect --buildoptions", "of": sha256_of_json(asked)}
    known = cache.recall(question)
    if known is not None:
        return known[0].read_text(encoding="utf-8")
    argv = ("meson", "introspect", "--buildoptions", str(tree / "meson.build"))
    answer = run(Command(argv=argv, env=env, cwd=tree, time_limit=_TIME_LIMIT)).output
    # A cache that cannot be written to may still be read.
    with suppress(OSError):
        _, stored = cache.store([answer.encode()], "options.json", accepted=None, origin="meson introspect")
        cache.remember(question, stored)
    return answer


def _identity(program: str, env: Mapping[str, str]) -> list[str | int] | None:
    """What tells a program from another version of it."""
    path = which(program, env)
    if path is None:
        return None
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def _files(tree: Path) -> Iterator[tuple[str, str]]:
    """Each file that tells of options, by its path, and the digest of what it says."""
    for parent, _, names in os.walk(tree):
        for path in (Path(parent, name) for name in _READ.intersection(names)):
            if path.is_file():
                yield path.relative_to(tree).as_posix(), sha256_of_file(path)


SETTING: Final = "setup-args"
_DEFINED: Final = re.compile(r"-D\s*(?P<name>[^=\s]+)(?:=(?P<value>.*))?", re.DOTALL)
_LONG: Final = re.compile(r"--(?P<name>[a-z][a-z-]*)=(?P<value>.*)", re.DOTALL)
_ARRAY: Final = re.compile(r"""\s*\[(?P<items>.*)\]\s*""", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class MesonOption:
    """One option: string, boolean, combo, integer or array."""

    name: str
    type: str
    choices: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> MesonOption:
        """From an entry of `meson introspect --buildoptions`."""
        choices = tuple(map(str, document.get("choices") or ()))
        return cls(name=str(document["name"]), type=str(document["type"]), choices=choices)

    def refuses(self, value: str) -> str | None:
        """Why a value does not fit; None when it does."""
        match self.type:
            case "boolean" if value not in {"true", "false"}:
                return "it is a boolean: true or false"
            case "integer" if not re.fullmatch(r"[+-]?\d+", value):
                return "it is an integer"
            case "combo" if self.choices and value not in self.choices:
                return suggestion(value, self.choices)
            case "array" if self.choices:
                wrong = [item for item in _items(value) if item not in self.choices]
                return f"{wrong[0]!r}: {suggestion(wrong[0], self.choices)}" if wrong else None
            case _:
                return None


def _items(value: str) -> list[str]:
    """The items of an array, which Meson takes with commas between them or as it would write it itself."""
    written = _ARRAY.fullmatch(value)
    inner = written["items"] if written else value
    return [item.strip().strip("'\"") for item in inner.split(",") if item.strip()]


def _said(arguments: Sequence[str]) -> Iterator[tuple[str, str, str | None]]:
    """Each argument that sets an option: as it stands, the option's name, and its value."""
    words = iter(arguments)
    for word in words:
        whole = f"-D{next(words, '')}" if word == "-D" else word
        match = _DEFINED.fullmatch(whole) or _LONG.fullmatch(whole)
        if match:
            name = match["name"] if whole.startswith("-D") else match["name"].replace("-", "_")
            yield whole, name, match["value"]


def problems_of(arguments: Sequence[str], options: Mapping[str, MesonOption]) -> Iterator[tuple[str, str]]:
    """Each argument that is wrong, and why.

    Args:
        arguments: of `meson setup`.
        options: by name; those of subprojects have the subproject's name and a colon before theirs.
    """
    for whole, name, value in _said(arguments):
        subproject = name.partition(":")[0] if ":" in name else None
        option = options.get(name)
        if option is None:
            # Subprojects show their options when they are configured; --reconfigure and the like are none.
            if subproject is None and whole.startswith("-D"):
                yield whole, f"the project's Meson has no option {name!r}: {suggestion(name, options)}"
        elif value is None:
            yield whole, f"it gives {name!r} no value"
        elif why := option.refuses(value):
            yield whole, why


def read_options(text: str) -> dict[str, MesonOption]:
    """The options that `meson introspect --buildoptions` prints, by name."""
    return {option.name: option for option in map(MesonOption.of, json.loads(text))}


def check_meson_options(build: Build, tree: Path, env: Mapping[str, str], cache: Cache) -> str | None:
    """Compare a recipe's `setup-args` with the options that the source tree has.

    Args:
        build: whose recipe it is.
        tree: the patched source tree.
        env: for the program.
        cache: where its answers are kept.

    Returns:
        Why they could not be checked; None when they were.

    Raises:
        RecipeError: a group with each argument that names no option, or has a value that does not fit.
    """
    arguments = dict(build.resolved.config_settings.items).get(SETTING, ())
    if not any(True for _ in _said(arguments)):
        return None
    try:
        answer = introspect(tree, env, cache)
        if answer is None:
            return f"{SETTING} are not checked: there is no meson here"
        options = read_options(answer)
    except (ProcessError, ValueError, KeyError, TypeError) as problem:
        why = problem.why or problem.what if isinstance(problem, ProcessError) else str(problem)
        return f"{SETTING} are not checked: meson introspect fails: {str(why).splitlines()[0]:.200}"
    problems = Collector()
    origin = build.resolved.origins[f"config-settings.{SETTING}"]
    for argument, why in problems_of(arguments, options):
        problems.add(RecipeError(f"{build.id.name} cannot be set up with {argument}", where=origin, why=why))
    problems.check()
    return None
