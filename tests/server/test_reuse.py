"""A fresh clone and an index that another clone has filled, on real servers: taken in the place of built."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from support.clones import fresh_clone, publish_all, with_index
from support.faults import Fault, proxy
from support.indexes import LOGIN, Server, make_devpi_index, pypiserver
from support.packages import tinybase
from support.store import check_tidy
from support.tiny import VARIANT, run_farm, tiny_farm, tiny_index
from support.wheels import change_member
from wheelfarm.recipes.settings import Settings, load
from wheelfarm.system.machine import native_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.tiny import Run


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A farm that has built one package."""
    if sys.platform != "linux":
        pytest.skip("the tiny packages are written for gcc and ELF")
    root = tmp_path_factory.mktemp("built")
    index = tiny_index(root / "index", tinybase=tinybase())
    stages = {"stages": str(root / "stages")}
    settings = tiny_farm(root / "farm", index, {"tinybase": {}}, settings=stages)
    assert run_farm(settings).states == {"tinybase": "built"}
    return settings


@pytest.fixture(params=["pypiserver", "devpi"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The url of an empty index of a real server."""
    if request.param == "devpi":
        url = make_devpi_index(request.getfixturevalue("devpi_server"), f"taking{os.urandom(3).hex()}")
        yield url
        return
    with pypiserver(tmp_path / "pypiserver") as running:
        yield running.url


def filled(built: Settings, tmp_path: Path, url: str) -> Settings:
    """A clone of the farm that has published to a server; it is read by way of the same url."""
    clone = fresh_clone(built, tmp_path / "filled", environ=LOGIN)
    shutil.copytree(built.wheelhouse, clone.wheelhouse, dirs_exist_ok=True)
    targets = [str(native_target(clone.pythons[0]))]
    with_index(clone, targets=targets, url=url, kind="simple-upload")
    settings = load(clone.root, environ=clone.environ)
    publish_all(settings)
    return settings


def run_clone(settings: Settings, tmp_path: Path, name: str = "clone", url: str | None = None) -> Run:
    """A run of a fresh clone, which knows no password."""
    clone = fresh_clone(settings, tmp_path / name)
    if url:
        project = clone.root / "pyproject.toml"
        before = settings.choose_index("internal").url
        project.write_text(project.read_text().replace(before, url))
        clone = load(clone.root, environ=clone.environ)
    run = run_farm(clone)
    check_tidy(clone.wheelhouse, VARIANT)
    return run


def test_a_fresh_clone_takes_what_is_published(built: Settings, tmp_path: Path, server: str) -> None:
    settings = filled(built, tmp_path, server)
    run = run_clone(settings, tmp_path)
    assert run.states == {"tinybase": "reused"}
    assert run.outcomes["tinybase"].seconds < 30


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (Fault("GET", cut_answer=True, times=1, contains=b".whl"), "reused"),
        (Fault("GET", cut_answer=True, times=99, contains=b".whl"), "built"),
        (Fault("GET", status=503, times=99), "built"),
        (Fault("GET", status=404, times=99, contains=b"tinybase-1.0"), "built"),
        (Fault("GET", status=200, times=99, contains=b"tinybase-1.0"), "built"),
        (Fault("GET", status=401, times=99), "built"),
    ],
    ids=["cut once", "cut", "503", "lost", "empty", "no right"],
)
def test_an_index_in_trouble_costs_a_build_at_most(
    built: Settings, tmp_path: Path, pypi: Server, fault: Fault, state: str
) -> None:
    settings = filled(built, tmp_path, pypi.url)
    with proxy(pypi.url) as faulty:
        faulty.faults = [replace(fault)]
        assert run_clone(settings, tmp_path, url=faulty.url).states == {"tinybase": state}


def test_a_server_that_is_gone(built: Settings, tmp_path: Path) -> None:
    with pypiserver(tmp_path / "pypiserver") as running:
        settings = filled(built, tmp_path, running.url)
    assert run_clone(settings, tmp_path).states == {"tinybase": "built"}


def test_a_wheel_of_somebody_else_is_not_taken(built: Settings, tmp_path: Path, pypi: Server) -> None:
    settings = filled(built, tmp_path, pypi.url)
    (wheel,) = pypi.root.glob("tinybase-1.0-*.whl")
    change_member(wheel, "tinybase/__init__.py", b"import os")
    assert run_clone(settings, tmp_path).states == {"tinybase": "built"}
