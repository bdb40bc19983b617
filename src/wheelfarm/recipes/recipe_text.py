"""Edits recipe.toml: the patch list and pins change, and comments, order and spelling of the rest stay."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from wheelfarm.errors import RecipeError
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ENTRY: Final = re.compile(r"\s*\[\[\s*(?:patches|\"patches\"|'patches')\s*\]\]")
_TABLE: Final = re.compile(r"\s*\[{1,2}\s*([A-Za-z0-9_-]+)")
_BEFORE_PATCHES: Final = ("source", "requires", "build-requires")
"""The tables that recipes have before their patches."""


def edit_recipe(text: str, *, files: Sequence[str], pins: Mapping[tuple[str, ...], str], where: str) -> str:
    """A recipe with other patches, in this order, and other values; each entry keeps its keys and comments.

    Args:
        text: of recipe.toml.
        files: of all patches; those that the recipe does not list yet get an entry with nothing else.
        pins: key path → the new text.
        where: the recipe's file, for errors.

    Raises:
        RecipeError: when the result would say anything else.
    """
    expected = _expected(parse_toml(text), files, pins)
    if expected == parse_toml(text):
        return text
    try:
        edited = _edit_list(_pin(text, pins), files)
        if parse_toml(edited) == expected:
            return edited
    except (TOMLKitError, ValueError, KeyError) as problem:
        raise _refusal(where, files, str(problem)) from problem
    raise _refusal(where, files, "its patches are written in an unusual way")


def _refusal(where: str, files: Sequence[str], why: str) -> RecipeError:
    entries = [f"[[patches]] file = {json.dumps(file)}" for file in files]
    hint = "\n".join(["write the list by hand:", *entries])
    return RecipeError("the list of patches cannot be edited", where=where, why=why, hint=hint)


def _expected(
    data: dict[str, Any], files: Sequence[str], pins: Mapping[tuple[str, ...], str]
) -> dict[str, Any]:
    entries = {entry["file"]: entry for entry in data.get("patches", [])}
    if files or "patches" in data:
        data["patches"] = [entries.get(file, {"file": file}) for file in files]
    if not files:
        data.pop("patches", None)
    for (*above, key), value in pins.items():
        table = data
        for name in above:
            table = table[name]
        table[key] = value
    return data


def _pin(text: str, pins: Mapping[tuple[str, ...], str]) -> str:
    if not pins:
        return text
    document = tomlkit.parse(text)
    for (*above, key), value in pins.items():
        table: Any = document
        for name in above:
            table = table[name]
        table[key] = value
    return tomlkit.dumps(document)


def _edit_list(text: str, files: Sequence[str]) -> str:
    # tomlkit counts the comment above a table to the table before, so entries are moved as lines.
    listed = tomlkit.parse(text).get("patches")
    if isinstance(listed, Array):
        return _edit_array(text, files)
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    blocks = _blocks(lines)
    found = {
        parse_toml("".join(lines[first:last]))["patches"][0]["file"]: (first, last) for first, last in blocks
    }
    if list(found) == list(files):
        return text
    entries = [
        "".join(lines[slice(*found[file])]).rstrip() if file in found else _entry(file, end) for file in files
    ]
    inside = {number for first, last in blocks for number in range(first, last)}
    at = blocks[0][0] if blocks else _place(lines)
    before = "".join(line for number, line in enumerate(lines[:at]) if number not in inside)
    after = "".join(line for number, line in enumerate(lines[at:], at) if number not in inside)
    parts = [before.rstrip(), *entries, after.strip("\r\n")]
    joined = f"{end}{end}".join(part for part in parts if part)
    return joined.rstrip("\r\n") + end


def _entry(file: str, end: str) -> str:
    return f"[[patches]]{end}file = {json.dumps(file)}"


def _blocks(lines: Sequence[str]) -> list[tuple[int, int]]:
    """The lines of each entry, with the comments right above it."""
    blocks = []
    for number, line in enumerate(lines):
        if _ENTRY.match(line):
            following = (later for later in range(number + 1, len(lines)) if _TABLE.match(lines[later]))
            blocks.append((_lead(lines, number), _lead(lines, next(following, len(lines)))))
    return blocks


def _lead(lines: Sequence[str], number: int) -> int:
    """The first of the comment lines right above a line."""
    while 0 < number < len(lines) and lines[number - 1].lstrip().startswith("#"):
        number -= 1
    return number


def _place(lines: Sequence[str]) -> int:
    """Where the first entry of a recipe without patches goes: after the tables that say what is built."""
    tables = [(number, found[1]) for number, line in enumerate(lines) if (found := _TABLE.match(line))]
    last = max((number for number, name in tables if name in _BEFORE_PATCHES), default=-1)
    return _lead(lines, next((number for number, _ in tables if number > last), len(lines)))


def _edit_array(text: str, files: Sequence[str]) -> str:
    """The same for a list in brackets."""
    document = tomlkit.parse(text)
    array: Any = document["patches"]
    names = [str(entry["file"]) for entry in array]
    remaining = [name for name in names if name in files]
    if not files:
        document.remove("patches")
    elif remaining == [file for file in files if file in names]:
        for number in reversed(range(len(names))):
            if names[number] not in files:
                del array[number]
        for number, file in enumerate(files):
            if file not in names:
                array.insert(number, _inline(file))
    else:
        entries = {str(entry["file"]): entry for entry in array}
        moved = tomlkit.array()
        for file in files:
            moved.append(entries.get(file) or _inline(file))
        document["patches"] = moved.multiline("\n" in array.as_string())
    return tomlkit.dumps(document)


def _inline(file: str) -> Any:  # noqa: ANN401 - of tomlkit
    table = tomlkit.inline_table()
    table["file"] = file
    return table
