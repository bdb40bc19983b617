"""A setup.py that runs when a recipe is locked: it gets no further than in a build."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.locks import compile_lock
from support.packages import tinyleaf
from support.raised import only
from support.servers import index_server
from support.tiny import tiny_farm, tiny_index
from support.wheels import make_wheel
from wheelfarm.errors import LockError
from wheelfarm.model import Isolation
from wheelfarm.system.sandbox import isolation_here

if TYPE_CHECKING:
    from pathlib import Path

    from support.farm import Table
    from support.index import Index

pytestmark = pytest.mark.hostile

ATTEMPTS = """\
import os, socket, subprocess
from pathlib import Path

def network():
    socket.create_connection(("127.0.0.1", {port}), 2)

def home():
    Path({home!r}, ".netrc").read_text()

def farm():
    Path({farm!r}, "recipes", "planted").write_text("x")

def temporary():
    Path({temporary!r}, "planted").write_text("x")

def processes():
    assert b"hunter2-hostile" in Path("/proc/{pid}/environ").read_bytes()

def variables():
    assert "hunter2-hostile" in str(os.environ)

out = []
for attempt in (network, home, farm, temporary, processes, variables):
    try:
        attempt()
        out.append(attempt.__name__)
    except Exception:
        pass
"""
ASK = """\
from setuptools import setup
setup(setup_requires=[f"got-out-{each}" for each in out] or ["tool"])
"""
ANSWERS = {
    "a directory": "os.mkdir(answer)",
    "a pipe": "os.mkfifo(answer)",
    "a link": "os.symlink('/etc/passwd', answer)",
    "deep": "open(answer, 'w').write('[' * 100_000)",
    "no list": "open(answer, 'w').write('{}')",
    "other values": "open(answer, 'w').write('[1]')",
    "nothing": "pass",
}
ANSWER = """\
import json, os, sys

class BuildBackendHookCaller:
    def __init__(self, tree, *args):
        answer = os.path.join(os.path.dirname(os.path.dirname(sys.executable)), "..", "answer.json")
        {how}
        os._exit(0)
"""


def lock(tmp_path: Path, index: Index, recipe: Table) -> str:
    settings = tiny_farm(tmp_path / "farm", index, {"tinyleaf": recipe}, environ=dict(os.environ))
    return compile_lock(settings, "tinyleaf")["build.lock"]


def hostile_index(root: Path, *wheels: str, **code: dict[str, str]) -> Index:
    index = tiny_index(root, **code)
    index.add(*(make_wheel(root, name, "1.0", {}) for name in ("colorama", *wheels)))
    return index


@pytest.mark.parametrize("isolated", [True, False])
def test_setup_py_gets_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated: bool) -> None:  # noqa: FBT001
    """And without isolation it does, so the attempts are real ones."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("secret")
    for name, value in {"HOME": str(home), "HTTPS_PROXY": "http://me:hunter2-hostile@proxy"}.items():
        monkeypatch.setenv(name, value)
    holder = subprocess.Popen(["sleep", "600"], env={"SECRET": "hunter2-hostile"})
    names = ("network", "home", "farm", "temporary", "processes", "variables")
    try:
        with index_server() as server:
            places = {
                "pid": holder.pid,
                "port": int(server.host.rpartition(":")[2]),
                "home": str(home),
                "farm": str(tmp_path / "farm"),
                "temporary": str(tmp_path),
            }
            files = tinyleaf()
            files["setup.py"] = ATTEMPTS.format(**places) + ASK
            tools = ("tool", *(f"got-out-{name}" for name in names))
            index = hostile_index(tmp_path / "index", *tools, tinyleaf=files)
            none = {"isolation": "none", "isolation-reason": "to see that the attempts work"}
            text = lock(tmp_path, index, {} if isolated else none)
    finally:
        holder.kill()
        holder.wait()
    found = {name for name in names if f"got-out-{name}" in text}
    # Proxies, with their passwords, are for no backend.
    assert found == (set() if isolated else {*names} - {"variables"})
    assert ("tool==1.0" in text) is isolated


@pytest.mark.parametrize("how", ANSWERS)
def test_an_answer_that_is_none(tmp_path: Path, how: str) -> None:
    """A build requirement answers in the place of the backend."""
    code = ANSWER.format(how=ANSWERS[how])
    index = hostile_index(tmp_path / "index")
    index.add(make_wheel(tmp_path, "pyproject_hooks", "99", {"pyproject_hooks/__init__.py": code}))
    error = only(lambda: lock(tmp_path, index, {}), LockError)
    assert error.what == "the backend of tinyleaf gives no valid answer about what it requires"


def test_a_sandbox_is_here() -> None:
    """Without one, the first test would prove nothing."""
    assert isolation_here() is not Isolation.NONE
