"""The command line as one mistypes it: usage errors, joined packages, and what every task has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.farm import write_farm
from wheelfarm.cli.program import collection
from wheelfarm.cli.task import OPTIONS

if TYPE_CHECKING:
    from invoke.parser.argument import Argument

ROOT = Path(__file__).parents[2]
TASKS = collection()
WRITES = {
    "chain",
    "clean",
    "report",
    "reproduce",
    "ci.render",
    "recipe.bump",
    "recipe.lock",
    "recipe.new",
    "recipe.schema",
    "recipe.sizes",
    "init",
    "index.audit",
    "wheel.repair",
    "deploy.layer",
    "deploy.image",
}
WRITES |= {f"index.{name}" for name in ("publish", "sign", "yank", "prune", "export", "status")}
WRITES |= {"index.bundle", "index.load"}
WRITES |= {"shell", *(f"patch.{name}" for name in ("start", "save", "rebase"))}
PRINTS_JSON_ANYWAY = "recipe.schema"


@pytest.fixture
def farm(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(write_farm(tmp_path, {"alpha": {}, "beta": {}}), capsys, monkeypatch)


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (("chan", "alpha"), "there is no task 'chan'", "did you mean 'chain'?"),
        (("recipe.lsit",), "there is no task 'recipe.lsit'", "did you mean 'recipe.list'?"),
        (("chain", "alpha", "--variat", "x"), "`chain` has no option --variat", "did you mean '--variant'?"),
        (("chain", "alpha", "-y", "3.11"), "`chain` has no option -y", "valid are: "),
        (("plan", "-n"), "`plan` has no option -n", "valid are: "),
        (
            ("patch.check", "--package", "x"),
            "`patch.check` has no option --package",
            "did you mean '--packages'?",
        ),
        (("plan", "--help"), "`plan` has no option --help", "inv --help plan"),
        (("plan", "-h"), "`plan` has no option -h", "inv --help plan"),
        (("chain",), "`chain` needs PACKAGES", "inv chain scipy"),
        (("index.yank",), "`index.yank` needs RELEASE", "inv index.yank scipy==1.17.1"),
        (("chain", "alpha", "--variant"), "needed value", "inv --help chain"),
    ],
)
def test_a_usage_error_says_what_was_meant(farm: Door, words: tuple[str, ...], what: str, hint: str) -> None:
    for done in (farm.inv(*words), farm.wheelfarm(*words)):
        assert (done.returncode, done.stdout) == (2, "")
        assert what in done.stderr
        assert hint in done.stderr


def test_packages_are_one_word_for_inv(farm: Door) -> None:
    done = farm.inv("recipe.check", "alpha", "beta")
    assert done.returncode == 2
    assert "next: write alpha,beta" in done.stderr


def test_the_script_joins_packages(farm: Door) -> None:
    done = farm.wheelfarm("recipe.check", "alpha", "beta", "--json")
    assert json.loads(done.stdout) == ["alpha", "beta"], done.stderr
    assert farm.wheelfarm("recipe.check", "alpha", "--jsn").returncode == 2


SCRIPT = "import sys; from wheelfarm.cli.program import main; sys.argv[0] = 'wheelfarm'; main()"


@pytest.mark.parametrize(
    ("program", "words", "message"),
    [
        (("-m", "invoke"), ("chain", "numpy", "scipy"), "write numpy,scipy"),
        (("-c", SCRIPT), ("chan", "numpy"), "did you mean 'chain'?"),
    ],
)
def test_both_programs_in_a_process(program: tuple[str, ...], words: tuple[str, ...], message: str) -> None:
    """The farm's own tasks.py gives `inv` the same errors."""
    argv, env = [sys.executable, *program, *words], {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr


def test_tasks_file_has_the_tasks_of_the_script() -> None:
    argv = [sys.executable, "-m", "invoke", "--list", "--list-format", "json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    listed = json.loads(done.stdout)
    names = {each["name"] for each in listed["tasks"]}
    names |= {f"{each['name']}.{task['name']}" for each in listed["collections"] for task in each["tasks"]}
    assert names == set(TASKS.task_names)


def _options(name: str) -> dict[str, Argument]:
    return {str(argument.name): argument for argument in TASKS[name].get_arguments()}


@pytest.mark.parametrize("name", sorted(TASKS.task_names))
def test_an_option_has_one_meaning_in_every_task(name: str) -> None:
    options = _options(name)
    assert all(argument.help for argument in options.values())
    shorts = {key: argument.names[1] for key, argument in options.items() if len(argument.names) > 1}
    assert shorts == {key: OPTIONS[key].short for key in options if key in OPTIONS and OPTIONS[key].short}
    assert ("dry_run" in options) == (name in WRITES)
    assert ("json" in options) == (name != PRINTS_JSON_ANYWAY)
    if "engine" in options and name != "wheel.gate":
        assert "platform" in options


def test_no_task_waits_for_the_libraries_of_the_network() -> None:
    code = "import sys, wheelfarm.cli.program as p; p.collection(); "
    code += "print(*sorted({'requests', 'pypi_simple', 'lief'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
