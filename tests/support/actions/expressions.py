"""Expressions of GitHub Actions: https://docs.github.com/actions/reference/workflows-and-actions/expressions.

Literals, operators, indexing, `.*` and the functions that the farm's workflows use.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<text>'(?:[^']|'')*')"
    r"|(?P<operator>&&|\|\||==|!=|[!()\[\].,*])|(?P<name>[A-Za-z_][A-Za-z0-9_-]*))"
)
_WRAPPED: Final = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_STATUS: Final = re.compile(r"\b(always|success|failure|cancelled)\(")


class UnknownConstructError(Exception):
    """Something that this runner does not know, and so does not pretend to have done."""


class _Each(list[Any]):
    """What `.*` gives: an index of it is one of each member."""


@dataclass
class Status:
    """What the status functions tell, of a job's needs or of a job's steps so far."""

    success: bool = True
    failure: bool = False
    cancelled: bool = False

    def functions(self) -> dict[str, Callable[..., Any]]:
        """The functions."""
        return {
            "always": lambda: True,
            "success": lambda: self.success,
            "failure": lambda: self.failure,
            "cancelled": lambda: self.cancelled,
        }


def truthy(value: object) -> bool:
    """As a condition sees it."""
    return value not in (None, False, 0, "")


def as_text(value: object) -> str:
    """As text sees it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise UnknownConstructError("an object or list is put into a text")
    return str(value)


def _equal(one: object, other: object) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()  # the host ignores case
    if type(one) is type(other):
        return one == other
    if {type(one), type(other)} <= {str, type(None)}:
        return (one or "") == (other or "")
    raise UnknownConstructError(f"a comparison of {one!r} and {other!r}")


def _contains(where: Any, what: object) -> bool:
    if isinstance(where, list):
        return any(_equal(each, what) for each in where)
    return as_text(what).lower() in as_text(where).lower()


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "contains": _contains,
    "startsWith": lambda text, start: as_text(text).lower().startswith(as_text(start).lower()),
    "join": lambda values, by=",": as_text(by).join(map(as_text, values)),
    "toJSON": lambda value: json.dumps(value, indent=2),
    "fromJSON": lambda text: json.loads(as_text(text)),
}


@dataclass
class _Parser:
    """A recursive descent over the tokens, which evaluates as it goes."""

    text: str
    contexts: Mapping[str, Any]
    functions: Mapping[str, Callable[..., Any]]
    tokens: list[tuple[str, str]] = field(default_factory=list)
    at: int = 0

    def __post_init__(self) -> None:
        position, text = 0, self.text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise UnknownConstructError(f"{text[position:]!r} in {self.text!r}")
            self.tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            position = match.end()

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) and self._is_sign() else ""

    def _is_sign(self) -> bool:
        return self.tokens[self.at][0] == "operator"

    def take(self, sign: str) -> bool:
        if self.peek() == sign:
            self.at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise UnknownConstructError(f"{sign!r} is expected in {self.text!r}")

    def whole(self) -> Any:
        value = self.either()
        if self.at != len(self.tokens):
            raise UnknownConstructError(f"more than an expression: {self.text!r}")
        return value

    # Both sides are evaluated: nothing here has an effect, and the unknown must not hide on the other side.
    def either(self) -> Any:
        value = self.both()
        while self.take("||"):
            other = self.both()
            value = value if truthy(value) else other
        return value

    def both(self) -> Any:
        value = self.comparison()
        while self.take("&&"):
            other = self.comparison()
            value = other if truthy(value) else value
        return value

    def comparison(self) -> Any:
        value = self.negation()
        if self.take("=="):
            return _equal(value, self.negation())
        if self.take("!="):
            return not _equal(value, self.negation())
        return value

    def negation(self) -> Any:
        if self.take("!"):
            return not truthy(self.negation())
        return self.indexed()

    def indexed(self) -> Any:
        value = self.atom()
        while self.peek() in {".", "["}:
            if self.take("["):
                value = self._member(value, self.either())
                self.expect("]")
                continue
            self.expect(".")
            if self.take("*"):
                value = _Each(value.values() if isinstance(value, dict) else value)
                continue
            kind, name = self.tokens[self.at]
            if kind != "name":
                raise UnknownConstructError(f"a member's name is expected in {self.text!r}")
            self.at += 1
            value = self._member(value, name)
        return value

    def _member(self, value: Any, key: Any) -> Any:
        if isinstance(value, _Each):
            return _Each(self._member(each, key) for each in value)
        if isinstance(value, dict):
            return value.get(key)
        if value is None:
            return None
        raise UnknownConstructError(f"{key!r} of {value!r} in {self.text!r}")

    def atom(self) -> Any:
        if self.take("("):
            value = self.either()
            self.expect(")")
            return value
        if self.at >= len(self.tokens):
            raise UnknownConstructError(f"half an expression: {self.text!r}")
        kind, word = self.tokens[self.at]
        self.at += 1
        if kind == "text":
            return word[1:-1].replace("''", "'")
        if kind == "number":
            return json.loads(word)
        if kind != "name":
            raise UnknownConstructError(f"{word!r} in {self.text!r}")
        if word in {"true", "false", "null"}:
            return json.loads(word)
        if self.take("("):
            return self._call(word)
        if word not in self.contexts:
            raise UnknownConstructError(f"the context {word!r} in {self.text!r}")
        return self.contexts[word]

    def _call(self, name: str) -> Any:
        arguments = []
        while not self.take(")"):
            arguments.append(self.either())
            if self.peek() != ")":
                self.expect(",")
        if name not in self.functions:
            raise UnknownConstructError(f"the function {name!r} in {self.text!r}")
        return self.functions[name](*arguments)


def evaluate(text: str, contexts: Mapping[str, Any], status: Status | None = None) -> Any:
    """The value of an expression, without its braces.

    Raises:
        UnknownConstructError: for anything that is not known here.
    """
    functions = {**FUNCTIONS, **(status.functions() if status else {})}
    return _Parser(text, contexts, functions).whole()


def interpolate(value: Any, contexts: Mapping[str, Any]) -> Any:
    """A value of a workflow with its expressions filled in; where it is one alone, its type stays."""
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
    """Whether a job or step runs; without a word on its status, all before it must have ended well."""
    if text is None:
        return status.success
    whole = _WRAPPED.fullmatch(str(text).strip())
    words = whole[1] if whole else str(text)
    value = truthy(evaluate(words, contexts, status))
    return value if _STATUS.search(words) else status.success and value
