"""What a confined program sees, with bubblewrap and with namespaces; the hostile package tries more."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from wheelfarm.errors import ProcessError
from wheelfarm.model import Isolation
from wheelfarm.system.process import Command, Finished, run
from wheelfarm.system.sandbox import View, confine, isolation_here, prefix_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux namespaces")

KINDS = (Isolation.BUBBLEWRAP, Isolation.NAMESPACES)
WORKING = [kind for kind in KINDS if isolation_here() is Isolation.BUBBLEWRAP or kind is isolation_here()]


@pytest.fixture(params=WORKING)
def kind(request: pytest.FixtureRequest) -> Isolation:
    found: Isolation = request.param
    return found


def shell(
    kind: Isolation, cwd: Path, script: str, *, check: bool = True, **view: tuple[Path, ...]
) -> Finished:
    env = {"PATH": "/usr/bin:/bin", "MARK": "a b"}
    command = Command(argv=("sh", "-c", script), env=env, cwd=cwd, time_limit=30)
    return run(confine(command, View(**{"write": (cwd,), **view}), kind), check=check)


def test_it_has_its_own_directory_and_the_variables_that_it_was_given(
    kind: Isolation, tmp_path: Path
) -> None:
    own, read, hidden = (tmp_path / name for name in ("own", "read", "read/hidden"))
    hidden.mkdir(parents=True)
    for directory in (read, hidden):
        (directory / "file").write_text("text\n")
    script = """
        env | sort | grep -v ^_=
        cat ../read/file; ls ../read/hidden
        touch made; touch ../read/made ../made /usr/made 2>/dev/null; ls -A .. ../read
        sleep 300 & echo $!
    """
    own.mkdir()
    finished = shell(kind, own, script, check=False, read=(read,), write=(own,), hidden=(hidden,))
    lines = finished.output.splitlines()
    assert [line for line in lines if "=" in line and not line.startswith(("SHLVL", "PWD", "OLDPWD"))] == [
        "MARK=a b",
        "PATH=/usr/bin:/bin",
    ]
    assert "text" in lines
    assert [path.name for path in own.iterdir()] == ["made"]
    assert sorted(path.name for path in read.iterdir()) == ["file", "hidden"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "read"]
    assert int(lines[-1]) < 100  # the numbers of its processes are its own
    assert finished.seconds < 20  # and the one that stays behind was ended


def test_it_reaches_no_server_of_this_machine(kind: Isolation, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect = f"bash -c 'echo hello >/dev/tcp/127.0.0.1/{server.getsockname()[1]}'"
        assert subprocess.run(["sh", "-c", connect], check=False).returncode == 0
        finished = shell(kind, tmp_path, connect, check=False)
    assert finished.returncode != 0
    assert "Connection refused" in finished.output


@pytest.mark.parametrize(
    ("script", "ending"),
    [("exit 3", "ended with exit code 3"), ("kill -SEGV $$", "was ended by SIGSEGV")],
)
def test_its_end_is_reported_as_without_a_sandbox(
    kind: Isolation, tmp_path: Path, script: str, ending: str
) -> None:
    with pytest.raises(ProcessError, match=f"sh {ending}"):
        shell(kind, tmp_path, script)


def test_a_time_limit_ends_all_of_it(kind: Isolation, tmp_path: Path) -> None:
    mark = f"{os.getpid()}{KINDS.index(kind)}"
    words = ("sh", "-c", f"(trap '' TERM; exec sleep 300.{mark}) & exec sleep 301.{mark}")
    command = Command(argv=words, env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path, time_limit=1)
    with pytest.raises(ProcessError, match="time limit"):
        run(confine(command, View(write=(tmp_path,)), kind))
    names = Path("/proc").glob("[0-9]*/cmdline")
    assert not [path for path in names if path.exists() and f"300.{mark}".encode() in path.read_bytes()]


def test_nothing_is_confined_where_there_is_no_isolation(tmp_path: Path) -> None:
    command = Command(argv=("true",), env={})
    assert confine(command, View(write=(tmp_path / "new",)), Isolation.NONE) is command
    assert (tmp_path / "new").is_dir()


def test_the_log_names_the_program_and_not_the_sandbox(kind: Isolation, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = Command(argv=("true",), env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path, log=log)
    run(confine(command, View(write=(tmp_path,)), kind))
    assert log.read_text().splitlines()[0] == "$ true"


def test_the_prefix_of_a_program_outside_the_system(tmp_path: Path) -> None:
    program, link = tmp_path / "3.11" / "bin" / "python3.11", tmp_path / "python"
    program.parent.mkdir(parents=True)
    program.touch()
    link.symlink_to(program)
    assert prefix_of(link) == (tmp_path / "3.11",)
    assert prefix_of(Path("/usr/bin/env")) == ()


def test_it_runs_though_it_sees_no_directory_of_its_path(kind: Isolation, tmp_path: Path) -> None:
    command = Command(argv=("/bin/sh", "-c", "echo run"), env={"PATH": str(tmp_path / "bin")}, cwd=Path("/"))
    assert run(confine(command, View(), kind)).output == "run\n"
