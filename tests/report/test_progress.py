"""The state of a run, from events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from support.farm import builds_of, make_farm
from wheelfarm.report.progress import Progress, RunningBuild
from wheelfarm.run.outcome import Outcome, State

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build

WALL = datetime(2026, 1, 2, 14, 0, tzinfo=UTC)


@pytest.fixture
def builds(tmp_path: Path) -> list[Build]:
    return list(builds_of(make_farm(tmp_path / "farm", {"a": {}, "b": {}, "c": {}})).values())


def running(**changes: Any) -> RunningBuild:
    facts: dict[str, Any] = {"label": "a", "version": "1", "where": "p", "started": 100.0}
    return RunningBuild(**(facts | changes))


def test_lines_of_output_give_step_verb_and_file() -> None:
    build, seen = running(), []
    for line in (
        *("  configuring  ", "", "[3/9] Compiling C object x.p/y.c.o", "y.c:1: warning: unused"),
        *("[9/9] Linking target x.so", "[2/505] /source/numpy/core.py", "repairing"),
    ):
        build.on_line(line)
        seen.append((build.step, build.steps, build.verb, build.what))
    assert seen == [
        *[(0, 0, "", "configuring")] * 2,
        *[(3, 9, "Compiling", "y.c")] * 2,
        (9, 9, "Linking", "x.so"),
        (9, 9, "Packing", "core.py"),
        (9, 9, "", "repairing"),
    ]


@pytest.mark.parametrize(
    ("build", "expected", "left", "share", "late"),
    [
        # 50 seconds have passed.
        (running(prior=80), 80, 30, 0.625, False),
        (running(), None, None, None, False),
        (running(step=1, steps=100), None, None, 0.01, False),
        (running(step=10, steps=40), 200, 150, 0.25, False),
        # As fast as estimated, twice as fast, half as fast.
        (running(prior=200, step=10, steps=40), 200, 150, 0.25, False),
        (running(prior=200, step=20, steps=40), 150, 100, 0.5, False),
        (running(prior=50, step=10, steps=40), 87.5, 37.5, 0.25, True),
        # The last steps never give the whole.
        (running(prior=200, step=40, steps=40), 50, 5, 0.99, False),
        # Past the estimate, without steps.
        (running(prior=40), 40, 5, None, True),
    ],
)
def test_estimates_follow_the_steps(
    build: RunningBuild, expected: float | None, left: float | None, share: float | None, *, late: bool
) -> None:
    found = (build.expected(150), build.left(150), build.share(150), build.late(150))
    assert found == (expected, left, share, late)


def test_totals(builds: list[Build]) -> None:
    a, b, c = builds
    progress = Progress(started=0, builds=builds, expected={a.id: 60, b.id: 120, c.id: 30})
    progress.begin(a, 0)
    assert progress.left(30) == 30 + 120 + 30
    progress.begin(b, 30)
    assert progress.left(30) == 120  # never less than the longest alone
    assert progress.totals(30, WALL) == [
        *(("done", "0/3 done"), ("running", "2 running"), ("left", "about 2 min left"), ("end", "ends 14:02"))
    ]
    for build, state in zip(builds, (State.BUILT, State.FAILED, State.BLOCKED), strict=True):
        progress.end(Outcome(build=build, state=state, why=""))
    assert [text for _, text in progress.totals(40, WALL)][:3] == ["1/3 done", "1 failed", "1 blocked"]
    assert progress.left(40) == 0


def test_an_unknown_end_is_left_out(builds: list[Build]) -> None:
    a, b, _ = builds
    for progress in (
        Progress(started=0, builds=builds, expected={a.id: 60, b.id: 120}),
        Progress(started=0, expected={a.id: 60}),
    ):
        progress.begin(a, 0)
        assert progress.left(1) is None
        assert [kind for kind, _ in progress.totals(1, WALL)] == ["done", "running"]
