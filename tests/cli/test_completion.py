"""Completion as a shell asks for it, with invoke's own script."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.farm import write_farm
from wheelfarm.cli.completion import candidates, words_of

ROOT = Path(__file__).parents[2]
NAMES: dict[str, dict[str, str]] = {"alpha": {}, "alphabet": {}, "beta": {}}


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    root = write_farm(tmp_path, NAMES)
    (root / "recipes/.draft").mkdir()
    (root / "recipes/.draft/recipe.toml").touch()
    shutil.copy(ROOT / "tasks.py", root)
    return root


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("inv chain al", ["alpha", "alphabet", "beta", "all"]),
        ("inv chain alpha,b", ["alpha,alphabet", "alpha,beta"]),
        ("inv recipe.lock b", ["alpha", "alphabet", "beta", "all"]),
        ("inv chain alpha --variant pl", ["plain", "netlib"]),
        ("inv chain alpha -v pl", ["plain", "netlib"]),
        ("inv ch", []),
        ("inv chain alpha --var", []),
        ("inv chain 'al", []),
        ("inv", []),
    ],
)
def test_what_the_last_word_may_become(farm: Path, line: str, expected: list[str]) -> None:
    below = farm / "recipes" / "alpha"
    assert candidates(words_of(line), below) == expected


def test_outside_of_a_farm_there_is_nothing(tmp_path: Path) -> None:
    assert candidates(["chain", "al"], tmp_path) == []


def inv(farm: Path, *words: str) -> list[str]:
    argv = [sys.executable, "-m", "invoke", *words]
    done = subprocess.run(argv, cwd=farm, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


def test_names_come_before_the_farm_is_imported(farm: Path) -> None:
    (farm / "tasks.py").write_text(
        (ROOT / "tasks.py").read_text().replace("from wheelfarm.cli import ci", "raise SystemError  #")
    )
    assert inv(farm, "--complete", "--", "inv chain al") == ["alpha", "alphabet", "beta", "all"]


@pytest.mark.slow
def test_after_a_whole_task_tasks_and_names_are_given(farm: Path) -> None:
    found = inv(farm, "--complete", "--", "inv chain")
    assert {"alpha", "beta", "chain", "recipe.lock"} <= set(found)
    assert "--nightly" in inv(farm, "--complete", "--", "inv chain --n")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_a_name(farm: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("inv", "invoke"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m invoke "$@"\n')
        program.chmod(0o755)
    script = (
        'eval "$(inv --print-completion-script bash)"\n'
        "function=$(complete -p inv | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        'COMP_WORDS=(inv chain alphab); COMP_CWORD=2; "$function" inv alphab chain; echo "${COMPREPLY[@]}"\n'
    )
    env = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=farm, env=env, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["alphabet"], done.stderr
