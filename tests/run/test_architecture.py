"""The walks in docs/concepts/architecture.md."""

from __future__ import annotations

import re
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "architecture.md"
FUNCTIONS = re.findall(r"^\d+\. `([\w.]+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def find(name: str) -> Any:
    """The object of a dotted name: a module, then attributes."""
    words = name.split(".")
    for count in range(len(words) - 1, 0, -1):
        try:
            module = import_module(".".join(words[:count]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, words[count:], module)
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_a_walk_exists(name: str) -> None:
    assert callable(find(name))


def test_there_are_walks() -> None:
    assert len(FUNCTIONS) > 10
