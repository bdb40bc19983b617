"""Rules of publishing that hold for any wheelhouse and any index."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from support.candidates import TARGETS, listed, make_candidate
from wheelfarm.index.candidates import Candidate, waves
from wheelfarm.index.comparison import Comparison, State, compare
from wheelfarm.model import Name, Target
from wheelfarm.wheelhouse.tags import serves

if TYPE_CHECKING:
    from wheelfarm.index.protocol import ListedFile

NAMES = ("alpha", "beta", "gamma")
WHEELS = st.builds(
    make_candidate,
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


def listing_of(wheels: list[Candidate]) -> dict[Name, tuple[ListedFile, ...]]:
    found: defaultdict[Name, list[ListedFile]] = defaultdict(list)
    for wheel in wheels:
        found[wheel.project].append(listed(wheel))
    return {name: tuple(files) for name, files in found.items()}


def compared(wheelhouse: list[Candidate], index: list[Candidate]) -> Comparison:
    return compare(wheelhouse, listing_of(index), needed=needed, owned=set(map(Name, NAMES)))


@given(HOUSES, HOUSES)
def test_every_wheel_has_one_state_and_none_is_made_up(
    wheelhouse: list[Candidate], index: list[Candidate]
) -> None:
    found = compared(wheelhouse, index)
    assert [each.candidate for each in found.differences if each.candidate] == wheelhouse
    foreign = {each.filename for each in found.of(State.FOREIGN)}
    assert foreign == {each.filename for each in index} - {each.filename for each in wheelhouse}


@given(HOUSES, HOUSES)
def test_nothing_published_is_ever_to_upload(wheelhouse: list[Candidate], index: list[Candidate]) -> None:
    there = {each.filename for each in index}
    assert not there & {each.filename for each in compared(wheelhouse, index).to_upload}


@given(HOUSES, HOUSES)
def test_what_is_uploaded_makes_whole_releases(wheelhouse: list[Candidate], index: list[Candidate]) -> None:
    for each in compared(wheelhouse, index).to_upload:
        release = [one for one in wheelhouse if (one.project, one.version) == (each.project, each.version)]
        for target in needed(each.project):
            assert any(serves(one.filename, target) for one in release)


@given(HOUSES, HOUSES)
def test_after_it_is_published_it_is_the_same(wheelhouse: list[Candidate], index: list[Candidate]) -> None:
    sent = list(compared(wheelhouse, index).to_upload)
    after = compared(wheelhouse, [*index, *sent])
    same = {each.filename for each in after.of(State.SAME)}
    assert {each.filename for each in sent} <= same
    # Publishing what is complete can only complete what needed it.
    assert {each.filename for each in after.of(State.CONFLICTING)} == {
        each.filename for each in compared(wheelhouse, index).of(State.CONFLICTING)
    }


@given(HOUSES)
def test_waves_hold_all_and_need_nothing_that_comes_later(wheelhouse: list[Candidate]) -> None:
    found = waves(wheelhouse)
    assert sorted(each.filename for wave in found for each in wave) == sorted(
        each.filename for each in wheelhouse
    )
    if len(found) > 1:
        for number, wave in enumerate(found):
            later = {each.project for after in found[number + 1 :] for each in after}
            assert not any(each.requires & later for each in wave)
