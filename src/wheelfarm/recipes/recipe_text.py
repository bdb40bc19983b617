"""Edits recipe.toml: patches, pins and values change, and comments, order and spelling of the rest stay."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import tomlkit
from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from wheelfarm.errors import RecipeError
from wheelfarm.model.requirements import parse_requirement
from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def drop_local_version(text: str) -> str | None:
    """A recipe without `metadata.local-version`; None where its text cannot be edited so."""
    expected = parse_toml(text)
    if not isinstance(expected.get("metadata"), dict):
        return None
    expected["metadata"].pop("local-version", None)
    if not expected["metadata"]:
        del expected["metadata"]
    try:
        document: Any = tomlkit.parse(text)
        document["metadata"].pop("local-version", None)
        if not document["metadata"]:
            document.pop("metadata")
        edited = tomlkit.dumps(document)
        return edited if parse_toml(edited) == expected else None
    except (TOMLKitError, ValueError, KeyError):
        return None


def merge_values(data: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe says with further values: tables are merged, and lists get the items that they lack.

    A requirement takes the place of another one of the same distribution.
    """
    merged = dict(data)
    for key, value in values.items():
        old = merged.get(key)
        if isinstance(value, Mapping):
            merged[key] = merge_values(old if isinstance(old, dict) else {}, value)
        elif isinstance(value, list) and isinstance(old, list):
            merged[key] = _merged_list(old, value)
        else:
            merged[key] = value
    return merged


def add_values(text: str, values: Mapping[str, Any], where: str) -> str:
    """A recipe with further values, merged as `merge_values` does; comments and order of the rest stay.

    Raises:
        RecipeError: when the text cannot be edited so that it says just that.
    """
    try:
        expected = merge_values(parse_toml(text), values)
        document = tomlkit.parse(text)
        added = {
            key: value
            for key, value in values.items()
            if key not in document and not isinstance(value, Mapping)
        }
        _merge(document, {key: value for key, value in values.items() if key not in added})
        edited = _add_keys(tomlkit.dumps(document), added)
        if "\r\n" in text:
            edited = edited.replace("\r\n", "\n").replace("\n", "\r\n")
        if parse_toml(edited) == expected:
            return edited
        why = "its tables are written in an unusual way"
    except (TOMLKitError, ValueError, KeyError, TypeError) as problem:
        why = str(problem)
    hint = "put the lines in by hand"
    raise RecipeError("the recipe cannot be edited", where=where, why=why, hint=hint)


def _merge(table: Any, values: Mapping[str, Any]) -> None:  # noqa: ANN401 - of tomlkit
    for key, value in values.items():
        if key not in table:
            if isinstance(table, tomlkit.TOMLDocument) and isinstance(value, Mapping):
                _append_table(table, key, value)
            else:
                table[key] = _item(value)
        elif isinstance(value, Mapping):
            _merge(table[key], value)
        elif isinstance(value, list) and isinstance(table[key], Array):
            _merge_array(table[key], value)
        else:
            table[key] = value


def _add_keys(text: str, values: Mapping[str, Any]) -> str:
    """The text with further keys before its first table: tomlkit would put them below its comment."""
    lines = text.splitlines(keepends=True)
    at = _lead(lines, next((number for number, line in enumerate(lines) if _TABLE.match(line)), len(lines)))
    while at and not lines[at - 1].strip():
        at -= 1
    added = [f"{tomlkit.key(key).as_string()} = {render_value(value)}\n" for key, value in values.items()]
    return "".join([*lines[:at], *added, *lines[at:]])


def _append_table(document: tomlkit.TOMLDocument, key: str, value: Mapping[str, Any]) -> None:
    table = tomlkit.table()
    for name, each in value.items():
        table[name] = _item(each)
    if document.as_string() and not document.as_string().endswith("\n\n"):
        document.add(tomlkit.nl())
    document.add(key, table)


def render_value(value: Any) -> str:  # noqa: ANN401 - of TOML
    """A value as TOML; tables in one line, with the spaces that people write."""
    if isinstance(value, Mapping):
        pairs = (f"{tomlkit.key(key).as_string()} = {render_value(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    return str(tomlkit.item(value).as_string())


def _item(value: Any) -> Any:  # noqa: ANN401 - of tomlkit
    return tomlkit.value(render_value(value)) if isinstance(value, Mapping) else value


def _merge_array(array: Array, items: Sequence[str]) -> None:
    for item, at in _places(list(array), items):
        if at is None:
            array.append(item)
        else:
            array[at] = item


def _merged_list(old: Sequence[Any], items: Sequence[Any]) -> list[Any]:
    merged = list(old)
    for item, at in _places(merged, items):
        if at is None:
            merged.append(item)
        else:
            merged[at] = item
    return merged


def _places(old: Sequence[Any], items: Sequence[Any]) -> list[tuple[Any, int | None]]:
    """Each item that a list lacks, with the place of the one that it takes the place of."""
    names = [_distribution(each) for each in old]
    return [
        (item, names.index(name) if (name := _distribution(item)) in names else None)
        for item in items
        if item not in old
    ]


def _distribution(item: object) -> str:
    """The distribution of a requirement; any other item as it is."""
    try:
        return canonicalize_name(parse_requirement(str(item)).name)
    except InvalidRequirement:
        return str(item)


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
                array.insert(number, _item({"file": file}))
    else:
        entries = {str(entry["file"]): entry for entry in array}
        moved = tomlkit.array()
        for file in files:
            moved.append(entries.get(file) or _item({"file": file}))
        document["patches"] = moved.multiline("\n" in array.as_string())
    return tomlkit.dumps(document)
