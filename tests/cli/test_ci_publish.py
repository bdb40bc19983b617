"""ci.publish: all variants into an index, as somebody would do it by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.door import Door
from support.publishing import TARGETS, publication, publishing_farm, stock, store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from wheelfarm.run.farm import Farm

INDEX = {"kind": "static", "url": "../public"}


def farm_at(root: Path) -> Farm:
    """A farm whose variants all go to the same index, and in it two wheels of each."""
    return publishing_farm(root, INDEX, recipes={"alpha": {}})


def test_a_rebuild_goes_under_the_next_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each push builds from nothing; without numbers the first change of a recipe ends all publishing."""
    first, second = (publishing_farm(tmp_path / name, INDEX) for name in ("first", "second"))
    stock(first.wheelhouse)
    publication(first).publish(None)
    stock(second.wheelhouse, content="other")
    door = Door(second.settings.root, capsys, monkeypatch)
    dry = door.inv("ci.publish", "--dry_run", "yes")
    assert dry.returncode == 0, dry.stderr
    assert "goes as alpha-1.0-1-cp311" in dry.stdout
    done = door.inv("ci.publish")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "public/plain").glob("wheels/*/alpha-*.whl")}
    assert {name.split("-")[2] for name in names} == {"1", "cp311", "cp312"}


def test_what_is_refused_of_one_variant_hides_nothing_of_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    farms = [farm_at(tmp_path / name) for name in ("first", "second")]
    for variant in ("plain", "netlib"):
        for target in TARGETS:
            key = store(farms[0].wheelhouse, "alpha", target=target, variant=variant).key
            store(farms[1].wheelhouse, "alpha", target=target, variant=variant, content="other", key=key)
    door = Door(farms[0].settings.root, capsys, monkeypatch)
    assert door.inv("ci.publish").returncode == 0
    # The same keys and other bytes: these builds do not reproduce.
    done = Door(farms[1].settings.root, capsys, monkeypatch).inv("ci.publish")
    assert done.returncode != 0
    assert done.stderr.count("error[conflict]") == 4
