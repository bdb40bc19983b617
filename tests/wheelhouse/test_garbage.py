from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from support.store import VARIANT, check_tidy, current, key_of, put, tiny_wheel
from wheelfarm.errors import WheelhouseError
from wheelfarm.system.files import explain_os_errors, flush_directory, write_atomically
from wheelfarm.system.locks import HOLDER, Lock
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse


class TestCollect:
    def test_it_keeps_what_is_current_and_the_given_keys(
        self, wheelhouse: Wheelhouse, tmp_path: Path
    ) -> None:
        stored = [
            put(wheelhouse, tiny_wheel(tmp_path / text, content=text), text) for text in ("a", "b", "c")
        ]
        stranger = wheelhouse.root / VARIANT / "wheels" / "notes.txt"
        stranger.write_text("mine")
        leftover = wheelhouse.root / VARIANT / "records" / ".tmp-0"
        leftover.write_text("half")
        planned = wheelhouse.collect_garbage(VARIANT, [stored[1].key], dry_run=True)
        assert all(wheel.path.exists() for wheel in stored)
        assert leftover.exists()
        removed = wheelhouse.collect_garbage(VARIANT, [stored[1].key])
        assert removed == planned
        gone = stored[0]
        assert [file.path for file in removed] == [
            leftover,
            wheelhouse.root / VARIANT / "records" / f"{gone.key}.json",
            gone.path,
            Path(f"{gone.path}.metadata"),
        ]
        assert removed[0].size == 4
        assert not gone.path.parent.exists()
        assert wheelhouse.find(VARIANT, stored[1].key, verify=True) == stored[1]
        assert current(wheelhouse) == [stored[2]]
        assert stranger.exists()
        assert wheelhouse.collect_garbage(VARIANT, [stored[1].key]) == []

    def test_a_wheel_of_two_keys_stays_for_either(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        wheel = tiny_wheel(tmp_path)
        put(wheelhouse, wheel, "one")
        put(wheelhouse, wheel, "two")
        (removed,) = wheelhouse.collect_garbage(VARIANT, [])
        assert removed.path.stem == key_of("one")
        check_tidy(wheelhouse.root)

    def test_a_damaged_record_of_a_key_in_use_stays(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        old = put(wheelhouse, tiny_wheel(tmp_path, content="old"), "old")
        put(wheelhouse, tiny_wheel(tmp_path, content="new"), "new")
        record = wheelhouse.root / VARIANT / "records" / f"{old.key}.json"
        record.write_text("{}")
        wheelhouse.collect_garbage(VARIANT, [old.key])
        assert record.exists()

    def test_an_unknown_variant_is_empty(self, wheelhouse: Wheelhouse) -> None:
        assert wheelhouse.collect_garbage("nothing", []) == []
        assert not (wheelhouse.root / "nothing").exists()


class TestLock:
    def hold(self, wheelhouse: Wheelhouse, seconds: float) -> threading.Thread:
        locked = threading.Event()

        def work() -> None:
            lock = Lock(root=wheelhouse.root, timeout=1, command="nox -s build-demo")
            with lock.hold():
                locked.set()
                over.wait(seconds)

        over = threading.Event()
        thread = threading.Thread(target=work)
        thread.start()
        assert locked.wait(5)
        return thread

    def test_waiting_names_the_other_process(
        self, wheelhouse: Wheelhouse, tmp_path: Path, messages: list[str]
    ) -> None:
        thread = self.hold(wheelhouse, 0.2)
        put(wheelhouse, tiny_wheel(tmp_path), "one")
        thread.join()
        assert messages == [
            f"waiting for process {os.getpid()} (nox -s build-demo), which is writing to {wheelhouse.root}"
        ]
        assert not (wheelhouse.root / HOLDER).exists()

    def test_waiting_ends_with_a_reason(self, wheelhouse: Wheelhouse, tmp_path: Path) -> None:
        impatient = Wheelhouse(wheelhouse.root, timeout=0.1)
        thread = self.hold(wheelhouse, 0.5)
        with pytest.raises(WheelhouseError, match="keeps the wheelhouse locked") as caught:
            put(impatient, tiny_wheel(tmp_path), "one")
        thread.join()
        assert "did not end within 0.1 seconds" in (caught.value.why or "")

    @pytest.mark.parametrize("note", [None, "", "[]", "{}"])
    def test_a_lost_note_does_no_harm(
        self, wheelhouse: Wheelhouse, tmp_path: Path, messages: list[str], note: str | None
    ) -> None:
        thread = self.hold(wheelhouse, 0.2)
        (wheelhouse.root / HOLDER).unlink()
        if note is not None:
            (wheelhouse.root / HOLDER).write_text(note)
        put(wheelhouse, tiny_wheel(tmp_path), "one")
        thread.join()
        assert messages[0].startswith("waiting for another process,")


class TestRefusals:
    def test_a_file_in_the_place_of_the_wheelhouse(self, tmp_path: Path) -> None:
        (tmp_path / "wheelhouse").write_text("")
        with pytest.raises(WheelhouseError, match="a file is where a directory is needed"):
            put(Wheelhouse(tmp_path / "wheelhouse"), tiny_wheel(tmp_path), "one")

    def test_a_wheelhouse_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(WheelhouseError, match="a file is where a directory is needed"):
            put(Wheelhouse(tmp_path / "file" / "wheelhouse"), tiny_wheel(tmp_path), "one")

    @pytest.mark.parametrize("place", ["wheels", "records", "simple", "simple/demo"])
    def test_a_file_in_the_place_of_a_directory(
        self, wheelhouse: Wheelhouse, tmp_path: Path, place: str
    ) -> None:
        path = wheelhouse.root / VARIANT / place
        path.parent.mkdir(parents=True)
        path.write_text("")
        with pytest.raises(WheelhouseError, match="a file is where a directory is needed"):
            put(wheelhouse, tiny_wheel(tmp_path), "one")
        path.unlink()
        put(wheelhouse, tiny_wheel(tmp_path), "one")
        check_tidy(wheelhouse.root)

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
