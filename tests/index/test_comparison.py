"""Comparison of stored wheels with an index, by examples and by rules; the status of each target."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import parse_wheel_filename

from support.archives import digest
from support.candidates import TARGETS, is_same, listed, make_candidate, published, tagged_digest
from support.raised import raised
from wheelfarm.errors import ConflictError, IncompleteError
from wheelfarm.index.build_tags import BuildSlot, build_tag, of_release, superseded
from wheelfarm.index.candidates import Candidate, dependencies_first, requirements
from wheelfarm.index.comparison import Comparison, ReleaseRules, State, compare, target_statuses
from wheelfarm.index.protocol import ListedFile
from wheelfarm.model import Digest, Name, Target
from wheelfarm.wheelhouse.tags import serves

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from wheelfarm.index.protocol import Listing

ALPHA, BETA = Name("alpha"), Name("beta")
BOTH = (make_candidate("alpha", target=TARGETS[0]), make_candidate("alpha", target=TARGETS[1]))


def needed(_project: Name) -> list[Target]:
    return [Target.parse(text) for text in TARGETS]


def compared(
    candidates: Sequence[Candidate],
    listing: Listing,
    *,
    owned: Collection[Name] = (),
    next_build: bool = False,
) -> Comparison:
    return compare(
        candidates,
        listing,
        ReleaseRules(needed=needed, owned=owned),
        is_same=is_same,
        next_build=next_build,
    )


def states(found: Comparison) -> list[State]:
    return [each.state for each in found.differences]


def test_missing_wheels_are_uploaded_under_a_build_tag() -> None:
    found = compared(BOTH, {ALPHA: ()})
    assert states(found) == [State.UPLOAD] * 2
    assert [each.candidate for each in found.to_upload] == list(BOTH)
    key = BOTH[0].file.key[:12]
    assert found.to_upload[0].filename == f"alpha-1.0-1_{key}-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert parse_wheel_filename(found.to_upload[0].filename)[2] == (1, f"_{key}")
    found.check("internal")


def test_each_listed_name_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    of = BuildSlot.of

    def count(filename: str) -> BuildSlot | None:
        read.append(filename)
        return of(filename)

    monkeypatch.setattr(BuildSlot, "of", count)
    files = tuple(published(wheel, number) for wheel in BOTH for number in (1, 2))
    assert states(compared(BOTH, {ALPHA: files}))[:2] == [State.SAME] * 2
    assert read == [file.filename for file in files]


def test_same_conflicting_and_foreign() -> None:
    there = published(BOTH[0]), published(BOTH[1], sha256="f" * 64), listed("alpha-0.1-py3-none-any.whl")
    found = compared(BOTH, {ALPHA: there})
    assert states(found) == [State.SAME, State.CONFLICTING, State.FOREIGN]
    (error,) = raised(lambda: found.check("internal"), ConflictError)
    assert error.what == f"{there[1].filename} is published with other bytes"
    assert "--next-build" in str(error.hint)
    anyway = compared(BOTH, {ALPHA: there}, next_build=True)
    assert anyway.to_upload[0].filename == published(BOTH[1], 2).filename
    assert states(compared(BOTH, {ALPHA: (*there, published(BOTH[1], 2))}))[:2] == [State.SAME] * 2


def test_other_core_metadata_beside_the_same_wheel() -> None:
    wheel = BOTH[0]
    file = published(wheel)
    own = wheel.file.metadata_sha256
    same: list[Digest | bool] = [False, True, own]
    for metadata in (*same, digest(b"other")):
        found = compared([wheel], {ALPHA: (replace(file, metadata=metadata),)})
        assert states(found) == [State.SAME if metadata in same else State.DAMAGED]
    beside = replace(file, metadata=own, metadata_matches=False)
    assert states(compared([wheel], {ALPHA: (beside,)})) == [State.DAMAGED]


def test_a_file_without_a_digest_is_a_conflict() -> None:
    assert states(compared(BOTH, {ALPHA: (published(BOTH[0], sha256=None),)}))[0] is State.CONFLICTING


def test_a_name_that_the_index_writes_in_another_way() -> None:
    wheel = make_candidate("alpha", tag="cp311-cp311-manylinux_2_17_x86_64.manylinux_2_28_x86_64")
    tag = build_tag(1, wheel.file.key)
    other = f"Alpha-1.0.0-{tag}-cp311-cp311-manylinux_2_28_x86_64.manylinux_2_17_x86_64.whl"
    file = ListedFile(filename=other, sha256=tagged_digest(wheel, tag))
    assert states(compared([wheel], {ALPHA: (file,)})) == [State.SAME]


def test_a_release_without_a_target_is_not_begun() -> None:
    found = compared(BOTH[:1], {ALPHA: ()})
    assert states(found) == [State.INCOMPLETE]
    assert found.to_upload == ()
    (error,) = raised(lambda: found.check("internal"), IncompleteError)
    assert TARGETS[1] in error.what


def test_a_wheel_for_all_serves_every_target() -> None:
    assert states(compared([make_candidate("alpha", tag="py3-none-any")], {})) == [State.UPLOAD]


def test_a_published_wheel_is_not_incomplete() -> None:
    assert states(compared(BOTH[:1], {ALPHA: (published(BOTH[0]),)})) == [State.SAME]


def test_a_wheel_whose_dependency_nobody_could_get() -> None:
    wheel = make_candidate("beta", tag="py3-none-any", requires=["alpha", "elsewhere"])
    alone = compared([wheel], {BETA: (), ALPHA: ()}, owned={ALPHA, BETA})
    assert states(alone) == [State.INCOMPLETE]
    assert "it needs alpha, which is not published" in alone.differences[0].why
    there = compared([wheel], {ALPHA: (published(BOTH[0]),)}, owned={ALPHA, BETA})
    assert states(there)[0] is State.UPLOAD
    along = compared([*BOTH, wheel], {}, owned={ALPHA, BETA})
    assert states(along) == [State.UPLOAD] * 3


@pytest.mark.parametrize(
    ("there", "number"),
    [
        ([], 1),
        (["alpha-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"], 1),
        (["alpha-1.0-7-py3-none-any.whl", "alpha-0.9-7-cp311-cp311-linux_x86_64.whl", "alpha-1.0.tar.gz"], 1),
        (["alpha-1.0-10_0123456789ab-cp311-cp311-linux_x86_64.whl"], 11),
        (["alpha-1.0-2b-cp311-cp311-manylinux_2_17_x86_64.whl"], 3),
    ],
)
def test_the_number_is_above_all_others_of_the_slot(there: list[str], number: int) -> None:
    (found, _) = compared(BOTH, {ALPHA: tuple(map(listed, there))}).to_upload
    assert found.filename == published(BOTH[0], number).filename
    assert bool(found.why) is (number > 1 or "manylinux_2_28" in "".join(there))


def test_dependencies_come_first() -> None:
    one, two = make_candidate("one", requires=["three"]), make_candidate("two", requires=["one", "elsewhere"])
    three, own = make_candidate("three"), make_candidate("own", requires=["own"])
    order = [each.project for each in dependencies_first([two, one, own, three])]
    assert [name for name in order if name != "own"] == ["three", "one", "two"]
    assert "own" in order
    circle = [make_candidate("one", requires=["two"]), make_candidate("two", requires=["one"])]
    assert dependencies_first(circle) == tuple(circle)


def test_requirements_of_metadata() -> None:
    lines = ["Name: x", "Version: 1", "Requires-Dist: Some_Thing>=1; python_version > '3'"]
    lines += ["Requires-Dist: extra-one; extra == 'test'", "Requires-Dist: !", "Requires-Dist: other"]
    text = "Metadata-Version: 2.1\n" + "\n".join(lines) + "\n"
    assert requirements(text.encode()) == {"some-thing", "other"}


class TestStatus:
    def test_a_line_for_each_target(self) -> None:
        there = published(BOTH[0]), listed("alpha-0.1-py3-none-any.whl"), listed("alpha-2.tar.gz")
        found = list(target_statuses(compared(BOTH[:1], {ALPHA: there}), needed))
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


def listing_of(names: Iterable[tuple[Name, ListedFile]]) -> dict[Name, tuple[ListedFile, ...]]:
    found: defaultdict[Name, list[ListedFile]] = defaultdict(list)
    for project, file in names:
        found[project].append(file)
    return {name: tuple(files) for name, files in found.items()}


def published_files(wheels: Iterable[Candidate]) -> list[tuple[Name, ListedFile]]:
    return [(wheel.project, published(wheel)) for wheel in wheels]


def uploaded(found: Comparison) -> list[tuple[Name, ListedFile]]:
    return [
        (each.project, ListedFile(filename=each.filename, sha256=tagged_digest(each.candidate, each.tag)))
        for each in found.to_upload
        if each.candidate
    ]


def compared_all(wheelhouse: list[Candidate], listing: list[tuple[Name, ListedFile]]) -> Comparison:
    rules = ReleaseRules(needed=needed, owned=set(map(Name, NAMES)))
    return compare(wheelhouse, listing_of(listing), rules, is_same=is_same)


@given(WHEELHOUSES, WHEELHOUSES)
def test_every_wheel_has_one_state_and_none_is_made_up(
    wheelhouse: list[Candidate], index: list[Candidate]
) -> None:
    found = compared_all(wheelhouse, published_files(index))
    assert [each.candidate for each in found.differences if each.candidate] == wheelhouse
    there = {file.filename for _, file in published_files(index)}
    own = {each.filename for each in found.differences if each.candidate}
    assert {each.filename for each in found.of(State.FOREIGN)} == there - own


@given(WHEELHOUSES, WHEELHOUSES)
def test_nothing_published_is_ever_to_upload(wheelhouse: list[Candidate], index: list[Candidate]) -> None:
    there = {file.filename for _, file in published_files(index)}
    assert not there & {each.filename for each in compared_all(wheelhouse, published_files(index)).to_upload}


@given(WHEELHOUSES, WHEELHOUSES)
def test_what_is_uploaded_makes_whole_releases(wheelhouse: list[Candidate], index: list[Candidate]) -> None:
    for each in compared_all(wheelhouse, published_files(index)).to_upload:
        version = each.candidate and each.candidate.version
        release = [one for one in wheelhouse if (one.project, one.version) == (each.project, version)]
        for target in needed(each.project):
            assert any(serves(one.filename, target) for one in release)


@given(WHEELHOUSES, WHEELHOUSES)
def test_after_it_is_published_it_is_the_same(wheelhouse: list[Candidate], index: list[Candidate]) -> None:
    before = compared_all(wheelhouse, published_files(index))
    after = compared_all(wheelhouse, [*published_files(index), *uploaded(before)])
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
