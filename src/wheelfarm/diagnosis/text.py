"""The lines of a log as one would read them: numbered, without colours, of bounded length."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST: Final = 2000
"""Characters of a line that are looked at: compiler commands run to megabytes, messages do not."""

# ECMA-48: control sequences such as colours, strings such as links and titles, and two-byte functions.
_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")


class Line(NamedTuple):
    """A line and its number in the log, from 1."""

    number: int
    text: str


def numbered(log: str | Iterable[str]) -> Iterator[Line]:
    """The lines of a text, or of an open file, one at a time."""
    for number, text in enumerate(_split(log) if isinstance(log, str) else log, start=1):
        short = text[:_LONGEST]
        plain = _ESCAPE.sub("", short) if "\x1b" in short else short
        yield Line(number, plain.rstrip())


def _split(text: str) -> Iterator[str]:
    """Split at line feeds alone, as editors count lines, without a second copy of a large text."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end]
        start = end + 1
    if start < len(text):
        yield text[start:]
