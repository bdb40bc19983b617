"""A real Dask scheduler and real workers, each in a directory and with a HOME of its own.

They are on loopback, or each in a network namespace of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import psutil  # type: ignore[import-untyped]  # distributed brings it

from support.indexes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.namespaces import Network
    from wheelfarm.recipes.settings import Settings

SOURCE: Final = Path(__file__).parents[2] / "src"
WAIT: Final = 60.0
"""Seconds after which what does not happen is a failure."""


def label() -> str:
    """The label of this machine's system and processor."""
    return f"linux-{os.uname().machine}"


RESOURCES: Final[Mapping[str, float]] = {"cpus": 1, "memory": 2e9, "host": 1, label(): 1}
"""The resources of a worker unless a test says otherwise."""


@cache
def can_mount() -> bool:
    """Whether a process may have mounts of its own, as root may."""
    words = ["unshare", "--mount", "mount", "--bind", "/tmp", "/tmp"]  # noqa: S108
    return bool(shutil.which("unshare")) and subprocess.run(words, check=False).returncode == 0


@dataclass
class DaskWorker:
    """One worker, and the command that started it."""

    name: str
    directory: Path
    process: subprocess.Popen[bytes]
    host: str = "127.0.0.1"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Kill it at once, as the kernel does when there is no memory; its children are left behind."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def kill_below_nanny(self) -> None:
        """Kill the process that a nanny watches over."""
        children = psutil.Process(self.process.pid).children()
        (child,) = (each for each in children if "spawn_main" in " ".join(each.cmdline()))
        child.kill()

    def stop_answering(self) -> None:
        """Stop it without an end; the process of its build goes on."""
        self.process.send_signal(signal.SIGSTOP)


@dataclass
class DaskCluster:
    """A scheduler, and the workers that a test starts.

    Args:
        root: for the directories of all processes.
        stages: the directory of builds: each worker has another one at this very path, as another machine
            would, where this user may mount.
        config: of Dask, by variable.
        scheme: of the addresses, tcp or tls.
        network: where the scheduler and each worker have a namespace of their own; None for loopback.
    """

    root: Path
    stages: Path
    config: Mapping[str, str] = field(default_factory=dict)
    scheme: str = "tcp"
    network: Network | None = None
    port: int = field(default_factory=free_port)
    workers: list[DaskWorker] = field(default_factory=list)
    _scheduler: subprocess.Popen[bytes] | None = None

    @cached_property
    def _place(self) -> tuple[list[str], str]:
        """The namespace of the scheduler: the words before its command, and its address."""
        return self._add_place()

    def _add_place(self) -> tuple[list[str], str]:
        return self.network.add() if self.network else ([], "127.0.0.1")

    @property
    def host(self) -> str:
        """The scheduler's."""
        return self._place[1]

    @property
    def address(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def _environment(self, home: Path, more: Mapping[str, str]) -> dict[str, str]:
        home.mkdir(parents=True, exist_ok=True)
        programs = str(Path(sys.executable).parent)
        path = os.pathsep.join((programs, os.environ.get("PATH", os.defpath)))
        config = {"DASK_LOGGING__DISTRIBUTED": "info", **self.config}
        return {"PATH": path, "HOME": str(home), "PYTHONPATH": str(SOURCE), **config, **more}

    def _start(self, words: list[str], directory: Path, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "log").open("ab") as log:
            return subprocess.Popen(
                words,
                cwd=directory,
                env=self._environment(directory / "home", more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_scheduler(self) -> None:
        """Start the scheduler, at the same port each time."""
        dask = str(Path(sys.executable).parent / "dask")
        words = [*self._place[0], dask, "scheduler", "--port", str(self.port), "--no-dashboard"]
        words += ["--host", f"{self.scheme}://{self.host}"]
        self._scheduler = self._start(words, self.root / "scheduler", {})

    def kill_scheduler(self) -> None:
        """Kill the scheduler."""
        assert self._scheduler is not None
        self._scheduler.kill()
        self._scheduler.wait()

    def start_worker(
        self,
        name: str,
        resources: Mapping[str, float] = RESOURCES,
        *,
        env: Mapping[str, str] | None = None,
        disk: str | None = None,
        binds: Mapping[Path, Path] | None = None,
        read_only: Path | None = None,
        source: Path = SOURCE,
        nanny: bool = False,
        containers: bool = False,
    ) -> DaskWorker:
        """Start a worker.

        Args:
            name: of its directory.
            resources: those that it says it has.
            env: more variables.
            disk: mount's options of tmpfs, for a directory of builds of few bytes.
            binds: file → what the worker sees in its place.
            read_only: a directory in whose place the worker sees an empty one that it cannot write to.
            source: of wheelfarm.
            nanny: whether a process watches over the worker's, and starts it again.
            containers: whether it builds in containers: a container engine shares its mounts with others.
        """
        directory = self.root / name
        text = " ".join(f"{key}={value:g}" for key, value in resources.items())
        dask = str(Path(sys.executable).parent / "dask")
        words = [dask, "worker", self.address, "--name", name, "--nthreads", "1"]
        inside, host = self._add_place()
        words += ["--host", f"{self.scheme}://{host}"]
        words += ["--no-dashboard", "--nanny" if nanny else "--no-nanny"]
        words += ["--local-directory", str(directory / "local")]
        words += ["--memory-limit", "0", "--resources", text]
        if can_mount() and not containers:
            own = directory / "stages"
            own.mkdir(parents=True, exist_ok=True)
            self.stages.mkdir(parents=True, exist_ok=True)
            kind = f"-t tmpfs -o {disk} tmpfs" if disk else f"--bind {own}"
            mounts = [f"mount {kind} {self.stages}"]
            mounts += [f"mount --bind {other} {file.resolve()}" for file, other in (binds or {}).items()]
            mounts += [f"mount -t tmpfs -o ro tmpfs {read_only}"] if read_only else []
            script = " && ".join([*mounts, 'exec "$@"'])
            words = ["unshare", "--mount", "sh", "-c", script, "-", *words]
        variables = {"PYTHONPATH": str(source), **(env or {})}
        process = self._start([*inside, *words], directory, variables)
        worker = DaskWorker(name, directory, process, host)
        self.workers.append(worker)
        return worker

    def builder(self) -> DaskWorker:
        """Wait until a worker is in the middle of a build, and return it."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            for worker in self.workers:
                # The build directory has its environment, and the backend runs.
                if list(worker.directory.glob("stages/*/source/build")):
                    return worker
            time.sleep(0.05)
        raise AssertionError(messages_of(self))

    def wait_for_workers(self, count: int) -> None:
        """Wait until the scheduler has so many workers."""
        from distributed import Client  # noqa: PLC0415 - other tests need it not

        deadline = time.monotonic() + WAIT
        while True:
            try:
                with Client(self.address, timeout=5, set_as_default=False) as client:
                    if count:
                        client.wait_for_workers(count, timeout=WAIT)
                    return
            except OSError:
                assert time.monotonic() < deadline, (self.root / "scheduler" / "log").read_text()

    def settings(self) -> dict[str, Any]:
        """What `[tool.wheelfarm]` says of a farm that builds here."""
        return {"workers": self.address, "stages": str(self.stages)}

    def end(self) -> None:
        """End all processes, and what they have left behind."""
        for process in (*(each.process for each in self.workers), self._scheduler):
            if process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGCONT)
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def dask_cluster(
    root: Path,
    workers: int = 2,
    *,
    config: Mapping[str, str] | None = None,
    wait: bool = True,
    scheme: str = "tcp",
    network: Network | None = None,
) -> Iterator[DaskCluster]:
    """A scheduler and some workers, which end with the block."""
    cluster = DaskCluster(root, root / "stages", config or {}, scheme, network)
    try:
        cluster.start_scheduler()
        for number in range(workers):
            cluster.start_worker(f"worker{number}")
        if wait:
            cluster.wait_for_workers(workers)
        yield cluster
    finally:
        cluster.end()


@dataclass
class Proxy:
    """A proxy on loopback that changes bytes on their way to or from a port.

    Args:
        port: where connections go.
        old: the bytes that it looks for.
        times: how often it changes one of them.
        answers: whether it looks into what comes back.
    """

    port: int
    old: bytes
    times: int
    answers: bool = False
    changed: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self.port)) as far:
            back = threading.Thread(target=self._pass, args=(far, near, self.answers), daemon=True)
            back.start()
            self._pass(near, far, not self.answers)
            back.join()

    def _pass(self, one: socket.socket, other: socket.socket, changes: bool) -> None:  # noqa: FBT001
        with suppress(OSError):
            while data := one.recv(1 << 20):
                if changes and self.old in data and self.changed < self.times:
                    self.changed += 1
                    data = data.replace(self.old, bytes([self.old[0] ^ 1]) + self.old[1:])
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


def middle(data: bytes) -> bytes:
    """Bytes of a file by which a proxy finds it."""
    return data[len(data) // 2 :][:24]


def slow(files: Mapping[str, str], seconds: float) -> dict[str, str]:
    """The files of a project whose build waits."""
    lines = (
        *("import os", "import sys", "import time", "", "if 'bdist_wheel' in sys.argv:"),
        *("    os.makedirs('build', exist_ok=True)", f"    time.sleep({seconds})", "", ""),
    )
    wait = "\n".join(lines)
    return {**files, "setup.py": wait + files["setup.py"]}


def messages_of(cluster: DaskCluster) -> str:
    """The logs of all workers, for a failed assertion."""
    return "\n".join(f"--- {each.name}\n{each.log[-2000:]}" for each in cluster.workers)


def wheels_of(settings: Settings) -> dict[str, bytes]:
    """The wheels of a farm's wheelhouse, by file name."""
    return {path.name: path.read_bytes() for path in settings.wheelhouse.glob("*/wheels/*/*.whl")}
