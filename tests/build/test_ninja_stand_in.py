"""What stands for ninja: a file that was written again as it was keeps its time; a changed one does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "src/wheelfarm/build/inside/ninja.py"
GRAPH = "rule touch\n  command = cp $in $out && echo made $out\nbuild out: touch header.h\n"


@pytest.fixture
def build(tmp_path: Path) -> Path:
    (tmp_path / "build.ninja").write_text(GRAPH)
    (tmp_path / "header.h").write_text("old")
    return tmp_path


def run(build: Path, *words: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """With the ninja beside the interpreter first on the path."""
    here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": here if path is None else path}
    argv = [sys.executable, str(SCRIPT), *words]
    return subprocess.run(argv, cwd=build, env=env, capture_output=True, text=True, check=False)


def test_what_was_written_again_as_it_was_is_not_made_again(build: Path) -> None:
    assert "made out" in run(build).stdout
    (build / "header.h").write_text("old")
    future = (build / "out").stat().st_mtime_ns + 10**9
    os.utime(build / "header.h", ns=(future, future))
    assert "no work to do" in run(build).stdout


def test_what_was_changed_is_made_again(build: Path) -> None:
    run(build)
    (build / "header.h").write_text("new")
    future = (build / "out").stat().st_mtime_ns + 10**9
    os.utime(build / "header.h", ns=(future, future))
    assert "made out" in run(build).stdout
    assert (build / "out").read_text() == "new"


def test_after_a_failure_nothing_is_remembered(build: Path) -> None:
    (build / "build.ninja").write_text(GRAPH.replace("cp $in $out", "false"))
    assert run(build).returncode != 0
    assert not (build / ".wheelfarm").exists()


def test_a_damaged_memory_is_none(build: Path) -> None:
    run(build)
    (build / ".wheelfarm" / "times.json").write_text('{"./header')
    assert run(build).returncode == 0


def test_a_question_is_passed_on(build: Path) -> None:
    assert run(build, "--version").stdout.count(".") >= 1
    assert not (build / ".wheelfarm").exists()


def test_without_ninja(build: Path) -> None:
    finished = run(build, path=str(build))
    assert (finished.returncode, finished.stderr) == (127, "ninja: there is none on PATH\n")
