"""Finds the options of a project's Meson or CMake, which a new recipe shows as comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MESON_FILES: Final = ("meson.options", "meson_options.txt")
# https://mesonbuild.com/Build-options.html. What this does not understand is left out: nothing depends on it.
_MESON: Final = re.compile(
    r"option\s*\(\s*'(?P<name>[\w.-]+)'\s*,(?P<rest>(?:'[^']*+'|\[[^\]]*+\]|[^()'\[]++)*+)\)"
)
_MESON_COMMENT: Final = re.compile(r"^\s*#.*$", re.MULTILINE)
_FIELD: Final = re.compile(
    r"(?P<key>type|value|description|choices)\s*:\s*(?P<value>(?:'[^']*'(?:\s*\+\s*'[^']*')*|\[[^\]]*\]|[\w.-]+))"
)
# https://cmake.org/cmake/help/latest/command/option.html
_CMAKE: Final = re.compile(
    r'^[ \t]*(?:cmake_dependent_)?option\s*\(\s*(?P<name>[A-Za-z]\w*)\s+"(?P<help>(?:[^"\\]|\\.)*)"'
    r"\s*(?P<value>[\w${}.]+)?",
    re.IGNORECASE | re.MULTILINE,
)
_LONGEST: Final = 1_000_000
"""Bytes of a file that are read."""
_MOST: Final = 40
"""Options that are shown."""


@dataclass(frozen=True, kw_only=True)
class BuildOption:
    """An option of a project's build system."""

    name: str
    default: str
    """Empty where it has none, or a computed one."""
    description: str = ""


def meson_options(tree: Path) -> tuple[BuildOption, ...]:
    """The options that a project declares for Meson, in their order."""
    path = next((tree / name for name in _MESON_FILES if (tree / name).is_file()), None)
    return tuple(_meson(_text(path)))[:_MOST] if path else ()


def _meson(text: str) -> Iterator[BuildOption]:
    for found in _MESON.finditer(_MESON_COMMENT.sub("", text)):
        fields = {each["key"]: each["value"] for each in _FIELD.finditer(found["rest"])}
        choices = ", ".join(re.findall(r"'([^']*)'", fields.get("choices", "")))
        description = "".join(re.findall(r"'([^']*)'", fields.get("description", "")))
        parts = [description, f"({choices or fields.get('type', '').strip(chr(39))})"]
        yield BuildOption(
            name=found["name"],
            default=fields.get("value", "").strip("'"),
            description=" ".join(filter(None, parts)).removesuffix(" ()"),
        )


def cmake_options(tree: Path) -> tuple[BuildOption, ...]:
    """The options that the top CMakeLists.txt of a project declares, in their order."""
    path = tree / "CMakeLists.txt"
    if not path.is_file():
        return ()
    options: dict[str, BuildOption] = {}
    for found in _CMAKE.finditer(_text(path)):
        value = found["value"] or "OFF"
        options.setdefault(
            found["name"],
            BuildOption(
                name=found["name"],
                default="" if "$" in value else value,
                description=found["help"].replace('\\"', '"'),
            ),
        )
    return tuple(options.values())[:_MOST]


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LONGEST).decode("utf-8", "replace")
