"""The farm's sessions in real runs of nox on a small farm."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from support.farm import write_farm
from wheelfarm.cli.stamp import Stamp, environment_digest, file_state
from wheelfarm.cli.tools import _digest

ROOT = Path(__file__).parents[2]
NOXFILE = """
from pathlib import Path
import nox
from wheelfarm.cli.sessions import register
from wheelfarm.cli.tools import tools_environment

ROOT = Path(__file__).parent
register(ROOT)

@nox.session(venv_backend="none", default=False)
def tools(session):
    session.log(f"made {tools_environment(session, ROOT, 'farm')}")
"""
RECIPES: dict[str, dict[str, Any]] = {
    "numpy": {"summary": "arrays"},
    "scipy": {"requires": {"host": ["numpy"], "run": ["numpy"]}},
    "learn": {"requires": {"host": ["scipy"], "run": ["elsewhere"]}},
    "broken": {},
}


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    files = {
        "noxfile.py": NOXFILE,
        "recipes/broken/recipe.toml": "name =",
        "requirements/farm.txt": "# nothing\n",
    }
    return write_farm(tmp_path / "farm", RECIPES, files=files)


def _environ(farm: Path) -> dict[str, str]:
    programs = str(Path(sys.executable).parent)
    path = os.pathsep.join([programs, os.defpath])
    return {"PYTHONPATH": str(ROOT / "src"), "PATH": path, "HOME": str(farm), "PIP_NO_INDEX": "1"}


def _started(farm: Path, *words: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "nox", "-f", str(farm / "noxfile.py"), *words]
    return subprocess.Popen(
        argv, env=_environ(farm), cwd=farm, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def _nox(farm: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "nox", "-f", str(farm / "noxfile.py"), *words]
    return subprocess.run(argv, env=_environ(farm), cwd=farm, capture_output=True, text=True, check=False)


def _listed(farm: Path, *words: str) -> list[dict[str, Any]]:
    """The sessions that nox would run: those that are named, and what they require."""
    finished = _nox(farm, "--list", "--json", *words)
    assert finished.returncode == 0, finished.stderr
    listed: list[dict[str, Any]] = json.loads(finished.stdout)
    return listed


@pytest.mark.parametrize("suffix", ["", "(plain)", "(netlib)"])
def test_a_session_requires_those_of_its_chain_in_its_own_variant(farm: Path, suffix: str) -> None:
    listed = _listed(farm, "--session", f"build-learn{suffix}")
    descriptions = {each["session"]: each["description"] for each in listed}
    assert descriptions.keys() == {f"build-{name}{suffix}" for name in ("numpy", "scipy", "learn")}
    assert descriptions[f"build-numpy{suffix}"] == "numpy 1.0: arrays [plain, netlib]"


def test_the_list_has_packages_first_and_ci_last(farm: Path) -> None:
    finished = _nox(farm, "--list")
    assert finished.returncode == 0, finished.stderr
    lines = [line for line in finished.stdout.splitlines() if line.startswith("- ")]
    names = [line.split()[1] for line in lines]
    packages = sorted(RECIPES)
    assert names[:8] == [f"{verb}-{name}" for verb in ("build", "test") for name in packages]
    assert names[8] == "ci-last"
    assert lines[0] == "- build-broken [build] -> broken ?: the recipe cannot be read [plain, netlib]"


def test_every_recipe_has_its_sessions_even_a_broken_one(farm: Path) -> None:
    finished = _nox(farm, "--list", "--keywords", "build or test or ci or tools")
    assert finished.returncode == 0
    sessions = {line.split()[1] for line in finished.stdout.splitlines() if line[:2] in {"- ", "* "}}
    wanted = {f"{verb}-{name}" for verb in ("build", "test") for name in RECIPES}
    verbs = ("last", "plan", "prepare", "build", "summary", "collect", "publish")
    wanted |= {f"{name}({variant})" for name in wanted for variant in ("plain", "netlib")}
    wanted |= {f"ci-{verb}" for verb in verbs}
    assert sessions == wanted | {"tools"}


def test_without_a_name_nothing_runs(farm: Path) -> None:
    """A chain takes long."""
    listed = _nox(farm, "--list").stdout.splitlines()
    assert not any(line.startswith("* ") for line in listed)


def test_tags_choose_a_variant(farm: Path) -> None:
    chosen = {each["session"] for each in _listed(farm, "--tags", "build-netlib")}
    assert chosen == {f"build-{name}(netlib)" for name in RECIPES}


def _pretend_tools(farm: Path, code: int = 0, lock: str = "farm") -> Path:
    """Replace the interpreter of the farm's environment by one that writes its arguments to a file."""
    calls = farm / "calls"
    python = farm / f".nox/farm-{lock}/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "$PWD $*" >> "{calls}"\nexit {code}\n')
    python.chmod(0o755)
    (python.parents[1] / "made-from").write_text(_digest(farm / f"requirements/{lock}.txt"))
    return calls


def _stamp_of(farm: Path, *words: str) -> Path:
    name = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
    return farm / ".nox/stamps" / f"{words[1]}-{name}.json"


def test_each_session_of_a_chain_runs_the_task_of_its_package(farm: Path) -> None:
    calls = _pretend_tools(farm)
    finished = _nox(farm, "-s", "build-scipy(netlib)", "test-scipy(netlib)", "--", "--jobs", "2")
    assert finished.returncode == 0, finished.stderr
    words = [("chain", name, "--variant", "netlib", "--jobs", "2") for name in ("numpy", "scipy")]
    assert calls.read_text().splitlines() == [
        *(f"{farm} -m invoke {' '.join(each)} --stamp {_stamp_of(farm, *each)}" for each in words),
        f"{farm} -m invoke test scipy --variant netlib --jobs 2",
    ]


def test_what_publishes_has_an_environment_that_can_sign(farm: Path) -> None:
    lacking = _nox(farm, "-s", "ci-publish")
    assert lacking.returncode != 0
    assert "requirements/publish.txt is missing: nox -s lock writes it" in lacking.stderr
    (farm / "requirements/publish.txt").write_text("# nothing\n")
    calls = _pretend_tools(farm, lock="publish")
    finished = _nox(farm, "-s", "ci-publish", "--", "--index", "internal")
    assert finished.returncode == 0, finished.stderr
    assert calls.read_text() == f"{farm} -m wheelfarm.cli.ci_run publish --index internal\n"
    # And this farm's own can.
    assert "\nsigstore==" in (ROOT / "requirements/publish.txt").read_text()


def test_a_failure_stops_the_chain(farm: Path) -> None:
    calls = _pretend_tools(farm, code=43)
    finished = _nox(farm, "-s", "build-learn")
    assert finished.returncode != 0
    assert len(calls.read_text().splitlines()) == 1


def test_a_stamp_that_holds_is_all_that_is_read(farm: Path) -> None:
    path = _stamp_of(farm, "chain", "numpy")
    recipe = farm / "recipes/numpy/recipe.toml"
    stamp = Stamp(
        files={str(recipe): file_state(recipe)},
        environment=environment_digest(_environ(farm)),
        commands={},
        lines=["numpy is there already"],
    )
    path.parent.mkdir(parents=True)
    path.write_text(stamp.to_json(), encoding="utf-8")
    finished = _nox(farm, "-s", "build-numpy")
    assert finished.returncode == 0, finished.stderr
    assert "numpy is there already" in finished.stderr
    assert not (farm / ".nox/farm-farm").exists()


def test_a_stamp_whose_program_is_gone_does_not_hold(farm: Path) -> None:
    calls = _pretend_tools(farm)
    path = _stamp_of(farm, "chain", "numpy")
    environment = environment_digest(_environ(farm))
    stamp = Stamp(files={}, environment=environment, commands={"no-such-engine\0version": "x"}, lines=[])
    path.parent.mkdir(parents=True)
    path.write_text(stamp.to_json(), encoding="utf-8")
    finished = _nox(farm, "-s", "build-numpy")
    assert finished.returncode == 0, finished.stderr
    assert "chain numpy" in calls.read_text()


def test_the_tools_environment_is_made_once(farm: Path) -> None:
    first = _nox(farm, "-s", "tools")
    assert first.returncode == 0, first.stderr
    python = farm / ".nox/farm-farm/bin/python"
    assert f"made {python}" in first.stderr
    # The farm's own source is importable there, without being installed.
    printed = subprocess.run(
        [python, "-c", "import wheelfarm; print(wheelfarm.__file__)"],
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(printed.stdout.strip()) == ROOT / "src/wheelfarm/__init__.py"
    before = file_state(python.parent / "pip")
    again = _nox(farm, "-s", "tools")
    assert "making the environment" in first.stderr
    assert "making the environment" not in again.stderr
    assert file_state(python.parent / "pip") == before


def test_two_runs_at_once_make_the_tools_environment_once(farm: Path) -> None:
    runs = [_started(farm, "-s", "tools") for _ in range(2)]
    said = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sum("making the environment" in each for each in said) == 1
    assert all("made " in each for each in said)


def test_a_run_waits_for_the_one_that_makes_the_environment(farm: Path) -> None:
    calls = farm / "calls"
    (farm / ".nox").mkdir()
    with FileLock(farm / ".nox/farm-farm.lock"):
        run = _started(farm, "-s", "build-numpy")
        assert run.stderr is not None
        while "waiting for .nox/farm-farm" not in run.stderr.readline():
            assert run.poll() is None
        _pretend_tools(farm)
    run.communicate(timeout=120)
    assert run.returncode == 0
    assert "chain numpy" in calls.read_text()
