"""Profile-guided builds: the training script, what the compiler makes of it, and the same bytes again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.farm import make_toolchain, plan_of
from support.raised import raised
from support.tiny import run_farm
from support.trained import trained_farm
from wheelfarm.errors import RecipeError
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path


def _code(wheel: Path) -> bytes:
    contents = open_wheel(wheel)
    (name,) = (each for each in contents.names if each.endswith(".so"))
    return contents.read(name)


@pytest.mark.slow
def test_what_the_training_runs_decides_on_the_code_and_the_key(tmp_path: Path) -> None:
    """Two runs of one script come out the same; another script makes other code of the same source."""
    scripts = [
        f"import tinyhot\nfor _ in range(50): tinyhot.{name}(100_000)\n" for name in ("sum_up", "multiply")
    ]
    runs = [run_farm(trained_farm(tmp_path / str(n), text)) for n, text in enumerate((scripts[0], *scripts))]
    assert [run.states for run in runs] == [{"tinyhot": "built"}] * 3, runs[0].outcomes["tinyhot"].error
    first, again, other = (_code(run.wheel("tinyhot")) for run in runs)
    assert first == again
    assert first != other
    inputs = [run.record("tinyhot").inputs for run in runs]
    assert [each and each.training for each in inputs] == [scripts[0], *scripts]
    assert len({run.record("tinyhot").key_parts["training"] for run in runs}) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("training", "message"),
    [
        ("raise SystemExit(3)", "training failed with exit code 3"),
        ("print('nothing of it')", "the training ran no code that the build compiled with GCC"),
        ("import nothing_like_it", "No module named 'nothing_like_it'"),
    ],
)
def test_a_training_that_trains_nothing_fails_the_build(tmp_path: Path, training: str, message: str) -> None:
    run = run_farm(trained_farm(tmp_path, training))
    assert run.states == {"tinyhot": "failed"}
    assert message in str(run.error("tinyhot"))


def test_a_script_that_is_not_there_is_an_error_of_the_recipe(tmp_path: Path) -> None:
    settings = trained_farm(tmp_path, None)
    (error,) = raised(lambda: plan_of(settings), RecipeError)
    assert error.what == "there is no file 'profile.py'"
    assert error.where == "recipes/tinyhot/recipe.toml"


def test_another_system_than_linux_has_no_profile(tmp_path: Path) -> None:
    settings = trained_farm(tmp_path, "import tinyhot\n")
    (error,) = raised(
        lambda: plan_of(settings, toolchains=[make_toolchain("cp311-macosx_arm64")]), RecipeError
    )
    assert "tinyhot can have no profile on macos" in error.what
