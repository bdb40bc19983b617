"""Atomic writes, and the errors of the system in our words."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from pydantic import TypeAdapter

from support.raised import only
from wheelfarm.build.diagnosis import failure_of
from wheelfarm.build.error_patterns import Failure
from wheelfarm.errors import BuildDirectoryError, LockError, WheelhouseError
from wheelfarm.system.files import (
    RememberedValues,
    explain_os_errors,
    flush_directory,
    os_problem,
    parse_json,
    read_text,
    remove_tree,
    temporary_path,
    write_atomically,
    write_new_directory,
)


class TestExplainOsErrors:
    @pytest.mark.parametrize(
        ("number", "words"),
        [
            ("ENOSPC", "the disk is full"),
            ("EACCES", "no permission to read or to write"),
            ("EROFS", "the file system is read-only"),
            ("EIO", "Input/output error"),
        ],
    )
    def test_the_system_is_translated(self, tmp_path: Path, number: str, words: str) -> None:
        code = getattr(errno, number)
        with pytest.raises(WheelhouseError, match=words) as caught, explain_os_errors(tmp_path):
            raise OSError(code, os.strerror(code))
        assert caught.value.where == str(tmp_path)

    def test_an_error_without_a_number_is_translated(self, tmp_path: Path) -> None:
        with pytest.raises(WheelhouseError, match="odd"), explain_os_errors(tmp_path):
            raise OSError("odd")


class TestWriteAtomically:
    @pytest.mark.parametrize(("noun", "said"), [((), "the wheelhouse"), (("the lock",), "the lock")])
    def test_a_refusal_names_what_the_file_is(self, tmp_path: Path, noun: tuple[str, ...], said: str) -> None:
        (tmp_path / "taken").mkdir()
        with pytest.raises(WheelhouseError, match=f"^error.wheelhouse.: {said} cannot be read or written"):
            write_atomically(tmp_path / "taken", b"x", *noun)

    def test_it_makes_directories_and_replaces(self, tmp_path: Path) -> None:
        path = tmp_path / "a/b/c"
        write_atomically(path, b"one")
        write_atomically(path, b"two")
        assert path.read_bytes() == b"two"
        assert [item.name for item in path.parent.iterdir()] == ["c"]

    def test_a_refusal_leaves_the_old_file_and_no_other(self, tmp_path: Path) -> None:
        (tmp_path / "taken").mkdir()
        with pytest.raises(WheelhouseError, match="a file is where a directory is needed"):
            write_atomically(tmp_path / "taken", b"x")
        assert [item.name for item in tmp_path.iterdir()] == ["taken"]

    def test_a_file_system_that_cannot_flush_directories_is_fine(self) -> None:
        flush_directory(Path("/proc"))

    def test_a_directory_that_is_gone_is_not(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            flush_directory(tmp_path / "gone")


# What the process does at an event of Python's audit: it is killed, or its disk is full.
FAULTY: Final = """\
import os, resource, signal, sys
from pathlib import Path
from wheelfarm.errors import FarmError
from wheelfarm.system.files import write_new_directory

def hook(event, args):
    if event != sys.argv[2]:
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
        write_new_directory(tmp_path / "recipes" / "leaf", files)
        assert self.files(tmp_path / "recipes" / "leaf") == files
        assert [each.name for each in (tmp_path / "recipes").iterdir()] == ["leaf"]

    def test_what_is_there_is_not_overwritten(self, tmp_path: Path) -> None:
        write_new_directory(tmp_path / "leaf", {"a": b"1"})
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
        assert not (tmp_path / "leaf").exists()
        assert all(each.name.startswith(".tmp-") for each in tmp_path.iterdir())
        write_new_directory(tmp_path / "leaf", {"a": b"1"})

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path) -> None:
        finished = self.faulty(tmp_path / "leaf", "open", "full")
        assert finished.returncode == 1
        assert "the recipe cannot be read or written" in finished.stderr
        assert list(tmp_path.iterdir()) == []


def test_a_text_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "build.lock"
    path.write_bytes(b"a==1\n\xe9")
    error = only(lambda: read_text(path, LockError), LockError)
    assert (error.what, error.where) == ("build.lock is not UTF-8", f"{path}, byte 5")
    assert error.why == "unexpected end of data: 0xe9"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NaN", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ('{"a": 1e999}', "1e999 is no number"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 10_000, "digits"),
        (b"\xff", "decode"),
        ("", "Expecting value"),
    ],
)
def test_json_that_is_none(text: str | bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_json(text)


def test_json_as_it_should_be() -> None:
    assert parse_json(b'{"a": [1, 1.5, null, "\xc3\xa9"]}') == {"a": [1, 1.5, None, "é"]}


def test_remembered_values_without_nan(tmp_path: Path) -> None:
    (tmp_path / "values.json").write_text('{"a": NaN}')
    assert RememberedValues(tmp_path / "values.json", TypeAdapter(dict[str, float])).read() == {}


def test_a_full_disk_is_said_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as caught, temporary_path(tmp_path / "cache"):
        raise OSError(errno.ENOSPC, "No space left on device")
    error = os_problem(BuildDirectoryError, "it fails", caught.value, tmp_path / "elsewhere")
    assert str(error.where).startswith(str(tmp_path / "cache"))
    assert (error.failure, failure_of(error)) == ("out-of-disk", Failure.OUT_OF_DISK)
    assert "the disk is full" in str(error.why)


def test_a_tree_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    (outside / "file").touch()
    for directory in (tree, tree / "a" / "b", tree / "a" / "empty", tree / "c"):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "link").symlink_to(outside)
        (directory / "dangling").symlink_to("nowhere")
        for number in range(20):
            (directory / f"{number}").write_text("x")
    remove_tree(tree)
    assert not tree.exists()
    assert (outside / "file").is_file()


def test_removing_a_tree_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")
