"""What differs between stored wheels and an index, and what stands where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.candidates import TARGETS, listed, make_candidate
from support.raised import raised
from wheelfarm.errors import ConflictError, IncompleteError
from wheelfarm.index.candidates import requirements, waves
from wheelfarm.index.comparison import State, compare, next_build
from wheelfarm.index.status import of_release, superseded, target_statuses
from wheelfarm.model import Name, Target

if TYPE_CHECKING:
    from wheelfarm.index.comparison import Comparison

ALPHA, BETA = Name("alpha"), Name("beta")
BOTH = (make_candidate("alpha", target=TARGETS[0]), make_candidate("alpha", target=TARGETS[1]))


def needed(_project: Name) -> list[Target]:
    return [Target.parse(text) for text in TARGETS]


def states(found: Comparison) -> list[State]:
    return [each.state for each in found.differences]


def test_nothing_is_there() -> None:
    found = compare(BOTH, {ALPHA: ()}, needed=needed)
    assert states(found) == [State.UPLOAD] * 2
    assert found.to_upload == BOTH
    found.check("internal")


def test_same_other_and_foreign() -> None:
    there = listed(BOTH[0]), listed(BOTH[1], sha256="f" * 64), listed("alpha-0.1-py3-none-any.whl")
    found = compare(BOTH, {ALPHA: there}, needed=needed)
    assert states(found) == [State.SAME, State.CONFLICTING, State.FOREIGN]
    (error,) = raised(lambda: found.check("internal"), ConflictError)
    assert error.what == f"{BOTH[1].filename} is published with other bytes"


def test_no_digest_is_no_agreement() -> None:
    found = compare(BOTH, {ALPHA: (listed(BOTH[0], sha256=None),)}, needed=needed)
    assert states(found)[0] is State.CONFLICTING


def test_a_name_that_the_index_writes_in_another_way() -> None:
    wheel = make_candidate("alpha", tag="cp311-cp311-manylinux_2_17_x86_64.manylinux_2_28_x86_64")
    other = "Alpha-1.0.0-cp311-cp311-manylinux_2_28_x86_64.manylinux_2_17_x86_64.whl"
    found = compare([wheel], {ALPHA: (listed(other, sha256=wheel.sha256),)}, needed=lambda _name: [])
    assert states(found) == [State.SAME]


def test_a_release_without_a_target_is_not_begun() -> None:
    found = compare(BOTH[:1], {ALPHA: ()}, needed=needed)
    assert states(found) == [State.INCOMPLETE]
    assert found.to_upload == ()
    (error,) = raised(lambda: found.check("internal"), IncompleteError)
    assert TARGETS[1] in error.what


def test_a_wheel_for_all_serves_every_target() -> None:
    found = compare([make_candidate("alpha", tag="py3-none-any")], {}, needed=needed)
    assert states(found) == [State.UPLOAD]


def test_what_is_there_already_is_not_called_incomplete() -> None:
    found = compare(BOTH[:1], {ALPHA: (listed(BOTH[0]),)}, needed=needed)
    assert states(found) == [State.SAME]


def test_a_wheel_whose_dependency_nobody_could_get() -> None:
    wheel = make_candidate("beta", tag="py3-none-any", requires=["alpha", "elsewhere"])
    alone = compare([wheel], {BETA: (), ALPHA: ()}, needed=needed, owned={ALPHA, BETA})
    assert states(alone) == [State.INCOMPLETE]
    assert "it needs alpha, which is not published" in alone.differences[0].why
    there = compare([wheel], {ALPHA: (listed(BOTH[0]),)}, needed=needed, owned={ALPHA, BETA})
    assert states(there)[0] is State.UPLOAD
    along = compare([*BOTH, wheel], {}, needed=needed, owned={ALPHA, BETA})
    assert states(along) == [State.UPLOAD] * 3


@pytest.mark.parametrize(
    ("there", "number"),
    [
        ([], 1),
        (["alpha-1.0-py3-none-any.whl", "alpha-0.9-7-py3-none-any.whl", "alpha-1.0.tar.gz"], 1),
        (["alpha-1.0-1-py3-none-any.whl", "alpha-1.0-10-cp311-cp311-linux_x86_64.whl"], 11),
        (["alpha-1.0-2b-py3-none-any.whl"], 3),
    ],
)
def test_the_next_build_number(there: list[str], number: int) -> None:
    assert next_build(BOTH[0], there) == number


def test_dependencies_come_first() -> None:
    one, two = make_candidate("one", requires=["three"]), make_candidate("two", requires=["one", "elsewhere"])
    three, own = make_candidate("three"), make_candidate("own", requires=["own"])
    order = [[each.project for each in wave] for wave in waves([two, one, three, own])]
    assert order == [["own", "three"], ["one"], ["two"]]
    circle = [make_candidate("one", requires=["two"]), make_candidate("two", requires=["one"])]
    assert waves(circle) == [circle]


def test_requirements_of_metadata() -> None:
    lines = ["Name: x", "Version: 1", "Requires-Dist: Some_Thing>=1; python_version > '3'"]
    lines += ["Requires-Dist: extra-one; extra == 'test'", "Requires-Dist: !", "Requires-Dist: other"]
    text = "Metadata-Version: 2.1\n" + "\n".join(lines) + "\n"
    assert requirements(text.encode()) == {"some-thing", "other"}


class TestStanding:
    def test_a_line_for_each_target(self) -> None:
        there = listed(BOTH[0]), listed("alpha-0.1-py3-none-any.whl"), listed("alpha-2.tar.gz")
        found = list(target_statuses(compare(BOTH[:1], {ALPHA: there}, needed=needed), needed))
        rows = [(each.version, each.target, each.stored, each.published, each.state) for each in found]
        assert rows == [
            ("1.0", TARGETS[0], True, True, "same"),
            ("0.1", TARGETS[0], False, True, "foreign"),
            ("0.1", TARGETS[1], False, True, "foreign"),
            ("", "other", False, True, "foreign"),
            ("1.0", TARGETS[1], False, False, "missing"),
        ]

    def test_old_builds(self) -> None:
        place = "cp311-cp311-manylinux"
        names = [f"alpha-1.0-{n}-{place}_2_{n}_x86_64.whl" for n in (5, 17, 28)]
        names += [f"alpha-1.0-{place}_2_35_x86_64.whl", "alpha-1.0-1-py3-none-any.whl", "alpha-1.0.tar.gz"]
        listing = {ALPHA: tuple(map(listed, names)), BETA: ()}
        assert superseded(listing, 2) == {ALPHA: (names[0], names[3])}
        assert superseded(listing, 0) == superseded(listing, 1)
        assert names[2] not in superseded(listing, 1)[ALPHA]

    def test_the_wheels_of_a_release(self) -> None:
        names = ["alpha-1.0-py3-none-any.whl", "alpha-1.0.0-1-py3-none-any.whl", "alpha-1.0.tar.gz"]
        assert of_release(names, "1.0") == (names[0],)
        assert of_release(names, "1.0.0") == (names[1],)


def test_offers_are_values() -> None:
    assert make_candidate("alpha").path == Path("alpha-1.0-cp311-cp311-manylinux_2_28_x86_64.whl")
