"""The picture of a run in so many columns: what is shown, and what is left out to make room. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from wheelfarm.report.quantity import about, clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wheelfarm.report.view import RunningBuild, Totals, View


class Role(StrEnum):
    """What a piece of text is, by which it gets its colour."""

    PLAIN = "plain"
    NAME = "name"
    FAINT = "faint"
    STEPS = "steps"
    """Of a bar: steps that the compiler has told."""
    GUESS = "guess"
    """Of a bar: time that has passed, of the time that is expected."""
    LATE = "late"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True)
class Span:
    """A piece of a line."""

    text: str
    role: Role = Role.PLAIN


Line = tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class Glyphs:
    """The characters of bars and gaps."""

    step: str
    half: str
    guess: str
    rest: str
    nothing: str
    cut: str
    dot: str


FINE: Final = Glyphs(step="━", half="╸", guess="╍", rest="─", nothing="┈", cut="…", dot=" · ")
ASCII: Final = Glyphs(step="#", half="", guess="=", rest="-", nothing=".", cut="~", dot=" | ")


class Column(StrEnum):
    """The columns of a running build, in the order in which they give way: the last one goes first."""

    NAME = "name"
    ELAPSED = "elapsed"
    BAR = "bar"
    SHARE = "share"
    EXPECTED = "expected"
    CPU = "cpu"
    MEMORY = "memory"
    DOING = "doing"
    COUNT = "count"
    PLACE = "place"
    VERSION = "version"


_ORDER: Final = (
    *(Column.NAME, Column.VERSION, Column.PLACE, Column.BAR, Column.SHARE, Column.COUNT),
    *(Column.ELAPSED, Column.EXPECTED, Column.CPU, Column.MEMORY, Column.DOING),
)
"""From left to right."""
_GAP: Final = 2
_CLOSE: Final = frozenset({Column.VERSION, Column.SHARE, Column.EXPECTED})
"""Columns that belong to the one before them: a single space."""
_LEFT: Final = frozenset({Column.NAME, Column.VERSION, Column.PLACE, Column.DOING, Column.EXPECTED})
_LEAST: Final = {Column.BAR: 8, Column.DOING: 12}
"""The columns that stretch, and the least that they need."""
_WIDEST_BAR: Final = 30


def text(line: Line) -> str:
    """A line without its colours."""
    return "".join(span.text for span in line)


def lines(view: View, width: int, *, height: int | None = None, glyphs: Glyphs = FINE) -> list[Line]:
    """The picture: a line for each running build and one for the whole run, none when nothing runs.

    A line is never wider than asked for. A number is shown whole or not at all; only words are cut.

    Args:
        view: what there is to see.
        width: columns.
        height: rows; of more builds than fit, the first are shown, and how many others there are.
        glyphs: the characters for bars.
    """
    if not view.running or width < 1:
        return []
    shown: Sequence[RunningBuild] = view.running
    more: list[Line] = []
    if height is not None and len(shown) + 1 > height:
        shown = shown[: max(0, height - 2)]
        note = f"and {len(view.running) - len(shown)} more"
        more = [(Span(note, Role.FAINT),)] if height > 1 and len(note) <= width else []
    table = _table(shown, view.now, width, glyphs) if shown else []
    return [*table, *more, _total(view.totals, len(view.running), width, glyphs)]


def _table(shown: Sequence[RunningBuild], now: float, width: int, glyphs: Glyphs) -> list[Line]:
    rows = [_cells(running, now, shown) for running in shown]
    needs = {column: max(len(row[column].text) for row in rows) for column in Column if column in rows[0]}
    needs |= _LEAST
    columns = [column for column in Column if needs[column]]
    while len(columns) > 1 and _wide(columns, needs) > width:
        columns.pop()
    spare = width - _wide(columns, needs)
    if Column.BAR in columns:
        grow = spare // 3 if Column.DOING in columns else spare
        needs[Column.BAR] = min(_WIDEST_BAR, needs[Column.BAR] + grow)
    needs[Column.NAME] = min(width, needs[Column.NAME])
    needs[Column.DOING] += width - _wide(columns, needs)
    ordered = [column for column in _ORDER if column in columns]
    return [
        _line(row, running, now, ordered, needs, glyphs) for row, running in zip(rows, shown, strict=True)
    ]


def _wide(columns: Sequence[Column], needs: dict[Column, int]) -> int:
    gaps = sum(1 if column in _CLOSE else _GAP for column in columns if column is not Column.NAME)
    return gaps + sum(needs[column] for column in columns)


def _cells(running: RunningBuild, now: float, shown: Sequence[RunningBuild]) -> dict[Column, Span]:
    """What the columns hold, but for those that stretch."""
    elapsed, expected, steps = now - running.started, running.expected, running.steps
    twin = sum(other.label == running.label for other in shown) > 1
    late = expected is not None and elapsed > expected
    if steps:
        share = f"{100 * running.step // steps} %"
    else:
        share = f"~{100 * elapsed / expected:.0f} %" if expected and not late else ""
    return {
        Column.NAME: Span(f"{running.label} {_python(running)}" if twin else running.label, Role.NAME),
        Column.VERSION: Span(running.version, Role.FAINT),
        Column.PLACE: Span(running.place, Role.FAINT),
        Column.SHARE: Span(share.rjust(5), Role.PLAIN if steps else Role.FAINT),
        Column.COUNT: Span(f"{running.step:{len(str(steps))}}/{steps}" if steps else ""),
        Column.ELAPSED: Span(clock(elapsed).rjust(5), Role.LATE if late else Role.PLAIN),
        Column.EXPECTED: Span(f"of ~{clock(expected)}" if expected else "", Role.FAINT),
        Column.CPU: Span("" if running.cpu is None else f"{running.cpu:.1f} cores"),
        Column.MEMORY: Span("" if running.memory is None else f"{running.memory / 1e9:.1f} GB"),
    }


def _python(running: RunningBuild) -> str:
    """What tells apart two builds of one distribution: the interpreter, as the target begins with it."""
    return running.place.rpartition(", ")[2].partition("-")[0]


def _line(  # noqa: PLR0917
    row: dict[Column, Span],
    running: RunningBuild,
    now: float,
    columns: Sequence[Column],
    needs: dict[Column, int],
    glyphs: Glyphs,
) -> Line:
    line: list[Span] = []
    for column in columns:
        if line:
            line.append(Span(" " if column in _CLOSE else " " * _GAP))
        if column is Column.BAR:
            line += _bar(running, now, needs[column], glyphs)
        elif column is Column.DOING:
            line.append(Span(_doing(running, needs[column], glyphs), Role.FAINT))
        else:
            cell = row[column]
            adjust: Callable[[int], str] = cell.text.ljust if column in _LEFT else cell.text.rjust
            line.append(Span(_cut(adjust(needs[column]), needs[column], glyphs), cell.role))
    return tuple(line)


def _bar(running: RunningBuild, now: float, width: int, glyphs: Glyphs) -> list[Span]:
    """A full line for steps that were done, another for time that has passed, dots where nobody knows."""
    if running.steps:
        full, rest = divmod(2 * width * running.step // running.steps, 2)
        done, role = glyphs.step * full + glyphs.half * rest, Role.STEPS
    elif running.expected and now - running.started <= running.expected:
        share = (now - running.started) / running.expected
        done, role = glyphs.guess * int(share * width), Role.GUESS
    else:
        return [Span(glyphs.nothing * width, Role.LATE if running.expected else Role.FAINT)]
    return [Span(done, role), Span(glyphs.rest * (width - len(done)), Role.FAINT)]


def _doing(running: RunningBuild, width: int, glyphs: Glyphs) -> str:
    whole = f"{running.verb} {running.what}".strip()
    return whole if len(whole) <= width else _cut(running.what, width, glyphs)


def _cut(words: str, width: int, glyphs: Glyphs) -> str:
    return words if len(words) <= width else words[: width - len(glyphs.cut)] + glyphs.cut


def _total(totals: Totals, running: int, width: int, glyphs: Glyphs) -> Line:
    """The line of the whole run; its parts give way from the last of these to the first."""
    done = f"{totals.done}/{totals.total}" if totals.total else f"{totals.done}"
    parts = {
        0: Span(f"{done} done", Role.GOOD if totals.done else Role.PLAIN),
        6: Span(f"{running} running"),
        1: Span(f"{totals.failed} failed" if totals.failed else "", Role.BAD),
        3: Span(f"{totals.blocked} blocked" if totals.blocked else "", Role.BAD),
        2: Span(clock(totals.elapsed)),
        5: Span("" if totals.left is None else f"about {about(totals.left)} left", Role.FAINT),
        4: Span(f"ends {totals.end}" if totals.end else "", Role.FAINT),
    }
    kept = {rank for rank, part in parts.items() if part.text}
    gap = len(glyphs.dot)
    while sum(len(parts[rank].text) + gap for rank in kept) - gap > width:
        kept.remove(max(kept))
        if not kept:
            return ()
    line = [piece for rank, part in parts.items() if rank in kept for piece in (Span(glyphs.dot), part)]
    return tuple(line[1:])
