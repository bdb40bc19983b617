"""Atomic writes, and the errors of the system in our words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from wheelfarm.errors import WheelhouseError
from wheelfarm.system.files import explain_os_errors, flush_directory, write_atomically


class TestExplainOsErrors:
    @pytest.mark.parametrize(
        ("number", "words"),
        [
            ("ENOSPC", "the disk is full"),
            ("EACCES", "no write permission"),
            ("EROFS", "no write permission"),
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
