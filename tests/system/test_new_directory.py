"""A new directory is written as a whole or not at all, and what a killed process has left is removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from support.raised import only
from wheelfarm.errors import WheelhouseError
from wheelfarm.system.new_directory import remove_leftovers, write_new_directory

if TYPE_CHECKING:
    from pathlib import Path

# What the process does at an event of Python's audit: it is killed, its disk is full, or it waits.
FAULTY: Final = """\
import os, resource, signal, sys
from pathlib import Path
from wheelfarm.errors import FarmError
from wheelfarm.system.new_directory import write_new_directory

def hook(event, args):
    if event != sys.argv[2] or ".tmp-" not in str(args[0]) or str(args[0]).endswith(".lock"):
        return
    if sys.argv[3] == "stop":
        print("stopped", flush=True)
        sys.stdin.readline()
        return
    if sys.argv[3] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.addaudithook(hook)
try:
    write_new_directory(Path(sys.argv[1]), {"a": b"1" * 1000, "b": b"2"}, "the recipe")
except FarmError as error:
    sys.exit(str(error))
"""


class TestWriteNewDirectory:
    def files(self, path: Path) -> dict[str, bytes]:
        return {each.name: each.read_bytes() for each in path.iterdir()}

    def faulty(self, path: Path, event: str, fault: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        words = [sys.executable, "-c", FAULTY, str(path), event, fault]
        return subprocess.run(words, env=env, capture_output=True, text=True, check=False)

    def test_all_files_are_there_and_nothing_else(self, tmp_path: Path) -> None:
        files = {"a": b"1", "b": b""}
        write_new_directory(tmp_path / "recipes" / "leaf", files, "the recipe")
        assert self.files(tmp_path / "recipes" / "leaf") == files
        assert [each.name for each in (tmp_path / "recipes").iterdir()] == ["leaf"]

    def test_what_is_there_is_not_overwritten(self, tmp_path: Path) -> None:
        write_new_directory(tmp_path / "leaf", {"a": b"1"}, "the recipe")
        error = only(
            lambda: write_new_directory(tmp_path / "leaf", {"a": b"2"}, "the recipe"), WheelhouseError
        )
        assert error.what == "the recipe is not written"
        assert self.files(tmp_path / "leaf") == {"a": b"1"}
        assert [each.name for each in tmp_path.iterdir()] == ["leaf"]

    @pytest.mark.parametrize("event", ["open", "os.rename"])
    def test_a_kill_leaves_no_half_directory(self, tmp_path: Path, event: str) -> None:
        finished = self.faulty(tmp_path / "leaf", event, "kill")
        assert finished.returncode == -signal.SIGKILL
        left = [each.name for each in tmp_path.iterdir()]
        assert left
        assert all(name.startswith(".tmp-") for name in left)
        # The next one removes what is left, also of another name.
        write_new_directory(tmp_path / "other", {"a": b"1"}, "the recipe")
        assert [each.name for each in tmp_path.iterdir()] == ["other"]

    def test_what_a_live_process_writes_stays(self, tmp_path: Path) -> None:
        words = [sys.executable, "-c", FAULTY, str(tmp_path / "leaf"), "os.rename", "stop"]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"stopped\n"
            write_new_directory(tmp_path / "other", {"a": b"1"}, "the recipe")
            assert [each.name for each in tmp_path.glob(".tmp-*[!k]")]
            process.communicate(b"\n")
        assert process.returncode == 0
        assert sorted(each.name for each in tmp_path.iterdir()) == ["leaf", "other"]
        assert self.files(tmp_path / "leaf") == {"a": b"1" * 1000, "b": b"2"}

    def test_a_directory_of_an_older_version_is_left_over_and_a_file_is_not(self, tmp_path: Path) -> None:
        (tmp_path / ".tmp-0").mkdir()
        (tmp_path / ".tmp-0" / "a").touch()
        (tmp_path / ".tmp-1").touch()
        remove_leftovers(tmp_path)
        assert [each.name for each in tmp_path.iterdir()] == [".tmp-1"]

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path) -> None:
        finished = self.faulty(tmp_path / "leaf", "open", "full")
        assert finished.returncode == 1
        assert "the recipe cannot be read or written" in finished.stderr
        assert list(tmp_path.iterdir()) == []
