"""Python's tracebacks: of hundreds of lines, the innermost frame and the exception tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wheelfarm.build.diagnosis.log_search import Line

_START: Final = "Traceback (most recent call last):"
_FRAME: Final = '  File "'
# Frames of the import system and of the runner of build backends are innermost but say nothing.
_RUNNERS: Final = ("<frozen ", "importlib", "pyproject_hooks")
_CHAINED: Final = ("the direct cause of the following exception", "another exception occurred:")

# What is raised because a program failed that has told why itself.
_ECHOES: Final = re.compile(
    r"(?:^|\.)(?:CalledProcessError|BackendUnavailable|BackendOperationFailed|HookException|SystemExit"
    r"|CompileError|LinkError|InstallationSubprocessError|MetadataGenerationFailed|FailedLiveProcessError)\b"
)
_EXCEPTION: Final = re.compile(r"^[A-Za-z_][\w.]*(?:: .*)?$")


@dataclass(frozen=True, kw_only=True)
class Raised:
    """An exception, where it was raised, and whether an earlier one led to it."""

    exception: Line
    frame: tuple[Line, ...] = ()
    chained: bool = False

    @property
    def echo(self) -> bool:
        """Whether it only says that a program failed."""
        return _ECHOES.search(self.exception.text.split(": ", 1)[0]) is not None


class Reader:
    """Takes lines one at a time; inside of a traceback they belong to it."""

    def __init__(self) -> None:
        self._indent: str | None = None
        self._frame: tuple[Line, ...] = ()
        self._in_frame = False
        self._chained = False

    @property
    def inside(self) -> bool:
        """Whether the last line was part of a traceback whose exception is still to come."""
        return self._indent is not None

    def take(self, line: Line) -> Raised | None:
        """The exception, when the line ends a traceback with one."""
        text = line.text
        if _START in text and not text[: text.find(_START)].strip():
            self._indent, self._frame = text[: text.find(_START)], ()
        elif self._indent is None:
            self._chained = self._chained if not text else text.endswith(_CHAINED)
        elif text.startswith(f"{self._indent}  "):
            self._keep(line)
        elif text:
            return self._end(line)
        return None

    def _keep(self, line: Line) -> None:
        """Remember the innermost frame that tells, and the source line below it."""
        if line.text.lstrip().startswith(_FRAME.lstrip()):
            self._in_frame = not any(runner in line.text for runner in _RUNNERS)
            self._frame = (line,) if self._in_frame else self._frame
        elif self._in_frame and line.text.strip(" ~^"):
            self._frame, self._in_frame = (*self._frame, line), False

    def _end(self, line: Line) -> Raised | None:
        text, indent = line.text, self._indent or ""
        self._indent = None
        if not _EXCEPTION.match(text.removeprefix(indent)):
            return None
        raised = Raised(exception=line, frame=self._frame, chained=self._chained)
        self._chained = False
        return raised
