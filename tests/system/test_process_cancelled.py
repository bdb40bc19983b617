"""Programs that another thread cancels."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.commands import python, wait_until_gone
from wheelfarm.errors import CancelledRunError, FarmError, ProcessError
from wheelfarm.system import process_group as group
from wheelfarm.system.process import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "code",
    [
        "import os, time; print(os.getpid()); time.sleep(60)",
        "import os, time; print(os.getpid()); os.close(1); os.close(2); time.sleep(60)",
        "import os\nwhile True: print(os.getpid())",
    ],
    ids=["silent", "closed", "chatty"],
)
def test_a_running_command_is_ended(code: str, tmp_path: Path) -> None:
    cancelled = threading.Event()
    heard: list[str] = []
    log = tmp_path / "log"
    threading.Timer(0.5, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(CancelledRunError, match="was stopped") as caught:
        run(python(code, cancelled=cancelled, log=log), on_line=heard.append)
    assert time.monotonic() - began < 4
    assert wait_until_gone(int(heard[0]))
    assert log.read_text().endswith("# cancelled\n")
    assert not isinstance(caught.value, ProcessError)
    assert caught.value.log == log


def test_one_that_ignores_the_request_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "GRACE", 0.3)
    cancelled = threading.Event()
    heard: list[str] = []

    def listen(line: str) -> None:
        heard.append(line)
        cancelled.set()

    code = """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(os.getpid()); time.sleep(60)
    """
    with pytest.raises(CancelledRunError):
        run(python(code, cancelled=cancelled), on_line=listen)
    assert wait_until_gone(int(heard[0]))


def test_nothing_starts_after_it(tmp_path: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(CancelledRunError):
        run(python(f"open({str(tmp_path / 'made')!r}, 'w')", cancelled=cancelled))
    assert not list(tmp_path.iterdir())


def test_a_flag_that_is_not_set_changes_nothing() -> None:
    assert run(python("print('done')", cancelled=threading.Event())).output == "done\n"


def test_its_secrets_are_hidden() -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(FarmError) as caught:
        run(python("pass", "hunter22", cancelled=cancelled, secrets=("hunter22",)))
    assert "hunter22" not in str(caught.value)
