"""Dataclasses to JSON and back: type hints say what JSON is read and which schema it has.

A hint is a text type of the model, a `StrEnum`, `bool`, `int`, `float`, `object` (any JSON), a `Literal`, a
dataclass, `tuple[X, ...]`, `Mapping[str, X]`, `X | None`, or `Annotated[X, "description"]` of one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePosixPath
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Final,
    Literal,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from wheelfarm.errors import UsageError
from wheelfarm.model import Digest, Name, Target, parse_digest, parse_name

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import TypeAlias

    Reader: TypeAlias = Callable[[object, str, list[str]], object]
    from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class Form:
    """One kind of JSON value."""

    read: Reader
    """Takes a value, its key path and the list of problems, to which it adds what is wrong; returns the value
    as Python holds it, which means nothing when there are problems."""

    schema: Mapping[str, object]
    """JSON Schema, draft 2020-12."""


def _unexpected(expected: str, value: object, path: str) -> str:
    return f"{path or 'the record'}: {expected} is expected, not {value!r:.60}"


def text(parse: Callable[[str], object], **rules: object) -> Form:
    """A string that has to be parsed; the rules are keywords of JSON Schema."""

    def read(value: object, path: str, problems: list[str]) -> object:
        try:
            if isinstance(value, str):
                return parse(value)
            problems.append(_unexpected("a string", value, path))
        except UsageError as error:
            problems.append(f"{path}: {error.what}")
        except ValueError as error:
            problems.append(f"{path}: {error}")
        return None

    return Form(read=read, schema={"type": "string", **rules})


def plain(name: str, *types: type) -> Form:
    """A boolean or a number. JSON's true is no number, although Python's True is an int."""

    def read(value: object, path: str, problems: list[str]) -> object:
        if type(value) not in types:
            problems.append(_unexpected(f"type {name}", value, path))
        return value

    return Form(read=read, schema={"type": name})


def anything() -> Form:
    """Any JSON."""
    return Form(read=lambda value, _path, _problems: value, schema={})


def constant(only: object) -> Form:
    """One value and no other."""

    def read(value: object, path: str, problems: list[str]) -> object:
        if value != only:
            problems.append(_unexpected(repr(only), value, path))
        return value

    return Form(read=read, schema={"const": only})


def described(form: Form, description: str) -> Form:
    """A form whose schema has a description."""
    return Form(read=form.read, schema={"description": description, **form.schema})


def nullable(form: Form) -> Form:
    """A form or null."""

    def read(value: object, path: str, problems: list[str]) -> object:
        return None if value is None else form.read(value, path, problems)

    return Form(read=read, schema={"anyOf": [form.schema, {"type": "null"}]})


def list_of(form: Form) -> Form:
    """A list, all items of one form."""

    def read(value: object, path: str, problems: list[str]) -> object:
        if isinstance(value, list):
            return tuple(form.read(item, f"{path}[{at}]", problems) for at, item in enumerate(value))
        problems.append(_unexpected("a list", value, path))
        return None

    return Form(read=read, schema={"type": "array", "items": form.schema})


def table_of(form: Form) -> Form:
    """An object with free keys, all values of one form."""

    def read(value: object, path: str, problems: list[str]) -> object:
        if isinstance(value, dict):
            return {key: form.read(item, f"{path}.{key}", problems) for key, item in value.items()}
        problems.append(_unexpected("an object", value, path))
        return None

    return Form(read=read, schema={"type": "object", "additionalProperties": form.schema})


def object_of(make: Callable[..., object], forms: Mapping[str, Form]) -> Form:
    """An object with exactly these keys, made into what `make` returns."""

    def read(value: object, path: str, problems: list[str]) -> object:
        if not isinstance(value, dict):
            problems.append(_unexpected("an object", value, path))
            return None
        prefix, known = path and f"{path}.", len(problems)
        problems += [f"{prefix}{key}: missing" for key in forms if key not in value]
        problems += [f"{prefix}{key}: not a key of a record" for key in value if key not in forms]
        read = {
            key: form.read(value[key], f"{prefix}{key}", problems)
            for key, form in forms.items()
            if key in value
        }
        return make(**read) if len(problems) == known else None

    schema = {
        "type": "object",
        "properties": {key: form.schema for key, form in forms.items()},
        "required": list(forms),
        "additionalProperties": False,
    }
    return Form(read=read, schema=schema)


_OLDER: Final = (1, 2)


def upgraded(document: object, version: int) -> object:
    """A record's JSON in the newest form; one that is of no known form is left for the reader to refuse.

    Args:
        document: as it was read.
        version: the newest form's.
    """
    if not isinstance(document, dict) or document.get("schema") not in _OLDER:
        return document
    newer = {"distribution": document.get("recipe"), **document, "schema": version}
    patches, source, wheel = document.get("patches"), document.get("source"), document.get("wheel")
    # The second form tells whose wheel it is, the patches' texts, and where an archive or repository is.
    if isinstance(patches, list):
        newer["patches"] = [{"text": None, **each} if isinstance(each, dict) else each for each in patches]
    if isinstance(source, dict):
        newer["source"] = {"url": None, **source}
    # The third tells what a wheel was before it got a build number.
    if isinstance(wheel, dict):
        newer["wheel"] = {"unnumbered_sha256": None, **wheel}
    return newer


_MOMENT: Final = "%Y-%m-%dT%H:%M:%SZ"


def _parse_moment(text: str) -> datetime:
    return datetime.strptime(text, _MOMENT).replace(tzinfo=UTC)


def _parse_relative(text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise UsageError(f"{text!r} does not stay below the farm's directory")
    return path


_SIMPLE: Final[Mapping[object, Form]] = {
    str: text(str),
    Digest: text(parse_digest, pattern="^[0-9a-f]{64}$"),
    Name: text(parse_name, pattern="^[a-z0-9]+(-[a-z0-9]+)*$"),
    Target: text(Target.parse),
    datetime: text(_parse_moment, format="date-time", pattern="Z$"),
    PurePosixPath: text(_parse_relative, pattern="^[^/]"),
    bool: plain("boolean", bool),
    int: plain("integer", int),
    float: plain("number", int, float),
    object: anything(),
}


def _nullable(inner: object, _none: object) -> Form:
    return nullable(form_of(inner))


_COMPOSED: Final[Mapping[object, Callable[..., Form]]] = {
    Annotated: lambda inner, description: described(form_of(inner), description),
    Literal: constant,
    Mapping: lambda _key, value: table_of(form_of(value)),
    # An optional NewType is a Union, an optional class a UnionType; Python 3.14 makes them one.
    Union: _nullable,
    UnionType: _nullable,
    tuple: lambda item, _more: list_of(form_of(item)),
}


def form_of(hint: object) -> Form:
    """The form that a type hint asks for."""
    return _form(hint)


@cache
def _form(hint: Hashable) -> Form:
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if (compose := _COMPOSED.get(get_origin(hint))) is not None:
        return compose(*get_args(hint))
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        return object_of(hint, {key: form_of(inner) for key, inner in hints.items()})
    members = cast("type[StrEnum]", hint)
    return text(members, enum=[member.value for member in members])


def encode(value: object) -> object:
    """The JSON-ready form of a value."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime(_MOMENT)
    if isinstance(value, Target | PurePosixPath):
        return str(value)
    if is_dataclass(value):
        return {item.name: encode(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    return [encode(item) for item in value] if isinstance(value, tuple | list) else value
