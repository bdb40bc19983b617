"""Dataclasses to JSON and back: type hints say what JSON is read and which schema it has.

A hint is a text type of the model, a `StrEnum`, `bool`, `int`, `float`, `object` (any JSON), a `Literal`, a
dataclass, `tuple[X, ...]`, `Mapping[str, X]`, `X | None`, or `Annotated[X, "description"]` of one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
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
from wheelfarm.records.forms import (
    Form,
    anything,
    constant,
    described,
    list_of,
    nullable,
    object_of,
    plain,
    table_of,
    text,
)

if TYPE_CHECKING:
    from enum import StrEnum

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
