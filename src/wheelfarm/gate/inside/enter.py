"""Makes a virtual environment with the target's interpreter, and runs the driver with the tested code in it.

The wheels are next to this file, with their hashes in manifest.json; nothing is downloaded.

Tested code runs in a child, and has no descriptor of this process. What it prints, this process passes on.
The child reports over a local socket, and proves with a key and a nonce that the driver reached its end. The
last line of this process is its own: the nonce that it reads from its input, and the report as JSON.

Uses the standard library only.

Usage: enter.py DIRECTORY [UV] <NONCE
"""

from __future__ import annotations

import ctypes
import hmac
import json
import os
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import venv
import zipfile
from contextlib import contextmanager, suppress
from multiprocessing.connection import Listener
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUT_LIMIT = 16 << 20
"""Bytes of the child's output that are passed on; of what follows, the end."""
OUTPUT_END = 1 << 16
MESSAGE_LIMIT = 64 << 20
SILENCE = 10.0
"""Seconds that a connection may take to send its message."""
LINGER = 1.0
"""Seconds for the last output, after the child and its descendants have ended."""
LONGEST = 50
"""Bytes of a directory for temporary files."""
SITE_PACKAGES = "import sysconfig; print(sysconfig.get_path('purelib'))"
LINUX = sys.platform == "linux"
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, CAP_SYS_PTRACE = 4, 24, 36, 19


def run(words: list[str], env: dict[str, str], cwd: Path) -> None:
    """Run a program; end with its exit code when it fails."""
    finished = subprocess.run(words, env=env, cwd=cwd, stdin=subprocess.DEVNULL, check=False)
    if finished.returncode:
        sys.exit(finished.returncode if finished.returncode > 0 else 128 - finished.returncode)


def runs(program: str, env: dict[str, str]) -> bool:
    """Whether a program exists and runs here."""
    try:
        return not subprocess.run(
            [program, "--version"], env=env, capture_output=True, check=False
        ).returncode
    except OSError:
        return False


def make_environment(env_dir: Path, requirements: Path, uv: str | None, env: dict[str, str]) -> Path:
    """Make an environment with the required wheels; returns its interpreter."""
    python = env_dir / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    checks = ["--no-index", "--require-hashes", "--quiet", "-r", str(requirements)]
    needed = bool(requirements.read_text(encoding="utf-8").strip())
    # uv is mounted from another system at times; where it does not run, pip does the same more slowly.
    if uv and runs(uv, env):
        words = [uv, "--offline", "--no-config", "--no-cache", "--quiet"]
        run([*words, "venv", "--no-project", "--python", sys.executable, str(env_dir)], env, env_dir.parent)
        install = [*words, "pip", "install", "--python", str(python)]
    else:
        venv.create(env_dir, with_pip=needed)
        install = [str(python), "-m", "pip", "--isolated", "install"]
    if needed:
        run([*install, *checks], env, env_dir.parent)
    return python


def shield() -> None:
    """On Linux: close this process to debuggers and /proc for its descendants, and become their reaper."""
    with suppress(AttributeError, OSError):
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        # Root ignores the line above, unless it lacks this capability, as it does in a container.
        prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0)
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants() -> None:
    """On Linux: kill whatever the child has left behind, in whatever session it is."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    for _generation in range(100):
        children = listed.read_text(encoding="ascii").split() if listed.exists() else []
        for child in map(int, children):
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


class Relay(threading.Thread):
    """Passes the output of the child on, so that nothing but this process writes to the real output."""

    def __init__(self, pipe: int) -> None:
        super().__init__(daemon=True)
        self.pipe = pipe
        self.lock = threading.Lock()
        self.passed = self.left_out = 0
        self.end = b""
        self.ended = False

    def run(self) -> None:
        while chunk := os.read(self.pipe, 1 << 16):
            with self.lock:
                if self.ended:
                    return
                if self.passed < OUTPUT_LIMIT:
                    write(chunk)
                    self.passed += len(chunk)
                else:
                    self.left_out += len(chunk)
                    self.end = (self.end + chunk)[-OUTPUT_END:]

    def finish(self) -> None:
        """Wait for the last output; a process that holds it open is not waited for."""
        self.join(LINGER)
        with self.lock:
            self.ended = True
            if self.left_out:
                write(f"\n[{self.left_out - len(self.end)} bytes of output are left out]\n".encode())
                write(self.end)


def write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class Reports(threading.Thread):
    """Receives the reports of the driver: the step that it begins, and at its end the result."""

    def __init__(self, listener: Listener, key: bytes) -> None:
        super().__init__(daemon=True)
        self.listener = listener
        self.key = key
        self.report: dict[str, Any] = {"step": "", "result": None, "threads": []}

    def run(self) -> None:
        while True:
            # Whatever else connects, or sends something else, is no reason to end.
            with suppress(OSError, EOFError, ValueError, TypeError), self.listener.accept() as connection:
                nonce = secrets.token_bytes(32)
                connection.send_bytes(nonce)
                if not connection.poll(SILENCE):
                    continue
                message = connection.recv_bytes(MESSAGE_LIMIT)
                mac, body = message[:32], message[32:]
                if hmac.compare_digest(mac, hmac.digest(self.key, nonce + body, "sha256")):
                    self.report.update(json.loads(body))
                    connection.send_bytes(b"received")


def address() -> str | None:
    """An address for the socket: short, as a path would not be everywhere."""
    name = f"wheelfarm-{secrets.token_hex(8)}"
    if LINUX:
        return f"\0{name}"
    return None if os.name == "nt" else f"/tmp/{name}"  # noqa: S108 - a socket with a name of its own


def unpack_layer(path: Path, directory: Path) -> None:
    """Unpack a ZIP file with its symbolic links."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                link = directory / info.filename
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(archive.read(info).decode())
            else:
                archive.extract(info, directory)


def run_tests(words: list[str], env: dict[str, str], cwd: Path, time_limit: float) -> dict[str, Any]:
    """Run the driver to its end or its time limit, and say how it ended."""
    key, where = secrets.token_bytes(32), address()
    listener = Listener(where)
    reports = Reports(listener, key)
    reports.start()
    child = subprocess.Popen(
        words, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert child.stdin is not None  # noqa: S101 - narrows the type
    assert child.stdout is not None  # noqa: S101
    relay = Relay(child.stdout.fileno())
    relay.start()
    code: int | None = None
    try:
        with suppress(BrokenPipeError), child.stdin as stdin:
            stdin.write(json.dumps({"address": where or listener.address, "key": key.hex()}).encode())
        with suppress(subprocess.TimeoutExpired):
            code = child.wait(time_limit)
    finally:
        child.kill()
        child.wait()
        if LINUX:
            end_descendants()
        relay.finish()
    return {**reports.report, "returncode": code}


@contextmanager
def short_path(directory: Path) -> Iterator[Path]:
    """A short path of a directory for temporary files, which code may make sockets in.

    The path of a socket has at most 107 bytes, and 103 on macOS (unix(7)); multiprocessing takes up to 50.
    """
    if os.name != "posix" or len(bytes(directory)) < LONGEST:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="wf-", dir="/tmp") as above:
        link = Path(above, "t")
        link.symlink_to(directory)
        yield link


def main(directory: Path, uv: str | None) -> None:
    """Install and test in a temporary directory."""
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    # A shell reads the input itself.
    nonce = "" if "shell" in manifest else sys.stdin.readline().strip()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    hidden = ("LD_", "DYLD_", "PYTHON", "PIP_", "UV_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    with (
        tempfile.TemporaryDirectory(prefix="wheelfarm-gate-") as scratch,
        short_path(Path(scratch, "tmp")) as temporary,
    ):
        root = Path(scratch)
        (root / "tmp").mkdir()
        env |= {"HOME": scratch, "TMPDIR": str(temporary), **manifest["environment"]}
        lines = [
            f"{wheel['name']} @ {(directory / wheel['file']).as_uri()} --hash=sha256:{wheel['sha256']}"
            for wheel in manifest["wheels"]
        ]
        (root / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (root / "work").mkdir()
        if "path" in manifest:
            python = Path(sys.executable)  # of an image, which has the wheels
        else:
            python = make_environment(root / "env", root / "requirements.txt", uv, env)
        if "layer" in manifest:
            # As Lambda has it: its libraries are found by the loader, its packages by Python.
            layer = root / "env" / "opt"
            unpack_layer(directory / manifest["layer"], layer)
            packages = subprocess.check_output([str(python), "-I", "-c", SITE_PACKAGES], text=True).strip()
            Path(packages, "layer.pth").write_text(f"{layer / 'python'}\n", encoding="utf-8")
            env["LD_LIBRARY_PATH"] = str(layer / "lib")
        if "shell" in manifest:
            env["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
            sys.exit(subprocess.run(manifest["shell"], env=env, cwd=root / "work", check=False).returncode)
        if LINUX:
            shield()
        # Without site, so that the driver has its key before code of the wheels runs, such as a .pth file's.
        words = [str(python), "-I", "-S", str(directory / "driver" / "driver.py"), str(directory)]
        report = run_tests(words, env, root / "work", manifest["time-limit"])
    write(f"\n{nonce}{json.dumps(report)}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else None)  # noqa: PLR2004
