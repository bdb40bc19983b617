"""Real runs in a pseudo-terminal: what is drawn while they go on, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("needs pseudo-terminals", allow_module_level=True)

import fcntl
import pty
import struct
import termios

from rich.text import Text

from support.terminal import Picture, Pseudoterminal
from wheelfarm.report.live import LiveView

TESTS = Path(__file__).parents[1]
RUN = """
import os, sys, threading
from pathlib import Path
from support.farm import builds_of, make_farm
from wheelfarm.system.process import Command, run
from wheelfarm.report.run_report import RunReport; from wheelfarm.report.screen import Screen
from wheelfarm.run.outcome import Outcome, State

sys.excepthook = lambda kind, error, trace: print("ended by", kind.__name__)
root, how = Path(sys.argv[1]), sys.argv[2]
builds = builds_of(make_farm(root, {"alpha": {}, "beta": {}}))
screen = Screen.standard()
environ = {"TERM": "xterm-256color"} | dict(word.split("=") for word in sys.argv[3:])
expected = {build.id: 40 for build in builds.values()}
report = RunReport(screen, builds=list(builds.values()), expected=expected, environ=environ)
step = 'i=$((i+1)); echo "[$i/40] Compiling C object x.p/src_$i.c.o"; sleep .04'
steps = f"i=0; while [ $i -lt 40 ]; do {step}; done"

def work(build):
    command = Command(argv=("sh", "-c", steps), env=environ | {"PATH": os.defpath})
    run(command, on_line=lambda line: report.on_line(build, line))
    report.on_outcome(Outcome(build=build, state=State.CHECKED, why="done"))

def all_of_it():
    threads = [threading.Thread(target=work, args=(build,), daemon=True) for build in builds.values()]
    for build, thread in zip(builds.values(), threads):
        report.start(build)
        report.on_process(build, os.getpid())
        thread.start()
    if how == "fail":
        threads[0].join(0.6)
        raise ValueError
    for thread in threads:
        thread.join()

if how == "bare":
    report.on_line(builds["alpha"], "[3/40] Compiling C object x.p/src_3.c.o")
    sys.exit()
with report:
    all_of_it()
print("over")
"""
BUILT = [f"checked  {name} 1.0 (plain, cp311-manylinux_x86_64): done" for name in ("alpha", "beta")]


@pytest.fixture
def script(tmp_path: Path) -> list[str]:
    return [sys.executable, "-c", RUN, str(tmp_path / "farm")]


def play(argv: list[str], columns: int = 100) -> Pseudoterminal:
    paths = os.pathsep.join((str(TESTS), str(TESTS.parent / "src")))
    env = {"PATH": os.defpath, "PYTHONPATH": paths, "LANG": "C.UTF-8", "PYTHONUTF8": "1"}
    return Pseudoterminal(argv, columns=columns, env=env)


def test_a_run_ends_with_a_clean_screen(script: list[str]) -> None:
    with play([*script, "run"]) as terminal:
        terminal.read_until("/40 ")
        terminal.read_until("2 running")
        hidden = not terminal.picture.cursor_shown
        rows = terminal.rows()
        assert terminal.finish() == 0
    assert hidden
    assert rows[0].startswith("alpha")
    assert rows[-1].startswith("0/2 done · 2 running · 0:0")
    assert sorted(terminal.rows()[:2]) == BUILT
    assert terminal.rows()[2:] == ["over"]
    assert terminal.picture.cursor_shown
    # Eight pictures a second at most, and one when it is taken away.
    assert terminal.output.count("2 running") <= 8 * 4
    assert "cores" in terminal.output
    assert "GB" in terminal.output


def test_an_error_leaves_a_clean_screen(script: list[str]) -> None:
    with play([*script, "fail"]) as terminal:
        assert terminal.finish() == 1
    assert terminal.rows() == ["ended by ValueError"]
    assert terminal.picture.cursor_shown


def test_an_interrupt_leaves_a_clean_screen(script: list[str]) -> None:
    with play([*script, "run"]) as terminal:
        terminal.read_until("2 running")
        os.kill(terminal.process.pid, signal.SIGINT)
        terminal.finish()
    assert terminal.rows() == ["ended by KeyboardInterrupt"]
    assert terminal.picture.cursor_shown


def test_a_report_that_nobody_ends_is_cleared_at_exit(script: list[str]) -> None:
    with play([*script, "bare"]) as terminal:
        assert terminal.finish() == 0
    assert "3/40" in terminal.output
    assert terminal.rows() == []
    assert terminal.picture.cursor_shown


def test_a_terminal_that_changes_its_width(script: list[str]) -> None:
    with play([*script, "run"], columns=120) as terminal:
        terminal.read_until("2 running")
        for columns in (50, 31, 90):
            terminal.resize(columns)
            terminal.read_until("running ·")
            before = len(terminal.output)
            while terminal.output.count("running ·", before) < 2:
                assert terminal._read()
            rows = [row for row in terminal.rows() if not row.startswith("checked")]
            assert [row.split()[0] for row in rows] == ["alpha", "beta", "0/2"]
            assert all(len(row) < columns for row in rows)
        terminal.finish()
    assert sorted(terminal.rows()[:2]) == BUILT
    assert terminal.rows()[2:] == ["over"]


def test_rows_that_the_terminal_broke_are_drawn_over() -> None:
    ours, theirs = pty.openpty()
    picture = Picture(100)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream, os.fdopen(ours, "rb", buffering=0) as screen:

        def size(columns: int) -> None:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

        def show(end: str) -> None:
            while "".join(picture.cells)[-len(end) :] != end:  # a read may give only a part
                picture.feed(screen.read(1))

        size(100)
        view = LiveView(stream, {"TERM": "xterm", "COLUMNS": "7"})
        view.draw(lambda *_: [Text("x" * 90), Text("y" * 90)])
        show("y" * 90)
        size(40)
        picture.resize(40)
        assert len(picture.cells) == 6
        view.draw(lambda size, _: [Text(f"{size[0]} columns")])
        show("39 columns")
        assert picture.cells[0] == "39 columns"
        view.close()
        view.close()
        stream.write("over")
        stream.flush()
        show("over")
    assert (picture.cells[0], "".join(picture.cells[1:])) == ("over", "")
    view.close()  # nor does a terminal that has gone away end the program


def test_without_colour(script: list[str]) -> None:
    with play([*script, "run", "NO_COLOR=1"]) as terminal:
        terminal.finish()
    assert "\x1b[36m" not in terminal.output
    assert "\x1b[?25l" in terminal.output
