"""Rebuilds of what is published go under the next build number; splits belong to their release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.publishing import RECIPES, TARGETS, VARIANT, publication, publishing_farm, stock, store
from support.raised import only, raised
from support.store import key_of
from wheelfarm.errors import ConflictError, FarmError, IncompleteError, UnprovenError
from wheelfarm.index.comparison import State
from wheelfarm.model import Name, Target
from wheelfarm.provenance.record import Record
from wheelfarm.run.decision import _unnumbered
from wheelfarm.wheels.archive import open_wheel, verify

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


def with_tests(farm: Farm, *, content: str = "", tests: str = "") -> None:
    """alpha with the wheel of its tests, for both targets."""
    for target in TARGETS:
        store(farm.wheelhouse, "alpha", target=target, content=content)
        store(
            farm.wheelhouse, "alpha-tests", target=target, content=tests, requires=["alpha"], recipe="alpha"
        )


def published(farm: Farm) -> set[str]:
    root = farm.settings.root.parent / "public" / VARIANT
    return {path.name for path in root.glob("wheels/*/*.whl")}


def current(farm: Farm, name: str = "alpha") -> list[Record]:
    return [
        Record.from_json(farm.wheelhouse.record(VARIANT, wheel.key), name)
        for wheel in farm.wheelhouse.current(VARIANT, Name(name))
    ]


def publish(farm: Farm, *, next_build: bool = False) -> Comparison:
    return publication(farm).publish(None, next_build=next_build)


class TestRebuilds:
    def farms(self, tmp_path: Path) -> tuple[Farm, Farm]:
        """A farm that has published, and one with other builds of the same versions."""
        one, two = farm_at(tmp_path / "one"), farm_at(tmp_path / "two")
        stock(one.wheelhouse)
        publish(one)
        stock(two.wheelhouse, content="other")
        return one, two

    def test_they_get_the_next_number_and_nothing_is_overwritten(self, tmp_path: Path) -> None:
        one, two = self.farms(tmp_path)
        before = published(one)
        done = publish(two)
        assert {each.filename.split("-")[2] for each in done.of(State.UPLOAD)} == {"1"}
        assert published(two) > before
        assert len(published(two)) == 8
        assert [each.state for each in publish(two).of(State.SAME)] == [State.SAME] * 4
        # The first farm's wheels are published still, and are nothing that it would have to number.
        assert len(publish(one).of(State.SAME)) == 4

    def test_the_stored_wheel_and_its_record_say_so(self, tmp_path: Path) -> None:
        _, two = self.farms(tmp_path)
        before = {record.target: record for record in current(two)}
        publish(two)
        for record in current(two):
            was = before[record.target]
            assert (record.wheel.number, record.wheel.unnumbered) == (1, was.wheel.sha256)
            assert record.key == was.key
            assert record.model_copy(update={"wheel": was.wheel}) == was
            (stored,) = two.wheelhouse.current(VARIANT, Name("alpha"), target=record.target)
            assert stored.path.name == record.wheel.filename
            wheel = open_wheel(stored.path)
            verify(wheel)
            assert wheel.build == "1"

    def test_each_rebuild_gets_a_higher_one(self, tmp_path: Path) -> None:
        one, two = self.farms(tmp_path)
        publish(two)
        three = farm_at(tmp_path / "three")
        stock(three.wheelhouse, content="third")
        publish(three)
        assert {record.wheel.number for record in current(three)} == {2}
        # What was built and numbered elsewhere has its number already.
        four = farm_at(tmp_path / "four")
        stock(four.wheelhouse, content="other")
        assert len(publish(four).of(State.SAME)) == 4
        assert {record.wheel.number for record in current(four)} == {1}
        assert len(published(one)) == 12

    def test_one_target_alone(self, tmp_path: Path) -> None:
        one = farm_at(tmp_path / "one")
        stock(one.wheelhouse)
        publish(one)
        store(one.wheelhouse, "alpha", target=TARGETS[0], content="other")
        done = publish(one)
        assert [each.filename for each in done.of(State.UPLOAD)] == [
            "alpha-1.0-1-cp311-cp311-manylinux_2_28_x86_64.whl"
        ]
        assert len(done.of(State.SAME)) == 3

    def test_a_dry_run_tells_and_writes_nothing(self, tmp_path: Path) -> None:
        one, two = self.farms(tmp_path)
        where = publication(two)
        found = where.look(where.transaction(None))
        assert len(found.of(State.REBUILT)) == 4
        assert "goes as alpha-1.0-1-cp311" in found.of(State.REBUILT)[0].why
        assert {record.wheel.number for record in current(two)} == {None}
        assert len(published(one)) == 4

    def test_other_bytes_of_the_same_key_are_no_rebuild(self, tmp_path: Path) -> None:
        one, two = farm_at(tmp_path / "one"), farm_at(tmp_path / "two")
        for farm, content in ((one, ""), (two, "other")):
            for target in TARGETS:
                store(farm.wheelhouse, "alpha", target=target, content=content, key=key_of(f"alpha {target}"))
        publish(one)
        error = raised(lambda: publish(two), ConflictError)[0]
        assert "--next-build" in str(error.hint)
        assert len(published(one)) == 2
        publish(two, next_build=True)
        assert len(published(one)) == 4

    def test_what_somebody_else_has_put_there_is_no_rebuild(self, tmp_path: Path) -> None:
        one, two = self.farms(tmp_path)
        public = tmp_path / "public" / VARIANT
        for path in (*public.rglob("*.record.json"), *public.glob("records/*")):
            path.unlink()
        raised(lambda: publish(two), ConflictError)
        assert len(published(one)) == 4

    def test_a_wheel_changed_after_its_gate_gets_no_number(self, tmp_path: Path) -> None:
        one, two = self.farms(tmp_path)
        wheel = next(two.wheelhouse.root.glob("plain/wheels/*/alpha*cp312*.whl"))
        wheel.write_bytes(wheel.read_bytes() + b"\n")
        only(lambda: publish(two), UnprovenError)
        assert len(published(one)) == 4


class TestSplits:
    def test_a_release_without_its_split_is_incomplete(self, tmp_path: Path) -> None:
        farm = farm_at(tmp_path / "farm", SPLIT)
        stock(farm.wheelhouse)
        error = raised(lambda: publish(farm), IncompleteError)[0]
        assert error.what == f"alpha is not complete: no wheel of alpha-tests for {', '.join(TARGETS)}"

    def test_a_split_without_its_release_is_incomplete(self, tmp_path: Path) -> None:
        farm = farm_at(tmp_path / "farm", SPLIT)
        for target in TARGETS:
            store(farm.wheelhouse, "alpha-tests", target=target, recipe="alpha")
        with pytest.raises(FarmError, match="alpha-tests is not complete: no wheel for"):
            publish(farm)

    def test_who_names_one_of_them_gets_all(self, tmp_path: Path) -> None:
        for name in ("alpha", "alpha-tests"):
            farm = farm_at(tmp_path / name / "farm", SPLIT)
            with_tests(farm)
            done = publication(farm).publish({Name(name): None})
            assert {each.project for each in done.differences} == {"alpha", "alpha-tests"}
            assert len(published(farm)) == 4

    def test_the_wheels_of_one_build_get_the_same_number(self, tmp_path: Path) -> None:
        one, two = (farm_at(tmp_path / name, SPLIT) for name in ("one", "two"))
        with_tests(one)
        publish(one)
        with_tests(two, content="other")
        done = publish(two)
        # The bytes of the tests are the published ones, but they belong to the wheel with the number.
        assert len(done.of(State.UPLOAD)) == 4
        numbers = {record.wheel.number for name in ("alpha", "alpha-tests") for record in current(two, name)}
        assert numbers == {1}


def test_a_number_has_nothing_built_again(tmp_path: Path) -> None:
    """What was built on a wheel does not mind that the wheel gets a number."""
    one, two = farm_at(tmp_path / "one"), farm_at(tmp_path / "two")
    stock(one.wheelhouse)
    publish(one)
    stock(two.wheelhouse, content="other")
    target = Target.parse(TARGETS[0])
    (before,) = two.wheelhouse.current(VARIANT, Name("alpha"), target=target)
    publish(two)
    (after,) = two.wheelhouse.current(VARIANT, Name("alpha"), target=target)
    assert after.sha256 != before.sha256
    assert _unnumbered(two.wheelhouse, after) == before.sha256
