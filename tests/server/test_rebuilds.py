"""Rebuilds on real servers: pip takes the build with the higher number, and nothing is overwritten."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.indexes import LOGIN, Server, make_devpi_index
from support.publishing import TARGETS, VARIANT, publication, publishing_farm, store
from support.raised import raised
from support.store import key_of
from wheelfarm.errors import ConflictError
from wheelfarm.index.comparison import State
from wheelfarm.model import Name
from wheelfarm.provenance.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.run.farm import Farm


def farm_for(root: Path, url: str, *, content: str = "", key: str = "") -> Farm:
    base, _, index = url.rstrip("/").rpartition("/")
    table: Mapping[str, object] = {"kind": "simple-upload", "url": base, "variants": {"plain": index}}
    if index.startswith("127."):
        table = {"kind": "simple-upload", "url": url, "variants": {"plain": ""}}
    farm = publishing_farm(root, table, environ=LOGIN)
    for target in TARGETS:
        tag = f"{target.partition('-')[0]}-none-any"
        own = key_of(f"{key} {target}") if key else None
        store(farm.wheelhouse, "alpha", target=target, content=content, tag=tag, key=own)
    return farm


def downloaded(tmp_path: Path, simple: str, *words: str) -> list[str]:
    """What pip takes from an index, for CPython 3.11."""
    argv = [sys.executable, "-m", "pip", "download", "--isolated", "--no-cache-dir", "--no-deps"]
    argv += ["--index-url", simple, "--dest", str(tmp_path / "got"), "--python-version", "3.11"]
    argv += ["--only-binary", ":all:", "--disable-pip-version-check", *words]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
    return sorted(path.name for path in (tmp_path / "got").iterdir())


@pytest.mark.parametrize("kind", ["pypiserver", "devpi"])
def test_pip_prefers_the_rebuild(tmp_path: Path, pypi: Server, devpi_server: Server, kind: str) -> None:
    url = pypi.url if kind == "pypiserver" else make_devpi_index(devpi_server, "rebuilds")
    simple = f"{url}{'simple' if kind == 'pypiserver' else '+simple'}/"
    first = farm_for(tmp_path / "one", url)
    publication(first).publish(None)
    second = farm_for(tmp_path / "two", url, content="rebuilt")
    done = publication(second).publish(None)
    assert [each.filename for each in done.of(State.UPLOAD)] == [
        "alpha-1.0-1-cp311-none-any.whl",
        "alpha-1.0-1-cp312-none-any.whl",
    ]
    assert downloaded(tmp_path, simple, "alpha") == ["alpha-1.0-1-cp311-none-any.whl"]
    listing = publication(second).index.look([Name("alpha")])[Name("alpha")]
    assert len(listing) == 4
    assert len(publication(first).publish(None).of(State.SAME)) == 2


def test_the_published_records_tell_the_number(tmp_path: Path, pypi: Server) -> None:
    publication(farm_for(tmp_path / "one", pypi.url)).publish(None)
    second = farm_for(tmp_path / "two", pypi.url, content="rebuilt")
    publication(second).publish(None)
    papers = publication(second).index.papers(Name("alpha"), "1.0")
    records = [each.read.wheel for each in papers.values()]
    assert sorted((each.number or 0) for each in records) == [0, 0, 1, 1]
    for wheel in second.wheelhouse.current(VARIANT, Name("alpha")):
        assert papers[wheel.sha256].read == Record.from_json(
            second.wheelhouse.record(VARIANT, wheel.key), "here"
        )


def test_other_bytes_from_the_same_key_are_refused(tmp_path: Path, pypi: Server) -> None:
    publication(farm_for(tmp_path / "one", pypi.url, key="same")).publish(None)
    second = farm_for(tmp_path / "two", pypi.url, content="other", key="same")
    raised(lambda: publication(second).publish(None), ConflictError)
    assert {path.name for path in pypi.root.glob("alpha-*")} == {
        "alpha-1.0-cp311-none-any.whl",
        "alpha-1.0-cp312-none-any.whl",
    }


def test_a_wheel_that_was_changed_on_the_server_is_found(tmp_path: Path, pypi: Server) -> None:
    farm = farm_for(tmp_path / "one", pypi.url)
    publication(farm).publish(None)
    assert [each.error for each in publication(farm).verify(None)] == [None, None]
    wheel = pypi.root / "alpha-1.0-cp312-none-any.whl"
    wheel.write_bytes(wheel.read_bytes() + b"\n")
    refused = [each for each in publication(farm).verify(None) if each.error]
    assert [each.filename for each in refused] == [wheel.name]
    assert refused[0].error is not None
    assert "has no papers in the index" in refused[0].error.what


def test_a_carrier_that_was_changed_on_the_server_is_found(tmp_path: Path, pypi: Server) -> None:
    farm = farm_for(tmp_path / "one", pypi.url)
    publication(farm).publish(None)
    (carrier,) = pypi.root.glob("*_papers-*.whl")
    carrier.write_bytes(carrier.read_bytes().replace(b"record.json", b"rec0rd.json"))
    assert all(each.error for each in publication(farm).verify(None))
