"""The lock of a build: one run at a time, and nobody else's directory."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from support.raised import only
from wheelfarm.build.engine import SilentListener
from wheelfarm.build.steps import mark_of
from wheelfarm.errors import BuildDirectoryError
from wheelfarm.run.build_lock import BuildLock, make_private

if TYPE_CHECKING:
    from pathlib import Path


class Lines(SilentListener):
    """Collects the output of a build."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_line(self, line: str) -> None:
        self.lines.append(line)


def test_a_second_run_waits_and_says_so(tmp_path: Path) -> None:
    lock = BuildLock(tmp_path / "stages", "alpha")
    listener = Lines()
    lines = listener.lines
    entered = threading.Event()
    swept: list[Path] = []
    sweep = swept.append

    def second() -> None:
        with lock.hold(listener, sweep):
            entered.set()

    with lock.hold(listener, sweep):
        assert lines == []
        thread = threading.Thread(target=second)
        thread.start()
        while not lines:
            thread.join(0.01)
        assert not entered.is_set()
    thread.join()
    assert entered.is_set()
    assert lines[:1] == [f"waiting for another run that builds in {lock.root}"]
    assert swept == []


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    lock = BuildLock(tmp_path, "alpha")
    mark_of(lock.root).write_text('{"pid": 0, "started": null}')
    swept: list[Path] = []
    with lock.hold(SilentListener(), swept.append):
        assert swept == [lock.root]
    with lock.hold(SilentListener(), swept.append):
        assert len(swept) == 1


def test_what_a_killed_run_left_in_gate_environments_is_swept_too(tmp_path: Path) -> None:
    """Each environment of the gate has a mark and containers of its own."""
    lock = BuildLock(tmp_path, "alpha")
    environments = [lock.root / "gate" / name for name in ("alpha-cp311", "beta-1.0-cp313")]
    for environment in environments:
        environment.mkdir(parents=True)
        mark_of(environment).write_text('{"pid": 0, "started": null}')
    swept: list[Path] = []
    with lock.hold(SilentListener(), swept.append):
        assert sorted(swept) == environments
    assert not list(lock.root.rglob("*.running"))


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    lock = BuildLock(tmp_path, "slug")
    lock.root.write_text("a file")

    def write() -> None:
        with lock.hold(SilentListener(), lambda _root: None):
            (lock.root / "requirements").mkdir()

    error = only(write, BuildDirectoryError)
    assert error.where == str(lock.root / "requirements")
    assert os.strerror(errno.ENOTDIR) in str(error.why)


def test_it_is_made_for_us_alone(tmp_path: Path) -> None:
    make_private(tmp_path / "stages")
    assert (tmp_path / "stages").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="only POSIX has the owner of a file")
@pytest.mark.parametrize("trap", ["a link", "another owner"])
def test_a_directory_that_somebody_else_prepared(
    tmp_path: Path, trap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = tmp_path / "tmp"
    everybody.mkdir()
    everybody.chmod(0o1777)
    if trap == "a link":
        (tmp_path / "elsewhere").mkdir()
        (everybody / "stages").symlink_to(tmp_path / "elsewhere")
    else:
        (everybody / "stages").mkdir()
        owner = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    error = only(lambda: make_private(everybody / "stages"), BuildDirectoryError)
    assert "belongs to another user" in error.what
