"""Builds whose recipe edits the metadata of the wheel: stored, recorded, reproduced, and used downstream."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from support.clones import reloaded
from support.edited import LOCAL, index_of
from support.runs import LineListener
from support.store import check_tidy
from support.tiny import VARIANT, run_farm, tiny_farm, tiny_index
from support.wheels import make_wheel
from wheelfarm.run.farm import Farm
from wheelfarm.run.reproduce import Reproduction
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from support.tiny import Run
    from wheelfarm.recipes.settings import Settings

pytestmark = pytest.mark.slow


def built(run: Run, *names: str) -> None:
    assert run.states == dict.fromkeys(names, "built"), [str(each.error) for each in run.outcomes.values()]


def test_a_local_version_and_a_pin_are_recorded_and_reproduced(tmp_path: Path) -> None:
    # Installers pass over a requirement for another system.
    edits = {"add": ['setuptools; sys_platform == "plan9"'], "pin-to-built": {"setuptools": ">=x"}}
    table = {"metadata": {"local-version": "team.1", "requires": edits}}
    settings = tiny_farm(tmp_path / "farm", tiny_index(tmp_path / "index"), {"tinyleaf": table})
    run = run_farm(settings)
    built(run, "tinyleaf")
    wheel, record = open_wheel(run.wheel("tinyleaf")), run.record("tinyleaf")
    assert (wheel.version, record.version) == ("1.0+team.1", "1.0+team.1")
    assert record.inputs is not None
    assert record.inputs.version == "1.0"
    (setuptools,) = (each for each in record.build_requirements if each.name == "setuptools")
    major = setuptools.version.partition(".")[0]
    assert wheel.metadata.requires_dist == (f'setuptools>={major}; sys_platform == "plan9"',)
    (sbom,) = (name for name in wheel.names if name.endswith("wheelfarm.cdx.json"))
    assert json.loads(wheel.read(sbom))["metadata"]["component"]["purl"] == "pkg:pypi/tinyleaf@1.0%2Bteam.1"
    check_tidy(settings.wheelhouse, VARIANT)
    assert run_farm(settings).states == {"tinyleaf": "cached"}
    wheelhouse = Farm(settings=settings).wheelhouse
    (again,) = Reproduction.of(record, settings=settings, wheelhouse=wheelhouse).run(LineListener([]))
    assert again.identical


def test_a_chain_of_edited_wheels(edited_chain: Settings) -> None:
    run = run_farm(edited_chain)
    assert run.states == {"tinybase": "cached", "tinytop": "cached"}
    base, top = (open_wheel(run.wheel(name)) for name in ("tinybase", "tinytop"))
    assert (base.version, base.metadata.requires_dist) == (LOCAL, ("quick", "plus>=1"))
    assert (top.version, top.metadata.requires_dist) == ("1.0", ("tinybase~=1.0", "quick>=2"))
    assert Version("1.0") < Version(LOCAL) < Version("1.0.post1")
    # The plan tests tinytop with what both wheels require, and not with what the index says of tinybase.
    planned = {str(each.name): each.version for each in run.build("tinytop").test_requirements}
    assert planned == {"quick": "2.0", "plus": "1.0"}
    environment = {str(each.name): each for each in run.record("tinytop").build_requirements}
    assert (environment["tinybase"].version, environment["tinybase"].farm) == (LOCAL, True)
    # The build environment of tinytop has what the edited tinybase requires.
    assert environment["plus"].version == "1.0"
    check_tidy(edited_chain.wheelhouse, VARIANT)
    wheelhouse = Farm(settings=edited_chain).wheelhouse
    reproduction = Reproduction.of(run.record("tinytop"), settings=edited_chain, wheelhouse=wheelhouse)
    (again,) = reproduction.run(LineListener([]))
    assert again.identical


def test_pip_finds_the_gates_environment_consistent(edited_chain: Settings) -> None:
    pip = "python -m pip --isolated --disable-pip-version-check"
    script = f"python -m ensurepip --default-pip > $HOME/log && {pip} check && {pip} list"
    (edited_chain.root / "tasks.py").write_text(
        "from wheelfarm.cli.program import collection\n\nnamespace = collection()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "shell", "tinytop", "--at=test", f"--run={script}"],
        cwd=edited_chain.root,
        env={**edited_chain.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first == "No broken requirements found."
    versions = {words[0]: words[1] for line in rest if len(words := line.split()) == 2}
    assert versions.items() >= {"tinybase": LOCAL, "tinytop": "1.0", "quick": "2.0", "plus": "1.0"}.items()


@pytest.mark.parametrize("release", ["0.9", None])
def test_the_gate_refuses_an_edit_that_is_not_met(
    edited: Path, edited_chain: Settings, release: str | None
) -> None:
    """The lock of the tests has a release that the edited metadata exclude, or none."""
    index = index_of(edited).copy(edited_chain.root / "own")
    index.add(make_wheel(edited_chain.root, "plus", "0.9", {}))
    new = f"plus==0.9 --hash=sha256:{index.sha256('plus-0.9-py3-none-any.whl')}\n" if release else ""
    lock = edited_chain.recipes / "tinybase/test.lock"
    lines = lock.read_text().replace("\\\n", "").splitlines(keepends=True)
    lock.write_text("".join(new if line.startswith("plus==") else line for line in lines))
    run = run_farm(reloaded(edited_chain, **{"index-url": index.url}), "tinybase")
    assert run.states == {"tinybase": "failed"}
    error = run.error("tinybase")
    assert "the wheel does not install in a fresh environment" in error.what
    assert "plus>=1" in (error.why or "")
    assert (error.hint or "").startswith("metadata.requires edits what it requires")


def test_an_edit_that_changes_nothing_stores_nothing(tmp_path: Path) -> None:
    table = {"metadata": {"requires": {"loosen": ["numpy"]}}}
    settings = tiny_farm(tmp_path / "farm", tiny_index(tmp_path / "index"), {"tinyleaf": table})
    run = run_farm(settings)
    assert run.states == {"tinyleaf": "failed"}
    error = run.error("tinyleaf")
    assert error.what == "'numpy' is not among the run requirements without an extra"
    assert error.where == "recipes/tinyleaf/recipe.toml: metadata.requires.loosen"
    assert not list(settings.wheelhouse.glob("**/*.whl"))
