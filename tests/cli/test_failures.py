"""Nothing aborts a run: a wrong recipe, and an exception that the farm does not expect."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from invoke.exceptions import Exit

from support.door import Door
from wheelfarm.cli.task import Invocation, task
from wheelfarm.errors import FarmError, UnexpectedError
from wheelfarm.run import build_layout
from wheelfarm.sources import unpacking

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.door import Done
    from wheelfarm.model import FetchedSource
    from wheelfarm.model.limits import Limits


@pytest.fixture
def farm(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    """A farm whose chain, tinybase and tinytop, is built."""
    root = Path(shutil.copytree(built, tmp_path / "farm", symlinks=True))
    return Door(root, capsys, monkeypatch)


def _break_name(farm: Door) -> str:
    shutil.copytree(farm / "recipes/tinybase", farm / "recipes/PyYAML")
    return "the recipe in 'PyYAML' is for 'tinybase'"


def _break_toml(farm: Door) -> str:
    (farm / "recipes/pyyaml").mkdir()
    (farm / "recipes/pyyaml/recipe.toml").write_text("name = \n")
    return "recipe.toml is not valid TOML"


def _break_text(farm: Door) -> str:
    (farm / "recipes/pyyaml").mkdir()
    (farm / "recipes/pyyaml/recipe.toml").write_bytes(b'name = "pyyaml"\nsummary = "\xe9t\xe9"\n')
    return "recipe.toml is not UTF-8"


def _break_key(farm: Door) -> str:
    shutil.copytree(farm / "recipes/tinybase", farm / "recipes/pyyaml")
    recipe = farm / "recipes/pyyaml/recipe.toml"
    recipe.write_text("colour = 1\n" + recipe.read_text().replace('"tinybase"', '"pyyaml"'))
    return "unknown key 'colour'"


def _break_requires(farm: Door) -> str:
    shutil.copytree(farm / "recipes/tinytop", farm / "recipes/pyyaml")
    recipe = farm / "recipes/pyyaml/recipe.toml"
    text = recipe.read_text().replace('name = "tinytop"', 'name = "pyyaml"')
    recipe.write_text(text.replace('["tinybase"]', '["tinybas"]'))
    return "'tinybas' is required, but the farm has no recipe for it"


def _break_files(farm: Door) -> str:
    (farm / "recipes/pyyaml").mkdir()
    return "cannot read recipe.toml"


def _break_patches(farm: Door) -> str:
    (farm / "patches/pyyaml").mkdir(parents=True)
    (farm / "patches/pyyaml/0001-x.patch").write_text("")
    return "0001-x.patch is not listed"


def _break_lock(farm: Door) -> str:
    shutil.copytree(farm / "recipes/tinytop", farm / "recipes/pyyaml")
    recipe = farm / "recipes/pyyaml/recipe.toml"
    recipe.write_text(recipe.read_text().replace('name = "tinytop"', 'name = "pyyaml"'))
    (farm / "recipes/pyyaml/build.lock").unlink()
    return "cannot read build.lock"


@pytest.mark.parametrize(
    "break_recipe",
    [
        *(_break_name, _break_toml, _break_text, _break_key, _break_requires),
        *(_break_files, _break_patches, _break_lock),
    ],
)
def test_a_wrong_recipe_does_not_stop_work_on_others(farm: Door, break_recipe: Callable[[Door], str]) -> None:
    what = break_recipe(farm)
    done = farm.wheelfarm("plan", "tinytop", "--json")
    assert done.returncode == 0, done.stderr
    assert [each["action"] for each in json.loads(done.stdout)] == ["nothing", "nothing"]
    if break_recipe is not _break_lock:  # nobody looks for it yet
        assert what in done.stderr
    assert done.stderr.count("error[") == 0
    done = farm.wheelfarm("plan", "all", "--json")
    assert done.returncode != 0
    assert what in done.stderr
    assert len(json.loads(done.stdout)) == 2
    checked = farm.wheelfarm("recipe.check", "all")
    assert (checked.returncode, what in checked.stderr) == (done.returncode, True)
    assert farm.wheelfarm("recipe.check", "tinytop").returncode == 0


def outcomes(done: Done) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(done.stdout)["outcomes"]}


def test_a_chain_builds_what_does_not_need_a_wrong_recipe(farm: Door) -> None:
    _break_toml(farm)
    top = farm / "recipes/tinytop/recipe.toml"
    top.write_text(top.read_text().replace('run = ["tinybase"]', 'run = ["tinybase", "PyYAML"]'))
    done = farm.wheelfarm("chain", "all", "--json")
    assert done.returncode == 11, done.stderr
    ended = outcomes(done)
    assert {name: each["state"] for name, each in ended.items()} == {
        "tinybase": "cached",
        "pyyaml": "failed",
        "tinytop": "blocked",
    }
    assert (ended["pyyaml"]["error"], ended["tinytop"]["blocked-by"]) == ("recipe", "pyyaml")
    assert "blocked  tinytop: blocked by pyyaml, whose recipe has an error" in done.stderr
    assert done.stderr.count("recipe.toml is not valid TOML") == 1
    done = farm.wheelfarm("chain", "tinytop")
    assert (done.returncode, done.stdout) == (11, "")
    assert "recipe.toml is not valid TOML" in done.stderr
    assert farm.wheelfarm("chain", "tinybase").returncode == 0


def test_all_wrong_recipes_are_listed(farm: Door) -> None:
    _break_name(farm)
    shutil.copytree(farm / "recipes/tinybase", farm / "recipes/other")
    done = farm.wheelfarm("recipe.check", "all")
    assert done.returncode == 11
    assert "the recipe in 'PyYAML' is for 'tinybase'" in done.stderr
    assert "the recipe in 'other' is for 'tinybase'" in done.stderr
    listed = farm.wheelfarm("recipe.list")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["tinybase", "tinytop"]
    assert listed.returncode == 11
    assert done.stderr.endswith(listed.stderr)  # after warnings


def test_an_exception_of_a_build_is_its_failure(farm: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    original = unpacking.unpack

    def unpack(source: FetchedSource, directory: Path, limits: Limits) -> Path:
        if source.name == "tinybase":
            raise ValueError("month must be in 1..12\x1b[31m")
        return original(source, directory, limits)

    monkeypatch.setattr(build_layout, "unpack", unpack)
    for name in ("tinybase", "tinytop"):
        recipe = farm / f"recipes/{name}/recipe.toml"
        recipe.write_text(recipe.read_text() + '[environment]\nA = "1"\n')
    done = farm.wheelfarm("chain", "all", "--json")
    assert done.returncode == UnexpectedError.exit_code
    ended = outcomes(done)
    assert {name: each["state"] for name, each in ended.items()} == {
        "tinybase": "failed",
        "tinytop": "blocked",
    }
    assert ended["tinybase"]["error"] == "unexpected"
    assert "error[unexpected]: ValueError: month must be in 1..12" in done.stderr
    (log,) = re.findall(r"log: (.*)", done.stderr)
    assert "Traceback" in Path(log).read_text()
    assert "Traceback" not in done.stderr


def test_an_exception_of_a_task_is_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    @task("json")
    def fail(call: Invocation) -> None:
        """Fail."""
        raise KeyError(call.json)

    with pytest.raises(Exit) as caught:
        fail(None)
    assert caught.value.code == UnexpectedError.exit_code
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "error[unexpected]",
        *("  where", "  why", "  log", "  next"),
    ]
    log = Path(lines[3].partition(": ")[2])
    assert "raise KeyError(call.json)" in log.read_text()
    log.unlink()


def test_errors_have_exit_codes_of_their_own() -> None:
    codes = [kind.exit_code for kind in FarmError.__subclasses__()]
    assert codes.count(UnexpectedError.exit_code) == 1
