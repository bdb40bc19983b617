"""The live view on a terminal; the only module that imports rich, and itself imported only to show one."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO

from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from wheelfarm.report.layout import ASCII, FINE, Glyphs, Line, Role, Span, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Picture = Callable[[int, int, Glyphs], list[Line]]

_STYLES: Final = {
    Role.PLAIN: "",
    Role.NAME: "bold",
    Role.FAINT: "bright_black",
    Role.STEPS: "cyan",
    Role.GUESS: "yellow",
    Role.LATE: "yellow",
    Role.GOOD: "green",
    Role.BAD: "bold red",
}
_UNKNOWN: Final = os.terminal_size((80, 24))
"""Of a terminal that does not tell its size."""


class LiveView:
    """Rows at the end of a terminal that are drawn over; lines go above them.

    Args:
        stream: the terminal.
        environ: the environment, for NO_COLOR, COLORTERM and TERM.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._drawn: list[Line] = []
        # COLUMNS and LINES are what the size was when a shell began; the terminal says what it is.
        known = {name: value for name, value in environ.items() if name not in {"COLUMNS", "LINES"}}
        self._console = Console(
            file=stream, force_terminal=True, highlight=False, markup=False, emoji=False, _environ=known
        )
        self._live = Live(
            self,
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._measure()
        # However the process ends, the cursor comes back.
        atexit.register(self.close)
        self._live.start()

    def draw(self, picture: Picture) -> None:
        """Draw the picture over the last one.

        Args:
            picture: gives lines for a width, a height and glyphs.
        """
        with self._lock:
            self._measure()
            glyphs = ASCII if self._console.options.ascii_only else FINE
            # A full row would leave the cursor beyond its end, where terminals differ.
            self._drawn = picture(self._console.width - 1, self._console.height - 1, glyphs)
            self._live.refresh()

    def say(self, line: str, role: Role = Role.PLAIN) -> None:
        """A line above the picture; the role is that of its first word."""
        with self._lock:
            self._measure()
            word, space, rest = line.partition(" ")
            self._console.print(_styled((Span(word, role), Span(space + rest))), soft_wrap=True)

    def close(self) -> None:
        """Take the picture away and give the cursor back; once is enough."""
        atexit.unregister(self.close)
        # A terminal that has gone away shows no cursor.
        with self._lock, suppress(OSError, ValueError):
            self._measure()
            self._drawn = []
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The rows, for rich."""
        yield from map(_styled, self._drawn)

    def _measure(self) -> None:
        """Learn the size; go up over the rows that a terminal has broken because it became narrower."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            size = _UNKNOWN
        width, height = size if size.columns > 0 and size.lines > 0 else _UNKNOWN
        broken = sum(max(0, len(text(line)) - 1) // width for line in self._drawn)
        if broken:
            up = [(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * broken
            self._console.control(Control(*up))
        self._console.size = ConsoleDimensions(width, height)


def _styled(line: Line) -> Text:
    styled = Text(no_wrap=True, overflow="ignore")
    for span in line:
        styled.append(span.text, _STYLES[span.role])
    return styled
