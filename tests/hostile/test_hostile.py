"""A package whose setup.py tries thirty ways out of its build, on both engines, and without isolation."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import wheelfarm
from support.farm import container_variables
from support.packages import tinyleaf
from support.tiny import tiny_farm, tiny_index
from wheelfarm.model import Isolation
from wheelfarm.provenance.record import Record
from wheelfarm.system.sandbox import isolation_here

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.farm import Table

pytestmark = pytest.mark.hostile

SECRET = "hunter2-hostile"
RUN = """\
import sys
from pathlib import Path
from support.tiny import run_farm
from wheelfarm.model import Isolation
from wheelfarm.recipes.settings import load
from wheelfarm.system import sandbox

if sys.argv[2]:
    sandbox._KINDS = (Isolation(sys.argv[2]),)
run = run_farm(load(Path(sys.argv[1])))
print(run.states, [str(outcome.error) for outcome in run.outcomes.values() if outcome.error])
print(run.outcomes["tinyleaf"].warnings)
"""
ATTEMPTS = Path(__file__).with_name("attempts.py").read_text()
START = """\
import sys
if "bdist_wheel" in sys.argv:
    sys.path.insert(0, "")
    import attempts
"""
NONE = {"isolation": "none", "isolation-reason": "to see that the attempts work"}
UNSURE = {"dns", "raw_ip", "route_to_the_internet", "real_home", "block_device", "system_library"}
"""What depends on the machine or its user, also without isolation."""
CLEARED = {"answer_of_the_gate", "directory_of_the_reports"}
"""Marks that do not stay: the farm makes these directories anew, or removes them after a build."""


@dataclass(frozen=True)
class Outcome:
    """What one run of the hostile package has come to."""

    tried: set[str]
    out: set[str]
    """The attempts that got out."""
    record: Record
    output: str


@contextmanager
def listening(address: Any, kind: int = socket.SOCK_STREAM, family: int = socket.AF_UNIX) -> Iterator[int]:
    """A server that accepts whoever comes, or echoes; gives its port."""
    with socket.socket(family, kind) as server:
        server.bind(address)
        server.settimeout(0.2)
        if kind == socket.SOCK_STREAM:
            server.listen()
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    if kind == socket.SOCK_STREAM:
                        peer, _ = server.accept()
                        with peer:
                            peer.settimeout(2)
                            peer.recv(1024)
                            peer.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                    else:
                        server.sendto(b"hostile", server.recvfrom(16)[1])
                except OSError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1] if family == socket.AF_INET else 0
        finally:
            stop.set()
            thread.join()


def processes(word: str) -> list[int]:
    """The processes with a word on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def run_hostile(
    tmp_path: Path,
    engine: str,
    kind: str = "",
    recipe: Table | None = None,
    environ: Mapping[str, str] | None = None,
) -> Outcome:
    """Build the hostile package on this engine."""
    home, farm = tmp_path / "home", tmp_path / "hostile-farm"
    unique = f"wheelfarm-hostile-{os.getpid()}"
    (home / ".ssh").mkdir(parents=True)
    for path in (home / ".netrc", home / ".ssh" / "id_ed25519", tmp_path / "temporary"):
        path.write_text("secret\n")
    shm, key = Path("/dev/shm", unique), os.getpid()
    shm.write_text("secret\n")
    memory = ctypes.CDLL(None).shmget(key, 16, 0o1600)
    # Paths of sockets are short.
    docker, agent = Path("/tmp", f"{unique}-docker"), Path("/tmp", f"{unique}-agent")
    with ExitStack() as stack:
        for path in (docker, agent):
            stack.enter_context(listening(str(path)))
            stack.callback(path.unlink)
        stack.callback(shm.unlink)
        stack.callback(ctypes.CDLL(None).shmctl, memory, 0, None)
        stack.enter_context(listening(f"\0{unique}"))
        targets: dict[str, Any] = {
            "port": stack.enter_context(listening(("127.0.0.1", 0), family=socket.AF_INET)),
            "udp": stack.enter_context(listening(("127.0.0.1", 0), socket.SOCK_DGRAM, socket.AF_INET)),
            "abstract": unique,
            "home": str(home),
            "agent": str(agent),
            "docker": str(docker),
            "secret": SECRET,
            "farm": str(farm),
            "code": str(Path(wheelfarm.__file__).with_name("errors.py")),
            "stages": str(farm / ".wheelfarm" / "stages"),
            "ccache": str(farm / "cache" / "ccache" / engine),
            "shm": unique,
            "key": key,
            "temporary": str(tmp_path / "temporary"),
            "daemon": f"{unique}-daemon",
            "runner": f"{unique}-runner",
            "device": tmp_path.stat().st_dev,
            "container": engine == "cibuildwheel",
        }
        files = tinyleaf() | {"attempts.py": ATTEMPTS, "targets.json": json.dumps(targets)}
        files["setup.py"] = f"{START}{files['setup.py']}"
        index = tiny_index(tmp_path / "index", tinyleaf=files)
        settings = tiny_farm(
            farm,
            index,
            {"tinyleaf": recipe or {}},
            settings={"engine": engine, "compiler-cache": True},
            environ=environ,
        )
        for path in (settings.stages / "other", Path(targets["ccache"]) / "tinybase", settings.wheelhouse):
            path.mkdir(parents=True)
        (settings.stages / "other" / "secret").write_text("secret\n")
        env = os.environ | {"HOME": str(home), "SSH_AUTH_SOCK": str(agent), "TWINE_PASSWORD": SECRET}
        env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        words = [sys.executable, "-c", RUN, str(farm), kind, targets["runner"]]
        finished = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert "'built'" in finished.stdout, finished.stdout + finished.stderr
    left = processes(targets["daemon"])
    for pid in left:
        os.kill(pid, 9)
    (log,) = (settings.work / "logs").glob("tinyleaf*.log")
    (line,) = (line for line in log.read_text().splitlines() if line.startswith("hostile result:"))
    result = json.loads(line.removeprefix("hostile result:"))
    (record,) = (settings.wheelhouse / "plain" / "records").glob("*.json")
    marks = [*tmp_path.rglob("mark-*"), *Path("/usr/local/lib").glob("mark-*")]
    for path in marks:
        path.unlink()
    return Outcome(
        tried={*result["tried"], "process_that_stays_behind"},
        out={*result["out"], *(path.name.removeprefix("mark-") for path in marks)}
        | ({"process_that_stays_behind"} if left else set()),
        record=Record.from_json(record.read_text(), record.name),
        output=finished.stdout,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bubblewrap", "namespaces"])
def test_none_gets_out_of_the_host_engine(tmp_path: Path, kind: str) -> None:
    outcome = run_hostile(tmp_path, "host", kind)
    assert outcome.out == set()
    assert len(outcome.tried) >= 20
    assert outcome.record.isolation is Isolation(kind)
    assert "not isolated" not in outcome.output


@pytest.mark.slow
def test_without_isolation_they_get_out(tmp_path: Path) -> None:
    """So the attempts are real ones."""
    outcome = run_hostile(tmp_path, "host", recipe=NONE)
    assert outcome.tried - outcome.out <= UNSURE | CLEARED
    assert (outcome.record.isolation, outcome.record.isolation_reason) == ("none", NONE["isolation-reason"])
    assert f"not isolated: {NONE['isolation-reason']}" in outcome.output


@pytest.mark.engine
def test_none_gets_out_of_a_container(tmp_path: Path) -> None:
    outcome = run_hostile(tmp_path, "cibuildwheel", environ=container_variables())
    assert outcome.out == set()
    assert len(outcome.tried) >= 20
    assert outcome.record.isolation is Isolation.CONTAINER


def test_bubblewrap_is_here() -> None:
    """Where CI runs this, it is what builds use."""
    assert isolation_here() is Isolation.BUBBLEWRAP
