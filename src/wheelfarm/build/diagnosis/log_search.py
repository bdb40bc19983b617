"""One pass over a log: what the signs tell, with the lines around them."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from wheelfarm.build.diagnosis.error_patterns import Follow, Rank, sign_of
from wheelfarm.build.diagnosis.failure import Failure
from wheelfarm.build.diagnosis.traceback import Raised, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


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


_KEPT: Final = 12
"""Findings of each rank that are kept: more than can be shown."""
_LAST: Final = 8
"""Lines that are shown where nothing stands out."""
_BEFORE: Final = 6
"""Lines between gfortran's position and its message."""

# The farm's notes about each command, and cibuildwheel's mark at the end of each of its steps.
_WELL: Final = re.compile(r"^# ended with exit code 0 after |^ {20,}(?:✓|done) \d+\.\d+s$")
_TIME_UP: Final = "# killed at its time limit of "
_INTERRUPTED: Final = "# killed"
_NOTES: Final = ("$ ", "# ")
_NOISE: Final = ("TIP pass --env-dir", "ERROR Backend subprocess exited", "ninja: build stopped:")

_EDGE: Final = re.compile(r"^\s*\[\d+/\d+\] ")
_FAILED: Final = re.compile(r"^\s*FAILED: ")
_FORTRAN: Final = re.compile(r"^\s*(?:Fatal )?Error: ")
_FORTRAN_POSITION: Final = re.compile(r"^\s*(?:[A-Za-z]:)?[^:\s][^:]{0,400}:\d+(?::\d+(?:-\d+)?)?:$")


class Search:
    """What was found in the lines so far, since the last command that ended well."""

    def __init__(self) -> None:
        self.ending: Failure | None = None
        self.last: deque[Line] = deque(maxlen=_LAST)
        self._found: dict[Rank, list[Finding]] = {}
        self._seen: set[str] = set()
        self._before: deque[Line] = deque(maxlen=_BEFORE)
        self._open: list[Finding] = []
        self._failed: Line | None = None
        self._edge = 0
        self._reader = Reader()

    def findings(self) -> list[Finding]:
        """Those of the best rank, first to last."""
        return self._found[min(self._found)] if self._found else []

    def take(self, line: Line) -> None:
        """Look at the next line."""
        if self._open:
            self._open = [finding for finding in self._open if finding.follow(line)]
        raised = self._reader.take(line)
        if raised is not None:
            self._add_raised(raised)
        elif not self._reader.inside:
            self._look(line)
        self._before.append(line)
        if line.text and not line.text.lstrip().startswith((*_NOTES, *_NOISE)):
            self.last.append(line)

    def _look(self, line: Line) -> None:
        text = line.text
        if text.startswith(_TIME_UP):
            self._end(Failure.TIME_LIMIT, line)
        elif text == _INTERRUPTED:
            self._end(Failure.INTERRUPTED, line)
        elif _EDGE.match(text):
            self._edge, self._failed = self._edge + 1, None
        elif _FAILED.match(text):
            self._edge, self._failed = self._edge + 1, line
        self._add_sign(line)

    def _end(self, failure: Failure, line: Line) -> None:
        self.ending = failure
        self.last.append(line)

    def _add_sign(self, line: Line) -> None:
        if _FORTRAN.match(line.text) and (head := self._position()):
            self._add(Finding(failure=Failure.COMPILE, line=line, head=head), Rank.ERROR)
        elif sign := sign_of(line.text):
            self._add(Finding(failure=sign.failure, line=line, following=sign.follow), sign.rank)

    def _position(self) -> tuple[Line, ...]:
        """The position, source line and caret that gfortran prints before its message."""
        lines = list(self._before)
        at = [index for index, line in enumerate(lines) if _FORTRAN_POSITION.match(line.text)]
        return tuple(line for line in lines[at[-1] :] if line.text) if at else ()

    def _add_raised(self, raised: Raised) -> None:
        if raised.echo:
            return
        sign = sign_of(raised.exception.text)
        finding = Finding(
            failure=sign.failure if sign else Failure.OTHER,
            line=raised.exception,
            head=raised.frame,
            following=Follow.NOTHING,
            chained=raised.chained,
        )
        self._add(finding, min(sign.rank, Rank.EXCEPTION) if sign else Rank.EXCEPTION)

    def _add(self, finding: Finding, rank: Rank) -> None:
        if finding.key in self._seen or len(self._found.get(rank, ())) == _KEPT:
            return
        self._seen.add(finding.key)
        finding.edge, finding.failed = self._edge, self._failed
        self._found.setdefault(rank, []).append(finding)
        self._open.append(finding)


def search(log: str | Iterable[str]) -> Search:
    """Read a log from its first to its last line."""
    found = Search()
    for line in numbered(log):
        if _WELL.match(line.text):
            # What a program printed that ended well did not make the build fail.
            found = Search()
        else:
            found.take(line)
    return found
