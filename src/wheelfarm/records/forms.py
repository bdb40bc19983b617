"""Forms: each reads one kind of JSON value, gathers what is wrong with it, and has a JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wheelfarm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    Reader: TypeAlias = Callable[[object, str, list[str]], object]


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
