"""inv recipe.new --bootstrap: recipes for all compiled code that a requirement needs to run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from support.bootstrap import (
    actions,
    bootstrap_index,
    by_name,
    farm_of,
    is_complete,
    recipes,
)
from wheelfarm.recipes.settings import load
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    from pathlib import Path

    from support.door import Door
    from support.index import Index

pytestmark = pytest.mark.slow

KILL: Final = """\
import os, signal, sys
from wheelfarm.cli.program import StrictProgram, collection

times = int(sys.argv[2])

def hook(event, args):
    global times
    if event == sys.argv[1] and "/recipes/.tmp-" in (path := str(args[0])) and not path.endswith(".lock"):
        times -= 1
        if times == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
StrictProgram(namespace=collection()).run(["inv", *sys.argv[3:]])
"""


def environment() -> dict[str, str]:
    """What another process needs to run the command line."""
    paths = os.pathsep.join(path for path in sys.path if path)
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PYTHONPATH": paths}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return bootstrap_index(tmp_path_factory.mktemp("index"))


@pytest.fixture
def farm(
    tmp_path: Path, index: Index, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Door:
    return farm_of(tmp_path, index, capsys, monkeypatch)


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
    words = [sys.executable, "-c", KILL, event, str(times), "recipe.new", "duo", "--bootstrap"]
    killed = subprocess.run(
        words, cwd=farm.root, env=environment(), capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = {name for name in recipes(farm) if not name.startswith(".")}
    assert left == ({"tinybase"} if event == "open" else {"tinybase", "leaf"})
    assert is_complete(farm)
    finished = farm.inv("recipe.new", "duo", "--bootstrap", "--json")
    assert finished.returncode == 0, finished.stderr
    assert {*json.loads(finished.stdout)["written"]} == {"duo", "leaf"} - left
    assert recipes(farm) == {"tinybase", "leaf", "duo"}
    assert is_complete(farm)


def test_two_runs_at_once_leave_complete_recipes(farm: Door) -> None:
    words = [sys.executable, "-c", KILL, "", "0", "recipe.new", "duo", "--bootstrap"]
    runs = [
        subprocess.Popen(words, cwd=farm.root, env=environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for run in runs:
        errors = run.communicate()[1]
        assert run.returncode == 0 or "nothing is overwritten" in errors
    assert recipes(farm) == {"tinybase", "leaf", "duo"}
    assert is_complete(farm)


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
