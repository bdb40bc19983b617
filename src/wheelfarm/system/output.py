"""The output of a command, line by line, without its secrets."""

from __future__ import annotations

import codecs
import re
from collections import deque
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.system.process import Command


_LONGEST: Final = 2_000_000
"""Characters of output in memory; the log has all."""

_LAST_LINES: Final = 20
"""Lines of output that an error shows."""

_BREAK: Final = re.compile("([\r\n])")


class Output:
    """Passes the redacted lines of a command to the log, the listener and the result.

    A line that ends with a carriage return is overwritten by the next, as in a progress bar: the listener
    receives each, the log and the result only the last.
    """

    def __init__(self, command: Command, log: IO[str] | None, on_line: Callable[[str], None] | None) -> None:
        self._command = command
        self._log = log
        self._on_line = on_line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._parts: list[str] = []
        self._draft = ""
        self._tail: deque[str] = deque()
        self._size = 0

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        """Process the next bytes; the final ones end the last line too."""
        text = self._decoder.decode(chunk, final)
        if self._draft or "\r" in text:
            self._feed_parts(text)
        else:
            self._feed_lines(text)
        if final and (self._parts or self._draft):
            self._end_line()

    def _feed_lines(self, text: str) -> None:
        """Pass whole lines on as one block: a compiler can print half a million warnings."""
        whole, newline, rest = text.rpartition("\n")
        if newline:
            block = self._command.redact("".join([*self._parts, whole]))
            self._parts.clear()
            if self._on_line is not None:
                for line in block.split("\n"):
                    self._on_line(line)
            self._add(f"{block}\n")
        if rest:
            self._parts.append(rest)

    def _feed_parts(self, text: str) -> None:
        for part in _BREAK.split(text):
            if part == "\r":
                self._draft = self._emit() if self._parts else self._draft
            elif part == "\n":
                self._end_line()
            elif part:
                self._parts.append(part)

    def text(self) -> str:
        """The output, at most the last 2 MB."""
        return "".join(self._tail)[-_LONGEST:]

    def last_lines(self) -> str:
        """The last lines that are not empty."""
        lines = (line for line in self.text().splitlines() if line.strip())
        return "\n".join(deque(lines, maxlen=_LAST_LINES))

    def note(self, line: str) -> None:
        """Write a line of the farm to the log."""
        if self._log is not None:
            self._log.write(f"{line}\n")

    def _emit(self) -> str:
        line = self._command.redact("".join(self._parts))
        self._parts.clear()
        if self._on_line is not None:
            self._on_line(line)
        return line

    def _end_line(self) -> None:
        line = self._emit() if self._parts or not self._draft else self._draft
        self._draft = ""
        self._add(f"{line}\n")

    def _add(self, block: str) -> None:
        if self._log is not None:
            self._log.write(block)
        self._tail.append(block)
        self._size += len(block)
        while self._size - len(self._tail[0]) >= _LONGEST:
            self._size -= len(self._tail.popleft())
