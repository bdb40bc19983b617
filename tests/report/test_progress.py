"""The state of a run, from events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.farm import builds_of, make_farm
from wheelfarm.report.progress import Progress, RunningBuild, Step, plain, read_step, shorten
from wheelfarm.run.outcome import Outcome, State

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build


SO = "numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so"
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
        (running(prior=200, step=10, steps=40), 225, 175, 0.25, False),
        (running(prior=200, step=20, steps=40), 179.29, 129.29, 0.5, False),
        (running(prior=50, step=10, steps=40), 93.75, 43.75, 0.25, True),
        # The last steps never give the whole.
        (running(prior=200, step=40, steps=40), 50, 5, 0.99, False),
        # Past the estimate, without steps.
        (running(prior=40), 40, 5, None, True),
    ],
)
def test_estimates_follow_the_steps(
    build: RunningBuild, expected: float | None, left: float | None, share: float | None, *, late: bool
) -> None:
    assert build.expected(150) == pytest.approx(expected, abs=0.01)
    assert build.left(150) == pytest.approx(left, abs=0.01)
    assert (build.share(150), build.late(150)) == (share, late)


@pytest.mark.parametrize(
    ("elapsed", "step"), [(60, 173), (120, 174), (180, 181), (240, 213), (300, 248), (360, 293), (420, 366)]
)
def test_the_steps_of_numpy_give_its_duration_within_30_percent(elapsed: float, step: int) -> None:
    """Of 474 steps a third end in the first minute, and the build takes 470 s; as measured on two CPUs."""
    for prior in (400, 470):
        expected = running(started=0.0, prior=prior, steps=474, step=step).expected(elapsed)
        assert expected == pytest.approx(470, rel=0.3)


def test_a_build_with_a_profile_compiles_twice() -> None:
    """100 % of the first pass is half of the build."""
    build = RunningBuild(label="a", version="1", where="-", started=0.0, passes=2)
    shares = []
    for line in (
        *(
            "profile: build of the wheel that counts",
            "[2/4] Compiling C object a.c.o",
            "[4/4] Linking target a.so",
        ),
        *("profile: training", "[0/4] Generating a.c", "[2/4] Compiling C object a.c.o"),
    ):
        build.on_line(line)
        shares.append(build.share(60.0))
    assert shares == [None, 0.25, 0.5, 0.5, 0.5, 0.75]
    assert build.expected(60.0) == 80.0


def test_a_suite_has_one_pass_whatever_the_profile(builds: list[Build]) -> None:
    build = replace(builds[0], training="profile.py")
    passes = [Progress(started=0, tests=tests).begin(build, 0).passes for tests in (False, True)]
    assert passes == [2, 1]


def test_totals(builds: list[Build]) -> None:
    a, b, c = builds
    progress = Progress(started=0, builds=builds, expected={a.id: 60, b.id: 120, c.id: 30})
    progress.begin(a, 0)
    assert progress.left(30) == 30 + 120 + 30
    progress.begin(b, 30)
    assert progress.left(30) == 120  # never less than the longest alone
    assert progress.totals(30, WALL) == [
        *(("done", "0/3 done"), ("running", "2 running"), ("elapsed", "0:30")),
        *(("left", "about 2 min left"), ("end", "ends 14:02")),
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
        assert [kind for kind, _ in progress.totals(1, WALL)] == ["done", "running", "elapsed"]


@pytest.mark.parametrize(
    ("line", "verb", "what"),
    [
        (f"Compiling C object {SO}.p/src_umath_loops.c.o", "Compiling", "umath_loops.c"),
        (f"Compiling C object {SO}.p/meson-generated_loops.dispatch.c.o", "Compiling", "loops.dispatch.c"),
        ("Building CXX object CMakeFiles/a.dir/src/b.cpp.obj", "Building", "b.cpp"),
        (f"Linking target {SO}", "Linking", "_multiarray_umath.so"),
        (f"Generating symbol file {SO}.p/x.so.symbols", "Generating", "x.so.symbols"),
        ("Generating 'numpy/_core/libx.a.p/npy_sort.h'", "Generating", "npy_sort.h"),
        ("Copying file numpy/__init__.py", "Copying", "__init__.py"),
        (r"Linking target scipy\_lib\x.cp312-win_amd64.pyd", "Linking", "x.pyd"),
        ("gcc -O2 -I/usr/include -c a/b.c -o build/a/b.o", "Compiling", "b.c"),
        ("running build_ext", "", "running build_ext"),
        ("copying a/b.py -> build/b.py", "", "copying a/b.py -> build/b.py"),
        ("Compiling C object x.p/src_.o", "Compiling", "src_"),
        ("Linking everything", "", "Linking everything"),
    ],
)
def test_a_line_in_short(line: str, verb: str, what: str) -> None:
    assert shorten(line) == (verb, what)


def test_ninja_s_steps() -> None:
    assert read_step(" [ 12/345] Compiling C object a.p/src_b.c.o") == Step(12, 345, "Compiling", "b.c")
    assert read_step("[9/5] x") == Step(5, 5, "", "x")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[12/x] y",
        "[0/0] nothing",
        "12/345",
        "note: [1/2] x",
        "[3/505] /stage/source/numpy/core.py",
        r"[3/505] C:\stage\core.py",
    ],
)
def test_no_steps(line: str) -> None:
    assert read_step(line) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\x1b[1m\x1b[31merror\x1b[0m: x", "error: x"),
        ("\x1b]0;title\x07a\tb", "a       b"),
        ("a\x00b\x1bc", "a?b"),
        ("漢a e\u0301", "?a e?"),
        ("«foo» é", "«foo» é"),
        ("x" * 500, "x" * 400),
    ],
)
def test_each_character_takes_one_column(line: str, said: str) -> None:
    assert plain(line) == said


NUMPY = (0, 0.04, 0.08, 0.10, 0.21, 0.25, 0.66, 0.78, 0.89, 0.93, 1)
"""The part of the compile's time that had passed at each tenth of numpy's 474 steps, from Ninja's log."""


def steps_done(share: float) -> int:
    """Steps of 1000 that are done after a share of the compile's time, as in a build of numpy."""
    tenth = sum(each <= share for each in NUMPY[1:-1])
    begin, end = NUMPY[tenth], NUMPY[tenth + 1]
    return min(1000, int(100 * (tenth + (share - begin) / (end - begin))))


@given(total=st.floats(90, 3000), minutes=st.floats(1, 50))
def test_with_a_good_estimate_the_time_is_right_within_30_percent_after_a_minute(
    total: float, minutes: float
) -> None:
    now = 60 * minutes
    assume(now < total - 10)
    build = running(started=0.0, prior=total, steps=1000, step=steps_done((now - 30) / (total - 45)))
    expected = build.expected(now)
    assert expected is not None
    assert 0.7 * total <= expected <= 1.3 * total


@given(
    prior=st.floats(20, 3000), elapsed=st.floats(0, 6000), step=st.integers(0, 1000), more=st.floats(0, 100)
)
def test_the_arithmetic_of_an_estimate(prior: float, elapsed: float, step: int, more: float) -> None:
    build = running(started=0.0, prior=prior, steps=1000, step=step)
    expected, left, share = build.expected(elapsed), build.left(elapsed), build.share(elapsed)
    assert expected is not None
    assert left is not None
    assert share is not None
    assert left >= 0
    assert share <= 0.99
    # It lies between the estimate and what is known of the build, and no step that is done makes it longer.
    assert min(prior, elapsed) <= expected + 1e-6
    assert expected <= prior + elapsed + 1e-6
    later = running(started=0.0, prior=prior, steps=1000, step=min(1000, step + 1)).expected(elapsed)
    assert later is not None
    assert later <= expected + elapsed * (step == 0) + 1e-6
    # Time that passes without a step makes it longer by that time at most.
    waited = build.expected(elapsed + more)
    assert waited is not None
    assert expected - 1e-6 <= waited <= expected + more + 1e-6
