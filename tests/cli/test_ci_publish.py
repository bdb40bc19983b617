"""ci-publish: all variants to an index."""

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


def test_a_changed_build_of_a_published_version_gets_the_next_build_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each push builds from nothing: without build numbers the first change of a recipe ends publishing."""
    first, second = (publishing_farm(tmp_path / name, INDEX) for name in ("first", "second"))
    stock(first.wheelhouse)
    publication(first).publish(None)
    stock(second.wheelhouse, content="other")
    door = Door(second.settings.root, capsys, monkeypatch)
    dry = door.ci("publish", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "to upload    alpha-1.0-2_" in dry.stdout
    done = door.ci("publish")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "public/plain").glob("wheels/*/alpha-*.whl")}
    assert sorted(name.split("-")[2].partition("_")[0] for name in names) == ["1", "1", "2", "2"]


def test_errors_of_all_variants_come_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    farms = [farm_at(tmp_path / name) for name in ("first", "second")]
    for variant in ("plain", "netlib"):
        for target in TARGETS:
            store(farms[0].wheelhouse, "alpha", target=target, variant=variant)
            store(farms[1].wheelhouse, "alpha", target=target, variant=variant, content="other", inputs_of="")
    door = Door(farms[0].settings.root, capsys, monkeypatch)
    assert door.ci("publish").returncode == 0
    # The same keys and other bytes: these builds do not reproduce.
    done = Door(farms[1].settings.root, capsys, monkeypatch).ci("publish")
    assert done.returncode != 0
    assert done.stderr.count("error[conflict]") == 4
