"""The live view at each width: what is left out, and that no line is too long."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from rich.console import Console, Group

from wheelfarm.report.live import picture
from wheelfarm.report.progress import Progress, RunningBuild

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SCIPY = RunningBuild(
    label="scipy",
    version="1.17.1",
    where="openblas, cp311-manylinux_x86_64",
    started=1000,
    step=120,
    steps=906,
    verb="Compiling",
    what="_ufuncs_cxx.cxx",
    prior=840,
)
PANDAS = RunningBuild(
    label="pandas",
    version="3.0.1",
    where="openblas, cp311-manylinux_x86_64",
    started=1060,
    what="installing build requirements",
    prior=600,
)
LATE = replace(PANDAS, label="pywavelets", prior=30, started=1000)
UNKNOWN = replace(PANDAS, label="statsmodels", prior=None)
NOW = 1123


class Totals(Progress):
    """A run whose totals are known."""

    def totals(self, now: float, wall: datetime) -> list[tuple[str, str]]:
        del now, wall
        return [
            *(("done", "3/12 done"), ("failed", "1 failed"), ("blocked", "2 blocked")),
            *(
                ("running", f"{len(self.running)} running"),
                ("elapsed", "12:34"),
                ("left", "about 8 min left"),
                ("end", "ends 14:35"),
            ),
        ]


def shown(
    width: int,
    builds: Sequence[RunningBuild] = (SCIPY, PANDAS, LATE, UNKNOWN),
    *,
    height: int = 24,
    encoding: str = "utf-8",
) -> list[str]:
    progress = Totals(started=369, running=dict(enumerate(builds)))  # type: ignore[arg-type]
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, color_system=None, legacy_windows=False)
    ascii_only = console.options.ascii_only
    rows = picture(progress, NOW, datetime(2026, 1, 2, tzinfo=UTC), (width, height), ascii_only=ascii_only)
    with console.capture() as capture:
        console.print(Group(*rows))
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40, 12])
def test_the_picture(golden: Callable[[str, str], None], width: int) -> None:
    golden(f"report/{width}-columns.txt", "\n".join([*shown(width), ""]))


def test_no_line_is_too_long_and_no_number_is_cut() -> None:
    numbers = re.compile(r"\d[\d:./]*")
    whole = {number for line in shown(400) for number in numbers.findall(line)}
    for width in range(1, 260):
        lines = shown(width)
        assert len(lines) <= 5, width  # none is broken
        assert all(len(line) <= width for line in lines)
        assert {number for line in lines for number in numbers.findall(line)} <= whole, width


def test_more_columns_never_show_less() -> None:
    before: set[str] = set()
    for width in range(12, 260):
        row = shown(width, [SCIPY])[0]
        words = {word for word in ("13 %", "120/906", "2:03", "~14:", "1.17.1") if word in row}
        assert before <= words, width
        before = words


def test_two_builds_of_one_distribution_differ_at_any_width() -> None:
    other = replace(SCIPY, where="openblas, cp313-manylinux_x86_64")
    assert [row[:11] for row in shown(40, [SCIPY, other])[:2]] == ["scipy cp311", "scipy cp313"]


@pytest.mark.parametrize(
    ("height", "first"),
    [
        (5, ["scipy", "pandas", "pywavelets", "statsmodels", "3/12"]),
        (4, ["scipy", "pandas", "and", "3/12"]),
        (2, ["and", "3/12"]),
        (1, ["3/12"]),
    ],
)
def test_a_low_terminal_keeps_the_total(height: int, first: list[str]) -> None:
    assert [row.split()[0] for row in shown(80, height=height)] == first


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert all(row.isascii() for row in shown(80, encoding="ascii"))


def test_a_late_build_says_so_and_shows_no_share() -> None:
    late = shown(80, [LATE])[0]
    assert "2:03 longer than expected" in late
    assert "%" not in late


def test_a_running_build_is_never_whole() -> None:
    assert "99 %" in shown(80, [replace(SCIPY, step=906)])[0]
