"""Real runs in a pseudo-terminal: what is drawn while they go on, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if sys.platform == "win32":
    pytest.skip("needs pseudo-terminals", allow_module_level=True)

import fcntl
import pty
import struct
import termios

from rich.text import Text

from support.packages import tinyleaf
from support.terminal import Picture, Pseudoterminal
from support.tiny import LEAF, tiny_farm, tiny_index
from wheelfarm.report.live import LiveView

if TYPE_CHECKING:
    from wheelfarm.recipes.settings import Settings

TESTS = Path(__file__).parents[1]
RUN = """
import logging, os, sys, threading, warnings
from pathlib import Path
from support.farm import builds_of, make_farm
from wheelfarm.system.process import Command, run
from wheelfarm.report.run_report import RunReport
from wheelfarm.report.screen import Screen, log_to_screen
from wheelfarm.run.outcome import Outcome, State
from wheelfarm.system.logs import get_logger

log_to_screen()

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
        thread.start()
    if how == "others":
        threads[0].join(0.6)
        warnings.warn("careful")
        logging.getLogger("urllib3").warning("retrying")
        get_logger("wheelfarm.test").warning("short of %s", "disk")
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


def play(argv: list[str], columns: int = 100, cwd: Path | None = None) -> Pseudoterminal:
    paths = os.pathsep.join((str(TESTS), str(TESTS.parent / "src")))
    env = {"PATH": os.defpath, "PYTHONPATH": paths, "LANG": "C.UTF-8", "PYTHONUTF8": "1", "TERM": "xterm"}
    return Pseudoterminal(argv, columns=columns, env=env, cwd=cwd)


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


@pytest.mark.slow
def test_messages_of_other_libraries_go_above_the_rows(script: list[str]) -> None:
    with play([*script, "others"]) as terminal:
        assert terminal.finish() == 0
    rows = terminal.rows()
    assert rows[0].endswith("UserWarning: careful")
    assert [row for row in rows if row.startswith(("retrying", "warning"))] == [
        "retrying",
        "warning: short of disk",
    ]
    assert not [row for row in rows if "running" in row]
    assert rows[-1] == "over"


def test_a_report_that_nobody_ends_is_cleared_at_exit(script: list[str]) -> None:
    with play([*script, "bare"]) as terminal:
        assert terminal.finish() == 0
    assert "3/40" in terminal.output
    assert terminal.rows() == []
    assert terminal.picture.cursor_shown


@pytest.mark.slow
def test_a_terminal_that_changes_its_width(script: list[str]) -> None:
    with play([*script, "run"], columns=120) as terminal:
        terminal.read_until("2 running")
        for columns in (50, 35, 90):
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


@pytest.mark.slow
def test_without_colour(script: list[str]) -> None:
    with play([*script, "run", "NO_COLOR=1"]) as terminal:
        terminal.finish()
    assert "\x1b[36m" not in terminal.output
    assert "\x1b[?25l" in terminal.output


SLOW = """
import signal, sys, time

def end(*_signal):
    time.sleep(1.5)
    sys.exit(1)

signal.signal(signal.SIGTERM, end)
for step in range(1, 401):
    print(f"[{step}/400] Compiling C object x.p/src_{step}.c.o", flush=True)
    time.sleep(0.05)
"""
"""A build that compiles for 20 seconds, and needs a while to end."""
TASKS = "from wheelfarm.cli.program import collection\n\nnamespace = collection()\n"
SESSIONS = """
import sys
from pathlib import Path
from wheelfarm.cli import sessions

sessions.tools_environment = lambda *_: Path(sys.executable)
sessions.register_recipes(Path(__file__).parent)
"""


@pytest.fixture
def slow_farm(tmp_path: Path) -> Settings:
    files = tinyleaf()
    index = tiny_index(tmp_path / "index", tinyleaf=files | {"setup.py": SLOW + files["setup.py"]})
    return tiny_farm(tmp_path / "farm", index, LEAF, files={"tasks.py": TASKS, "noxfile.py": SESSIONS})


@pytest.mark.slow  # builds; run/test_interrupt.py has the interrupt, and the screen is tested above
def test_an_interrupt_of_a_chain_is_the_last_line(slow_farm: Settings) -> None:
    argv = [sys.executable, "-m", "invoke", "chain", "tinyleaf"]
    with play(argv, 60, slow_farm.root) as terminal:
        terminal.read_until("Compiling", seconds=60)
        terminal.press_ctrl_c()
        terminal.read_until("stopping the running builds")
        # Ctrl-C makes a terminal drop what it has not shown yet (termios(3), NOFLSH): here that is no row.
        terminal.read_until("1 running")
        terminal.press_ctrl_c()  # an impatient one changes nothing
        assert terminal.finish() == 130
    assert terminal.rows()[-2:] == ["stopping the running builds", "interrupted: finished builds are stored"]
    assert not [
        row for row in terminal.rows() if "1 running" in row or "Compiling" in row or "nothing" in row
    ]
    assert terminal.picture.cursor_shown


@pytest.mark.slow
def test_nox_waits_for_the_end_of_an_interrupted_chain(slow_farm: Settings) -> None:
    argv = [sys.executable, "-m", "nox", "-s", "build-tinyleaf"]
    with play(argv, 100, slow_farm.root) as terminal:
        terminal.read_until("Compiling", seconds=60)
        terminal.press_ctrl_c()
        assert terminal.finish() == 130
    assert "interrupted: finished builds are stored" in terminal.rows()
    assert not [row for row in terminal.rows() if "running ·" in row or "Compiling" in row]
    assert terminal.picture.cursor_shown
