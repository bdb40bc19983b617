"""Two runs at once, and runs that are killed: the next one succeeds, and the wheelhouse is whole."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support.store import check_tidy
from support.tiny import LEAF, VARIANT, child_command, run_farm, tiny_farm

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index
    from wheelfarm.recipes.settings import Settings


def start(settings: Settings) -> subprocess.Popen[str]:
    argv, keywords = child_command(settings, "tinyleaf")
    return subprocess.Popen(argv, stdout=subprocess.PIPE, **keywords)


def answer(process: subprocess.Popen[str]) -> dict[str, str]:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    states: dict[str, str] = json.loads(output.splitlines()[-1])["states"]
    return states


@pytest.mark.slow
def test_of_two_runs_at_once_one_builds(index: Index, tmp_path: Path) -> None:
    settings = tiny_farm(tmp_path / "farm", index, LEAF)
    first, second = start(settings), start(settings)
    states = [answer(first)["tinyleaf"], answer(second)["tinyleaf"]]
    assert sorted(states) == ["built", "cached"]
    check_tidy(settings.wheelhouse, VARIANT)


def test_after_kills_the_next_run_succeeds(index: Index, tmp_path: Path) -> None:
    """Each kill leaves the children of the run behind, as a real one does."""
    settings = tiny_farm(tmp_path / "farm", index, LEAF)
    chance = random.Random(time.time_ns())  # noqa: S311 - not for secrets
    for _ in range(3):
        process = start(settings)
        time.sleep(chance.uniform(0.3, 3))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    run = run_farm(settings)
    assert run.states["tinyleaf"] in {"built", "cached"}, run.error("tinyleaf")
    check_tidy(settings.wheelhouse, VARIANT)
    assert run_farm(settings).states == {"tinyleaf": "cached"}
