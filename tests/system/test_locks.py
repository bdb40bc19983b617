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
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def hold_elsewhere(root: Path, seconds: float) -> Iterator[None]:
    """Hold the lock in another thread for some seconds, which the block may outlast."""
    locked = threading.Event()

    def work() -> None:
        with Lock(root=root, timeout=1, command="nox -s build-demo").hold():
            locked.set()
            threading.Event().wait(seconds)

    thread = threading.Thread(target=work)
    thread.start()
    assert locked.wait(5)
    yield
    thread.join()


def take(root: Path, timeout: float = 5) -> None:
    with Lock(root=root, timeout=timeout, command="nox -s build-other").hold():
        assert (root / HOLDER).exists()


def test_waiting_names_the_other_process(tmp_path: Path, messages: list[str]) -> None:
    with hold_elsewhere(tmp_path, 0.2):
        take(tmp_path)
    assert messages == [
        f"waiting for process {os.getpid()} (nox -s build-demo), which is writing to {tmp_path}"
    ]
    assert not (tmp_path / HOLDER).exists()


def test_waiting_ends_with_a_reason(tmp_path: Path) -> None:
    with (
        hold_elsewhere(tmp_path, 0.5),
        pytest.raises(WheelhouseError, match="keeps the wheelhouse locked") as caught,
    ):
        take(tmp_path, timeout=0.1)
    assert "did not end within 0.1 seconds" in (caught.value.why or "")


@pytest.mark.parametrize("note", [None, "", "[]", "{}"])
def test_a_lost_note_does_no_harm(tmp_path: Path, messages: list[str], note: str | None) -> None:
    with hold_elsewhere(tmp_path, 0.2):
        (tmp_path / HOLDER).unlink()
        if note is not None:
            (tmp_path / HOLDER).write_text(note)
        take(tmp_path)
    assert messages[0].startswith("waiting for another process,")
