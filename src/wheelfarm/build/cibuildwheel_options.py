"""Further options of cibuildwheel in a recipe: which it may set, and whether they are valid."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, RecipeError
from wheelfarm.model import EngineName, Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.model import Target
    from wheelfarm.plan.build import Build


_UNSAYABLE: Final = ("<(", ">(", "\0", "\n", "\r")
_FILLED_IN: Final = frozenset({"{wheel}", "{dest_dir}"})


def quote_value(name: str, value: str, *, where: str) -> str:
    r"""One assignment of CIBW_ENVIRONMENT, which is parsed by bashlex and not by a shell.

    Within double quotes everything survives when `\`, `"`, `$` and the backtick are escaped, but `<(` and
    `>(` are read as process substitution wherever they stand.

    Raises:
        RecipeError: for a value that cannot be said to cibuildwheel.
    """
    forbidden = next((text for text in _UNSAYABLE if text in value), None)
    if forbidden or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise RecipeError(
            f"{name} cannot be passed through cibuildwheel",
            where=where,
            why=f"the value holds {forbidden!r}" if forbidden else "it is not a variable's name",
            hint="set it in a patch or a config setting instead",
        )
    escaped = re.sub(r'([\\"$`])', r"\\\1", value)
    return f'{name}="{escaped}"'


def escape_placeholders(text: str) -> str:
    """Text in which cibuildwheel replaces nothing: it would fill in {project} and {package}."""
    return re.sub(r"\{(project|package)\}", r"#{\1}", text)


def command_line(*parts: Sequence[str], target: Target) -> str:
    """Words as one command line of the target's shell.

    cibuildwheel fills its placeholders in as they are. In a container their values are fixed and plain; on a
    machine they are below its temporary directory, whose path may hold a space.
    """
    quote = _quote_for_windows if target.platform is Platform.WINDOWS else shlex.quote
    filled_in = "{}" if target.platform is Platform.LINUX else '"{}"'
    words = (word for part in parts for word in part)
    return " ".join(filled_in.format(word) if word in _FILLED_IN else quote(word) for word in words)


def _quote_for_windows(word: str) -> str:
    return subprocess.list2cmdline([word])


OWNED: Final = frozenset(
    {
        *("build", "skip", "archs", "enable", "environment", "environment-pass", "config-settings"),
        *("build-frontend", "before-all", "before-build", "repair-wheel-command", "container-engine"),
        # They install what no lock pins; and the gate tests, in a clean room.
        *("audit-command", "audit-requires", "before-test"),
        # These tables replace whatever the general one says.
        *("overrides", "inherit", "linux", "macos", "windows", "pyodide", "android", "ios"),
    }
)
"""Options that the farm renders from the recipe; a recipe that set them itself would undo an invariant."""


def _owned(option: str) -> bool:
    return option in OWNED or option.startswith("test-") or option.endswith("-image")


def schema_path() -> Path:
    """The JSON Schema of its options that cibuildwheel ships."""
    package = distribution("cibuildwheel")
    return Path(str(package.locate_file("cibuildwheel/resources/cibuildwheel.schema.json")))


def check_options(build: Build) -> None:
    """Refuse options of the recipe's `cibuildwheel` table that are the farm's own or that it does not know.

    Raises:
        RecipeError: a group with everything that is wrong with them.
    """
    options = dict(build.resolved.cibuildwheel)
    if not options:
        return
    # It takes a tenth of a second to import, which every command would pay.
    from jsonschema import Draft7Validator  # noqa: PLC0415

    problems = Collector()
    owned = {option for option in options if _owned(option)}
    for option in sorted(owned):
        problems.add(
            RecipeError(
                f"{option} may not be set through cibuildwheel",
                where=build.resolved.origins[f"cibuildwheel.{option}"],
                why="the farm renders it from the recipe",
                hint="use the recipe's own keys: environment, config-settings, system-packages, test; "
                "builder images are a setting of the farm",
            )
        )
    validator = Draft7Validator(json.loads(schema_path().read_text(encoding="utf-8")))
    for option in sorted(options.keys() - owned):
        for problem in validator.iter_errors({option: options[option]}):
            problems.add(
                RecipeError(
                    f"cibuildwheel does not take {option} = {options[option]!r}",
                    where=build.resolved.origins[f"cibuildwheel.{option}"],
                    why=problem.message,
                    hint="see the options in cibuildwheel's documentation",
                )
            )
    problems.check()


def check_effect(build: Build) -> None:
    """Refuse options of cibuildwheel for an engine that does not run it: they would silently do nothing.

    Raises:
        RecipeError: naming them.
    """
    options = sorted(build.resolved.cibuildwheel)
    if options and build.engine is not EngineName.CIBUILDWHEEL:
        raise RecipeError(
            f"{', '.join(options)} would have no effect",
            where=build.resolved.origins[f"cibuildwheel.{options[0]}"],
            why=f"the {build.engine} engine runs no cibuildwheel",
            hint="say --engine cibuildwheel, or take the options out of the recipe",
        )
