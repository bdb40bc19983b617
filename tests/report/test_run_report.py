"""What a run looks like in a pipe and in GitHub Actions, and from many threads at once."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.farm import builds_of, make_farm
from wheelfarm.errors import BuildError
from wheelfarm.model import CacheUse
from wheelfarm.report.run_report import ActionsOutput, RunReport, error_command, group_lines
from wheelfarm.report.screen import Screen
from wheelfarm.report.workflow import job_summary
from wheelfarm.run.outcome import Outcome, State

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.plan.build import Build

PLACE = "plain, cp311-manylinux_x86_64"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Time:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def builds(tmp_path: Path) -> dict[str, Build]:
    return builds_of(make_farm(tmp_path / "farm", {"scipy": {}, "numpy": {}}))


@pytest.fixture
def people() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def screen(people: io.StringIO) -> Screen:
    return Screen(people=people, programs=io.StringIO())


def test_a_pipe_gets_a_line_now_and_then(
    builds: dict[str, Build], screen: Screen, people: io.StringIO
) -> None:
    time, scipy, numpy = Time(), builds["scipy"], builds["numpy"]
    report = RunReport(screen, expected={scipy.id: 840}, clock=time)
    report.on_line(scipy, "configuring")
    report.start(numpy)
    for step in range(30):
        time.now += 4.1
        report.on_line(scipy, f"[{step * 4 + 4}/906] Compiling C object x.o")
    report.on_outcome(Outcome(build=scipy, state=State.CACHED, why="nothing changed"))
    assert people.getvalue().splitlines() == [
        f"building scipy 1.0 ({PLACE}), about 14 min",
        f"building numpy 1.0 ({PLACE})",
        f"scipy ({PLACE}): [32/906] 3 %, 32.8 s of about 14 min",
        f"numpy ({PLACE}): 32.8 s",
        f"scipy ({PLACE}): [64/906] 7 %, 1 min 06 s of about 15 min",
        f"numpy ({PLACE}): 1 min 06 s",
        f"scipy ({PLACE}): [96/906] 10 %, 1 min 38 s of about 15 min",
        f"numpy ({PLACE}): 1 min 38 s",
        f"cached   scipy 1.0 ({PLACE}): nothing changed",
    ]


def test_a_silent_build_gives_a_sign_of_life(builds: dict[str, Build]) -> None:
    time = Time()
    came = threading.Event()

    class Listener(io.StringIO):
        def write(self, text: str) -> int:
            if "min" in text:
                came.set()
            return super().write(text)

    people = Listener()
    with RunReport(Screen(people, io.StringIO()), clock=time) as report:
        report.on_line(builds["scipy"], "linking")
        time.now += 61
        assert came.wait(10)
    assert people.getvalue().endswith(f"scipy ({PLACE}): 1 min 01 s\n")


def test_a_dumb_terminal_gets_plain_lines(builds: dict[str, Build]) -> None:
    people = Terminal()
    report = RunReport(Screen(people, io.StringIO()), environ={"TERM": "dumb"})
    report.on_line(builds["scipy"], "x")
    report.leave(builds["scipy"])
    assert people.getvalue() == f"\r\x1b[Kbuilding scipy 1.0 ({PLACE})\n"


def test_a_pipe_does_without_rich() -> None:
    script = (
        "import io, sys; from wheelfarm.report.run_report import RunReport\n"
        "from wheelfarm.report.screen import Screen\n"
        "with RunReport(Screen(io.StringIO(), io.StringIO())): pass\n"
        "sys.exit('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


class TestActions:
    ENVIRON = {"GITHUB_ACTIONS": "true"}  # noqa: RUF012

    def test_a_build_is_a_group_and_a_failure_an_error(
        self, builds: dict[str, Build], screen: Screen, people: io.StringIO
    ) -> None:
        report = RunReport(screen, environ=self.ENVIRON, clock=Time())
        assert isinstance(report._output, ActionsOutput)
        report._output.token = lambda: "t0k3n"
        scipy = builds["scipy"]
        report.on_line(scipy, "[1/2] Compiling C object a.o")
        report.on_line(scipy, "::add-path::/tmp/evil")
        error = BuildError("100 % wrong", why="gcc:\nerror: a, b")
        report.on_outcome(Outcome(build=scipy, state=State.FAILED, why="100 % wrong", error=error))
        report.on_outcome(Outcome(build=builds["numpy"], state=State.BLOCKED, why="blocked by scipy"))
        said = "error[build]: 100 %25 wrong%0A  why: gcc:%0A    error: a, b"
        assert people.getvalue().splitlines() == [
            f"building scipy 1.0 ({PLACE})",
            f"::group::failed   scipy 1.0 ({PLACE}): 100 %25 wrong",
            "::stop-commands::t0k3n",
            "[1/2] Compiling C object a.o",
            "::add-path::/tmp/evil",
            "::t0k3n::",
            "::endgroup::",
            f"::error title=scipy ({PLACE.replace(',', '%2C')})::{said}",
            f"blocked  numpy 1.0 ({PLACE}): blocked by scipy",
        ]

    def test_only_the_end_of_a_long_log_is_shown(
        self, builds: dict[str, Build], screen: Screen, people: io.StringIO
    ) -> None:
        report = RunReport(screen, environ=self.ENVIRON, clock=Time())
        for number in range(10_002):
            report.on_line(builds["scipy"], f"line {number}")
        report.on_outcome(Outcome(build=builds["scipy"], state=State.CACHED, why="x"))
        lines = people.getvalue().splitlines()
        assert lines[3:5] == ["(the build's log has more)", "line 3"]
        assert lines[-3] == "line 10001"
        assert len(lines) == 10_005

    def test_escapes_are_those_of_the_toolkit(self) -> None:
        assert error_command("a%b\r\nc:d,e", "c,d:%\r\n") == (
            "::error title=a%25b%0D%0Ac%3Ad%2Ce::c,d:%25%0D%0A"
        )
        assert next(group_lines("a\nb", [], "t")) == "::group::a%0Ab"

    def test_the_summary_is_a_table(self, builds: dict[str, Build], tmp_path: Path) -> None:
        scipy, numpy = builds["scipy"], builds["numpy"]
        wheel = tmp_path / "x.whl"
        wheel.write_bytes(bytes(250_000))
        use = CacheUse(hits=994, misses=6)
        built = Outcome(
            build=numpy, state=State.BUILT, why="", seconds=754, wheel=wheel, attempts=2, cache_use=use
        )
        failed = Outcome(build=scipy, state=State.FAILED, why="a <b> | c\nd", attempts=1)
        blocked = Outcome(build=scipy, state=State.BLOCKED, why="w", culprit=numpy.id, attempts=0)
        lost = Outcome(build=scipy, state=State.BLOCKED, why="blocked by x", wheel=tmp_path / "none")
        assert job_summary([built, failed, blocked, lost]) == (
            "### Wheels: 1 built, 1 failed, 2 blocked (1 retried)\n\n"
            "| package | variant | target | state | time | size | cache hits |\n"
            "| --- | --- | --- | --- | ---: | ---: | ---: |\n"
            "| numpy 1.0 | plain | cp311-manylinux_x86_64 | built (attempt 2) "
            "| 12 min 34 s | 250.0 kB | 994 of 1000 |\n"
            "| scipy 1.0 | plain | cp311-manylinux_x86_64 | failed: a &lt;b> \\| c d |  |  |  |\n"
            "| scipy 1.0 | plain | cp311-manylinux_x86_64 | blocked by numpy (plain, "
            "cp311-manylinux_x86_64) |  |  |  |\n"
            "| scipy 1.0 | plain | cp311-manylinux_x86_64 | blocked by x |  |  |  |\n"
        )
        assert "cache" not in job_summary([replace(built, attempts=1, cache_use=None)])
        assert job_summary([]).startswith("### Wheels: nothing to do\n")
        warned = replace(built, warnings=("it has grown | by 2%",))
        assert job_summary([warned]).endswith(
            "\n\n- :warning: numpy (plain, cp311-manylinux_x86_64): it has grown \\| by 2%\n"
        )


@pytest.mark.parametrize("environ", [{}, {"GITHUB_ACTIONS": "true"}])
def test_threads_do_not_mix_their_lines(
    builds: dict[str, Build], screen: Screen, people: io.StringIO, environ: dict[str, str]
) -> None:
    made = [
        replace(builds["scipy"], id=replace(builds["scipy"].id, variant=f"v{number}")) for number in range(8)
    ]
    with RunReport(screen, builds=made, environ=environ) as report:

        def build(which: Build) -> None:
            for step in range(1, 500):
                report.on_line(which, f"[{step}/500] {which.id.variant}")
            report.on_outcome(Outcome(build=which, state=State.CACHED, why="x"))

        threads = [threading.Thread(target=build, args=(each,)) for each in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        progress = report._progress
    assert (progress.running, len(progress.ended)) == ({}, 8)
    lines = people.getvalue().splitlines()
    assert sum("building" in line for line in lines) == 8
    inside = ""
    for line in lines:
        if line.startswith("::group::"):
            inside = line.partition("(")[2].partition(",")[0]
        elif line.startswith("["):
            assert line.endswith(f" {inside}")


def test_what_ends_while_others_run_stands_above(builds: dict[str, Build]) -> None:
    time, people = Time(), Terminal()
    report = RunReport(Screen(people, io.StringIO()), clock=time, environ={"TERM": "xterm"})
    report.on_outcome(Outcome(build=builds["numpy"], state=State.CACHED, why="stored"))
    assert people.getvalue() == f"\r\x1b[Kcached   numpy 1.0 ({PLACE}): stored\n"
    report.start(builds["numpy"])
    time.now += 0.05
    report.start(builds["scipy"])
    assert people.getvalue().count("· 1 running") == 1
    assert "2 running" not in people.getvalue()  # too soon
    report.screen.say("above")
    report.on_outcome(Outcome(build=builds["numpy"], state=State.FAILED, why="wrong"))
    report.on_outcome(Outcome(build=builds["scipy"], state=State.CACHED, why="x"))
    assert f"\x1b[1;31mfailed\x1b[0m   numpy 1.0 ({PLACE}): wrong\n" in people.getvalue()
    assert people.getvalue().endswith("\x1b[?25h\r")


def test_what_is_heard_after_the_end_is_not_drawn(builds: dict[str, Build]) -> None:
    people = Terminal()
    with RunReport(Screen(people, io.StringIO())) as report:
        report.start(builds["scipy"])
        assert "1 running" in people.getvalue()
    before = people.getvalue()
    report.on_line(builds["scipy"], "y")
    assert report.screen.overlay is None
    assert people.getvalue() == before


def test_a_build_that_is_left_is_drawn_no_more(builds: dict[str, Build]) -> None:
    report = RunReport(Screen(Terminal(), io.StringIO()), clock=Time())
    report.start(builds["numpy"])
    assert report.screen.overlay is not None
    report.leave(builds["numpy"])
    assert report.screen.overlay is None
