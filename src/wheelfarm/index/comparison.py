"""Compare the stored wheels with what an index lists, wheel by wheel and target by target; pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from packaging.utils import InvalidWheelFilename

from wheelfarm.errors import Collector, ConflictError, IncompleteError
from wheelfarm.index.build_tags import BuildSlot, build_tag, short_key
from wheelfarm.index.protocol import closed
from wheelfarm.model.wheel_names import parse_wheel_filename
from wheelfarm.wheelhouse.tags import serves
from wheelfarm.wheels.rewrite import tagged_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.protocol import ListedFile, Listing
    from wheelfarm.model import Digest, Name, Target
    from wheelfarm.wheelhouse.simple_index import ProjectStatus


@dataclass(frozen=True, kw_only=True)
class ReleaseRules:
    """What makes a release complete."""

    needed: Callable[[Name], Sequence[Target]]
    """The targets that a release of a distribution must have wheels for."""
    owned: Collection[Name] = frozenset()
    """The farm's distributions: a wheel that needs one is incomplete when neither the stored wheels nor the
    index have it."""
    members: Callable[[Name], Sequence[Name]] = lambda project: (project,)
    """The distributions of a release by any of them: the one that the others are split off comes first."""


class State(StrEnum):
    """How a wheel of the wheelhouse relates to an index."""

    UPLOAD = "to upload"
    SAME = "same"
    DAMAGED = "other metadata"
    """The wheel is the same, and the core metadata beside it (PEP 658) are not the wheel's."""
    CONFLICTING = "conflicting"
    """Published from the same build key with other bytes."""
    INCOMPLETE = "incomplete"
    CLOSED = "closed"
    """The project has a status (PEP 792) with which the index takes no wheels."""
    FOREIGN = "foreign"
    """In the index and not among the stored wheels."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The state of one wheel."""

    state: State
    project: Name
    filename: str
    """The published name."""
    why: str = ""
    candidate: Candidate | None = None
    """The stored wheel; None for a foreign file."""
    tag: str = ""
    """The build tag."""


@dataclass(frozen=True)
class Comparison:
    """The states of all wheels, dependencies before dependents; foreign ones at the end."""

    differences: tuple[Difference, ...]
    closed: Mapping[Name, ProjectStatus] = field(default_factory=dict)
    """The projects that may get no wheels, of those that lack some."""

    def of(self, state: State) -> tuple[Difference, ...]:
        """The wheels in a state."""
        return tuple(each for each in self.differences if each.state is state)

    @property
    def to_upload(self) -> tuple[Difference, ...]:
        """What is missing in the index and may go there."""
        return self.of(State.UPLOAD)

    def closing(self, statuses: Mapping[Name, ProjectStatus]) -> Comparison:
        """The same, with what the statuses of projects forbid to upload."""
        lacking = {each.project for each in self.to_upload}
        closed = {
            name: status for name, status in statuses.items() if name in lacking and not status.takes_wheels
        }
        differences = (
            replace(each, state=State.CLOSED, why=f"its project is {closed[each.project]}")
            if each.state is State.UPLOAD and each.project in closed
            else each
            for each in self.differences
        )
        return Comparison(tuple(differences), closed)

    def check(self, index: str) -> None:
        """Raise for all that cannot be published as it is.

        Raises:
            ConflictError: when other bytes were published from the same build key.
            IncompleteError: when a release lacks something.
            PublishError: when the status of a project lets it get no wheels.
        """
        problems = Collector()
        for project, status in self.closed.items():
            problems.add(closed(project, index, status))
        for each in self.of(State.CONFLICTING):
            problems.add(
                ConflictError(
                    f"{each.filename} is published with other bytes",
                    where=f"index {index}",
                    why="a published file is never overwritten, and its build key is the same",
                    hint=each.why,
                )
            )
        lacking = {(each.project, each.why): each for each in self.of(State.INCOMPLETE)}
        for each in lacking.values():
            problems.add(
                IncompleteError(
                    f"{each.project} is not complete: {each.why}",
                    where=f"index {index}",
                    hint=f"nox -s build-{each.project}, or change `targets` of the index in pyproject.toml",
                )
            )
        problems.check()


def compare(
    candidates: Iterable[Candidate],
    listing: Listing,
    rules: ReleaseRules,
    *,
    is_same: Callable[[Candidate, str, Digest | None], bool],
    next_build: bool = False,
) -> Comparison:
    """Compare candidates with what an index lists.

    Args:
        candidates: stored wheels, dependencies before dependents.
        listing: the files of the candidates' projects, and of the farm's distributions that they require.
        rules: what makes a release complete.
        is_same: whether a candidate with a build tag has a digest.
        next_build: give conflicting wheels the next build number.
    """
    builds = {project: _by_slot(files) for project, files in listing.items()}
    found = [
        _compare_one(
            candidate,
            builds.get(candidate.project, {}).get(candidate.file.slot, ()),
            is_same,
            next_build=next_build,
        )
        for candidate in candidates
    ]
    judged = _without_incomplete(found, rules, listing)
    known = {(each.project, _identity(each.filename)) for each in found}
    foreign = (
        Difference(state=State.FOREIGN, project=project, filename=file.filename)
        for project in sorted(listing)
        for file in listing[project]
        if (project, _identity(file.filename)) not in known
    )
    return Comparison((*judged, *foreign))


def _identity(filename: str) -> object:
    """What a file name means: an index may change its case and the order of its tags."""
    try:
        return parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return filename


def _by_slot(files: Iterable[ListedFile]) -> Mapping[object, Sequence[tuple[BuildSlot, ListedFile]]]:
    """The builds among listed files, by what `IndexedFile.slot` says of a stored wheel."""
    found: defaultdict[object, list[tuple[BuildSlot, ListedFile]]] = defaultdict(list)
    for file in files:
        if build := BuildSlot.of(file.filename):
            found[build.version, build.tags].append((build, file))
    return found


def _compare_one(
    candidate: Candidate,
    builds: Sequence[tuple[BuildSlot, ListedFile]],
    is_same: Callable[[Candidate, str, Digest | None], bool],
    *,
    next_build: bool,
) -> Difference:
    key = candidate.file.key
    own = [(build.number, file) for build, file in builds if build.short_key == short_key(key)]

    def difference(state: State, number: int, why: str = "") -> Difference:
        tag = build_tag(number, key)
        name = tagged_name(candidate.filename, tag)
        return Difference(
            state=state, project=candidate.project, filename=name, why=why, candidate=candidate, tag=tag
        )

    for number, file in own:
        if is_same(candidate, build_tag(number, key), file.sha256):
            if file.metadata_matches and file.metadata in {True, False, candidate.file.metadata_sha256}:
                return difference(State.SAME, number)
            return difference(State.DAMAGED, number, "the core metadata beside it are not the wheel's")
    highest, before = max(((build.number, file.filename) for build, file in builds), default=(0, ""))
    if own and not next_build:
        why = f"release another version, or give it the free build number {highest + 1}: --next-build"
        return difference(State.CONFLICTING, max(number for number, _ in own), why)
    return difference(State.UPLOAD, highest + 1, f"installers prefer it to {before}" if before else "")


def _without_incomplete(
    found: Sequence[Difference], rules: ReleaseRules, listing: Listing
) -> Iterator[Difference]:
    """Mark what may not be uploaded because its release lacks something."""
    releases: defaultdict[tuple[Name, str], list[Candidate]] = defaultdict(list)
    for each in found:
        if each.candidate is not None:
            releases[rules.members(each.project)[0], each.candidate.version].append(each.candidate)
    stored = {each.project for each in found}
    absent = {name for name in rules.owned if name not in stored and not listing.get(name)}
    lacks = {release: _lacks(release[0], wheels, rules, absent) for release, wheels in releases.items()}
    for each in found:
        why = lacks[rules.members(each.project)[0], each.candidate.version] if each.candidate else ""
        if each.state is State.UPLOAD and why:
            yield replace(each, state=State.INCOMPLETE, why=why)
        else:
            yield each


def _lacks(main: Name, wheels: Sequence[Candidate], rules: ReleaseRules, absent: Collection[Name]) -> str:
    """What a release lacks, as text; empty when it is complete."""
    lacking = []
    for project in rules.members(main):
        of = f" of {project}" if project != main else ""
        own = [candidate.filename for candidate in wheels if candidate.project == project]
        targets = [
            target.identifier
            for target in rules.needed(project)
            if not any(serves(filename, target) for filename in own)
        ]
        if targets:
            lacking.append(f"no wheel{of} for {', '.join(targets)}")
    names = sorted({name for candidate in wheels for name in candidate.requires}.intersection(absent))
    if names:
        lacking.append(f"it needs {', '.join(names)}, which is not published")
    return "; ".join(lacking)


_NOT_STORED: Final = "missing"
"""A target that the index asks for, and for which there is no stored wheel."""
_STORED: Final = {*State} - {State.FOREIGN}
_PUBLISHED: Final = {State.SAME, State.DAMAGED, State.CONFLICTING, State.FOREIGN}


@dataclass(frozen=True, kw_only=True)
class TargetStatus:
    """One wheel for one target, or the lack of it."""

    project: Name
    version: str
    target: str
    """A build identifier; `other` for a wheel that serves none of the index's targets."""
    stored: bool
    published: bool
    state: str
    filename: str = ""


def target_statuses(
    comparison: Comparison, needed: Callable[[Name], Sequence[Target]]
) -> Iterator[TargetStatus]:
    """A line for each wheel and target, and for each target that lacks one."""
    releases: defaultdict[tuple[Name, str], set[str]] = defaultdict(set)
    for each in comparison.differences:
        slot = BuildSlot.of(each.filename)
        version = str(slot.version) if slot else ""
        targets = [
            target.identifier for target in needed(each.project) if slot and serves(each.filename, target)
        ]
        if each.candidate is not None:
            releases[each.project, version].update(targets)
        for target in targets or ["other"]:
            yield TargetStatus(
                project=each.project,
                version=version,
                target=target,
                stored=each.state in _STORED,
                published=each.state in _PUBLISHED,
                state=each.state.value,
                filename=each.filename,
            )
    for (project, version), covered in releases.items():
        for target in (each.identifier for each in needed(project) if each.identifier not in covered):
            yield TargetStatus(
                project=project,
                version=version,
                target=target,
                stored=False,
                published=False,
                state=_NOT_STORED,
            )
