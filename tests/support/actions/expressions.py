"""Expressions of GitHub Actions, translated to Python: what the farm's workflows use of the language.

https://docs.github.com/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+)|(?P<text>'(?:[^']|'')*')|(?P<member>\.\s*(?:\*|[A-Za-z_][A-Za-z0-9_-]*))"
    r"|(?P<operator>&&|\|\||==|!=|[!()\[\],])|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)(?P<call>\s*\()?)"
)
_PYTHON: Final = {"&&": " and ", "||": " or ", "!": " not "}
_WRAPPED: Final = re.compile(r"\$\{\{((?:(?!\}\}).)*)\}\}", re.DOTALL)
_STATUS: Final = re.compile(r"\b(always|success|failure|cancelled)\(")


class UnknownConstructError(Exception):
    """Something that this runner does not know, and so does not pretend to have done."""


class _Object(dict[str, Any]):
    """An object: true also when it is empty; a key that it lacks is null."""

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, key: str) -> Any:
        return _Members(self.values()) if key == "*" else self.get(key, _NULL)


class _Members(list[Any]):
    """`.*`: a key of it is that key of each member."""

    def __getitem__(self, key: Any) -> Any:
        return _Members(each[key] for each in self)


class _Null:
    """A missing value: every key of it is null too."""

    def __bool__(self) -> bool:
        return False

    def __getitem__(self, key: str) -> _Null:
        return self

    def __eq__(self, other: object) -> bool:
        return other is self or other == ""

    __hash__ = None  # type: ignore[assignment]


_NULL: Final = _Null()


@dataclass
class Status:
    """The status functions, of a job's needs or of a job's steps so far."""

    success: bool = True
    failure: bool = False

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The functions by name; nothing here is ever cancelled."""
        return {
            "always": lambda: True,
            "success": lambda: self.success,
            "failure": lambda: self.failure,
            "cancelled": lambda: False,
        }


def _wrap(value: Any) -> Any:
    if isinstance(value, dict):
        return _Object({key: _wrap(each) for key, each in value.items()})
    return [_wrap(each) for each in value] if isinstance(value, list) else value


def as_text(value: object) -> str:
    """Convert a value as GitHub does inside a text."""
    if isinstance(value, dict | list):
        raise UnknownConstructError("an object or list inside a text")
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None or value is _NULL else str(value)


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "startsWith": lambda text, start: as_text(text).lower().startswith(as_text(start).lower()),
    "join": lambda values, by=",": as_text(by).join(map(as_text, values)),
    "toJSON": lambda value: json.dumps(value, indent=2),
    "fromJSON": lambda text: _wrap(json.loads(as_text(text))),
}


def evaluate(text: str, contexts: Mapping[str, Any], status: Status | None = None) -> Any:
    """Evaluate an expression without its braces.

    Raises:
        UnknownConstructError: for anything that is not known here.
    """
    functions = {**_FUNCTIONS, **(status.functions() if status else {})}
    names: dict[str, Any] = {}
    source, position, text = "", 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        name = match["name"] if match else None
        if match is None or (name and name not in (functions if match["call"] else contexts)):
            raise UnknownConstructError(f"{text[position:]!r} in {text!r}")
        position = match.end()
        if name:
            # A name of the language may be none of Python's.
            names[f"v{len(names)}"] = functions[name] if match["call"] else _wrap(contexts[name])
            source += f"v{len(names) - 1}{'(' if match['call'] else ''}"
        elif match["text"]:
            source += repr(match["text"][1:-1].replace("''", "'"))
        elif match["member"]:
            source += f"[{match['member'][1:].strip()!r}]"
        else:
            source += _PYTHON.get(match[0].strip(), match[0].strip())
    try:
        return eval(source, {"__builtins__": {}}, names)  # noqa: S307 - an expression of this repository
    except (SyntaxError, TypeError) as error:
        raise UnknownConstructError(f"{text!r}: {error}") from error


def interpolate(value: Any, contexts: Mapping[str, Any]) -> Any:
    """Fill in the expressions of a value; the type of a value that is one expression stays."""
    if isinstance(value, dict):
        return {key: interpolate(each, contexts) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolate(each, contexts) for each in value]
    if not isinstance(value, str):
        return value
    whole = _WRAPPED.fullmatch(value.strip())
    if whole:
        return evaluate(whole[1], contexts)
    return _WRAPPED.sub(lambda match: as_text(evaluate(match[1], contexts)), value)


def condition(text: str | None, contexts: Mapping[str, Any], status: Status) -> bool:
    """Whether a job or step runs; without a status function, all before it must have succeeded."""
    if text is None:
        return status.success
    whole = _WRAPPED.fullmatch(str(text).strip())
    words = whole[1] if whole else str(text)
    value = bool(evaluate(words, contexts, status))
    return value if _STATUS.search(words) else status.success and value
