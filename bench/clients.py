"""Many installers at once against the server of `inv index.serve`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CLIENTS: Final = 200
_PIP: Final = (sys.executable, "-m", "pip", "install", "--quiet", "--isolated", "--no-cache-dir")
_UV: Final = (
    str(Path(sys.executable).with_name("uv")),
    "pip",
    "install",
    "--quiet",
    "--no-cache",
    "--no-config",
)
_TOOLS: Final = {"pip": _PIP, "uv pip": _UV}


def clients(url: str, packages: Sequence[str]) -> Iterator[Figure]:
    """Installs of different packages that begin together, each into an empty directory.

    Args:
        url: the simple index.
        packages: what is installed; some of them several times, if they are fewer than the clients.
    """
    environ = {"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir()}
    for tool, words in _TOOLS.items():
        alone = min(_install(words, url, packages[:1], environ) for _ in range(3))
        chosen = [packages[number % len(packages)] for number in range(CLIENTS)]
        together = _install(words, url, chosen, environ)
        yield Figure(f"{tool} install, one client", alone, "s")
        yield Figure(f"{tool} install, {CLIENTS} clients at once: seconds of each", together / CLIENTS, "s")


def _install(words: Sequence[str], url: str, packages: Sequence[str], environ: dict[str, str]) -> float:
    """Seconds until the last of the processes has ended; each must succeed."""
    with tempfile.TemporaryDirectory(prefix="wheelfarm-clients-") as scratch:
        started = time.perf_counter()
        processes = [
            subprocess.Popen(
                [*words, "--no-deps", "--index-url", url, "--target", f"{scratch}/{number}", package],
                env=environ,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number, package in enumerate(packages)
        ]
        errors = [process.communicate()[1] for process in processes]
        seconds = time.perf_counter() - started
        failed = [text for process, text in zip(processes, errors, strict=True) if process.returncode]
        if failed:
            raise SystemExit(f"{len(failed)} of {len(packages)} installs have failed: {failed[0][-500:]}")
    return seconds
