"""Tables for a terminal or a pipe. Rich draws them; it is imported only when a table is printed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

BAR = 20
"""Columns of a bar of shares."""


def bar(share: float) -> str:
    """A bar of a share between 0 and 1, in eighths of a column."""
    full, rest = divmod(round(share * BAR * 8), 8)
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
        whole: columns that are never broken; all others are, at words, where the width asks for it.
        width: columns of the terminal; None for as many as it takes.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(
        box=None, pad_edge=False, show_header=any(name.strip() for name in header), padding=(0, 2, 0, 0)
    )
    for name in header:
        table.add_column(
            name, justify="right" if name in right else "left", no_wrap=name in whole, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return _lines(Console(file=io.StringIO(), width=width or 10_000, color_system=None), table)


def _lines(console: Console, renderable: RenderableType) -> list[str]:
    with console.capture() as capture:
        console.print(renderable)
    return [line.rstrip() for line in capture.get().splitlines()]
