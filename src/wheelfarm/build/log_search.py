"""The search of a log: error messages, with the lines around them that belong to them."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from wheelfarm.build.error_patterns import Failure, Follow, Rank, match_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST: Final = 12
"""Lines that are shown, unless the first message and the exceptions that it led to are longer."""
_LONGEST: Final = 2000
"""Characters of a line that are searched: compiler commands run to megabytes, messages do not."""
_MOST_WHOLE: Final = 3 * MOST
_MOST_AFTER: Final = 6
"""Lines after another message than the first that are shown."""
_READ: Final = 24
"""Lines after a message that are searched for its end, and shown of the first one."""
_FINDINGS: Final = 12
"""Findings of each rank that are collected: more than are shown."""
_LAST: Final = 8
"""Lines that are shown when there is no finding."""
_BEFORE: Final = 7
"""Lines before gfortran's message that are searched for its position: it may show two calls."""

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
_MESON_END: Final = "A full log can be found at "
_TIME_UP: Final = "# killed at its time limit of "
_INTERRUPTED: Final = "# killed"
_IGNORED: Final = (
    *("$ ", "# ", "TIP pass --env-dir"),
    *("ERROR Backend subprocess exited", "ninja: build stopped:"),
)

_EDGE: Final = re.compile(r"^\s*(?:\[\d+/\d+\] |(?P<failed>FAILED: ))")
_FORTRAN: Final = re.compile(r"^\s*(?:Fatal )?Error: ")
_FORTRAN_POSITION: Final = re.compile(r"^\s*(?:[A-Za-z]:)?[^:\s][^:]{0,400}:\d+(?::\d+(?:-\d+)?)?:$")

# With what a line of it begins: an exception group has its members behind a bar (PEP 654).
_TRACEBACK: Final = re.compile(
    r"^(\s*(?:\| \s*)?|(?P<group>\s*)\+ Exception Group )Traceback \(most recent call last\):"
)
_MEMBER: Final = re.compile(r"^\s*\+(?:-\+)?-+ (?:\d+|\.\.\.) -+$")
_MARGIN: Final = re.compile(r"^\s*\| ")
_FRAME: Final = 'File "'
# Frames of the import system and of the runner of build backends are innermost but irrelevant.
_RUNNERS: Final = ("<frozen ", "importlib", "pyproject_hooks")
_CHAINED: Final = ("the direct cause of the following exception:", "another exception occurred:")
# Exceptions about the failure of a program whose own message is in the log.
_ECHOES: Final = re.compile(
    r"(?:^|\.)(?:CalledProcessError|BackendUnavailable|BackendOperationFailed|HookException|SystemExit"
    r"|CompileError|LinkError|InstallationSubprocessError|MetadataGenerationFailed|FailedLiveProcessError)\b"
)
_EXCEPTION: Final = re.compile(r"^[A-Za-z_][\w.]*(?::(?: .*)?)?$")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An error message; its lines are given by their index."""

    failure: Failure
    at: int
    """Its line, or the first one."""
    head: tuple[int, ...] = ()
    """The lines before it that belong to it: a position, or the frame of a traceback."""
    follow: Follow = Follow.NOTHING
    chained: bool = False
    """Whether it is an exception that an earlier one led to."""
    edge: int
    """The step of ninja that it belongs to; 0 before the first."""
    failed: tuple[int, ...]
    """Ninja's line with the outputs of that step, if it says that the step failed."""


class Search:
    """The search of the lines after the last command that succeeded."""

    def __init__(self, log: Iterable[str]) -> None:
        self.lines: list[str] = []
        self.first = 1
        """The number in the log of the first of the lines."""
        self.ending: Failure | None = None
        self._found: dict[Rank, list[Finding]] = defaultdict(list)
        self._keys: set[str] = set()
        self._edge, self._failed = 0, tuple[int, ...]()
        for number, text in enumerate(log, start=1):
            short = text[:_LONGEST]
            plain = (_ESCAPE.sub("", short) if "\x1b" in short else short).rstrip()
            if _SUCCESS.match(plain):
                # The output of a successful program did not make the build fail.
                self.lines, self.first = [], number + 1
            else:
                self.lines.append(plain)
        at = 0
        while at < len(self.lines):
            if traceback := _TRACEBACK.match(self.lines[at]):
                bar = traceback["group"]
                at = self._read_traceback(at, traceback[1] if bar is None else f"{bar}| ")
            elif _MEMBER.match(self.lines[at]):
                at = self._read_member(at + 1)
            else:
                at = self._read_line(at)

    @property
    def findings(self) -> list[Finding]:
        """Those of the best rank, first to last."""
        return self._found[min(self._found)] if self._found else []

    @property
    def unreachable(self) -> bool:
        """Whether a host could not be reached, of whatever rank the message is."""
        return any(each.failure is Failure.NETWORK for found in self._found.values() for each in found)

    def relevant(self) -> list[int]:
        """The lines of the first finding, and of those that go with it; without one, the last lines."""
        findings = self.findings
        if self.ending or not findings:
            shown = (at for at in reversed(range(len(self.lines))) if self._is_output(self.lines[at]))
            return sorted(at for at, _ in zip(shown, range(_LAST), strict=False))
        first = findings[0]
        relevant = [at for at in first.failed if at != first.at]
        for finding in findings:
            whole = finding is first or finding.chained
            tail = self._tail(finding)[: None if whole else _MOST_AFTER]
            more = [at for at in (*finding.head, finding.at, *tail) if at not in relevant]
            # The errors of a compiler in a failed configuration are evidence, not another failure.
            alike = finding.edge == first.edge and first.failure in {finding.failure, Failure.CONFIGURE}
            if (whole or alike) and len(relevant) + len(more) <= (_MOST_WHOLE if whole else MOST):
                relevant += more
        return relevant

    def _is_output(self, text: str) -> bool:
        ending = text == _INTERRUPTED or text.startswith(_TIME_UP)
        return ending or bool(text and not text.lstrip().startswith(_IGNORED))

    def _read_line(self, at: int) -> int:
        """Search a line; returns the index of the next one."""
        text = self.lines[at]
        if text == _INTERRUPTED:
            self.ending = Failure.INTERRUPTED
        elif text.startswith(_TIME_UP):
            self.ending = Failure.TIME_LIMIT
        elif edge := _EDGE.match(text):
            self._edge, self._failed = self._edge + 1, (at,) if edge["failed"] else ()
        if _FORTRAN.match(text) and (head := self._fortran_position(at)):
            self._add(Rank.ERROR, Failure.COMPILE, at, head=head)
        elif found := match_line(text):
            self._add(found.rank, found.failure, at, follow=found.follow)
        return at + 1

    def _fortran_position(self, at: int) -> tuple[int, ...]:
        """The position, source line and caret that gfortran prints before its message."""
        before = range(max(0, at - _BEFORE), at)
        starts = [each for each in before if _FORTRAN_POSITION.match(self.lines[each])]
        return tuple(each for each in range(starts[-1], at) if self.lines[each]) if starts else ()

    def _read_traceback(self, start: int, indent: str) -> int:
        """Search a traceback of Python, of which the innermost frame and the exception matter.

        Returns:
            The index of the next line to read.
        """
        frame, in_frame = tuple[int, ...](), False
        for at in range(start + 1, len(self.lines)):
            text = self.lines[at]
            if _TRACEBACK.match(text):
                return at
            if text and not text.startswith(f"{indent}  "):
                if not _EXCEPTION.match(text.removeprefix(indent)):
                    return at
                self._add_exception(at, frame, start)
                return at + 1
            if text.removeprefix(indent).lstrip().startswith(_FRAME):
                in_frame = not any(runner in text for runner in _RUNNERS)
                frame = (at,) if in_frame else frame
            elif in_frame and text.strip(" ~^"):
                frame, in_frame = (*frame, at), False
        return len(self.lines)

    def _read_member(self, at: int) -> int:
        """Search the begin of a member of an exception group, which may have no traceback."""
        text = self.lines[at] if at < len(self.lines) else ""
        if (margin := _MARGIN.match(text)) and _EXCEPTION.match(text[margin.end() :]):
            self._add_exception(at, (), at)
            return at + 1
        return at

    def _add_exception(self, at: int, frame: tuple[int, ...], start: int) -> None:
        text = _MARGIN.sub("", self.lines[at])
        if _ECHOES.search(text.split(": ", 1)[0]):
            return
        above = (each.strip(" |") for each in reversed(self.lines[max(0, start - _BEFORE) : start]))
        chained = next(filter(None, above), "").endswith(_CHAINED)
        failure, rank = Failure.OTHER, Rank.EXCEPTION
        if found := match_line(text):
            failure, rank = found.failure, min(found.rank, rank)
        self._add(rank, failure, at, head=frame, follow=Follow.EXCEPTION, chained=chained)

    def _add(
        self,
        rank: Rank,
        failure: Failure,
        at: int,
        *,
        head: tuple[int, ...] = (),
        follow: Follow = Follow.NOTHING,
        chained: bool = False,
    ) -> None:
        # Equal for messages about the same problem: the missing symbol, or the line.
        key = self.lines[at].strip()
        if failure is Failure.NETWORK:
            key = _ATTEMPT.sub("", key)
        elif symbol := _SYMBOL.search(key):
            key = symbol.group()
        if key in self._keys or len(self._found.get(rank, ())) == _FINDINGS:
            return
        self._keys.add(key)
        finding = Finding(
            failure=failure,
            at=at,
            head=head,
            follow=follow,
            chained=chained,
            edge=self._edge,
            failed=self._failed,
        )
        self._found[rank].append(finding)

    def _indented(self, at: int, after: Iterable[int], margin: str) -> list[int]:
        """The lines that are indented further than a line, across empty ones; a margin does not count."""
        texts = {each: self.lines[each].removeprefix(margin) for each in (at, *after)}
        depth, bar = _depth(texts[at]), margin.rstrip()
        block = takewhile(lambda each: texts[each] in {"", bar} or _depth(texts[each]) > depth, after)
        return [each for each in block if texts[each] not in {"", bar}]

    def _exception(self, at: int, after: Iterable[int]) -> list[int]:
        """The further lines of an exception's message: what goes on after a colon need not be indented."""
        text = self.lines[at]
        margin = _MARGIN.match(text)
        block = self._indented(at, after, margin[0] if margin else "")
        if block or margin or not text.endswith((":", ",", "(", "[")):
            return block
        return list(takewhile(lambda at: self.lines[at] and not _ends_message(self.lines[at]), after))

    def _tail(self, finding: Finding) -> Sequence[int]:
        """The lines after a finding that belong to its message."""
        lines, start = self.lines, finding.at + 1
        after = range(start, min(start + _READ, len(lines)))
        match finding.follow:
            case Follow.SNIPPET:
                # GCC before 9 and Clang before 16 print the source line and the caret without bars.
                plain = len(after) > 1 and lines[start] and _is_caret(lines[start + 1])
                return after[:2] if plain else list(takewhile(lambda at: _BAR.match(lines[at]), after))[:3]
            case Follow.INDENTED:
                return self._indented(finding.at, after, "")
            case Follow.EXCEPTION:
                return self._exception(finding.at, after)
            case Follow.PARAGRAPH:
                noted = next((at for at in after if lines[at].lstrip().startswith(_MESON_END)), 0)
                block = range(start, noted) if noted else takewhile(lambda at: lines[at], after)
                return [at for at in block if lines[at]]
            case Follow.CYTHON:
                inner = list(takewhile(lambda at: not _CYTHON_END.match(lines[at]), after))
                end = after[len(inner) : len(inner) + 1]
                shown = [at for at in inner if not _CYTHON_FRAME.match(lines[at])]
                return [*shown[-_MOST_AFTER + len(end) :], *end]
            case _:
                return ()


def _ends_message(text: str) -> bool:
    return text.startswith(_IGNORED) or _TRACEBACK.match(text) is not None or match_line(text) is not None


def _depth(text: str) -> int:
    return len(text) - len(text.lstrip())


def _is_caret(text: str) -> bool:
    return "^" in text and not text.strip("~^ ")
