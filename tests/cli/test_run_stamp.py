"""A stamp vouches for what the plan read, and for nothing that was edited while the farm ran."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from support.farm import make_farm
from wheelfarm.build.host_engine import Host
from wheelfarm.cli import run_stamp as stamp
from wheelfarm.cli.run_stamp import input_states, write_stamp
from wheelfarm.cli.stamp import Stamp, file_state
from wheelfarm.run.farm import Farm

if TYPE_CHECKING:
    import pytest


def _written(tmp_path: Path, edited: str | None, engine: str | None = "host", **environ: str) -> bool:
    settings = make_farm(tmp_path, settings={"engine": engine}, environ=environ)
    farm = Farm(settings=settings)
    # As on a machine where no container engine answers.
    farm.__dict__["engine"] = Host(settings)
    before = input_states(settings)
    plan = farm.plan(None)
    if edited:
        (tmp_path / edited).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / edited).write_text("# edited\n")
    path = tmp_path / "stamp.json"
    write_stamp(path, farm, plan, (), before)
    return path.exists()


def test_it_is_written(tmp_path: Path) -> None:
    assert _written(tmp_path, None)


def test_not_after_an_edit(tmp_path: Path) -> None:
    for name in ("recipes/alpha/recipe.toml", "patches/alpha/0001-new.patch", "requirements/farm.txt"):
        assert not _written(tmp_path / name.replace("/", "-"), name)


def _files(tmp_path: Path, engine: str | None) -> dict[str, list[int] | None]:
    """What a stamp depends on, of a farm whose machine has an empty directory on its path."""
    (tmp_path / "bin").mkdir()
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    assert _written(tmp_path, None, engine, PATH=path)
    written = Stamp.read(tmp_path / "stamp.json")
    assert written is not None
    return dict(written.files)


def test_a_container_engine_that_appears_voids_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamp, "_DOCKER_SOCKET", tmp_path / "docker.sock")
    files = _files(tmp_path, None)
    assert {str(path): file_state(Path(path)) for path in files} == files
    for name in ("bin/podman", "bin/docker", "docker.sock"):
        assert files[str(tmp_path / name)] is None
        (tmp_path / name).touch()
        assert file_state(tmp_path / name) != files[str(tmp_path / name)]


def test_a_container_engine_does_not_matter_to_the_host_engine(tmp_path: Path) -> None:
    assert not any(
        Path(path).name in {"docker", "podman", "docker.sock"} for path in _files(tmp_path, "host")
    )
