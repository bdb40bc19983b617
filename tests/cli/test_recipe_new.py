"""inv recipe.new: a recipe from what an index has, and a sentence where there can be none."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.door import Door
from support.index import add_meson
from support.packages import make_sdist, tinyleaf
from support.tiny import CHAIN, host_settings, tiny_farm, tiny_index
from support.wheels import make_wheel
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from pathlib import Path

    from support.door import Done
    from support.index import Index

SETUP: Final = "from setuptools import Extension, setup\n"
# As setuptools wrote it for years: no pyproject.toml at all.
LEGACY: Final = {
    "setup.py": SETUP + "setup(name='legacy', version='1.0', packages=['legacy'],"
    " ext_modules=[Extension('legacy._ext', ['native/ext.c'])])\n",
    "legacy/__init__.py": "from legacy._ext import built_against\n",
    "native/ext.c": tinyleaf()["native/ext.c"],
}
PURE: Final = {
    "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    '[project]\nname = "purely"\nversion = "1.0"\n[tool.setuptools]\npackages = ["purely"]\n',
    "purely/__init__.py": "",
}


def below(name: str) -> dict[str, str]:
    """The files of a pure project of that name."""
    return {file.replace("purely", name): text.replace("purely", name) for file, text in PURE.items()}


RUST: Final = {
    "pyproject.toml": '[build-system]\nrequires = ["maturin>=1"]\nbuild-backend = "maturin"\n',
    "Cargo.toml": "[package]\n",
}
ZIPPED: Final = {
    **LEGACY,
    "setup.py": LEGACY["setup.py"].replace("legacy", "zipped"),
    "zipped/__init__.py": "",
    "native/ext.c": "#include <Python.h>\n#include <zlib.h>\n#include <own.h>\n" + LEGACY["native/ext.c"],
    "native/own.h": "",
}

OLDEN: Final = {"setup.py": "from numpy.distutils.core import setup\nsetup(name='olden', version='1.0')\n"}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    root = tmp_path_factory.mktemp("index")
    index = tiny_index(root)
    add_meson(index)
    packages = {"legacy": LEGACY, "purely": PURE, "rusty": RUST, "zipped": ZIPPED, "empty": {"README": ""}}
    packages["olden"] = OLDEN
    packages["nested"] = {f"python/{name}": text for name, text in below("nested").items()}
    packages["twice"] = {f"{top}/{name}": text for top in "ab" for name, text in below("twice").items()}
    index.add(
        *(make_sdist(root, name, files) for name, files in packages.items()),
        make_wheel(root, "colorama", "1.0", {}),
        make_wheel(root, "wheely", "2.0", {}),
        make_wheel(root, "tinybase", "1.0", {}),
    )
    return index


@pytest.fixture
def farm(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    tiny_farm(tmp_path / "farm", index, {"tinybase": CHAIN["tinybase"]}, settings=host_settings(index))
    return Door(tmp_path / "farm", capsys, monkeypatch)


def drafted(finished: Done) -> Any:
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def everything(root: Path) -> set[str]:
    return {str(path) for path in root.rglob("*")}


def test_a_dry_run_shows_the_files_and_writes_nothing(farm: Door) -> None:
    before = everything(farm.root / "recipes")
    answer = drafted(farm.inv("recipe.new", "tinytop", "--dry-run", "--json"))
    assert everything(farm.root / "recipes") == before
    assert answer["written"] is False
    assert (answer["version"], answer["backend"]) == ("1.0", "setuptools.build_meta")
    assert answer["requires"] == {"host": ["tinybase"], "run": ["tinybase"]}
    recipe = tomllib.loads(answer["files"]["recipe.toml"])
    assert recipe["compilers"] == ["c"]
    assert recipe["test"] == {"imports": ["tinytop"], "smoke": "smoke.py"}
    assert "setuptools==" in answer["files"]["build.lock"]
    assert any("gives no dates" in note for note in answer["notes"])
    assert any("no wheel of it" in question for question in answer["questions"])


@pytest.mark.parametrize(
    ("words", "subdirectory"),
    [
        (["nested"], "python"),
        (["nested", "--subdirectory", "python/"], "python"),
        (["twice", "--subdirectory", "b"], "b"),
    ],
)
def test_the_project_may_be_in_a_directory_of_the_source(
    farm: Door, words: list[str], subdirectory: str
) -> None:
    answer = drafted(farm.inv("recipe.new", *words, "--dry-run", "--json"))
    recipe = tomllib.loads(answer["files"]["recipe.toml"])
    assert (recipe["source"]["subdirectory"], recipe["compilers"]) == (subdirectory, [])
    assert f"its project is in the directory {subdirectory} of the source" in answer["notes"]


def test_one_of_several_projects_has_to_be_named(farm: Door) -> None:
    finished = farm.inv("recipe.new", "twice")
    assert "it has one in a, b" in finished.stderr
    assert "inv recipe.new twice --subdirectory a" in finished.stderr


def test_a_recipe_that_exists_is_not_overwritten(farm: Door) -> None:
    path = farm.root / "recipes" / "tinybase" / "recipe.toml"
    before = path.read_bytes()
    finished = farm.inv("recipe.new", "TinyBase")
    assert finished.returncode == 2
    assert "there is a recipe for tinybase already" in finished.stderr
    assert path.read_bytes() == before
    (farm.root / "recipes" / "tinyleaf").mkdir()
    assert "there is a recipe for tinyleaf already" in farm.inv("recipe.new", "tinyleaf").stderr


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["unknown"], 21, "the index has no project unknown"),
        (["tinyleaf==9"], 21, "the index has no tinyleaf 9"),
        (["wheely"], 21, "the index has only wheels of wheely 2.0"),
        (["rusty"], 13, "rusty is built with maturin, which compiles Rust: the farm does not build that"),
        (["empty"], 21, "the source of empty 1.0 has no pyproject.toml or setup.py"),
        (["twice"], 21, "the source of twice 1.0 has no pyproject.toml or setup.py"),
        (["nested", "--subdirectory", "../x"], 21, "has no pyproject.toml or setup.py in ../x"),
        (["nested", "--subdirectory", "python", "--bootstrap"], 2, "--subdirectory is for one recipe"),
        (["olden", "--python", "3.12"], 21, "olden 1.0 is not for the Pythons of this farm"),
        (["tinyleaf", "--require-dates"], 21, "the index gives no dates for tinyleaf"),
        (["tinyleaf", "--min-age", "soon"], 2, "--min-age: 'soon' is not a number of days"),
        (["tinyleaf,tinytop"], 2, "'tinyleaf,tinytop' is not one package"),
        (["tinyleaf>=1"], 2, "'tinyleaf>=1' is not a release"),
        (["../tinyleaf"], 2, "'../tinyleaf' is not a package"),
    ],
)
def test_what_cannot_be_a_recipe_says_why(farm: Door, words: list[str], code: int, sentence: str) -> None:
    before = everything(farm.root / "recipes")
    finished = farm.inv("recipe.new", *words)
    assert sentence in finished.stderr
    assert finished.returncode == code
    assert everything(farm.root / "recipes") == before


@pytest.mark.slow
def test_a_source_without_pyproject_is_built_by_the_legacy_backend_and_that_is_said(farm: Door) -> None:
    finished = farm.inv("recipe.new", "legacy")
    assert finished.returncode == 0, finished.stderr
    assert "wrote recipes/legacy: legacy 1.0, setuptools.build_meta:__legacy__, C, " in finished.stdout
    assert "it has no pyproject.toml: setuptools' legacy backend builds it" in finished.stdout
    assert "the source does not state what it needs to run" in finished.stdout
    assert finished.stdout.splitlines()[-1].endswith("then nox -s build-legacy")
    assert {each.name for each in (farm.root / "recipes" / "legacy").iterdir()} == {
        *("recipe.toml", "build.lock", "smoke.py"),
    }
    # The farm reads it as any other.
    Farm(settings=load(farm.root)).recipes.find("legacy")


@pytest.mark.slow
def test_a_system_library_is_named_for_each_package_manager(farm: Door) -> None:
    answer = drafted(farm.inv("recipe.new", "zipped", "--dry-run", "--json"))
    assert answer["system-packages"] == [
        {"name": "zlib", "apt": "zlib1g-dev", "dnf": "zlib-devel", "brew": "zlib"}
    ]
    recipe = tomllib.loads(answer["files"]["recipe.toml"])
    assert recipe["system-packages"] == {"apt": ["zlib1g-dev"], "dnf": ["zlib-devel"]}


@pytest.mark.slow
def test_pure_python_is_built_and_said(farm: Door) -> None:
    finished = farm.inv("recipe.new", "purely")
    assert "it is pure Python: nothing has to be compiled, and its wheel is tagged any" in finished.stdout
    assert tomllib.loads((farm / "recipes/purely/recipe.toml").read_text())["compilers"] == []
    built = farm.inv("chain", "purely")
    assert built.returncode == 0, built.stderr
    assert list((farm / "wheelhouse").rglob("purely-1.0-py3-none-any.whl"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tinytop", "tinyleaf", "legacy", "tinyabi3", "tinymeson"])
def test_a_recipe_builds_and_passes_its_gate_as_it_is(farm: Door, name: str) -> None:
    assert farm.inv("recipe.new", name).returncode == 0
    built = farm.inv("chain", name)
    assert built.returncode == 0, built.stderr
    assert list((farm / "wheelhouse").rglob(f"{name}-1.0-*.whl"))


@pytest.mark.slow
def test_what_the_first_wheel_has_is_expected_of_later_ones(farm: Door) -> None:
    finished = farm.inv("recipe.new", "tinyabi3", "--measure")
    assert finished.returncode == 0, finished.stderr
    directory = farm.root / "recipes" / "tinyabi3"
    recipe = tomllib.loads((directory / "recipe.toml").read_text())
    assert recipe["expect"] == {"tests": False, "vendors": [], "abi3": True}
    sizes = tomllib.loads((directory / "sizes.toml").read_text())["sizes"]
    assert all(each["file"] > 0 for each in sizes["plain"]["host"].values())
    # The second run has only run the gate.
    assert "1 checked" in finished.stderr


@pytest.mark.slow
def test_a_first_build_that_fails_leaves_the_recipe(farm: Door, tmp_path: Path, index: Index) -> None:
    broken = index.copy(tmp_path / "index")
    setup = LEGACY["setup.py"].replace("name='legacy'", "name='broken'")
    broken.add(make_sdist(tmp_path, "broken", {**LEGACY, "setup.py": setup, "native/ext.c": "no C"}))
    finished = farm.inv("recipe.new", "broken", "--measure", WHEELFARM_INDEX_URL=broken.url)
    assert finished.returncode != 0
    assert (farm / "recipes/broken/recipe.toml").is_file(), finished.stderr
    assert "nox -s build-broken" in finished.stderr
