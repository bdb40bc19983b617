"""Build backends: checks of config settings, which most ignore when unknown, and Meson's install tags.

Meson itself refuses an unknown option, but minutes into a chain and inside a container; it accepts any value
of a project's own string option. `meson introspect` reads the build files without a compiler.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import Collector, ProcessError, RecipeError
from wheelfarm.recipes.build_requirements import backend
from wheelfarm.recipes.strict import suggestion
from wheelfarm.system.environment import which
from wheelfarm.system.files import parse_json
from wheelfarm.system.process import Command, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wheelfarm.plan.build import Build

MESON_PYTHON: Final = "mesonpy"
_SETUPTOOLS: Final = frozenset(
    {"--global-option", "--build-option", "--verbose", "verbose", "--quiet", "quiet"}
)
KNOWN: Final[Mapping[str, frozenset[str]]] = {
    # Not its build-dir, which the farm sets, nor dist-args and editable-verbose: they are not for wheels.
    MESON_PYTHON: frozenset({"setup-args", "compile-args", "install-args"}),
    # setuptools.build_meta._ConfigSettingsTranslator
    "setuptools.build_meta": _SETUPTOOLS,
    "setuptools.build_meta:__legacy__": _SETUPTOOLS,
    # Both take config settings, as PEP 517 demands, and use none.
    "hatchling.build": frozenset(),
    "flit_core.buildapi": frozenset(),
}
"""Backend → the keys that have an effect on a wheel; a backend that is not here is not checked.

scikit-build-core is not: its keys are the paths of all its settings, and it refuses unknown ones itself.
"""
_TAGS: Final = "--tags"
_TIME_LIMIT: Final = 120.0
_DEFINED: Final = re.compile(r"-D\s*(?P<name>[^=\s]+)(?:=(?P<value>.*))?", re.DOTALL)
_LONG: Final = re.compile(r"--(?P<name>[a-z][a-z-]*)=(?P<value>.*)", re.DOTALL)
_ARRAY: Final = re.compile(r"""\s*\[(?P<items>.*)\]\s*""", re.DOTALL)


def check_settings(build: Build, tree: Path, env: Mapping[str, str]) -> tuple[str, ...]:
    """Refuse config settings, and options in them, that would have no effect or are invalid.

    Returns:
        What could not be checked, and why.
    """
    problems, unchecked = Collector(), list[str | None]()
    backend_name = backend(tree)
    meson = backend_name == MESON_PYTHON
    with problems.collect():
        unchecked.append(check_keys(build, backend_name))
    with problems.collect():
        check_install_tags(build, meson=meson)
    if meson:
        with problems.collect():
            unchecked.append(check_meson_options(build, tree, env))
    problems.check()
    return tuple(why for why in unchecked if why is not None)


def check_keys(build: Build, backend_name: str) -> str | None:
    """Refuse config settings that the backend would ignore; returns why they could not be checked."""
    settings, known = build.resolved.config_settings.items, KNOWN.get(backend_name)
    if known is None:
        why = f"{backend_name} publishes no list of what it takes"
        return f"config settings are not checked: {why}" if settings else None
    problems = Collector()
    for key in (key for key, _ in settings if key not in known):
        problems.add(
            RecipeError(
                f"{backend_name} takes no config setting {key!r}",
                where=build.resolved.origins[f"config-settings.{key}"],
                why="it would have no effect on the wheel",
                hint=suggestion(key, known),
            )
        )
    problems.check()
    return None


def parse_tags(arguments: Sequence[str]) -> tuple[str, ...] | None:
    """The tags in the arguments of `meson install`: the last list counts; None when all is installed."""
    value: str | None = None
    for index, word in enumerate(arguments):
        if word == _TAGS:
            value = "".join(arguments[index + 1 : index + 2])
        elif word.startswith(f"{_TAGS}="):
            value = word.removeprefix(f"{_TAGS}=")
    return None if value is None else tuple(tag.strip() for tag in value.split(",") if tag.strip())


def with_tags(arguments: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    """Arguments that install further tags too; unchanged when all is installed."""
    tags, more = parse_tags(arguments), tuple(more)
    if tags is None or not more:
        return tuple(arguments)
    return (*arguments, f"{_TAGS}={','.join(dict.fromkeys([*tags, *more]))}")


def main_tags(build: Build) -> tuple[str, ...] | None:
    """The tags of the main wheel; None when all is installed."""
    return parse_tags(dict(build.resolved.config_settings.items).get("install-args", ()))


def check_install_tags(build: Build, *, meson: bool) -> None:
    """Refuse splits by install tags without Meson, and tags that the main wheel has too."""
    problems = Collector()
    main, where = main_tags(build) or (), build.recipe.where
    for name, split in build.splits.items():
        if split.install_tags and not meson:
            why = "install tags are Meson's, and the source is not built by meson-python"
            hint = 'say files = ["<package>/tests/*"] in their place'
            problems.add(RecipeError(f"{name} cannot be split", where=where, why=why, hint=hint))
        for tag in split.install_tags or ():
            if tag in main:
                hint = f"take {tag} out of config-settings.install-args"
                what = f"both {build.id.name} and {name} ask for the install tag {tag!r}"
                problems.add(RecipeError(what, where=where, hint=hint))
    problems.check()


def check_meson_options(build: Build, tree: Path, env: Mapping[str, str]) -> str | None:
    """Compare `setup-args` with the options of the source tree; returns why they could not be checked."""
    arguments = dict(build.resolved.config_settings.items).get("setup-args", ())
    if not any(True for _ in _assignments(arguments)):
        return None
    if which("meson", env) is None:
        return "setup-args are not checked: there is no meson here"
    argv = ("meson", "introspect", "--buildoptions", str(tree / "meson.build"))
    try:
        output = run(Command(argv=argv, env=env, cwd=tree, time_limit=_TIME_LIMIT)).output
        options = {option["name"]: option for option in parse_json(output)}
        found = list(find_problems(arguments, options))
    except (ProcessError, ValueError, KeyError, TypeError) as problem:
        why = problem.why or problem.what if isinstance(problem, ProcessError) else str(problem)
        return f"setup-args are not checked: meson introspect fails: {str(why).splitlines()[0]:.200}"
    problems = Collector()
    origin = build.resolved.origins["config-settings.setup-args"]
    for argument, why in found:
        problems.add(RecipeError(f"{build.id.name} cannot be set up with {argument}", where=origin, why=why))
    problems.check()
    return None


def _assignments(arguments: Sequence[str]) -> Iterator[tuple[str, str, str | None]]:
    """Each argument that sets an option, with the option's name and its value."""
    words = iter(arguments)
    for word in words:
        whole = f"-D{next(words, '')}" if word == "-D" else word
        match = _DEFINED.fullmatch(whole) or _LONG.fullmatch(whole)
        if match:
            name = match["name"] if whole.startswith("-D") else match["name"].replace("-", "_")
            yield whole, name, match["value"]


def find_problems(
    arguments: Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Each argument of `meson setup` that is wrong, and why; `meson introspect` describes the options."""
    for whole, name, value in _assignments(arguments):
        option = options.get(name)
        if option is None:
            # Options of subprojects are unknown before the setup; --reconfigure and the like are none.
            if ":" not in name and whole.startswith("-D"):
                yield whole, f"the project's Meson has no option {name!r}: {suggestion(name, options)}"
        elif value is None:
            yield whole, f"it gives {name!r} no value"
        elif why := _misfit(value, option["type"], option.get("choices") or ()):
            yield whole, why


def _misfit(value: str, kind: str, choices: Sequence[str]) -> str | None:
    """Why a value is none of an option; None when it is one."""
    match kind:
        case "boolean" if value not in {"true", "false"}:
            return "it is a boolean: true or false"
        case "integer" if not re.fullmatch(r"[+-]?\d+", value):
            return "it is an integer"
        case "combo" if choices and value not in choices:
            return suggestion(value, choices)
        case "array" if choices:
            # Meson reads `a,b` and `['a', 'b']`.
            array = _ARRAY.fullmatch(value)
            items = (item.strip().strip("'\"") for item in (array["items"] if array else value).split(","))
            wrong = [item for item in items if item and item not in choices]
            return f"{wrong[0]!r}: {suggestion(wrong[0], choices)}" if wrong else None
        case _:
            return None
