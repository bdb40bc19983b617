"""A farm over a base in a repository: patched, built on this machine, and what a newer base changes."""

from __future__ import annotations

import json
import tomllib
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from support.bases import OWN
from support.door import Door
from support.farm import make_farm
from support.repositories import Repository
from support.tiny import LEAF, host_settings, tiny_farm, tiny_index
from support.wheels import make_wheel
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index

pytestmark = pytest.mark.slow
TITLE = ("--title=Say more", "--why=a test needs it", "--upstream=none, a test")


@dataclass
class OverBase:
    """A farm without recipes of its own, and its base, which has tinyleaf."""

    door: Door
    index: Index
    repository: Repository
    commit: str

    @property
    def recipe(self) -> Path:
        """The farm's own recipe.toml, which does not exist at first."""
        return self.door / "recipes/tinyleaf/recipe.toml"

    @property
    def label(self) -> str:
        return f"acme@{self.commit[:12]}"

    def inv(self, *words: str, code: int = 0) -> str:
        done = self.door.inv(*words)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def take(self, commit: str) -> None:
        """Take another commit of the base."""
        base = {"git": self.repository.path.as_uri(), "commit": commit}
        make_farm(self.door.root, {}, settings={**host_settings(self.index), **OWN, "base": base})
        self.commit = commit


@pytest.fixture
def own(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> OverBase:
    index = tiny_index(tmp_path / "index")
    index.add(make_wheel(tmp_path, "colorama", "1.0", {}))
    repository = Repository.create(tmp_path / "acme")
    tiny_farm(repository.path, index, LEAF)
    farm = OverBase(Door(tmp_path / "own", capsys, monkeypatch), index, repository, "")
    farm.take(repository.commit())
    return farm


def stored(own: OverBase) -> tuple[zipfile.ZipFile, dict[str, Any]]:
    """The stored wheel of tinyleaf and its record."""
    farm = Farm(settings=load(own.door.root))
    (build,) = farm.plan(None).builds
    found = farm.wheelhouse.find(farm.settings.variant, build.key)
    assert found is not None
    record: dict[str, Any] = json.loads(farm.wheelhouse.record(farm.settings.variant, build.key))
    return zipfile.ZipFile(found.path), record


def test_a_recipe_of_the_base_is_patched_and_built_in_the_farm(own: OverBase) -> None:
    assert f"({own.label})" in own.inv("recipe.list")
    assert own.inv("recipe.check", "all").endswith("1 recipe OK\n")
    own.inv("patch.start", "tinyleaf")
    module = own.door / ".wheelfarm/patches/tinyleaf/tinyleaf/__init__.py"
    module.write_text(module.read_text() + "MORE = 1\n")
    assert "recipes/tinyleaf/recipe.toml: changed" in own.inv("patch.save", "tinyleaf", *TITLE)
    assert tomllib.loads(own.recipe.read_text()) == {"append": {"patches": [{"file": "0001-say-more.patch"}]}}
    assert own.inv("patch.save", "tinyleaf").startswith("nothing changed")
    assert own.inv("patch.check", "tinyleaf") == "tinyleaf 1.0: 1 patch applies\n"
    own.recipe.write_text(own.recipe.read_text() + '\n[append.environment]\nACME = "1"\n')
    assert f"({own.label}, changed here)" in own.inv("recipe.list")
    assert "not built yet" in own.inv("plan", "tinyleaf")
    assert "1 built" in own.inv("chain", "tinyleaf")
    wheel, record = stored(own)
    with wheel:
        assert b"MORE = 1" in wheel.read("tinyleaf/__init__.py")
    assert record["environment"]["ACME"] == "1"
    origins = record["resolved"]["origins"]
    assert origins["source"] == f"{own.label}: recipes/tinyleaf/recipe.toml"
    assert origins["environment.ACME"] == "recipes/tinyleaf/recipe.toml: append"
    assert "environment.ACME" in own.inv("explain", "tinyleaf")
    assert "nothing changed" in own.inv("plan", "tinyleaf")


def test_tasks_write_to_the_farm_alone(own: OverBase) -> None:
    own.inv("chain", "tinyleaf")
    assert own.inv("recipe.lock", "all") == ""
    assert not own.recipe.parent.exists()
    assert "recipes/tinyleaf/build.lock: " in own.inv("recipe.lock", "tinyleaf")
    own.inv("recipe.sizes", "tinyleaf")
    assert {path.name for path in own.recipe.parent.iterdir()} == {"build.lock", "sizes.toml"}
    for words in (
        *(["recipe.bump", "tinyleaf"], ["recipe.new", "tinyleaf"], ["patch.rebase", "tinyleaf", "--onto=2"]),
    ):
        assert "comes from the base, where nothing is written" in own.inv(*words, code=2)
    assert "left out: 1 recipe of the base" in own.inv("recipe.bump", "all")
    # Each task has read the base anew, and refuses one that somebody has changed.
    assert own.inv("recipe.check", "all") == "1 recipe OK\n"


def test_a_plan_says_what_a_newer_base_changes(own: OverBase) -> None:
    own.inv("chain", "tinyleaf")
    assert "nothing changed" in own.inv("plan", "tinyleaf")
    path = own.repository.path / "recipes/tinyleaf/recipe.toml"
    path.write_text(path.read_text() + '\n[environment]\nCORRECTED = "1"\n')
    own.take(own.repository.commit())
    assert "environment.CORRECTED" in own.inv("plan", "tinyleaf")
