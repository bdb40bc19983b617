"""One message of a program, with the lines before and after it that belong to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wheelfarm.diagnosis.failure import Failure
from wheelfarm.diagnosis.signs import Follow

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.diagnosis.text import Line

_MOST: Final = 6
"""Lines after a message that are shown."""
_READ: Final = 24
"""Lines after a message that are looked at."""

_BAR: Final = re.compile(r"^\s*\d*\s+(?:\||-->)|^\s+--> ")
_CYTHON_END: Final = re.compile(r"^\s*[^:\s][^:]*(?::[^:]+)?:\d+:\d+: ")
_CYTHON_FRAME: Final = re.compile(r"^\s*(?:-{20,}|\.\.\.)?$")
_SYMBOL: Final = re.compile(r"(?:undefined reference to|unresolved external symbol|undefined symbol:) .*")

# Attempts to reach a host differ in how many are left, and in the addresses of objects.
_ATTEMPT: Final = re.compile(r"total=\d+|0x[0-9a-f]+")


@dataclass(kw_only=True)
class Finding:
    """A message.

    Args:
        failure: what it tells.
        line: its line, or the one that begins it.
        head: the lines before it that belong to it: a position, or the frame of a traceback.
        following: which lines after it belong to it.
        chained: whether it is an exception that an earlier one led to.
        edge: the step of ninja that it belongs to; 0 before the first.
        failed: ninja's line that names what that step makes.
    """

    failure: Failure
    line: Line
    head: tuple[Line, ...] = ()
    following: Follow = Follow.NOTHING
    chained: bool = False
    edge: int = 0
    failed: Line | None = None
    _after: list[Line] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What is the same in messages that say the same: the missing symbol, or the line."""
        if self.failure is Failure.NETWORK:
            return _ATTEMPT.sub("", self.line.text.strip())
        symbol = _SYMBOL.search(self.line.text)
        return symbol.group() if symbol else self.line.text.strip()

    def follow(self, line: Line) -> bool:
        """Take the next line of the log; whether more are wanted."""
        if self.following is Follow.NOTHING:
            return False
        self._after.append(line)
        return len(self._after) < _READ

    def lines(self) -> list[Line]:
        """The message as it is shown."""
        return [*self.head, self.line, *self._tail()[:_MOST]]

    def _tail(self) -> list[Line]:
        match self.following:
            case Follow.SNIPPET:
                return self._snippet()
            case Follow.INDENTED:
                return self._indented()
            case Follow.PARAGRAPH:
                return self._up_to_empty()
            case Follow.CYTHON:
                return self._cython()
            case _:
                return []

    def _snippet(self) -> list[Line]:
        # GCC before 9 and Clang before 16 show the source line and the caret without numbers and bars.
        if len(self._after) > 1 and self._after[0].text and _is_caret(self._after[1].text):
            return self._after[:2]
        return self._while(lambda text: bool(_BAR.match(text)))[:3]

    def _indented(self) -> list[Line]:
        depth = _depth(self.line.text)
        lines = self._while(lambda text: not text or _depth(text) > depth)
        return [line for line in lines if line.text]

    def _up_to_empty(self) -> list[Line]:
        return self._while(bool)

    def _cython(self) -> list[Line]:
        block = self._while(lambda text: not _CYTHON_END.match(text))
        end = self._after[len(block) : len(block) + 1]
        shown = [line for line in block if not _CYTHON_FRAME.match(line.text)]
        return [*shown[-_MOST + len(end) :], *end]

    def _while(self, wanted: Callable[[str], bool]) -> list[Line]:
        lines = []
        for line in self._after:
            if not wanted(line.text):
                break
            lines.append(line)
        return lines


def _depth(text: str) -> int:
    return len(text) - len(text.lstrip())


def _is_caret(text: str) -> bool:
    return "^" in text and not text.strip("~^ ")
