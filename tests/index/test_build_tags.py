"""Publishing of rebuilds: the next build number, and nothing published is overwritten; splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.publishing import RECIPES, TARGETS, VARIANT, publication, publishing_farm, stock, store
from support.raised import raised
from wheelfarm.errors import ConflictError, FarmError, IncompleteError
from wheelfarm.index.comparison import State
from wheelfarm.model import Name
from wheelfarm.system.files import sha256_of_file
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.rewrite import write_tagged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.index.comparison import Comparison
    from wheelfarm.run.farm import Farm

pytestmark = pytest.mark.slow

SPLIT: Mapping[str, object] = {
    **RECIPES,
    "alpha": {"splits": {"tests": {"files": ["alpha/tests/*"], "imports": []}}},
}


def farm_at(root: Path, recipes: Mapping[str, object] = RECIPES) -> Farm:
    return publishing_farm(root, {"kind": "static", "url": "../public"}, recipes=recipes)  # type: ignore[arg-type]


def published(farm: Farm) -> set[str]:
    root = farm.settings.root.parent / "public" / VARIANT
    return {path.name for path in root.glob("wheels/*/*.whl")}


def numbers(found: Comparison) -> set[str]:
    return {each.filename.split("-")[2].partition("_")[0] for each in found.to_upload}


class TestRebuilds:
    def farms(self, tmp_path: Path) -> tuple[Farm, Farm]:
        """A farm that has published, and one with other builds of the same versions."""
        one, two = farm_at(tmp_path / "one"), farm_at(tmp_path / "two")
        stock(one.wheelhouse)
        publication(one).publish()
        stock(two.wheelhouse, content="other")
        return one, two

    def test_each_rebuild_gets_a_higher_number_and_nothing_is_overwritten(self, tmp_path: Path) -> None:
        one, two = self.farms(tmp_path)
        before = published(one)
        assert numbers(publication(two).publish()) == {"2"}
        assert published(two) > before
        assert len(published(two)) == 8
        three = farm_at(tmp_path / "three")
        stock(three.wheelhouse, content="third")
        assert numbers(publication(three).publish()) == {"3"}
        for farm in (one, two, three):
            assert len(publication(farm).publish().of(State.SAME)) == 4

    def test_the_published_wheel_is_the_stored_one_with_a_tag(self, tmp_path: Path) -> None:
        _, farm = self.farms(tmp_path)
        done = publication(farm).publish()
        for each in done.to_upload:
            assert each.candidate is not None
            assert each.tag == f"2_{each.candidate.file.key[:12]}"
            (path,) = (tmp_path / "public").rglob(each.filename)
            wheel = open_wheel(path)
            verify(wheel)
            assert wheel.build == each.tag
            assert sha256_of_file(write_tagged(wheel, tmp_path, "").path) == each.candidate.sha256

    def test_one_target_alone(self, tmp_path: Path) -> None:
        one = farm_at(tmp_path / "one")
        stock(one.wheelhouse)
        publication(one).publish()
        wheel = store(one.wheelhouse, "alpha", target=TARGETS[0], content="other")
        done = publication(one).publish()
        assert [each.filename for each in done.to_upload] == [
            f"alpha-1.0-2_{wheel.key[:12]}-cp311-cp311-manylinux_2_28_x86_64.whl"
        ]
        assert len(done.of(State.SAME)) == 3

    def test_a_dry_run_writes_nothing(self, tmp_path: Path) -> None:
        one, two = self.farms(tmp_path)
        found = publication(two).compare()
        publication(two).check(found)
        assert len(found.to_upload) == 4
        assert "installers prefer it to alpha-1.0-1_" in found.to_upload[0].why
        assert len(published(one)) == 4

    def test_other_bytes_of_the_same_key_are_a_conflict(self, tmp_path: Path) -> None:
        one, two = farm_at(tmp_path / "one"), farm_at(tmp_path / "two")
        stock(one.wheelhouse)
        stock(two.wheelhouse, content="other", inputs_of="")
        publication(one).publish()
        error = raised(lambda: publication(two).publish(), ConflictError)[0]
        assert "--next-build" in str(error.hint)
        assert len(published(one)) == 4
        publication(two).publish(next_build=True)
        assert len(published(one)) == 8


class TestSplits:
    def test_a_release_without_its_split_is_incomplete(self, tmp_path: Path) -> None:
        farm = farm_at(tmp_path / "farm", SPLIT)
        stock(farm.wheelhouse)
        error = raised(lambda: publication(farm).publish(), IncompleteError)[0]
        assert error.what == f"alpha is not complete: no wheel of alpha-tests for {', '.join(TARGETS)}"

    def test_a_split_without_its_release_is_incomplete(self, tmp_path: Path) -> None:
        farm = farm_at(tmp_path / "farm", SPLIT)
        for target in TARGETS:
            store(farm.wheelhouse, "alpha-tests", target=target, recipe="alpha")
        with pytest.raises(FarmError, match="alpha-tests is not complete: no wheel for"):
            publication(farm).publish()

    @pytest.mark.parametrize("name", ["alpha", "alpha-tests"])
    def test_one_member_of_a_release_brings_all(self, tmp_path: Path, name: str) -> None:
        farm = farm_at(tmp_path / "farm", SPLIT)
        for target in TARGETS:
            store(farm.wheelhouse, "alpha", target=target)
            store(farm.wheelhouse, "alpha-tests", target=target, requires=["alpha"], recipe="alpha")
        done = publication(farm).publish({Name(name): None})
        assert {each.project for each in done.differences} == {"alpha", "alpha-tests"}
        assert len(published(farm)) == 4
