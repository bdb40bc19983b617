"""How processes end, with all that they started."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from support.commands import python, wait_until_gone
from wheelfarm.errors import ProcessError
from wheelfarm.system import process_group as group
from wheelfarm.system.process import run

if TYPE_CHECKING:
    from pathlib import Path

STUBBORN = """
    import signal, subprocess, sys, time
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('up', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    child.stdout.readline()
    print(child.pid)
    time.sleep(60)
"""


class TestEnd:
    def test_the_time_limit_kills_what_ignores_the_request(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(group, "GRACE", 0.3)
        heard: list[str] = []
        log = tmp_path / "log"
        with pytest.raises(ProcessError, match=r"longer than its time limit of 2\.5 s"):
            run(python(STUBBORN, time_limit=2.5, log=log), on_line=heard.append)
        assert wait_until_gone(int(heard[0]))
        assert "# killed at its time limit" in log.read_text()

    def test_the_group_gets_sigterm_before_it_is_killed(self) -> None:
        code = """
            import signal, sys, time
            def polite(*_): print("thank you"); sys.exit(0)
            signal.signal(signal.SIGTERM, polite)
            print("ready"); time.sleep(60)
        """
        began = time.monotonic()
        with pytest.raises(ProcessError, match="time limit"):
            run(python(code, time_limit=1))
        assert time.monotonic() - began < 4

    def test_an_exception_of_the_listener_kills_the_group(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(group, "GRACE", 0.1)
        pids: list[int] = []

        def listen(line: str) -> None:
            pids.append(int(line))
            raise LookupError

        with pytest.raises(LookupError):
            run(python(STUBBORN, log=tmp_path / "log"), on_line=listen)
        assert wait_until_gone(pids[0])
        assert (tmp_path / "log").read_text().endswith("# killed\n")

    def test_an_interrupt_kills_the_group(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(group, "GRACE", 0.1)
        pids: list[int] = []

        def interrupt(line: str) -> None:
            pids.append(int(line))
            threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,)).start()

        with pytest.raises(KeyboardInterrupt):
            run(python(STUBBORN), on_line=interrupt)
        assert wait_until_gone(pids[0])

    def test_the_child_leads_its_own_session(self) -> None:
        sessions = run(python("import os; print(os.getsid(0) == os.getpid() == os.getpgid(0))"))
        assert sessions.output == "True\n"

    def test_a_grandchild_that_holds_the_output_is_ended(self) -> None:
        code = """
            import subprocess, sys
            chatty = "import time\\nwhile 1: print('x', flush=True); time.sleep(.01)"
            child = subprocess.Popen([sys.executable, "-c", chatty])
            print(child.pid)
        """
        finished = run(python(code, time_limit=20))
        assert finished.returncode == 0
        assert wait_until_gone(int(finished.output.split()[0]))
