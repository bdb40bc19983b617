"""Rebuilds on real servers: installers prefer the higher number, and nothing is overwritten."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.indexes import LOGIN, Server, make_devpi_index
from support.publishing import TARGETS, publication, publishing_farm, store
from support.raised import raised
from support.wheels import change_member
from wheelfarm.errors import ConflictError
from wheelfarm.index.comparison import State
from wheelfarm.model import Name

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.run.farm import Farm


def farm_for(root: Path, url: str, *, content: str = "", inputs_of: str | None = None) -> Farm:
    """A farm with alpha, for two Pythons on any platform."""
    table = {"kind": "simple-upload", "url": url, "variants": {"plain": ""}}
    farm = publishing_farm(root, table, environ=LOGIN)
    for target in TARGETS:
        tag = f"{target.partition('-')[0]}-none-any"
        store(farm.wheelhouse, "alpha", target=target, content=content, tag=tag, inputs_of=inputs_of)
    return farm


def downloaded(tmp_path: Path, simple: str, *words: str) -> list[str]:
    """What pip takes from an index, for CPython 3.11."""
    argv = [sys.executable, "-m", "pip", "download", "--isolated", "--no-cache-dir", "--no-deps"]
    argv += ["--index-url", simple, "--dest", str(tmp_path / "got"), "--python-version", "3.11"]
    argv += ["--only-binary", ":all:", "--disable-pip-version-check", *words]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
    return sorted(path.name for path in (tmp_path / "got").iterdir())


@pytest.mark.parametrize("kind", ["pypiserver", "devpi"])
def test_pip_prefers_the_higher_number(tmp_path: Path, pypi: Server, devpi_server: Server, kind: str) -> None:
    url = pypi.url if kind == "pypiserver" else make_devpi_index(devpi_server, "rebuilds")
    simple = f"{url}{'simple' if kind == 'pypiserver' else '+simple'}/"
    first = farm_for(tmp_path / "one", url)
    publication(first).publish()
    second = farm_for(tmp_path / "two", url, content="rebuilt")
    names = [each.filename for each in publication(second).publish().to_upload]
    assert all(name.startswith("alpha-1.0-2_") for name in names)
    assert downloaded(tmp_path, simple, "alpha") == names[:1]
    listing = publication(second).index.list_files([Name("alpha")])[Name("alpha")]
    assert len(listing) == 4
    for farm in (first, second):
        assert len(publication(farm).publish().of(State.SAME)) == 2
    assert {each.error for each in publication(first).verify(None)} == {None}


def test_uv_prefers_the_higher_number(tmp_path: Path, pypi: Server) -> None:
    for name in ("one", "two"):
        done = publication(farm_for(tmp_path / name, pypi.url, content=name)).publish()
    argv = ["uv", "pip", "install", "--no-config", "--no-deps", "--no-cache", "--index-url"]
    argv += [f"{pypi.url}simple/", "--target", str(tmp_path / "got"), "--python-version", "3.11", "alpha"]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
    assert "two" in (tmp_path / "got/alpha.py").read_text()
    assert all("-2_" in each.filename for each in done.to_upload)


def test_other_bytes_from_the_same_key_are_refused(tmp_path: Path, pypi: Server) -> None:
    publication(farm_for(tmp_path / "one", pypi.url, inputs_of="same")).publish()
    before = {path.name: path.read_bytes() for path in pypi.root.glob("alpha-*")}
    second = farm_for(tmp_path / "two", pypi.url, content="other", inputs_of="same")
    raised(lambda: publication(second).publish(), ConflictError)
    assert {path.name: path.read_bytes() for path in pypi.root.glob("alpha-*")} == before


def test_a_wheel_that_was_changed_on_the_server_is_found(tmp_path: Path, pypi: Server) -> None:
    farm = farm_for(tmp_path / "one", pypi.url)
    publication(farm).publish()
    assert [each.error for each in publication(farm).verify(None)] == [None, None]
    (wheel,) = pypi.root.glob("alpha-1.0-*-cp312-none-any.whl")
    change_member(wheel, "alpha.py", b"import os")
    refused = [each for each in publication(farm).verify(None) if each.error]
    assert [each.filename for each in refused] == [wheel.name]
