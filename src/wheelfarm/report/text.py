"""Durations, sizes, counts, names, bars and tables as text for people."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MINUTE: Final = 60
_BAR: Final = 20
"""Columns of a bar of shares."""
_ENDLESS: Final = 10_000
_NARROWEST: Final = 12
"""Columns that a text needs which is broken at words."""


def duration(seconds: float) -> str:
    """A measured duration, such as 24 ms, 59.9 s, 12 min 35 s or 1 h 05 min."""
    if round(seconds, 1) < 1:
        return f"{1000 * seconds:.0f} ms"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest:02} s" if minutes < _MINUTE else f"{minutes // 60} h {minutes % 60:02} min"


def about(seconds: float) -> str:
    """An estimated duration with few digits, such as 40 s, 14 min or 1 h 20 min."""
    tens = max(1, round(seconds / 10)) * 10
    if tens < _MINUTE:
        return f"{tens} s"
    minutes = max(1, round(seconds / _MINUTE))
    if minutes < _MINUTE:
        return f"{minutes} min"
    hours, rest = divmod(round(minutes / 10) * 10, _MINUTE)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def clock(seconds: float) -> str:
    """A duration as a clock shows it, such as 2:03 or 1:02:03."""
    minutes, rest = divmod(int(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: int) -> str:
    """Bytes in powers of ten, such as 0, 812 B or 44.5 MB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if round(count / unit, 1) >= 1:
            return f"{count / unit:.1f} {name}"
    return f"{count} B" if count else "0"


def counts(words: Iterable[str]) -> str:
    """How often each word occurs, such as 3 build, 1 nothing; empty without any."""
    return ", ".join(f"{count} {word}" for word, count in Counter(words).items())


def first_names(names: Sequence[str], shown: int) -> str:
    """The first of some names, and how many more there are."""
    more = [f"and {len(names) - shown} more"] if len(names) > shown else []
    return ", ".join([*names[:shown], *more])


def bar(share: float) -> str:
    """A bar of a share between 0 and 1, in eighths of a column."""
    full, rest = divmod(round(share * _BAR * 8), 8)
    return "█" * full + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[rest]


def table_lines(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    width: int | None = None,
) -> list[str]:
    """The lines of a table without a frame.

    Args:
        header: the names of the columns; without any there is no header.
        rows: the cells.
        right: columns that are adjusted to the right.
        whole: columns that are not broken; all others are, at words, where the width asks for it. Where these
            alone are too wide, only the columns on the right stay whole.
        width: columns of the terminal; None for as many as it takes.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    if width is None and all(cell.isascii() and "\t" not in cell for row in (header, *rows) for cell in row):
        return _plain_table(header, rows, right)
    # Rich costs a tenth of a second, and as much for each 300 rows.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    widths = [max(map(len, cells)) for cells in zip(header, *rows, strict=True)]
    remaining = (
        (width or _ENDLESS)
        - 2 * len(header)
        - sum(cells for name, cells in zip(header, widths, strict=True) if name in whole)
    )
    if remaining < _NARROWEST * sum(name not in whole for name in header):
        whole = right
    table = Table(
        box=None, pad_edge=False, show_header=any(name.strip() for name in header), padding=(0, 2, 0, 0)
    )
    for name in header:
        table.add_column(
            name, justify="right" if name in right else "left", no_wrap=name in whole, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console(file=io.StringIO(), width=width or _ENDLESS, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


def _plain_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> list[str]:
    """The same table where it may be as wide as it likes, and each character has one column."""
    shown = [header, *rows] if any(name.strip() for name in header) else rows
    widths = [max(map(len, cells)) for cells in zip(header, *rows, strict=True)]
    columns = [
        (str.rjust if name in right else str.ljust, cells) for name, cells in zip(header, widths, strict=True)
    ]
    return [
        "  ".join(
            adjust(cell.rstrip(), cells) for cell, (adjust, cells) in zip(row, columns, strict=True)
        ).rstrip()
        for row in shown
    ]
