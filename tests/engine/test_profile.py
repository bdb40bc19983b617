"""A profile-guided build in a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.tiny import run_farm
from support.trained import trained_farm
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]


def test_a_build_in_a_container_is_trained_there(tmp_path: Path, container: dict[str, str]) -> None:
    """The script runs with the wheel that counts: another one makes other code."""
    found = []
    for name in ("sum_up", "multiply"):
        text = f"import tinyhot\nfor _ in range(50): tinyhot.{name}(100_000)\n"
        farm = trained_farm(tmp_path / name, text, settings={"engine": "cibuildwheel"}, environ=container)
        run = run_farm(farm)
        assert run.states == {"tinyhot": "built"}, run.outcomes["tinyhot"].error
        wheel = open_wheel(run.wheel("tinyhot"))
        found.append(next(wheel.read(each) for each in wheel.names if each.endswith(".so")))
    assert found[0] != found[1]


def test_a_training_that_fails_in_a_container_is_no_fault_of_the_lock(
    tmp_path: Path, container: dict[str, str]
) -> None:
    farm = trained_farm(
        tmp_path, "raise SystemExit(3)", settings={"engine": "cibuildwheel"}, environ=container
    )
    run = run_farm(farm)
    assert run.states == {"tinyhot": "failed"}
    assert "training failed with exit code 3" in str(run.error("tinyhot"))
    assert "recipe.lock" not in str(run.error("tinyhot"))
