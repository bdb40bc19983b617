"""What sessions, completion, stamps and `wheelfarm init` make of a farm over a base."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from support.bases import commit_farm, farm_over
from support.door import Door
from support.repositories import Repository
from wheelfarm import __version__
from wheelfarm.cli.completion import candidates
from wheelfarm.cli.farm_files import FarmFiles
from wheelfarm.cli.run_stamp import input_states
from wheelfarm.cli.sessions import read_summaries

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

OVERLAY = """\
[replace]
version = "2.0"

[append.requires]
host = ["beta"]
"""
NOXFILE = """\
from pathlib import Path
from wheelfarm.cli.sessions import register
register(Path(__file__).parent)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A farm that changes alpha of its base, which has beta too."""
    commit = commit_farm(tmp_path / "acme", {"alpha": {"summary": "first"}, "beta": {}})
    files = {"recipes/alpha/recipe.toml": OVERLAY, "noxfile.py": NOXFILE}
    return farm_over(tmp_path / "own", tmp_path / "acme", commit, files=files)


def test_sessions_are_those_of_both_farms(settings: Settings) -> None:
    farm = FarmFiles(settings.root)
    assert farm.base is not None
    alpha, beta = read_summaries(settings.recipes, farm.base.recipes)
    assert (alpha.version, alpha.summary, alpha.needs) == ("2.0", "first", ("beta",))
    assert (beta.name, beta.version) == ("beta", "1.0")
    assert farm.variants == ("plain", "netlib")


def test_a_recipe_in_place_of_the_base_s_needs_what_it_says_itself(settings: Settings) -> None:
    own = 'base = false\nname = "alpha"\nversion = "3.0"\nsummary = "ours"\n'
    (settings.recipes / "alpha/recipe.toml").write_text(own)
    farm = FarmFiles(settings.root)
    assert farm.base is not None
    base = farm.base.recipes / "alpha/recipe.toml"
    base.write_text(base.read_text() + '[requires]\nhost = ["beta"]\n')
    alpha, _ = read_summaries(settings.recipes, farm.base.recipes)
    assert (alpha.version, alpha.summary, alpha.needs) == ("3.0", "ours", ())


def nox_list(root: Path) -> str:
    argv = [sys.executable, "-m", "nox", "-l"]
    return subprocess.run(argv, cwd=root, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_base_that_is_not_here_has_a_session_that_fetches_it(settings: Settings) -> None:
    assert "build-beta" in nox_list(settings.root)
    shutil.rmtree(settings.work / "base")
    listed = nox_list(settings.root)
    assert "Fetch the base of the farm, whose recipes get sessions then." in listed
    assert "build-beta" not in listed
    assert "build-alpha [build] -> alpha 2.0: its base is not here yet" in listed


def test_completion_knows_the_packages_and_variants_of_the_base(settings: Settings) -> None:
    assert candidates(["chain", ""], settings.root) == ["alpha", "beta", "all"]
    assert candidates(["chain", "alpha", "-v", ""], settings.root) == ["plain", "netlib"]
    shutil.rmtree(settings.recipes)
    assert candidates(["chain", ""], settings.root) == ["alpha", "beta", "all"]


def test_a_stamp_depends_on_the_files_of_the_base(settings: Settings) -> None:
    assert settings.base_farm is not None
    before = input_states(settings)
    path = settings.base_farm.recipes / "beta/recipe.toml"
    path.write_text(path.read_text() + "\n")
    assert {key for key, state in input_states(settings).items() if before[key] != state} == {str(path)}


def test_a_job_that_bumps_leaves_a_farm_of_base_recipes_as_it_is(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(settings.recipes)
    subprocess.run(["git", "init", "--quiet", settings.root], check=True)
    (tmp_path / "output").touch()
    done = Door(settings.root, capsys, monkeypatch).ci("bump", GITHUB_OUTPUT=str(tmp_path / "output"))
    assert (done.returncode, (tmp_path / "output").read_text()) == (0, "changed=false\n"), done.stderr
    assert "left out: 2 recipes of the base acme@" in done.stderr
    assert Repository(settings.root).git("diff", "--cached", "--name-only") == ""


def test_init_starts_a_farm_over_wheelfarm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(tmp_path, capsys, monkeypatch)
    refused = door.wheelfarm("init", "--base", "--recipes", "numpy")
    assert (refused.returncode, "leave one of them out" in refused.stderr) == (2, True)
    done = door.wheelfarm("init", "--base")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "9 files written")
    assert done.stderr.endswith("nox -s build-numpy\n")
    table = tomllib.loads((door / "pyproject.toml").read_text())["tool"]["wheelfarm"]
    assert table["base"] == f"wheelfarm=={__version__}"
    assert table.keys().isdisjoint({"variants", "defaults"})
    assert not (door / "recipes").exists()
    assert door.inv("recipe.check", "all").stderr.endswith("recipes OK\n")
    assert door.inv("ci.check").stderr == "current: farm.yml\n"
    again = door.wheelfarm("init", "--base")
    assert (again.returncode, "add base =" in again.stderr) == (2, True)


def test_a_copied_farm_names_the_base_that_it_could_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(tmp_path, capsys, monkeypatch)
    door.wheelfarm("init")
    assert f'\n# base = "wheelfarm=={__version__}"' in (door / "pyproject.toml").read_text()
