"""Atomic writes, and the errors of the system in our words."""

from __future__ import annotations

import errno
import os
from pathlib import Path

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
