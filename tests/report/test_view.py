"""The model of a run: events in, a frozen view out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from support.farm import builds_of, make_farm
from wheelfarm.report.view import Progress, RunningBuild
from wheelfarm.run.outcome import Outcome, State

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build

WALL = datetime(2026, 1, 2, 14, 0, tzinfo=UTC)


@pytest.fixture
def builds(tmp_path: Path) -> list[Build]:
    return list(builds_of(make_farm(tmp_path / "farm", {"a": {}, "b": {}, "c": {}})).values())


def running(**changes: object) -> RunningBuild:
    facts: dict[str, object] = {"label": "a", "version": "1", "place": "p", "started": 100.0}
    return RunningBuild(**(facts | changes))  # type: ignore[arg-type]


def test_what_is_heard() -> None:
    build = running().hear("  configuring  ").hear("")
    assert (build.what, build.steps) == ("configuring", 0)
    build = build.hear("[3/9] Compiling C object x.p/y.c.o").hear("y.c:1: warning: unused")
    assert (build.step, build.steps, build.verb, build.what) == (3, 9, "Compiling", "y.c")
    build = build.hear("[9/9] Linking target x.so").hear("[2/505] /stage/source/numpy/core.py")
    assert (build.step, build.steps, build.verb, build.what) == (9, 9, "Packing", "core.py")
    assert build.hear("repairing").what == "repairing"


@pytest.mark.parametrize(
    ("build", "left"),
    [
        (running(expected=80), 30),
        (running(), None),
        (running(step=1, steps=100), None),
        (running(step=10, steps=40), 150),
        (running(expected=20, step=10, steps=40), 150),
        (running(expected=40), 5),
    ],
)
def test_what_is_left(build: RunningBuild, left: float | None) -> None:
    assert build.left(150) == left


def test_totals(builds: list[Build]) -> None:
    a, b, c = builds
    progress = Progress(started=0, builds=builds, expected={a.id: 60, b.id: 120, c.id: 30})
    assert progress.begin(a, 0)
    assert not progress.begin(a, 5)
    view = progress.view(30, WALL)
    assert view.running[0].started == 0
    assert view.totals.left == 30 + 120 + 30
    assert view.totals.end == "14:03"
    progress.begin(b, 30)
    assert progress.view(30, WALL).totals.left == 120  # never less than the longest alone
    progress.end(Outcome(build=a, state=State.BUILT, why=""))
    progress.end(Outcome(build=b, state=State.FAILED, why=""))
    progress.end(Outcome(build=c, state=State.BLOCKED, why=""))
    totals = progress.view(40, WALL).totals
    assert (totals.done, totals.total, totals.failed, totals.blocked) == (1, 3, 1, 1)
    assert (totals.elapsed, totals.left) == (40, 0)


def test_an_end_that_nobody_knows(builds: list[Build]) -> None:
    a, b, _ = builds
    progress = Progress(started=0, builds=builds, expected={a.id: 60, b.id: 120})
    progress.begin(a, 0)
    assert (progress.view(1, WALL).totals.left, progress.view(1, WALL).totals.end) == (None, "")
    unplanned = Progress(started=0, expected={a.id: 60})
    unplanned.begin(a, 0)
    assert (unplanned.view(1, WALL).totals.left, unplanned.view(1, WALL).totals.total) == (None, None)


def test_usage_is_what_was_used_between_two_looks(builds: list[Build]) -> None:
    a = builds[0]
    progress = Progress(started=0)
    progress.begin(a, 0)
    seen = []
    for now, used in ((1.0, (10.0, 100)), (3.0, (13.8, 200)), (4.0, (2.0, 50)), (5.0, None), (6.0, (1.0, 9))):
        progress.use(a.id, now, used)
        build = progress.running[a.id]
        seen.append((build.cpu and round(build.cpu, 3), build.memory))
    assert seen == [(None, 100), (1.9, 200), (0.0, 50), (None, None), (None, 9)]
    progress.leave(a.id)
    progress.use(a.id, 7, (1, 1))
    assert not progress.running
