"""Options of cibuildwheel: how values are quoted, and which ones a recipe may set."""

from __future__ import annotations

import json
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, RecipeError
from wheelfarm.model import EngineName

if TYPE_CHECKING:
    from wheelfarm.plan.build import Build


_FORBIDDEN: Final = ("<(", ">(", "\0", "\n", "\r")


def quote_value(name: str, value: str, *, where: str) -> str:
    r"""One assignment of CIBW_ENVIRONMENT, which is parsed by bashlex and not by a shell.

    Within double quotes everything survives when `\`, `"`, `$` and the backtick are escaped, but `<(` and
    `>(` are read as process substitution wherever they stand.

    Raises:
        RecipeError: for a value that CIBW_ENVIRONMENT cannot hold.
    """
    forbidden = next((text for text in _FORBIDDEN if text in value), None)
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
    """The text with {project} and {package} escaped, which cibuildwheel would fill in."""
    return re.sub(r"\{(project|package)\}", r"#{\1}", text)


RENDERED: Final = frozenset(
    {
        *("build", "skip", "archs", "enable", "environment", "environment-pass", "config-settings"),
        *("build-frontend", "before-all", "before-build", "repair-wheel-command", "container-engine"),
        # They install what no lock pins; and the gate tests, in a clean environment.
        *("audit-command", "audit-requires", "before-test"),
        # These tables replace whatever the general one says.
        *("overrides", "inherit", "linux", "macos", "windows", "pyodide", "android", "ios"),
    }
)
"""Options that the farm renders from the recipe; a recipe that set them itself would undo an invariant."""


def _is_rendered(option: str) -> bool:
    return option in RENDERED or option.startswith("test-") or option.endswith("-image")


def schema_path() -> Path:
    """The JSON Schema of its options that cibuildwheel ships."""
    package = distribution("cibuildwheel")
    return Path(str(package.locate_file("cibuildwheel/resources/cibuildwheel.schema.json")))


def check_options(build: Build) -> None:
    """Refuse options of a recipe's `cibuildwheel` table that are the farm's, invalid or without effect.

    Raises:
        RecipeError: a group with everything that is wrong with them.
    """
    options = dict(build.resolved.cibuildwheel)
    if not options:
        return
    # It takes a tenth of a second to import, which every command would pay.
    from jsonschema import Draft7Validator  # noqa: PLC0415

    problems = Collector()
    if build.engine is not EngineName.CIBUILDWHEEL:
        problems.add(
            RecipeError(
                f"{', '.join(sorted(options))} would have no effect",
                where=build.resolved.origins[f"cibuildwheel.{min(options)}"],
                why=f"the {build.engine} engine runs no cibuildwheel",
                hint="use --engine cibuildwheel, or take the options out of the recipe",
            )
        )
    rendered = {option for option in options if _is_rendered(option)}
    for option in sorted(rendered):
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
    for option in sorted(options.keys() - rendered):
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
