"""The live view on a terminal: rows at its end that are drawn over. Imported only to show one."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TextIO

from rich.console import Console, ConsoleDimensions, ConsoleOptions, Group, RenderResult
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment
from rich.table import Table
from rich.text import Text

from wheelfarm.errors import printable
from wheelfarm.report.text import clock
from wheelfarm.system.signals import defer_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from wheelfarm.report.progress import Progress, RunningBuild

_UNKNOWN: Final = os.terminal_size((80, 24))
"""Of a terminal that does not report its size."""
_ECHO: Final = 4
"""Columns after the last row for the `^C` that a terminal prints: a row that breaks would stay."""
_FAINT: Final = "bright_black"
_STYLES: Final = {"done": "green", "failed": "bold red", "blocked": "bold red", "left": _FAINT, "end": _FAINT}
_GAP: Final = 2
_WIDEST_BAR: Final = 30


class _Column(NamedTuple):
    rank: int
    """A narrow terminal loses the column of the highest rank first."""
    style: str = ""
    justify: Literal["left", "right"] = "left"
    least: int | None = None
    """Columns of one that can be cut; others are as wide as their texts."""


_COLUMNS: Final = {
    "name": _Column(0, "bold"),
    "version": _Column(6, _FAINT),
    "where": _Column(7, _FAINT),
    "bar": _Column(3, least=8),
    "share": _Column(2, justify="right"),
    "steps": _Column(5, justify="right"),
    "time": _Column(1),
    "doing": _Column(4, _FAINT, least=12),
}


def _cells(build: RunningBuild, now: float, *, twin: bool) -> dict[str, str]:
    """The texts of a build by column."""
    share, elapsed, expected = build.share(now), now - build.started, build.expected(now)
    target = "longer than expected" if build.late(now) else f"of ~{clock(expected)}" if expected else ""
    python = build.where.rpartition(", ")[2].partition("-")[0]
    return {
        "name": f"{build.label} {python}" if twin else build.label,
        "version": build.version,
        "where": build.where,
        "share": "" if share is None else f"{'' if build.steps else '~'}{int(100 * share)} %",
        "steps": f"{build.step}/{build.steps}" if build.steps else "",
        "time": f"{clock(elapsed):>5} {target}".rstrip(),
        "doing": printable(f"{build.verb} {build.what}".strip()),
    }


def builds_table(builds: Sequence[RunningBuild], now: float, width: int, *, ascii_only: bool) -> Table:
    """A row for each build, in as many columns as fit the width."""
    names = [build.label for build in builds]
    rows = [_cells(build, now, twin=names.count(build.label) > 1) for build in builds]
    widths = {name: column.least or max(len(row[name]) for row in rows) for name, column in _COLUMNS.items()}
    columns = [name for name in _COLUMNS if widths[name]]

    def spare() -> int:
        return width + _GAP - sum(widths[name] + _GAP for name in columns)

    while len(columns) > 1 and spare() < 0:
        columns.remove(max(columns, key=lambda name: _COLUMNS[name].rank))
    widths["bar"] = min(_WIDEST_BAR, widths["bar"] + max(0, spare()) // (3 if "doing" in columns else 1))
    widths["doing"] += max(0, spare())
    widths["name"] = min(width, widths["name"])
    table = Table.grid(padding=(0, _GAP, 0, 0))
    for name in columns:
        table.add_column(
            justify=_COLUMNS[name].justify,
            width=widths[name],
            no_wrap=True,
            overflow="crop" if ascii_only else "ellipsis",
            style=_COLUMNS[name].style,
        )
    for build, row in zip(builds, rows, strict=True):
        table.add_row(*(_bar(build, now) if name == "bar" else Text(row[name]) for name in columns))
    return table


def _bar(build: RunningBuild, now: float) -> ProgressBar:
    """Cyan for steps that are done, yellow for time that has passed, empty where the share is unknown."""
    style = "cyan" if build.steps else "yellow"
    return ProgressBar(total=1, completed=build.share(now) or 0, complete_style=style, style=_FAINT)


def totals_line(progress: Progress, now: float, wall: datetime, width: int, dot: str) -> Text:
    """The line of the whole run; what does not fit is left out from the end."""
    line = Text(no_wrap=True)
    for kind, text in progress.totals(now, wall):
        gap = dot if line else ""
        if len(line) + len(gap) + len(text) > width - (_ECHO if line else 0):
            break
        line.append(gap).append(text, _STYLES.get(kind, ""))
    return line


def picture(
    progress: Progress, now: float, wall: datetime, size: tuple[int, int], *, ascii_only: bool = False
) -> list[RenderableType]:
    """The rows: one for each running build, as many as fit, and the total."""
    width, height = size
    builds = list(progress.running.values())
    shown = builds if len(builds) < height else builds[: max(0, height - 2)]
    rows: list[RenderableType] = []
    if shown:
        rows.append(builds_table(shown, now, width, ascii_only=ascii_only))
    if len(shown) < len(builds) and height > 1:
        more = f"and {len(builds) - len(shown)} more"
        rows.append(Text(more, _FAINT, no_wrap=True, overflow="crop"))
    return [*rows, totals_line(progress, now, wall, width, " | " if ascii_only else " · ")]


class LiveView:
    """Rows at the end of a terminal that are drawn over; lines go above them.

    Args:
        stream: the terminal.
        environ: the environment, for NO_COLOR, COLORTERM and TERM.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._drawn: list[list[Segment]] = []
        # COLUMNS and LINES hold the size when a shell began; the terminal knows the present one.
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
            # Warnings, and the messages of other libraries, go above the rows too.
            redirect_stderr=stream is sys.stderr,
        )
        self._measure()
        # However the process ends, the cursor comes back.
        atexit.register(self.close)
        self._live.start()

    def draw(self, rows: Callable[[tuple[int, int], bool], list[RenderableType]]) -> None:
        """Draw rows over the last ones; they are made for a width and a height, and maybe in ASCII."""
        with self._lock, defer_signals():
            self._measure()
            # A full row would leave the cursor beyond its end, where terminals differ.
            size = (self._console.width - 1, self._console.height - 1)
            group = Group(*rows(size, self._console.options.ascii_only))
            options = self._console.options.update(width=max(1, size[0]))
            self._drawn = self._console.render_lines(group, options, pad=False)
            self._live.refresh()

    def say(self, line: str, style: str = "") -> None:
        """Print a line above the rows; the style is that of its first word."""
        with self._lock, defer_signals():
            self._measure()
            text = Text(line)
            text.stylize(style, 0, len(line.partition(" ")[0]))
            self._console.print(text, soft_wrap=True)

    def close(self) -> None:
        """Remove the rows and show the cursor; once is enough."""
        atexit.unregister(self.close)
        # A terminal that has gone away shows no cursor.
        with self._lock, suppress(OSError, ValueError):
            self._measure()
            self._drawn = []
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The rows, for rich."""
        for line in self._drawn:
            yield from line
            yield Segment.line()

    def _measure(self) -> None:
        """Read the size; go up over the rows that a terminal has broken because it became narrower."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            size = _UNKNOWN
        width, height = size if size.columns > 0 and size.lines > 0 else _UNKNOWN
        broken = sum(max(0, Segment.get_line_length(line) - 1) // width for line in self._drawn)
        if broken:
            up = [(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * broken
            self._console.control(Control(*up))
        self._console.size = ConsoleDimensions(width, height)
