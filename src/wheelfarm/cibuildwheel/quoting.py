"""How values are said to cibuildwheel so that they arrive byte for byte."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import RecipeError
from wheelfarm.model import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.model import Target

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
