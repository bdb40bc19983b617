"""Rules of publishing that hold for any wheelhouse and any index."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from support.offers import TARGETS, listed, offer
from wheelfarm.index.candidates import Offer, waves
from wheelfarm.index.comparison import Comparison, State, compare
from wheelfarm.model import Name, Target
from wheelfarm.wheelhouse.tags import serves

if TYPE_CHECKING:
    from wheelfarm.index.protocol import ListedFile

NAMES = ("alpha", "beta", "gamma")
WHEELS = st.builds(
    offer,
    st.sampled_from(NAMES),
    st.sampled_from(["1.0", "2.0"]),
    target=st.sampled_from(TARGETS),
    build=st.sampled_from(["", "1"]),
    content=st.sampled_from(["", "other"]),
    requires=st.sets(st.sampled_from([*NAMES, "elsewhere"]), max_size=2),
)
HOUSES = st.lists(WHEELS, unique_by=lambda each: each.filename, max_size=8)


def needed(_project: Name) -> list[Target]:
    return [Target.parse(text) for text in TARGETS]


def listing_of(wheels: list[Offer]) -> dict[Name, tuple[ListedFile, ...]]:
    found: defaultdict[Name, list[ListedFile]] = defaultdict(list)
    for wheel in wheels:
        found[wheel.project].append(listed(wheel))
    return {name: tuple(files) for name, files in found.items()}


def compared(house: list[Offer], index: list[Offer]) -> Comparison:
    return compare(house, listing_of(index), needed=needed, owned=set(map(Name, NAMES)))


@given(HOUSES, HOUSES)
def test_every_wheel_has_one_state_and_none_is_made_up(house: list[Offer], index: list[Offer]) -> None:
    found = compared(house, index)
    assert [each.offer for each in found.differences if each.offer] == house
    foreign = {each.filename for each in found.of(State.FOREIGN)}
    assert foreign == {each.filename for each in index} - {each.filename for each in house}


@given(HOUSES, HOUSES)
def test_nothing_published_is_ever_to_upload(house: list[Offer], index: list[Offer]) -> None:
    there = {each.filename for each in index}
    assert not there & {each.filename for each in compared(house, index).to_upload}


@given(HOUSES, HOUSES)
def test_what_is_uploaded_makes_whole_releases(house: list[Offer], index: list[Offer]) -> None:
    for each in compared(house, index).to_upload:
        release = [one for one in house if (one.project, one.version) == (each.project, each.version)]
        for target in needed(each.project):
            assert any(serves(one.filename, target) for one in release)


@given(HOUSES, HOUSES)
def test_after_it_is_published_it_is_the_same(house: list[Offer], index: list[Offer]) -> None:
    sent = list(compared(house, index).to_upload)
    after = compared(house, [*index, *sent])
    same = {each.filename for each in after.of(State.SAME)}
    assert {each.filename for each in sent} <= same
    # Publishing what is complete can only complete what needed it.
    assert {each.filename for each in after.of(State.CONFLICTING)} == {
        each.filename for each in compared(house, index).of(State.CONFLICTING)
    }


@given(HOUSES)
def test_waves_hold_all_and_need_nothing_that_comes_later(house: list[Offer]) -> None:
    found = waves(house)
    assert sorted(each.filename for wave in found for each in wave) == sorted(each.filename for each in house)
    if len(found) > 1:
        for number, wave in enumerate(found):
            later = {each.project for after in found[number + 1 :] for each in after}
            assert not any(each.requires & later for each in wave)
