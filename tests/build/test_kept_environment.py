"""What is kept beside a build directory on this machine: the environment as it was made."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.farm import make_farm
from support.kept import built, lay, stage_in
from wheelfarm.build.build_cache import Kept
from wheelfarm.build.directory import ENVIRONMENT, BuildDirectory
from wheelfarm.build.host_engine import Host
from wheelfarm.build.inside import prepare_build_cache as settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path) -> BuildDirectory:
    """A stage in which something was built, with its environment as it was made."""
    stage = stage_in(tmp_path)
    env = stage.root / ENVIRONMENT
    (env / "lib").mkdir(parents=True)
    (env / "lib" / "a.py").write_text("a = 1\n")
    (env / "python").symlink_to("/usr/bin/python3")
    settle.settle(env)
    (stage.root / settle.HELD).write_text(json.dumps(settle.held(env)))
    return stage


def taken(stage: BuildDirectory, change: Callable[[Path], object] | None = None) -> Path:
    """The environment of the next stage, after a build that did something to that of the last."""
    found = Kept.beside(stage.root)
    basis = found.take(stage, stage.root / "build")
    settle.main(stage.root / "build", stage.root)
    if change is not None:
        change(stage.root / ENVIRONMENT)
    found.keep(basis, built(stage))
    found.take(lay(stage), stage.root / "build")
    assert (stage.root / "build").is_dir()
    return stage.root / ENVIRONMENT


def bytecode(env: Path) -> None:
    (env / "lib" / "__pycache__").mkdir()
    (env / "lib" / "__pycache__" / "a.pyc").write_text("")


@pytest.mark.parametrize("change", [None, bytecode])
def test_it_comes_back_as_it_was_made(stage: BuildDirectory, change: Callable[[Path], object] | None) -> None:
    assert (taken(stage, change) / "lib" / "a.py").read_text() == "a = 1\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda env: (env / "lib" / "a.py").write_text("a = 2\n"),
        lambda env: (env / "lib" / "a.py").unlink(),
        lambda env: (env / "lib" / "b.py").touch(),
        lambda env: (env / "python").unlink(),
        lambda env: (env.parent / settle.HELD).unlink(),
        lambda env: (env.parent / settle.HELD).write_text("half"),
        shutil.rmtree,
    ],
    ids=["changed", "removed", "added", "a link removed", "untold", "told by half", "all gone"],
)
def test_what_a_build_has_changed_is_made_anew(
    stage: BuildDirectory, change: Callable[[Path], object]
) -> None:
    assert not taken(stage, change).exists()


def test_a_stage_of_another_kind_gets_nothing(stage: BuildDirectory) -> None:
    found = Kept.beside(stage.root)
    basis = found.take(stage, stage.root / "build")
    found.keep(basis, built(stage))
    found.take(lay(stage, {"a.c": "a"}), stage.root / "build")
    assert [path.name for path in stage.root.iterdir() if path.name in {ENVIRONMENT, "build"}] == []


def test_the_host_makes_none_where_one_was_kept(stage: BuildDirectory, tmp_path: Path) -> None:
    host = Host(make_farm(tmp_path / "other"))

    def made(stage: BuildDirectory) -> bool:
        return any("venv" in step.argv for step in host.render(stage).steps)

    assert made(stage)  # whatever an earlier build has left in its place
    assert not made(replace(stage, has_environment=True))
