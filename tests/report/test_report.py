"""What is said of a run and of a wheel; people's lines and programs' data go apart."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.farm import builds_of, make_farm
from wheelfarm.errors import BuildError
from wheelfarm.index.comparison import TargetStatus
from wheelfarm.model import Name
from wheelfarm.report.build import decision_lines, outcome_data, outcome_line, summary_lines
from wheelfarm.report.index import status_lines
from wheelfarm.report.live import LiveView
from wheelfarm.report.screen import Screen
from wheelfarm.report.text import about, clock, duration, size, table_lines
from wheelfarm.run.decision import Action, Decision
from wheelfarm.run.outcome import Outcome, State

if TYPE_CHECKING:
    from wheelfarm.plan.build import Build


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def alpha(tmp_path: Path) -> Build:
    return builds_of(make_farm(tmp_path / "farm"))["alpha"]


HEAD = "alpha 1.0 (plain, cp311-manylinux_x86_64)"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0.04, "40 ms"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (60, "1 min 00 s")),
        *((754.6, "12 min 35 s"), (3599.6, "1 h 00 min"), (3900, "1 h 05 min")),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0, "10 s"), (44, "40 s"), (55, "1 min"), (840, "14 min"), (3570, "1 h")),
        *((3900, "1 h"), (4900, "1 h 20 min")),
    ],
)
def test_guesses(seconds: float, said: str) -> None:
    assert about(seconds) == said


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (123.9, "2:03"), (3723, "1:02:03")])
def test_a_clock(seconds: float, said: str) -> None:
    assert clock(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0"),
        (12, "12 B"),
        (9_940, "9.9 kB"),
        (999_999, "1.0 MB"),
        (20_450_000, "20.4 MB"),
        (2_000_000_000, "2.0 GB"),
    ],
)
def test_sizes(count: int, said: str) -> None:
    assert size(count) == said


def test_decisions(alpha: Build) -> None:
    decision = Decision(build=alpha, action=Action.BUILD, why=("not built yet",))
    assert decision_lines([decision], {alpha.id: 840}) == [
        "1 build: plain, cp311-manylinux_x86_64, host",
        "action  package       time  why",
        "build   alpha 1.0  ~14 min  not built yet [requested]",
    ]
    assert "~" not in decision_lines([decision], {alpha.id: 0})[2]
    other = replace(decision, build=replace(alpha, id=replace(alpha.id, variant="slim")))
    lines = decision_lines([decision, other], {})
    assert lines[0] == "2 build: cp311-manylinux_x86_64, host"
    assert [line.split()[2] for line in lines[1:]] == ["variant", "1.0", "1.0"]
    assert [line.split()[3] for line in lines[2:]] == ["plain", "slim"]


def test_a_table_breaks_the_reason_first_and_other_columns_only_where_it_must() -> None:
    header = ("package", "target", "time", "why")
    row = ("scikit-learn 1.8.0", "cp313-manylinux_x86_64", "~40 min", "the patches have changed")
    for width, whole in ((60, False), (80, True), (100, True)):
        lines = table_lines(header, [row], right=("time",), whole=header[:-1], width=width)
        assert all(len(line) <= width for line in lines)
        assert "~40 min" in lines[1]
        assert (row[1] in lines[1]) == whole


_CELL = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), max_size=9)


@given(st.lists(st.tuples(_CELL, _CELL, _CELL), max_size=4), st.sampled_from([("a", "b", "c"), ("", "", "")]))
def test_a_table_of_any_width_is_the_same_as_on_a_wide_terminal(
    rows: list[tuple[str, str, str]], header: tuple[str, str, str]
) -> None:
    found = table_lines(header, rows, right=("b",), whole=("a",))
    assert found == table_lines(header, rows, right=("b",), whole=("a",), width=500)


@pytest.mark.parametrize(("width", "columns"), [(60, 4), (80, 6), (None, 6)])
def test_a_narrow_status_leaves_out_what_the_state_implies(width: int | None, columns: int) -> None:
    statuses = [
        TargetStatus(
            project=Name(name),
            version="1.8.0",
            target="cp313t-musllinux_aarch64",
            stored=True,
            published=published,
            state="same" if published else "to upload",
        )
        for name, published in (("numpy", True), ("scikit-learn", False))
    ]
    first, header, *rows = status_lines("openblas", statuses, {}, width)
    assert first == "variant openblas: 1 same, 1 to upload"
    assert len(header.split()) == columns
    assert [row.split()[0] for row in rows] == ["numpy", "scikit-learn"]
    assert all("cp313t-musllinux_aarch64" in row for row in rows)
    assert list(status_lines("openblas", [], {})) == ["variant openblas: no wheels"]


class TestOutcomes:
    def test_a_built_wheel_is_named_with_size_and_time(self, alpha: Build, tmp_path: Path) -> None:
        wheel = tmp_path / "alpha.whl"
        wheel.write_bytes(bytes(250_000))
        outcome = Outcome(build=alpha, state=State.BUILT, why="not built yet", seconds=61, wheel=wheel)
        said = f"built    {HEAD}: alpha.whl, 250.0 kB, in 1 min 01 s"
        assert outcome_line(outcome) == said
        again = replace(outcome, attempts=2)
        assert outcome_line(again) == f"{said}, at attempt 2"
        assert list(summary_lines([outcome, again])) == ["2 built (1 retried)"]
        assert outcome_data(outcome)["wheel"] == str(wheel)

    def test_a_failure_ends_with_its_class_the_log_and_what_to_do(self, alpha: Build) -> None:
        log = Path("/no/such/log")
        error = BuildError("it failed", where="recipe.toml", why="error: x", hint="try again", log=log)
        error.failure = "compile"
        failed = Outcome(build=alpha, state=State.FAILED, why=error.what, error=error)
        blocked = Outcome(build=alpha, state=State.BLOCKED, why="blocked by alpha")
        assert list(summary_lines([failed, blocked])) == [
            "failure: compile",
            "error[build]: it failed",
            "  where: recipe.toml",
            "  why: error: x",
            f"  log: {log}",
            "  next: try again",
            "1 failed, 1 blocked",
        ]
        assert outcome_line(blocked) == f"blocked  {HEAD}: blocked by alpha"
        data = outcome_data(failed)
        said = [data[key] for key in ("state", "error", "failure", "wheel", "compiler-cache")]
        assert said == ["failed", "build", "compile", None, None]
        json.dumps(data)


class TestScreen:
    def test_people_and_programs(self) -> None:
        people, programs = io.StringIO(), io.StringIO()
        screen = Screen(people=people, programs=programs)
        screen.say("for people")
        screen.status("never seen")
        screen.error(BuildError("what", hint="next"))
        screen.result(["a", "b"])
        screen.data({"b": 1, "a": [2]})
        assert people.getvalue() == "for people\nerror[build]: what\n  next: next\n"
        assert programs.getvalue().startswith("a\nb\n{")
        assert json.loads(programs.getvalue()[4:]) == {"a": [2], "b": 1}

    def test_a_terminal_s_status_line_is_written_over(self) -> None:
        people = Terminal()
        screen = Screen(people=people, programs=io.StringIO())
        screen.status("working")
        screen.say("done")
        assert people.getvalue() == "\r\x1b[Kworking\r\x1b[Kdone\n"

    def test_a_result_does_not_run_into_a_status_line(self) -> None:
        terminal = Terminal()
        screen = Screen(people=terminal, programs=terminal)
        screen.status("working")
        screen.result(["a", "b"])
        assert terminal.getvalue() == "\r\x1b[Kworking\r\x1b[Ka\nb\n"

    def test_a_result_takes_the_live_view_away(self) -> None:
        people, programs = Terminal(), io.StringIO()
        screen = Screen(people, programs, overlay=LiveView(people, {"TERM": "xterm"}))
        screen.say("above")
        screen.status("never seen")
        assert people.getvalue() == "\x1b[?25labove\n"
        screen.result(["a"])
        screen.result(["b"])
        screen.say("below")
        assert screen.overlay is None
        assert people.getvalue().endswith("\x1b[?25h\r\r\x1b[Kbelow\n")
        assert programs.getvalue() == "a\nb\n"

    def test_the_standard_screen_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first = Screen.standard()
        assert Screen.standard() is first
        monkeypatch.setattr("sys.stderr", io.StringIO())
        assert Screen.standard() is not first
