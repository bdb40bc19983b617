"""inv recipe.new --bootstrap where not all can have a recipe: conflicts, cycles, Rust, only wheels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.bootstrap import (
    LINUX,
    actions,
    add_compiled,
    bootstrap_index,
    by_name,
    compiled,
    farm_of,
    is_complete,
    recipes,
)
from support.packages import make_sdist
from support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from support.index import Index

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return bootstrap_index(tmp_path_factory.mktemp("index"))


def test_what_cannot_have_a_recipe_stops_nothing_else(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index.copy(tmp_path / "index")
    rust = compiled("rusty")
    rust["pyproject.toml"] = '[build-system]\nrequires = ["maturin>=1"]\nbuild-backend = "maturin"\n'
    index.add(make_sdist(index.root, "rusty", rust), make_wheel(index.root, "rusty", "1.0", {}, tag=LINUX))
    add_compiled(index, "needy", runs=["rusty", "wheely", "leaf"])
    farm = farm_of(tmp_path, index, capsys, monkeypatch)
    finished = farm.inv("recipe.new", "needy", "--bootstrap", "--json")
    rows = by_name(finished)
    assert {name: rows[name]["action"] for name in ("needy", "leaf", "rusty", "wheely")} == {
        **dict.fromkeys(("needy", "leaf"), "add"),
        **dict.fromkeys(("rusty", "wheely"), "cannot"),
    }
    assert "which compiles Rust" in rows["rusty"]["why"]
    assert "the index has only wheels of wheely 1.0" in rows["wheely"]["why"]
    assert rows["rusty"]["required-by"] == ["needy"]
    assert recipes(farm) == {"tinybase", "needy", "leaf"}
    assert finished.returncode in {13, 21}
    assert "next: inv chain needy" in finished.stderr
    # Their wheels come from the index.
    assert "rusty==1.0" in (farm / "recipes/needy/test.lock").read_text()
    assert is_complete(farm)


def test_what_the_index_does_not_have_is_in_the_table(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index.copy(tmp_path / "index")
    add_compiled(index, "broken", runs=["absent>=1", "leaf", "core"])
    farm = farm_of(tmp_path, index, capsys, monkeypatch)
    finished = farm.inv("recipe.new", "broken", "--bootstrap", "--json")
    rows = by_name(finished)
    assert rows["absent"]["action"] == rows["broken"]["action"] == "cannot"
    assert rows["absent"]["why"] == "the index has no project absent"
    assert rows["absent"]["required-by"] == ["broken"]
    assert recipes(farm) == {"tinybase", "leaf", "core"}
    assert finished.returncode == 21
    assert "the index has no project absent" in finished.stderr
    assert "the requirements of broken do not resolve" in finished.stderr


def test_a_version_that_a_requirement_excludes_is_named_with_both_sides_before_anything_is_written(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index.copy(tmp_path / "index")
    add_compiled(index, "newer", runs=["leaf", "tinybase>=2"], version="2.0")
    add_compiled(index, "newer", runs=["leaf", "tinybase"])
    farm = farm_of(tmp_path, index, capsys, monkeypatch)
    finished = farm.inv("recipe.new", "newer", "--bootstrap", "--json")
    assert finished.returncode == 13
    what = "newer 2.0 requires tinybase>=2, and the recipe of tinybase has 1.0"
    assert json.loads(finished.stdout)["conflicts"] == [what]
    assert json.loads(finished.stdout)["written"] == []
    assert what in finished.stderr
    assert "inv recipe.new 'newer==1.0' --bootstrap fits the recipes" in finished.stderr
    assert recipes(farm) == {"tinybase"}
    fitting = farm.inv("recipe.new", "newer<2", "--bootstrap")
    assert fitting.returncode == 0, fitting.stderr
    assert recipes(farm) == {"tinybase", "leaf", "newer"}


def test_a_build_requirement_that_excludes_a_recipe_is_a_conflict_too(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index.copy(tmp_path / "index")
    add_compiled(index, "strict", builds=["tinybase>=2"])
    farm = farm_of(tmp_path, index, capsys, monkeypatch)
    finished = farm.inv("recipe.new", "strict", "--bootstrap", "--json")
    what = "strict 1.0 is built with tinybase>=2, and the recipe of tinybase has 1.0"
    assert json.loads(finished.stdout)["conflicts"] == [what]
    assert recipes(farm) == {"tinybase"}


def test_a_release_that_is_needed_and_not_suitable_gets_no_recipe(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index.copy(tmp_path / "index")
    add_compiled(index, "core", version="2.0rc1")
    add_compiled(index, "eager", runs=["core>=2.0rc1", "leaf"])
    farm = farm_of(tmp_path, index, capsys, monkeypatch)
    finished = farm.inv("recipe.new", "eager", "--bootstrap", "--dry-run", "--json")
    rows = by_name(finished)
    assert (rows["core"]["action"], rows["leaf"]["action"]) == ("cannot", "add")
    assert "1.0 is the newest suitable one, and they need 2.0rc1" in rows["core"]["why"]
    assert "inv recipe.new core==2.0rc1 first" in finished.stderr


def test_a_cycle_is_named_and_the_rest_is_written(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index.copy(tmp_path / "index")
    add_compiled(index, "hen", runs=["egg"])
    add_compiled(index, "egg", runs=["hen"])
    farm = farm_of(tmp_path, index, capsys, monkeypatch)
    finished = farm.inv("recipe.new", "hen", "--bootstrap", "--json")
    found = actions(finished)
    assert sorted(found[name] for name in ("egg", "hen")) == ["add", "cannot"]
    assert finished.returncode == 12
    assert "→" in finished.stderr
    assert is_complete(farm)


def test_a_request_that_has_a_recipe_is_closed_too(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = farm_of(tmp_path, index, capsys, monkeypatch)
    assert farm.inv("recipe.new", "app").returncode == 0
    finished = farm.inv("recipe.new", "app", "--bootstrap", "--json")
    assert finished.returncode == 0, finished.stderr
    assert actions(finished)["app"] == "have"
    assert {*json.loads(finished.stdout)["written"]} == {"core", "leaf", "winonly"}
    assert json.loads(finished.stdout)["pinned-by"]["core"] == ["app"]


def test_extras_of_the_request_count(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index.copy(tmp_path / "index")
    more = '[project.optional-dependencies]\nfast = ["leaf"]'
    wheel = make_wheel(
        index.root,
        "choosy",
        "1.0",
        {},
        tag=LINUX,
        requires=['leaf; extra == "fast"'],
        fields=("Metadata-Version: 2.4", "Provides-Extra: fast"),
    )
    index.add(make_sdist(index.root, "choosy", compiled("choosy", extra=more)), wheel)
    farm = farm_of(tmp_path, index, capsys, monkeypatch)
    assert "leaf" not in actions(farm.inv("recipe.new", "choosy", "--bootstrap", "--dry-run", "--json"))
    finished = farm.inv("recipe.new", "choosy[fast]", "--bootstrap", "--dry-run", "--json")
    assert actions(finished)["leaf"] == "add"


def test_a_source_without_any_wheel_gets_a_recipe(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = index.copy(tmp_path / "index")
    index.add(make_sdist(index.root, "bare", compiled("bare", runs=["leaf"])))
    farm = farm_of(tmp_path, index, capsys, monkeypatch)
    finished = farm.inv("recipe.new", "bare", "--bootstrap", "--json")
    assert finished.returncode == 0, finished.stderr
    assert recipes(farm) == {"tinybase", "bare", "leaf"}
