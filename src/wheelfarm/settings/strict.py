"""Strict models for what people write in TOML: unknown keys, wrong types and bad values, all at once.

pydantic finds the problems; this module says them in our words, with file, key path and nearest valid name.
"""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from wheelfarm.errors import Collector, FarmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def kebab(name: str) -> str:
    """The TOML spelling of a field's name."""
    return name.replace("_", "-")


class StrictModel(BaseModel):
    """A frozen table: no unknown keys, no silent conversions, names in kebab-case as TOML has them."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=kebab,
        validate_by_alias=True,
        validate_by_name=False,
    )


Table = TypeVar("Table", bound=StrictModel)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, if there is one."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


def suggestion(word: str, known: Iterable[str]) -> str:
    """What to say of a word that is not known: the nearest one, or all that are valid."""
    names = sorted(known)
    near = nearest(word, names)
    return f"did you mean {near!r}?" if near else f"valid are: {', '.join(names) or '(none)'}"


def _tables(annotation: object) -> Iterable[type[BaseModel]]:
    """The models that an annotation can hold, through optional, union, list and dict."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _tables(argument)


def _keys_at(model: type[BaseModel], path: tuple[str | int, ...]) -> set[str]:
    """The keys that are valid in the table at `path` of `model`."""
    tables = [model]
    for step in path:
        fields = [f for table in tables for f in table.model_fields.values() if step == f.alias]
        if fields:
            tables = [table for f in fields for table in _tables(f.annotation)]
    return {field.alias or "" for table in tables for field in table.model_fields.values()}


def _dotted(path: tuple[str | int, ...]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "(the whole file)"


def parse(model: type[Table], data: Mapping[str, Any], *, where: str, error: type[FarmError]) -> Table:
    """Validate `data` as `model`.

    Args:
        model: the strict model.
        data: what the TOML parser gave.
        where: the file, for the error.
        error: the class to raise.

    Raises:
        FarmError: of class `error`; a group when there is more than one problem.
    """
    try:
        return model.model_validate(data)
    except ValidationError as invalid:
        problems = Collector()
        for problem in invalid.errors(include_url=False):
            # A discriminated union puts its tag into the location; the file does not have it.
            path = tuple(
                step for step in problem["loc"] if not (isinstance(step, str) and step.startswith("tag:"))
            )
            at = f"{where}: {_dotted(path)}"
            if problem["type"] == "extra_forbidden":
                key = str(path[-1])
                hint = suggestion(key, _keys_at(model, path[:-1]))
                problems.add(error(f"unknown key {key!r}", where=at, hint=hint))
            elif problem["type"] == "missing":
                problems.add(error(f"missing key {path[-1]!r}", where=at, hint=f"add {path[-1]!r}"))
            else:
                cause = problem.get("ctx", {}).get("error")
                why = cause.what if isinstance(cause, FarmError) else problem["msg"]
                problems.add(error(f"bad value {problem['input']!r}", where=at, why=why))
        problems.check()
        raise


def read_toml(path: Path, *, error: type[FarmError]) -> dict[str, Any]:
    """The parsed TOML file.

    Raises:
        FarmError: of class `error`, when it is missing, unreadable, not UTF-8 or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise error(f"cannot read {path.name}", where=str(path), why=problem.strerror) from problem
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise error(f"{path.name} is not valid TOML", where=str(path), why=str(problem)) from problem
