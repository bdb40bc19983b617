"""A run of the farm in a fork of this process, which has imported the farm: it starts in no time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.cli import program, start  # noqa: F401 - the fork has imported all of it

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Forked:
    """The run, with the methods of `subprocess.Popen`; this process must have one thread."""

    def __init__(self, words: Sequence[str], output: Path, cwd: Path, env: Mapping[str, str]) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        code: object = 0
        try:
            os.setsid()
            with output.open("wb") as file, Path(os.devnull).open("rb") as nothing:
                for number, stream in enumerate((nothing, file, file)):
                    os.dup2(stream.fileno(), number)
            os.chdir(cwd)
            os.environ.clear()
            os.environ.update(env)
            sys.argv = ["wheelfarm", *words]
            start.main()
        except SystemExit as end:
            code = end.code
        except BaseException:  # noqa: BLE001 - nothing of this process may go on in the fork
            traceback.print_exc()
            code = 1
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code if isinstance(code, int) else int(bool(code)))

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("wheelfarm", timeout)
            time.sleep(0.002)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)
