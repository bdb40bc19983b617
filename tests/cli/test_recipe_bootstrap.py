"""inv recipe.new --bootstrap: recipes for all compiled code that a requirement needs to run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.door import Door
from support.index import make_index
from support.packages import make_sdist, tinybase, tinyleaf
from support.tiny import CHAIN, host_settings, tiny_farm
from support.wheels import make_wheel
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.door import Done
    from support.index import Index

pytestmark = pytest.mark.slow

LINUX: Final = "cp311-cp311-manylinux_2_17_x86_64"
"""The tag of a wheel with compiled code."""
KILL: Final = """\
import os, signal, sys
from wheelfarm.cli.program import StrictProgram, collection

times = int(sys.argv[2])

def hook(event, args):
    global times
    if event == sys.argv[1] and "/recipes/.tmp-" in str(args[0]):
        times -= 1
        if times == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
StrictProgram(namespace=collection()).run(["inv", *sys.argv[3:]])
"""


def compiled(
    name: str, *, runs: Sequence[str] = (), builds: Sequence[str] = (), version: str = "1.0", extra: str = ""
) -> dict[str, str]:
    """The files of a project with one extension module."""
    requires, dependencies = json.dumps(["setuptools", *builds]), json.dumps([*runs])
    return {
        "pyproject.toml": f"""\
[build-system]
requires = {requires}
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "{version}"
dependencies = {dependencies}
{extra}
[tool.setuptools]
packages = ["{name}"]
""",
        "setup.py": "from setuptools import Extension, setup\n"
        f"setup(ext_modules=[Extension('{name}._ext', ['native/ext.c'])])\n",
        f"{name}/__init__.py": f"from {name}._ext import built_against\n",
        "native/ext.c": tinyleaf()["native/ext.c"],
    }


def add_compiled(
    index: Index, name: str, *, runs: Sequence[str] = (), builds: Sequence[str] = (), version: str = "1.0"
) -> None:
    """Put a release with compiled code on the index: its source, and a wheel for Linux."""
    index.add(
        make_sdist(index.root, name, compiled(name, runs=runs, builds=builds, version=version), version),
        make_wheel(index.root, name, version, {f"{name}/__init__.py": ""}, tag=LINUX, requires=runs),
    )


def add_pure(index: Index, name: str, *runs: str) -> None:
    index.add(make_wheel(index.root, name, "1.0", {f"{name}.py": ""}, requires=runs))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """app → core, glue (pure) → leaf, tinybase of the farm; app is built against core, and by a tool."""
    index = make_index(tmp_path_factory.mktemp("index"))
    root = index.root
    index.add(
        make_wheel(root, "colorama", "1.0", {}),
        make_sdist(root, "tinybase", tinybase()),
        make_wheel(root, "tinybase", "1.0", {}, tag=LINUX),
        make_wheel(root, "tinybase", "2.0", {}, tag=LINUX),
        make_wheel(root, "tool", "1.0", {}, tag="py3-none-manylinux_2_17_x86_64"),
        make_wheel(root, "wheely", "1.0", {}, tag=LINUX),
    )
    add_compiled(index, "leaf")
    add_compiled(index, "core")
    add_pure(index, "glue", "leaf", 'winonly; sys_platform == "win32"', 'old; python_version < "3.9"')
    add_compiled(index, "winonly")
    add_compiled(index, "old")
    add_compiled(index, "duo", runs=["leaf"])
    add_compiled(index, "app", runs=["core", "glue", "tinybase"], builds=["core", "tool"])
    return index


@pytest.fixture
def farm(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    return farm_of(tmp_path, index, capsys, monkeypatch)


def farm_of(
    root: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    tiny_farm(root / "farm", index, {"tinybase": CHAIN["tinybase"]}, settings=host_settings(index))
    return Door(root / "farm", capsys, monkeypatch)


def by_name(finished: Done) -> dict[str, dict[str, Any]]:
    assert finished.stdout, finished.stderr
    return {each["name"]: each for each in json.loads(finished.stdout)["distributions"]}


def actions(finished: Done) -> dict[str, str]:
    return {name: each["action"] for name, each in by_name(finished).items()}


def recipes(farm: Door) -> set[str]:
    return {path.name for path in (farm / "recipes").iterdir()}


def is_complete(farm: Door) -> bool:
    """Whether the farm reads all its recipes, and nothing is wrong with them."""
    return farm.inv("recipe.check", "all").returncode == 0


def test_a_dry_run_shows_the_plan_and_writes_nothing(farm: Door) -> None:
    finished = farm.inv("recipe.new", "app", "--bootstrap", "--dry-run", "--json")
    assert finished.returncode == 0, finished.stderr
    assert recipes(farm) == {"tinybase"}
    rows, data = by_name(finished), json.loads(finished.stdout)
    assert {name: each["action"] for name, each in rows.items()} == {
        **dict.fromkeys(("app", "core", "leaf", "winonly"), "add"),
        "tinybase": "have",
        **dict.fromkeys(("glue", "tool", "setuptools", "build", "packaging", "pyproject-hooks"), "index"),
        "colorama": "index",
    }
    assert rows["leaf"]["required-by"] == ["glue"]
    assert rows["core"]["required-by"] == ["app"]
    assert rows["tool"]["required-by"] == ["app (build)"]
    assert rows["tool"]["why"] == "compiled, and only builds need it"
    assert rows["glue"]["why"] == "pure Python"
    assert data["written"] == []
    assert data["order"][-1] == "app"
    assert {*data["files"]["app"]} >= {"recipe.toml", "build.lock", "smoke.py"}


def test_the_table_says_what_requires_each_distribution_and_why(farm: Door) -> None:
    lines = farm.inv("recipe.new", "app", "--bootstrap", "--dry-run").stdout.splitlines()
    assert lines[0] == "app: 4 to add, 1 have, 7 from the index, 0 cannot"
    table = [" ".join(line.split()) for line in lines]
    assert "to add leaf 1.0 glue C, built by setuptools.build_meta" in table
    assert "have tinybase 1.0 app recipes/tinybase" in table
    assert "from the index glue 1.0 app pure Python" in table


def test_a_run_writes_recipes_that_pass_the_check_and_the_next_has_nothing_to_add(farm: Door) -> None:
    finished = farm.inv("recipe.new", "app", "--bootstrap")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.splitlines()[-1] == "next: inv chain app"
    assert recipes(farm) == {"tinybase", "app", "core", "leaf", "winonly"}
    assert is_complete(farm)
    requires = Farm(settings=load(farm.root)).recipes.find("app").table.requires
    assert (requires.host, {*requires.run}) == (["core"], {"core", "leaf", "tinybase", "winonly"})
    again = farm.inv("recipe.new", "app", "--bootstrap", "--json")
    assert "add" not in actions(again).values()
    assert again.returncode == 0


@pytest.mark.parametrize(("event", "times"), [("open", 2), ("os.rename", 2)])
def test_a_kill_leaves_complete_recipes_and_the_next_run_goes_on(farm: Door, event: str, times: int) -> None:
    env = {
        **{name: os.environ[name] for name in ("PATH", "HOME")},
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    words = [sys.executable, "-c", KILL, event, str(times), "recipe.new", "duo", "--bootstrap"]
    killed = subprocess.run(words, cwd=farm.root, env=env, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = {name for name in recipes(farm) if not name.startswith(".")}
    assert left == ({"tinybase"} if event == "open" else {"tinybase", "leaf"})
    assert is_complete(farm)
    finished = farm.inv("recipe.new", "duo", "--bootstrap", "--json")
    assert finished.returncode == 0, finished.stderr
    assert {*json.loads(finished.stdout)["written"]} == {"duo", "leaf"} - left
    assert is_complete(farm)


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


def test_build_builds_all_against_each_other(farm: Door) -> None:
    finished = farm.inv("recipe.new", "app", "--bootstrap", "--build")
    assert finished.returncode == 0, finished.stderr
    built = {path.name.partition("-")[0] for path in (farm / "wheelhouse").rglob("*.whl")}
    assert built == {"app", "core", "leaf", "tinybase", "winonly"}


def test_measure_writes_what_the_wheel_of_each_new_recipe_has(farm: Door) -> None:
    finished = farm.inv("recipe.new", "duo", "--bootstrap", "--measure")
    assert finished.returncode == 0, finished.stderr
    for name in ("leaf", "duo"):
        assert (farm / "recipes" / name / "sizes.toml").is_file()
        assert f"measured recipes/{name}" in finished.stderr


def test_build_is_for_a_bootstrap(farm: Door) -> None:
    finished = farm.inv("recipe.new", "leaf", "--build")
    assert (finished.returncode, recipes(farm)) == (2, {"tinybase"})
    assert "--build is for --bootstrap" in finished.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["../app"], "'../app' is not a requirement"),
        (["app @ https://example.org/app.tar.gz"], "has a url or a marker"),
        (["unknown"], "the index has no project unknown"),
        (["app>=9"], "the index has no release of app that the requirements allow"),
        (["tinybase>=2"], "the request requires tinybase>=2, and the recipe of tinybase has 1.0"),
    ],
)
def test_a_word_that_is_no_requirement_says_why(farm: Door, words: list[str], sentence: str) -> None:
    finished = farm.inv("recipe.new", *words, "--bootstrap")
    assert sentence in finished.stderr
    assert finished.returncode in {2, 13, 21}
    assert recipes(farm) == {"tinybase"}
