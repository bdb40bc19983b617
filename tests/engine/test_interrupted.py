"""Runs with containers that are interrupted or killed: nothing goes on, nothing is left, nothing is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from support.index import Index
from support.packages import make_sdist, tinyleaf
from support.store import check_tidy
from support.tiny import LEAF, VARIANT, child_command, kill_runs, run_farm, tiny_farm
from wheelfarm.build.containers import container_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

# Not beside other tests: on a busy machine the run after the kills once could not read its container.
pytestmark = [pytest.mark.engine, pytest.mark.hostile]


def slow_farm(root: Path, index: Index, container: dict[str, str], seconds: float) -> Settings:
    """A farm of tinyleaf, whose build sleeps."""
    files = tinyleaf()
    files["setup.py"] = (
        f"import time\nprint('IN THE BUILD', flush=True)\ntime.sleep({seconds})\n{files['setup.py']}"
    )
    root.mkdir()
    own = Index(root / "index")
    own.add(*(index.root / "files").glob("*.whl"), make_sdist(root, "tinyleaf", files))
    tasks = "from wheelfarm.cli.program import collection\n\nnamespace = collection()\n"
    return tiny_farm(
        root / "farm",
        own,
        LEAF,
        settings={"engine": "cibuildwheel"},
        files={"tasks.py": tasks},
        environ=container,
    )


def start(settings: Settings, *options: str) -> subprocess.Popen[str]:
    """The task, as one would type it."""
    _, keywords = child_command(settings)
    argv = [sys.executable, "-m", "invoke", "chain", "tinyleaf", *options]
    return subprocess.Popen(
        argv, cwd=settings.root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **keywords
    )


def containers(settings: Settings) -> list[str]:
    """The containers of this farm's builds, running or not; those of other farms are none of ours."""
    program = container_engine(settings)
    assert program is not None
    found: list[str] = []
    for log in (settings.work / "logs").glob("tinyleaf-*.log"):
        label = program.label(settings.work / "stages" / log.stem).removeprefix("--")
        words = [program.program, "ps", "--all", "--quiet", "--filter", label]
        found += subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return found


def wait_for(what: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def in_the_build(settings: Settings) -> bool:
    logs = list((settings.work / "logs").glob("tinyleaf-*.log"))
    return bool(logs) and "IN THE BUILD" in logs[0].read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_interrupt_ends_it_within_ten_seconds(
    index: Index, container: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    settings = slow_farm(tmp_path / "slow", index, container, 300)
    process = start(settings)
    wait_for(lambda: in_the_build(settings))
    assert containers(settings)
    began = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert containers(settings) == []
    assert not list(settings.wheelhouse.rglob("*.whl"))


def test_a_container_that_dies_in_the_build(index: Index, container: dict[str, str], tmp_path: Path) -> None:
    settings = slow_farm(tmp_path / "slow", index, container, 20)
    process = start(settings, "--json")
    wait_for(lambda: in_the_build(settings))
    program = container_engine(settings)
    assert program is not None
    subprocess.run([program.program, "rm", "--force", "--time=0", *containers(settings)], check=True)
    output, _ = process.communicate(timeout=60)
    (outcome,) = json.loads(output)["outcomes"]
    assert (outcome["state"], outcome["failure"], outcome["attempts"]) == ("failed", "engine", 1)
    assert process.returncode == 43
    assert containers(settings) == []
    assert not list(settings.wheelhouse.rglob("*.whl"))


def test_after_kills_at_any_instant_the_next_run_succeeds(
    index: Index, container: dict[str, str], tmp_path: Path
) -> None:
    settings = slow_farm(tmp_path / "slow", index, container, 2)
    kill_runs(lambda: start(settings), times=6, within=(0.5, 9))
    run = run_farm(settings)
    assert run.states["tinyleaf"] in {"built", "cached"}, run.error("tinyleaf")
    assert containers(settings) == []
    assert not list((settings.work / "stages").glob("*/*"))
    check_tidy(settings.wheelhouse, VARIANT)
