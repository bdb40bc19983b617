"""Processes that a killed run leaves behind are ended, and nothing else is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from wheelfarm.errors import ProcessError
from wheelfarm.system.process import Command, run
from wheelfarm.system.process_group import end_left_behind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are identified by /proc")

PARENT = """\
import sys
from pathlib import Path
from wheelfarm.system.process import Command, run

child = "echo $$ > leader; (sleep 60; touch late) & echo $! > other; wait"
run(Command(argv=("sh", "-c", child), env={"PATH": "/usr/bin:/bin"}, cwd=Path.cwd(), mark=Path("mark")))
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def killed(tmp_path: Path) -> tuple[int, int]:
    """The processes that a killed one has left: the leader of their group, and another."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=tmp_path, env=env)
    deadline = time.monotonic() + 30
    # The child may be ahead of its parent, which marks what it has started.
    while not all((tmp_path / each).exists() and (tmp_path / each).read_text() for each in ("other", "mark")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    leader, other = (int((tmp_path / name).read_text()) for name in ("leader", "other"))
    assert alive(leader)
    assert alive(other)
    return leader, other


def test_the_whole_group_is_ended(killed: tuple[int, int], tmp_path: Path) -> None:
    end_left_behind(tmp_path / "mark")
    assert not any(map(alive, killed))
    assert not (tmp_path / "mark").exists()


def test_the_rest_of_a_group_without_its_leader_too(killed: tuple[int, int], tmp_path: Path) -> None:
    leader, other = killed
    os.kill(leader, signal.SIGKILL)
    end_left_behind(tmp_path / "mark")
    assert not alive(other)


def test_another_process_of_the_same_number_is_let_be(killed: tuple[int, int], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    note = json.loads(mark.read_text())
    mark.write_text(json.dumps(note | {"started": "1"}))
    end_left_behind(mark)
    assert all(map(alive, killed))
    assert not mark.exists()
    mark.write_text(json.dumps(note))
    end_left_behind(mark)
    assert not any(map(alive, killed))


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"pid": 1}', '{"pid": 1, "started": null}'])
def test_a_note_that_says_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "mark").write_text(text)
    end_left_behind(tmp_path / "mark")


def test_the_note_is_there_while_the_child_runs(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    heard: list[str] = []
    script = "until [ -s mark ]; do :; done; cat mark"
    command = Command(argv=("sh", "-c", script), env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path, mark=mark)
    run(command, on_line=heard.append)
    assert not mark.exists()
    assert json.loads(heard[0])["pid"] > 1


@pytest.mark.parametrize("event", ["subprocess.Popen", "open"])
def test_a_kill_before_the_child_is_named(tmp_path: Path, event: str) -> None:
    """What the child would leave, such as a container, is looked for all the same."""
    hook = f"""\
import os, sys

def kill(event, args):
    if event == {event!r} and (event != "open" or str(args[0]) == "mark" and os.path.exists("mark")):
        os.kill(os.getpid(), 9)

sys.addaudithook(kill)
"""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, "-c", hook + PARENT]
    assert subprocess.run(words, cwd=tmp_path, env=env, check=False).returncode == -signal.SIGKILL
    assert end_left_behind(tmp_path / "mark")
    assert not (tmp_path / "mark").exists()


def test_the_note_of_a_child_that_is_ended_stays_for_whoever_cleans_up(tmp_path: Path) -> None:
    command = Command(argv=("sleep", "60"), env={"PATH": "/usr/bin:/bin"}, mark=tmp_path / "mark")
    with pytest.raises(ProcessError):
        run(replace(command, time_limit=0.1))
    pid = json.loads((tmp_path / "mark").read_text())["pid"]
    assert not alive(pid)
    assert end_left_behind(tmp_path / "mark")
