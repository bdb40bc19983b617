"""What a process tree uses, measured on real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from wheelfarm.system.process_group import usage

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

BUSY = "import time\nheld = bytearray(40_000_000)\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\n"


def spawn(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)


def test_descendants_count_and_those_that_have_ended() -> None:
    script = (
        f"{sys.executable} -c '{BUSY}'; {sys.executable} -c '{BUSY}' > /dev/null; echo done; "
        f"{sys.executable} -c '{BUSY}time.sleep(60)'; :"
    )
    child = spawn("sh", "-c", script)
    assert child.stdout is not None
    try:
        child.stdout.read(6)
        child.stdout.read(1)
        found = usage(child.pid)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    assert found is not None
    assert 0.85 <= found.cpu_seconds < 5
    assert 40_000_000 < found.memory < 400_000_000
    assert usage(child.pid) is None


def test_a_process_whose_parent_is_gone_counts_by_its_session() -> None:
    child = spawn("sh", "-c", f"({sys.executable} -c '{BUSY}time.sleep(60)' &) ; sleep 60")
    assert child.stdout is not None
    try:
        child.stdout.read(1)
        found = usage(child.pid)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    assert found is not None
    assert found.memory > 40_000_000


def test_where_there_is_no_proc(tmp_path: Path) -> None:
    assert usage(1, tmp_path / "none") is None


def test_a_process_that_ends_while_we_look(tmp_path: Path) -> None:
    (tmp_path / "77").mkdir()
    (tmp_path / "sys").mkdir()
    assert usage(77, tmp_path) is None


def test_a_look_is_cheap() -> None:
    began = time.monotonic()
    usage(1)
    assert time.monotonic() - began < 1
