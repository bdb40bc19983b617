"""Commands that run a piece of Python, and whether what they started is gone."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from wheelfarm.system.process import Command

ENV: Final = {"PATH": os.defpath}


def python(code: str, *arguments: str, **fields: object) -> Command:
    """A command that runs a piece of Python."""
    argv = (sys.executable, "-u", "-c", textwrap.dedent(code), *arguments)
    return Command(argv=argv, **{"env": ENV, **fields})  # type: ignore[arg-type]


def wait_until_gone(pid: int) -> bool:
    """Whether a process ends (or is at most a zombie) within five seconds."""
    for _ in range(100):
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.05)
                continue
        return True
    return False
