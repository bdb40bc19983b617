"""The wheelhouse's lock: who waits learns for whom, and for how long."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from wheelfarm.errors import WheelhouseError
from wheelfarm.system.locks import HOLDER, Lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextmanager
def hold_elsewhere(root: Path, messages: Sequence[str] = ()) -> Iterator[None]:
    """Hold the lock in another thread until a message says that somebody waits, or the block ends."""
    locked, left = threading.Event(), threading.Event()

    def work() -> None:
        with Lock(root=root, timeout=1, command="nox -s build-demo").hold():
            locked.set()
            while not messages and not left.wait(0.01):
                pass

    thread = threading.Thread(target=work)
    thread.start()
    assert locked.wait(5)
    try:
        yield
    finally:
        left.set()
        thread.join()


def acquire(root: Path, timeout: float = 5) -> None:
    with Lock(root=root, timeout=timeout, command="nox -s build-other").hold():
        assert (root / HOLDER).exists()


def test_waiting_names_the_other_process(tmp_path: Path, messages: list[str]) -> None:
    with hold_elsewhere(tmp_path, messages):
        acquire(tmp_path)
    assert messages == [
        f"waiting for process {os.getpid()} (nox -s build-demo), which is writing to {tmp_path}"
    ]
    assert not (tmp_path / HOLDER).exists()


def test_a_short_wait_is_not_worth_a_message(tmp_path: Path, messages: list[str]) -> None:
    threads = [threading.Thread(target=acquire, args=[tmp_path]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert messages == []


def test_waiting_ends_with_a_reason(tmp_path: Path) -> None:
    with (
        hold_elsewhere(tmp_path),
        pytest.raises(WheelhouseError, match="keeps the wheelhouse locked") as caught,
    ):
        acquire(tmp_path, timeout=0.1)
    assert "did not end within 0.1 seconds" in (caught.value.why or "")


@pytest.mark.parametrize("note", [None, "", "[]", "{}"])
def test_a_lost_note_does_no_harm(tmp_path: Path, messages: list[str], note: str | None) -> None:
    with hold_elsewhere(tmp_path, messages):
        (tmp_path / HOLDER).unlink()
        if note is not None:
            (tmp_path / HOLDER).write_text(note)
        acquire(tmp_path)
    assert messages[0].startswith("waiting for another process,")
