"""SIGINT and SIGTERM at any instant of a run's first seconds: one line, no traceback, no process."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
WHEELFARM = ("-m", "wheelfarm.cli.start")
LINES = {
    "interrupted: no build was running",
    "interrupted: finished builds are stored",
    "stopping the running builds",
}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def _members(session: int) -> list[str]:
    """The processes of a session and those that have left it for one of their own."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes()
        except OSError:
            continue
        if f"MARK_OF_TEST={session}".encode() in environment:
            found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def _interrupt(
    words: Sequence[str], root: Path, number: int, delay: float, started: Path | None = None
) -> tuple[int, str, list[str]]:
    """Run a command, send it a signal, and return how it ended, what it said and what it left.

    The delay begins when a file is there.
    """
    mark = random.randrange(1 << 40)  # noqa: S311 - not for secrets
    env = {"PATH": os.environ["PATH"], "HOME": str(root), "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=root,
        env={**env, "MARK_OF_TEST": str(mark)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while started is not None and not started.exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(delay)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    deadline = time.monotonic() + 5
    while (left := _members(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return process.returncode, output, left


@pytest.mark.slow  # a dozen runs
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_instant_ends_with_one_line(
    built: Path, tmp_path: Path, number: signal.Signals
) -> None:
    root = Path(shutil.copytree(built, tmp_path / "farm", symlinks=True))
    recipe = root / "recipes/tinybase/recipe.toml"
    recipe.write_text(recipe.read_text() + '[environment]\nA = "1"\n')
    chance = random.Random(time.time_ns())  # noqa: S311 - not for secrets
    for _ in range(12):
        delay = chance.uniform(0, 2)
        code, output, left = _interrupt((*WHEELFARM, "chain", "all"), root, number, delay)
        assert left == [], delay
        if "Traceback" in output or code in {-signal.SIGINT, -signal.SIGTERM}:
            # Python itself was not up yet, or was reading what sets the handlers.
            assert set(re.findall(r"wheelfarm/(\S+)\.py", output)) <= {"cli/start", "system/signals"}, output
            continue
        assert code in {0, 130}, output
        if code:
            assert output.splitlines()[-1] in LINES, output


def test_a_signal_while_the_farm_is_imported(tmp_path: Path) -> None:
    """At the first import after the handlers are there."""
    code = (
        "import signal, sys; from wheelfarm.cli import start\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'wheelfarm.cli.program': signal.raise_signal(int(sys.argv[1]))\n"
        "sys.meta_path.insert(0, Finder())\n"
        "start.main()"
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        done = subprocess.run(
            [sys.executable, "-c", code, str(int(number))],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (130, "interrupted: no build was running\n")


@pytest.mark.slow  # nox makes a farm's environment ready
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_reaches_nox_alone_is_passed_on(tmp_path: Path, number: signal.Signals) -> None:
    noxfile = tmp_path / "noxfile.py"
    noxfile.write_text(
        "import sys, nox\n"
        "from wheelfarm.cli import sessions\n"
        "from pathlib import Path\n"
        "sessions.tools_environment = lambda *_: sys.executable\n"
        "@nox.session(venv_backend='none')\n"
        "def run(session):\n"
        "    sessions._run(session, Path(), 'child')\n"
    )
    (tmp_path / "child.py").write_text(
        "import time\nfrom wheelfarm.cli.task import exit_codes\n"
        "with exit_codes():\n    open('started', 'x').close()\n    time.sleep(60)\n"
    )
    words = ("-m", "nox", "-f", str(noxfile))
    code, output, left = _interrupt(words, tmp_path, number, 0.1, tmp_path / "started")
    assert (code, left) == (130, []), output
    assert re.search("^interrupted: finished builds are stored$", output, re.MULTILINE), output
