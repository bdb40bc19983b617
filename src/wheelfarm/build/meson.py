"""Checks of a recipe's `setup-args` against the options that a source tree's Meson has.

Meson itself refuses an unknown option, but minutes into a chain and inside a container; it accepts any value
of a project's own string option. `meson introspect` reads the build files without a compiler.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import Collector, ProcessError, RecipeError
from wheelfarm.recipes.strict import suggestion
from wheelfarm.system.environment import which
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.plan.build import Build

SETTING: Final = "setup-args"
_TIME_LIMIT: Final = 120.0
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

    def problem(self, value: str) -> str | None:
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
    """The items of an array: Meson reads `a,b` and `['a', 'b']`."""
    array = _ARRAY.fullmatch(value)
    inner = array["items"] if array else value
    return [item.strip().strip("'\"") for item in inner.split(",") if item.strip()]


def _settings(arguments: Sequence[str]) -> Iterator[tuple[str, str, str | None]]:
    """Each argument that sets an option, with the option's name and its value."""
    words = iter(arguments)
    for word in words:
        whole = f"-D{next(words, '')}" if word == "-D" else word
        match = _DEFINED.fullmatch(whole) or _LONG.fullmatch(whole)
        if match:
            name = match["name"] if whole.startswith("-D") else match["name"].replace("-", "_")
            yield whole, name, match["value"]


def find_problems(arguments: Sequence[str], options: Mapping[str, MesonOption]) -> Iterator[tuple[str, str]]:
    """Each argument that is wrong, and why.

    Args:
        arguments: of `meson setup`.
        options: by name; those of subprojects have the subproject's name and a colon before theirs.
    """
    for whole, name, value in _settings(arguments):
        option = options.get(name)
        if option is None:
            # Options of subprojects are unknown before the setup; --reconfigure and the like are none.
            if ":" not in name and whole.startswith("-D"):
                yield whole, f"the project's Meson has no option {name!r}: {suggestion(name, options)}"
        elif value is None:
            yield whole, f"it gives {name!r} no value"
        elif why := option.problem(value):
            yield whole, why


def read_options(text: str) -> dict[str, MesonOption]:
    """The options that `meson introspect --buildoptions` prints, by name."""
    return {option.name: option for option in map(MesonOption.of, json.loads(text))}


def check_meson_options(build: Build, tree: Path, env: Mapping[str, str]) -> str | None:
    """Compare a recipe's `setup-args` with the options of the source tree.

    Args:
        build: whose recipe it is.
        tree: the patched source tree.
        env: the environment of Meson.

    Returns:
        Why they could not be checked; None when they were.

    Raises:
        RecipeError: a group with each argument that names no option, or has a value that does not fit.
    """
    arguments = dict(build.resolved.config_settings.items).get(SETTING, ())
    if not any(True for _ in _settings(arguments)):
        return None
    if which("meson", env) is None:
        return f"{SETTING} are not checked: there is no meson here"
    argv = ("meson", "introspect", "--buildoptions", str(tree / "meson.build"))
    try:
        options = read_options(run(Command(argv=argv, env=env, cwd=tree, time_limit=_TIME_LIMIT)).output)
    except (ProcessError, ValueError, KeyError, TypeError) as problem:
        why = problem.why or problem.what if isinstance(problem, ProcessError) else str(problem)
        return f"{SETTING} are not checked: meson introspect fails: {str(why).splitlines()[0]:.200}"
    problems = Collector()
    origin = build.resolved.origins[f"config-settings.{SETTING}"]
    for argument, why in find_problems(arguments, options):
        problems.add(RecipeError(f"{build.id.name} cannot be set up with {argument}", where=origin, why=why))
    problems.check()
    return None
