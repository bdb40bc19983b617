"""Rules of publishing that hold for any wheelhouse and any index."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from support.candidates import TARGETS, make_candidate, published, tagged_digest
from wheelfarm.index.candidates import Candidate, dependencies_first
from wheelfarm.index.comparison import Comparison, ReleaseRules, State, compare
from wheelfarm.index.protocol import ListedFile
from wheelfarm.model import Name, Target
from wheelfarm.wheelhouse.tags import serves

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = ("alpha", "beta", "gamma")
WHEELS = st.builds(
    make_candidate,
    st.sampled_from(NAMES),
    st.sampled_from(["1.0", "2.0"]),
    target=st.sampled_from(TARGETS),
    content=st.sampled_from(["", "other"]),
    key=st.sampled_from(["key", "another"]),
    requires=st.sets(st.sampled_from([*NAMES, "elsewhere"]), max_size=2),
)
WHEELHOUSES = st.lists(WHEELS, unique_by=lambda each: each.filename, max_size=8)


def needed(_project: Name) -> list[Target]:
    return [Target.parse(text) for text in TARGETS]


def listing_of(names: Iterable[tuple[Name, ListedFile]]) -> dict[Name, tuple[ListedFile, ...]]:
    found: defaultdict[Name, list[ListedFile]] = defaultdict(list)
    for project, file in names:
        found[project].append(file)
    return {name: tuple(files) for name, files in found.items()}


def files(wheels: Iterable[Candidate]) -> list[tuple[Name, ListedFile]]:
    return [(wheel.project, published(wheel)) for wheel in wheels]


def uploaded(found: Comparison) -> list[tuple[Name, ListedFile]]:
    return [
        (each.project, ListedFile(filename=each.filename, sha256=tagged_digest(each.candidate, each.tag)))
        for each in found.to_upload
        if each.candidate
    ]


def compared(wheelhouse: list[Candidate], listing: list[tuple[Name, ListedFile]]) -> Comparison:
    rules = ReleaseRules(needed=needed, owned=set(map(Name, NAMES)))
    return compare(wheelhouse, listing_of(listing), rules, tagged_digest=tagged_digest)


@given(WHEELHOUSES, WHEELHOUSES)
def test_every_wheel_has_one_state_and_none_is_made_up(
    wheelhouse: list[Candidate], index: list[Candidate]
) -> None:
    found = compared(wheelhouse, files(index))
    assert [each.candidate for each in found.differences if each.candidate] == wheelhouse
    listed = {file.filename for _, file in files(index)}
    own = {each.filename for each in found.differences if each.candidate}
    assert {each.filename for each in found.of(State.FOREIGN)} == listed - own


@given(WHEELHOUSES, WHEELHOUSES)
def test_nothing_published_is_ever_to_upload(wheelhouse: list[Candidate], index: list[Candidate]) -> None:
    there = {file.filename for _, file in files(index)}
    assert not there & {each.filename for each in compared(wheelhouse, files(index)).to_upload}


@given(WHEELHOUSES, WHEELHOUSES)
def test_what_is_uploaded_makes_whole_releases(wheelhouse: list[Candidate], index: list[Candidate]) -> None:
    for each in compared(wheelhouse, files(index)).to_upload:
        version = each.candidate and each.candidate.version
        release = [one for one in wheelhouse if (one.project, one.version) == (each.project, version)]
        for target in needed(each.project):
            assert any(serves(one.filename, target) for one in release)


@given(WHEELHOUSES, WHEELHOUSES)
def test_after_it_is_published_it_is_the_same(wheelhouse: list[Candidate], index: list[Candidate]) -> None:
    before = compared(wheelhouse, files(index))
    after = compared(wheelhouse, [*files(index), *uploaded(before)])
    same = {each.filename for each in after.of(State.SAME)}
    assert {each.filename for each in before.to_upload} <= same
    # Publishing what is complete can only complete what needed it.
    assert {each.filename for each in after.of(State.CONFLICTING)} == {
        each.filename for each in before.of(State.CONFLICTING)
    }


@given(WHEELHOUSES)
def test_dependencies_come_first_unless_they_need_each_other(wheelhouse: list[Candidate]) -> None:
    found = dependencies_first(wheelhouse)
    assert sorted(each.filename for each in found) == sorted(each.filename for each in wheelhouse)
    needed_by_later = [
        bool(each.requires & {later.project for later in found[number:]} - {each.project})
        for number, each in enumerate(found)
    ]
    by_name = {
        name: {need for each in found if each.project == name for need in each.requires} - {name}
        for name in {each.project for each in found}
    }
    assert not any(needed_by_later) or has_circle(by_name)


def has_circle(needs: dict[Name, set[Name]]) -> bool:
    """Whether distributions are left when those that need nothing more are taken away again and again."""
    left = dict(needs)
    while free := [name for name, wanted in left.items() if not wanted & left.keys()]:
        for name in free:
            del left[name]
    return bool(left)
