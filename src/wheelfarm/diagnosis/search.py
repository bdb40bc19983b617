"""One pass over a log: what the signs tell, with the lines around them."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from wheelfarm.diagnosis.failure import Failure
from wheelfarm.diagnosis.finding import Finding
from wheelfarm.diagnosis.signs import Follow, Rank, sign_of
from wheelfarm.diagnosis.text import numbered
from wheelfarm.diagnosis.traceback import Raised, Reader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wheelfarm.diagnosis.text import Line

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
