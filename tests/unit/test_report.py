"""What is said of a run and of a wheel; people's lines and programs' data go apart."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.farm import builds_of, make_farm
from wheelfarm.errors import BuildError
from wheelfarm.pipeline import Action, Decision
from wheelfarm.report import (
    ChainReport,
    Screen,
    decision_lines,
    inspection_lines,
    outcome_line,
    summary_lines,
)
from wheelfarm.report.chain import duration, outcome_data, size
from wheelfarm.schedule import Outcome, State

if TYPE_CHECKING:
    from wheelfarm.plan import Build


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def alpha(tmp_path: Path) -> Build:
    return builds_of(make_farm(tmp_path / "farm"))["alpha"]


HEAD = "alpha 1.0 (plain, cp311-manylinux_x86_64)"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (754.6, "12 min 35 s")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(("count", "said"), [(12, "0.0 kB"), (9_940, "9.9 kB"), (20_450_000, "20.4 MB")])
def test_sizes(count: int, said: str) -> None:
    assert size(count) == said


def test_decisions(alpha: Build) -> None:
    decision = Decision(build=alpha, action=Action.BUILD, why=("not built yet",))
    assert list(decision_lines([decision])) == [
        "build    alpha 1.0 (plain, cp311-manylinux_x86_64, host): not built yet [asked for]"
    ]


class TestOutcomes:
    def test_a_built_wheel_is_named_with_size_and_time(self, alpha: Build, tmp_path: Path) -> None:
        wheel = tmp_path / "alpha.whl"
        wheel.write_bytes(bytes(250_000))
        outcome = Outcome(build=alpha, state=State.BUILT, why="not built yet", seconds=61, wheel=wheel)
        assert outcome_line(outcome) == f"built    {HEAD}: alpha.whl, 0.2 MB, in 1 min 01 s"
        assert outcome_data(outcome)["wheel"] == str(wheel)

    def test_a_failure_ends_with_the_log_and_what_to_do(self, alpha: Build, tmp_path: Path) -> None:
        log = tmp_path / "build.log"
        log.write_text("".join(f"line {number}\n" for number in range(100)))
        error = BuildError("it failed", where="recipe.toml", why="error: x", hint="try again", log=log)
        failed = Outcome(build=alpha, state=State.FAILED, why=error.what, error=error)
        blocked = Outcome(build=alpha, state=State.BLOCKED, why="blocked by alpha")
        lines = list(summary_lines([failed, blocked]))
        assert lines[0] == "  | line 75"
        assert lines[-6:] == [
            "error[build]: it failed",
            "  where: recipe.toml",
            "  why: error: x",
            f"  log: {log}",
            "  next: try again",
            "1 failed, 1 blocked",
        ]
        assert outcome_line(blocked) == f"blocked  {HEAD}: blocked by alpha"
        data = outcome_data(failed)
        assert (data["state"], data["error"], data["wheel"]) == ("failed", "build", None)
        json.dumps(data)

    def test_a_log_that_is_not_there(self, alpha: Build) -> None:
        error = BuildError("it failed", log=Path("/no/such/log"))
        failed = Outcome(build=alpha, state=State.FAILED, why="x", error=error)
        assert next(summary_lines([failed])) == "error[build]: it failed"


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


class TestProgress:
    def test_a_pipe_gets_a_line_now_and_then(self, alpha: Build, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 1000.0
        monkeypatch.setattr("wheelfarm.report.chain.time.monotonic", lambda: now)
        people = io.StringIO()
        report = ChainReport(Screen(people=people, programs=io.StringIO()), started=now)
        for step in range(1, 100):
            now += 1
            report.hear(alpha, f"[{step}/474] Compiling C object")
        report.tell(Outcome(build=alpha, state=State.CACHED, why="nothing changed"))
        assert people.getvalue().splitlines() == [
            f"building {HEAD}",
            "alpha: [31/474] 30.0 s",
            "alpha: [61/474] 1 min 00 s",
            "alpha: [91/474] 1 min 30 s",
            f"cached   {HEAD}: nothing changed",
        ]

    def test_a_terminal_gets_a_bar_that_moves(self, alpha: Build, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "60")
        people = Terminal()
        report = ChainReport(Screen(people=people, programs=io.StringIO()))
        report.hear(alpha, "configuring")
        report.hear(alpha, f"[237/474] Compiling {'x' * 200}")
        first, second = people.getvalue().split("\r\x1b[K")[2:]
        assert first.startswith("alpha 0.0 s configuring")
        assert "━" * 10 + "╌" * 10 + " 237/474 Compiling xxx" in second
        assert len(second) < 60


def test_a_wheel_as_a_table() -> None:
    described = {
        "name": "alpha",
        "version": "1.0",
        "size": 1_234_567,
        "pure": False,
        "kinds": {"extension": {"count": 2, "size": 1_000}, "tests": {}},
        "needs": ["libc.so.6", ["a", "b"], {"x": True}],
    }
    assert list(inspection_lines(described)) == [
        "alpha 1.0",
        "size: 1.2 MB",
        "pure: False",
        "kinds:",
        "  extension                count 2, size 1,000",
        "  tests                    ",
        "needs:",
        "  libc.so.6",
        "  a, b",
        "  x true",
    ]
