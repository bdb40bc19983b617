"""A farm and its indexes; tests/index and tests/server publish to each kind of index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.farm import builds_of, make_farm
from support.publishing import VARIANT, publishing_farm, stock
from wheelfarm.index.comparison import State
from wheelfarm.model import Name
from wheelfarm.run.farm import Farm
from wheelfarm.run.publication import Publication
from wheelfarm.run.reuse import Published
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path


def test_a_directory_of_its_own_holds_the_published_wheels_and_nothing_is_temporary(tmp_path: Path) -> None:
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": (tmp_path / "public").as_uri()})
    stock(farm.wheelhouse)
    directory = tmp_path / "published"
    done = Publication(farm=farm, index_name="internal", variant=VARIANT, directory=directory).publish()
    assert len(done.to_upload) == 4
    assert len(list(directory.rglob("*.whl"))) == 4
    assert [path.name for path in farm.settings.work.iterdir()] == ["published.json"]


@pytest.mark.parametrize("damage", [None, "", "[]", '{"a": "b"}', "[" * 200_000])
def test_wheels_that_are_published_already_are_written_again_only_without_memory(
    tmp_path: Path, damage: str | None
) -> None:
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": (tmp_path / "public").as_uri()})
    stock(farm.wheelhouse)
    memory, directory = farm.settings.work / "published.json", tmp_path / "published"
    Publication(farm=farm, index_name="internal", variant=VARIANT).publish()
    if damage is not None:
        memory.write_text(damage)
    again = Publication(farm=farm, index_name="internal", variant=VARIANT, directory=directory).compare()
    assert {each.state for each in again.differences} == {State.SAME}
    assert len(list(directory.rglob("*.whl"))) == (0 if damage is None else 4)
    assert len(json.loads(memory.read_bytes())) >= 4


def test_digests_that_cannot_be_remembered_are_a_warning(tmp_path: Path, messages: list[str]) -> None:
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": (tmp_path / "public").as_uri()})
    stock(farm.wheelhouse)
    (farm.settings.work / "published.json").mkdir(parents=True)
    done = Publication(farm=farm, index_name="internal", variant=VARIANT).publish()
    assert len(done.to_upload) == 4
    assert "published.json is not written: " in messages[-1]


@pytest.mark.parametrize(("host", "requested"), [("wheels.example.org", False), ("localhost:9", True)])
def test_an_index_with_an_example_host_gets_no_requests(
    tmp_path: Path, host: str, messages: list[str], *, requested: bool
) -> None:
    table = {"kind": "simple-upload", "url": f"http://{host}/", "targets": ["cp311-manylinux_x86_64"]}
    settings = make_farm(tmp_path, settings={"index": {"internal": table}})
    published = Published(settings, Wheelhouse(settings.wheelhouse))
    (build,) = builds_of(settings).values()
    assert published.find(build) is None
    assert bool(messages) == requested


def test_a_release_needs_no_target_that_its_variant_is_not_built_for(tmp_path: Path) -> None:
    targets = ["cp311-manylinux_x86_64", "cp311-macosx_arm64"]
    table = {"kind": "static", "url": (tmp_path / "public").as_uri(), "targets": targets}
    settings = make_farm(
        tmp_path, {"linked": {"blas": True}, "free": {}}, settings={"index": {"internal": table}}
    )
    publication = Publication(farm=Farm(settings=settings), index_name="internal", variant="netlib")
    needed = {name: [*map(str, publication.needed(Name(name)))] for name in ("linked", "free")}
    assert needed == {"linked": targets[:1], "free": targets}
