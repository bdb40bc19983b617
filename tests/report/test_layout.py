"""The picture of a run at each width: what is left out, and that no line is ever too long."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from wheelfarm.report.layout import ASCII, Role, lines, text
from wheelfarm.report.view import RunningBuild, Totals, View

SCIPY = RunningBuild(
    label="scipy",
    version="1.17.1",
    place="openblas, cp311-manylinux_x86_64",
    started=1000,
    step=120,
    steps=906,
    verb="Compiling",
    what="_ufuncs_cxx.cxx",
    expected=840,
    cpu=1.94,
    memory=1_240_000_000,
)
PANDAS = RunningBuild(
    label="pandas",
    version="3.0.1",
    place="openblas, cp311-manylinux_x86_64",
    started=1060,
    what="installing build requirements",
    expected=600,
)
LATE = replace(PANDAS, label="pywavelets", expected=30, started=1000)
UNKNOWN = replace(PANDAS, label="statsmodels", expected=None)
TOTALS = Totals(done=3, total=12, failed=1, blocked=2, elapsed=754, left=500, end="14:35")
VIEW = View(now=1123, running=(SCIPY, PANDAS, LATE, UNKNOWN), totals=TOTALS)


def shown(view: View, width: int, **how: object) -> list[str]:
    return [text(line).rstrip() for line in lines(view, width, **how)]  # type: ignore[arg-type]


GOLDEN = Path(__file__).parents[1] / "golden" / "report"


@pytest.mark.parametrize("width", [200, 80, 40, 12])
def test_the_picture(width: int) -> None:
    assert "\n".join([*shown(VIEW, width), ""]) == (GOLDEN / f"{width}-columns.txt").read_text(
        encoding="utf-8"
    )


def test_no_line_is_too_long_and_no_number_is_cut() -> None:
    numbers = re.compile(r"\d[\d:./]*")
    whole = {number for line in shown(VIEW, 400) for number in numbers.findall(line)}
    for width in range(1, 260):
        for line in lines(VIEW, width):
            assert len(text(line)) <= width
        # A word that is cut may hold a number, as in cp311; a version or a time is never cut.
        told = {number for line in shown(VIEW, width) for number in numbers.findall(line)}
        assert told <= whole, width


def test_more_room_never_shows_less() -> None:
    before: set[str] = set()
    for width in range(12, 260):
        row = shown(View(now=1123, running=(SCIPY,), totals=TOTALS), width)[0]
        kept = {
            word for word in ("13 %", "120/906", "2:03", "~14:00", "cores", "GB", "1.17.1") if word in row
        }
        assert before <= kept, width
        before = kept


def test_nothing_runs_nothing_is_drawn() -> None:
    assert lines(replace(VIEW, running=()), 80) == []
    assert lines(VIEW, 0) == []


def test_two_builds_of_one_distribution_are_told_apart_at_any_width() -> None:
    other = replace(SCIPY, place="openblas, cp313-manylinux_x86_64")
    rows = shown(replace(VIEW, running=(SCIPY, other)), 40)
    assert [row[:11] for row in rows[:2]] == ["scipy cp311", "scipy cp313"]


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
    assert [row.split()[0] for row in shown(VIEW, 80, height=height)] == first


def test_a_terminal_without_fine_characters() -> None:
    rows = shown(VIEW, 80, glyphs=ASCII)
    assert all(row.isascii() for row in rows)
    assert [row[13:22] for row in rows[:3]] == ["#--------", "---------", "........."]


def test_a_guess_does_not_look_like_steps() -> None:
    roles = [{span.role for span in line} for line in lines(VIEW, 200)[:4]]
    assert Role.STEPS in roles[0]
    assert Role.GUESS in roles[1]
    assert Role.GUESS not in roles[2]
    assert Role.LATE in roles[2]


def test_a_run_of_which_little_is_known() -> None:
    assert shown(replace(VIEW, totals=Totals(elapsed=3)), 80)[-1] == "0 done · 4 running · 0:03"
    assert len(lines(VIEW, 3)[-1]) == 0
