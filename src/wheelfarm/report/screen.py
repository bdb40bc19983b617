"""The streams: messages for people on standard error, results on standard output."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TextIO

from wheelfarm.errors import printable
from wheelfarm.system.logs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wheelfarm.errors import FarmError
    from wheelfarm.report.live import LiveView


def data_lines(value: object) -> list[str]:
    """A result as lines of JSON."""
    return json.dumps(value, indent=1, sort_keys=True).split("\n")


@dataclass(eq=False)
class Screen:
    """Two streams; a terminal may have rows at its end that are drawn over."""

    people: TextIO
    programs: TextIO
    overlay: LiveView | None = None
    _status: bool = False

    @classmethod
    def standard(cls) -> Screen:
        """The screen of the process's own streams: always the same object, since it has one overlay."""
        # While rows are drawn, rich passes on what others write to sys.stderr.
        return _screen(getattr(sys.stderr, "rich_proxied_file", sys.stderr), sys.stdout)

    @property
    def live(self) -> bool:
        """Whether a person is watching."""
        return self.people.isatty()

    @property
    def width(self) -> int | None:
        """Columns of the terminal that shows results; None where they go to a file or a pipe."""
        return shutil.get_terminal_size().columns if self.programs.isatty() else None

    def say(self, line: str, style: str = "") -> None:
        """Print a line for people; the style, for a live view, is that of its first word."""
        line = printable(line)
        if self.overlay is not None:
            self.overlay.say(line, style)
            return
        self._write(f"{line}\n")

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines for people."""
        for line in lines:
            self.say(line)

    def status(self, line: str) -> None:
        """Print a line that the next one replaces; nothing where nobody is watching."""
        if self.live and self.overlay is None:
            self._write(printable(line)[: shutil.get_terminal_size().columns - 1])
            self._status = bool(line)

    def _write(self, text: str) -> None:
        """Write over the status line, or over the `^C` that a terminal prints."""
        self.people.write(f"\r\x1b[K{text}" if self.live else text)
        self.people.flush()
        self._status = False

    def uncover(self) -> None:
        """Remove the live view or the status line, if there is one."""
        overlay, self.overlay = self.overlay, None
        if overlay is not None:
            overlay.close()
        if self._status:
            self._write("")

    def result(self, lines: Iterable[str]) -> None:
        """Print the result of a command on standard output."""
        for line in lines:
            self.uncover()  # the two streams are as a rule one terminal
            self.programs.write(f"{printable(line)}\n")
        self.programs.flush()

    def data(self, value: object) -> None:
        """Print the result as JSON, for programs."""
        self.result(data_lines(value))

    def error(self, error: FarmError) -> None:
        """Print an error: what, where, why, and what to do next."""
        self.lines(error.lines())


@lru_cache(maxsize=1)
def _screen(people: TextIO, programs: TextIO) -> Screen:
    return Screen(people, programs)


class ScreenHandler(logging.Handler):
    """Prints the messages of the farm for people; warnings and errors with their level."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message on the standard screen, above rows that are drawn over."""
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        Screen.standard().say(f"{level}{record.getMessage()}")


def log_to_screen() -> None:
    """Print the messages of `logging` from this package, from the level INFO on; once is enough."""
    logger = logging.getLogger(ROOT)
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, ScreenHandler) for handler in logger.handlers):
        logger.addHandler(ScreenHandler())
        logger.propagate = False
