"""Real index servers on loopback: pypiserver and devpi-server, each a process with accounts and passwords."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

USER: Final = "alice"
PASSWORD: Final = "correct horse/battery"
LOGIN: Final = {"TWINE_USERNAME": USER, "TWINE_PASSWORD": PASSWORD}
_STARTING: Final = 90.0
"""Seconds that a server may take to answer; devpi is slow where all processors are busy."""


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Args:
        url: where it answers, with a slash at its end.
        root: its files.
        log: what it says.
    """

    url: str
    root: Path
    log: Path


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def pypiserver(root: Path, *, port: int | None = None, protected: str = "update") -> Iterator[Server]:
    """Run a pypiserver over a directory; what is `protected` asks for a password."""
    files, passwords = root / "packages", root / "htpasswd"
    files.mkdir(parents=True, exist_ok=True)
    hashed = base64.b64encode(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).digest()).decode()
    passwords.write_text(f"{USER}:{{SHA}}{hashed}\n")
    port = port or free_port()
    words = ["-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(port)]
    words += ["-P", str(passwords), "-a", protected, "--fallback-url", "http://127.0.0.1:9/simple/"]
    with _running([*words, str(files)], root / "pypiserver.log", f"http://127.0.0.1:{port}/"):
        yield Server(f"http://127.0.0.1:{port}/", files, root / "pypiserver.log")


@contextmanager
def devpi(root: Path) -> Iterator[Server]:
    """Run a devpi-server with one user who may make indexes."""
    data, port = root / "devpi", free_port()
    init = [str(Path(sys.executable).with_name("devpi-init")), "--serverdir", str(data)]
    subprocess.run([*init, "--no-root-pypi", "--root-passwd", "root pw"], check=True, capture_output=True)
    words = ["-m", "devpi_server", "--serverdir", str(data), "--host", "127.0.0.1", "--port", str(port)]
    # Hashing a secret so that it takes seconds is of no use here.
    words += ["--argon2-memory-cost", "8", "--argon2-parallelism", "1", "--argon2-time-cost", "1"]
    url = f"http://127.0.0.1:{port}/"
    with _running(words, root / "devpi.log", f"{url}+api"):
        answer = requests.put(
            f"{url}{USER}", json={"password": PASSWORD}, auth=("root", "root pw"), timeout=30
        )
        answer.raise_for_status()
        yield Server(url, data, root / "devpi.log")


def make_devpi_index(server: Server, name: str, **config: bool | list[str]) -> str:
    """Make an index that nobody overwrites; gives its url."""
    url = f"{server.url}{USER}/{name}"
    body = {"type": "stage", "bases": [], "volatile": False, **config}
    requests.put(
        url,
        data=json.dumps(body),
        headers={"Content-Type": "application/json"},
        auth=(USER, PASSWORD),
        timeout=30,
    ).raise_for_status()
    return f"{url}/"


@contextmanager
def _running(words: list[str], log: Path, probe: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, *words], stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(process, probe, log)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _wait(process: subprocess.Popen[bytes], probe: str, log: Path) -> None:
    deadline = time.monotonic() + _STARTING
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(requests.ConnectionError):
            requests.get(probe, timeout=10)
            return
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text()[-2000:]}")
