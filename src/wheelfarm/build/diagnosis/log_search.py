"""One pass over a log: error messages, with the lines around them that belong to them."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from wheelfarm.build.diagnosis.error_patterns import Follow, Rank, match_line
from wheelfarm.build.diagnosis.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


_LONGEST: Final = 2000
"""Characters of a line that are searched: compiler commands run to megabytes, messages do not."""
_MOST: Final = 6
"""Lines after a message that are shown."""
_READ: Final = 24
"""Lines after a message that are searched for its end."""
_FINDINGS: Final = 12
"""Findings of each rank that are collected: more than are shown."""
_LAST: Final = 8
"""Lines that are shown when there is no finding."""
_BEFORE: Final = 6
"""Lines between gfortran's position and its message."""

# ECMA-48: control sequences such as colors, strings such as links and titles, and two-byte functions.
_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")

_BAR: Final = re.compile(r"^\s*\d*\s+(?:\||-->)|^\s+--> ")
_CYTHON_END: Final = re.compile(r"^\s*[^:\s][^:]*(?::[^:]+)?:\d+:\d+: ")
_CYTHON_FRAME: Final = re.compile(r"^\s*(?:-{20,}|\.\.\.)?$")
_SYMBOL: Final = re.compile(r"(?:undefined reference to|unresolved external symbol|undefined symbol:) .*")
# Attempts to reach a host differ in how many are left, and in the addresses of objects.
_ATTEMPT: Final = re.compile(r"total=\d+|0x[0-9a-f]+")

# The farm's notes about each command, and cibuildwheel's mark at the end of each of its steps.
_SUCCESS: Final = re.compile(r"^# ended with exit code 0 after |^ {20,}(?:✓|done) \d+\.\d+s$")
_TIME_UP: Final = "# killed at its time limit of "
_INTERRUPTED: Final = "# killed"
_IGNORED: Final = (
    "$ ",
    "# ",
    "TIP pass --env-dir",
    "ERROR Backend subprocess exited",
    "ninja: build stopped:",
)

_EDGE: Final = re.compile(r"^\s*(?:\[\d+/\d+\] |(?P<failed>FAILED: ))")
_FORTRAN: Final = re.compile(r"^\s*(?:Fatal )?Error: ")
_FORTRAN_POSITION: Final = re.compile(r"^\s*(?:[A-Za-z]:)?[^:\s][^:]{0,400}:\d+(?::\d+(?:-\d+)?)?:$")

_TRACEBACK: Final = "Traceback (most recent call last):"
_FRAME: Final = 'File "'
# Frames of the import system and of the runner of build backends are innermost but irrelevant.
_RUNNERS: Final = ("<frozen ", "importlib", "pyproject_hooks")
_CHAINED: Final = ("the direct cause of the following exception", "another exception occurred:")
# Exceptions about the failure of a program whose own message is in the log.
_ECHOES: Final = re.compile(
    r"(?:^|\.)(?:CalledProcessError|BackendUnavailable|BackendOperationFailed|HookException|SystemExit"
    r"|CompileError|LinkError|InstallationSubprocessError|MetadataGenerationFailed|FailedLiveProcessError)\b"
)
_EXCEPTION: Final = re.compile(r"^[A-Za-z_][\w.]*(?:: .*)?$")


class Line(NamedTuple):
    """A line and its number in the log, from 1."""

    number: int
    text: str


@dataclass(kw_only=True)
class Finding:
    """An error message.

    Args:
        failure: its class.
        line: its line, or the first one.
        head: the lines before it that belong to it: a position, or the frame of a traceback.
        following: which lines after it belong to it.
        chained: whether it is an exception that an earlier one led to.
        edge: the step of ninja that it belongs to; 0 before the first.
        failed: ninja's line with the outputs of that step.
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
        """Equal for messages about the same problem: the missing symbol, or the line."""
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
                # GCC before 9 and Clang before 16 print the source line and the caret without bars.
                if len(self._after) > 1 and self._after[0].text and _is_caret(self._after[1].text):
                    return self._after[:2]
                return self._while(lambda text: bool(_BAR.match(text)))[:3]
            case Follow.INDENTED:
                depth = _depth(self.line.text)
                lines = self._while(lambda text: not text or _depth(text) > depth)
                return [line for line in lines if line.text]
            case Follow.PARAGRAPH:
                return self._while(bool)
            case Follow.CYTHON:
                block = self._while(lambda text: not _CYTHON_END.match(text))
                end = self._after[len(block) : len(block) + 1]
                shown = [line for line in block if not _CYTHON_FRAME.match(line.text)]
                return [*shown[-_MOST + len(end) :], *end]
            case _:
                return []

    def _while(self, wanted: Callable[[str], bool]) -> list[Line]:
        end = next((i for i, line in enumerate(self._after) if not wanted(line.text)), len(self._after))
        return self._after[:end]


def _depth(text: str) -> int:
    return len(text) - len(text.lstrip())


def _is_caret(text: str) -> bool:
    return "^" in text and not text.strip("~^ ")


class _Traceback:
    """Reads Python's tracebacks: of hundreds of lines, the innermost frame and the exception matter."""

    def __init__(self) -> None:
        self._indent: str | None = None
        self._frame: tuple[Line, ...] = ()
        self._in_frame = False
        self._chained = False

    @property
    def inside(self) -> bool:
        """Whether the last line was part of a traceback whose exception is still to come."""
        return self._indent is not None

    def take(self, line: Line) -> Finding | None:
        """The exception, when the line is one at the end of a traceback."""
        text = line.text
        if _TRACEBACK in text and not text[: text.find(_TRACEBACK)].strip():
            self._indent, self._frame = text[: text.find(_TRACEBACK)], ()
        elif self._indent is None:
            self._chained = self._chained if not text else text.endswith(_CHAINED)
        elif text.startswith(f"{self._indent}  "):
            self._add_frame(line)
        elif text:
            indent, self._indent = self._indent, None
            if _EXCEPTION.match(text.removeprefix(indent)):
                chained, self._chained = self._chained, False
                return Finding(failure=Failure.OTHER, line=line, head=self._frame, chained=chained)
        return None

    def _add_frame(self, line: Line) -> None:
        """Store the innermost relevant frame, and the source line below it."""
        if line.text.lstrip().startswith(_FRAME):
            self._in_frame = not any(runner in line.text for runner in _RUNNERS)
            self._frame = (line,) if self._in_frame else self._frame
        elif self._in_frame and line.text.strip(" ~^"):
            self._frame, self._in_frame = (*self._frame, line), False


class Search:
    """The findings in the lines so far, since the last command that succeeded."""

    def __init__(self) -> None:
        self.ending: Failure | None = None
        self.last: deque[Line] = deque(maxlen=_LAST)
        self._found: dict[Rank, list[Finding]] = {}
        self._keys: set[str] = set()
        self._before: deque[Line] = deque(maxlen=_BEFORE)
        self._open: list[Finding] = []
        self._failed: Line | None = None
        self._edge = 0
        self._traceback = _Traceback()

    def findings(self) -> list[Finding]:
        """Those of the best rank, first to last."""
        return self._found[min(self._found)] if self._found else []

    def take(self, line: Line) -> None:
        """Search the next line."""
        if self._open:
            self._open = [finding for finding in self._open if finding.follow(line)]
        exception = self._traceback.take(line)
        if exception is not None:
            self._add_exception(exception)
        elif not self._traceback.inside:
            self._search(line)
        self._before.append(line)
        if line.text and not line.text.lstrip().startswith(_IGNORED):
            self.last.append(line)

    def _search(self, line: Line) -> None:
        text = line.text
        if text == _INTERRUPTED or text.startswith(_TIME_UP):
            self.ending = Failure.INTERRUPTED if text == _INTERRUPTED else Failure.TIME_LIMIT
            self.last.append(line)
        elif edge := _EDGE.match(text):
            self._edge, self._failed = self._edge + 1, line if edge["failed"] else None
        if _FORTRAN.match(text) and (head := self._position()):
            self._add(Finding(failure=Failure.COMPILE, line=line, head=head), Rank.ERROR)
        elif found := match_line(text):
            self._add(Finding(failure=found.failure, line=line, following=found.follow), found.rank)

    def _position(self) -> tuple[Line, ...]:
        """The position, source line and caret that gfortran prints before its message."""
        lines = list(self._before)
        at = [index for index, line in enumerate(lines) if _FORTRAN_POSITION.match(line.text)]
        return tuple(line for line in lines[at[-1] :] if line.text) if at else ()

    def _add_exception(self, finding: Finding) -> None:
        text = finding.line.text
        if _ECHOES.search(text.split(": ", 1)[0]):
            return
        rank = Rank.EXCEPTION
        if found := match_line(text):
            finding.failure, rank = found.failure, min(found.rank, rank)
        self._add(finding, rank)

    def _add(self, finding: Finding, rank: Rank) -> None:
        if finding.key in self._keys or len(self._found.get(rank, ())) == _FINDINGS:
            return
        self._keys.add(finding.key)
        finding.edge, finding.failed = self._edge, self._failed
        self._found.setdefault(rank, []).append(finding)
        self._open.append(finding)


def search(log: str | Iterable[str]) -> Search:
    """Search a log, as a text or as an open file that is read line by line."""
    found = Search()
    for number, text in enumerate(_lines(log) if isinstance(log, str) else log, start=1):
        short = text[:_LONGEST]
        plain = (_ESCAPE.sub("", short) if "\x1b" in short else short).rstrip()
        if _SUCCESS.match(plain):
            # The output of a successful program did not make the build fail.
            found = Search()
        else:
            found.take(Line(number, plain))
    return found


def _lines(text: str) -> Iterator[str]:
    """Split at line feeds only, as editors count lines, without a second copy of a large text."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end]
        start = end + 1
    if start < len(text):
        yield text[start:]
