"""Parses TOML from outside. Sessions read recipes with it before the farm's libraries are there."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

_MOST_PARTS: Final = 100
_LONG_KEY: Final = re.compile(rf"(?<![\w-])(?:[\w-]++\s*+\.\s*+){{{_MOST_PARTS}}}")
"""tomllib takes the square of the number of parts."""


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML, whoever wrote it.

    Raises:
        ValueError: when it is not TOML, is nested too deeply, or has a key of too many parts.
    """
    if _LONG_KEY.search(text):
        raise ValueError(f"it has a key of {_MOST_PARTS} parts or more")
    try:
        return tomllib.loads(text)
    except RecursionError as problem:
        raise ValueError("it is nested too deeply") from problem
