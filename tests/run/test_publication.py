"""Publication of a farm's wheels; tests/index and tests/server publish to each kind of index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.publishing import VARIANT, publishing_farm, stock
from wheelfarm.run.publication import Publication

if TYPE_CHECKING:
    from pathlib import Path


def test_a_directory_of_its_own_holds_the_published_wheels_and_nothing_is_temporary(tmp_path: Path) -> None:
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": (tmp_path / "public").as_uri()})
    stock(farm.wheelhouse)
    directory = tmp_path / "published"
    done = Publication(farm=farm, index_name="internal", variant=VARIANT, directory=directory).publish()
    assert len(done.to_upload) == 4
    assert len(list(directory.rglob("*.whl"))) == 4
    assert not farm.settings.work.exists()
