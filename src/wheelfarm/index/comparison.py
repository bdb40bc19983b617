"""The stored wheels compared with what an index lists; pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from wheelfarm.errors import Collector, ConflictError, IncompleteError
from wheelfarm.wheelhouse.tags import serves

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from wheelfarm.index.candidates import Candidate
    from wheelfarm.index.protocol import ListedFile, Listing
    from wheelfarm.model import Digest, Name, Target

    Needed = Callable[[Name], Sequence[Target]]
    """The targets that a release of a distribution must have wheels for."""

    Members = Callable[[Name], Sequence[Name]]
    """The distributions of a release by any of them: the one that the others are split off comes first."""


def alone(project: Name) -> tuple[Name]:
    """The members of a release that has no splits."""
    return (project,)


class State(StrEnum):
    """How a wheel stands between the wheelhouse and an index."""

    UPLOAD = "to upload"
    SAME = "same"
    CONFLICTING = "conflicting"
    REBUILT = "rebuilt"
    """Published from another build; it goes under the next build number."""
    INCOMPLETE = "incomplete"
    FOREIGN = "foreign"
    """In the index and not among the stored wheels."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One wheel, and how it stands."""

    state: State
    project: Name
    filename: str
    why: str = ""
    candidate: Candidate | None = None
    """None for what is foreign."""
    published: Digest | None = None
    """The digest of the bytes that the index has under this name, where it tells one."""


@dataclass(frozen=True)
class Comparison:
    """How all wheels stand, dependencies before dependents; foreign ones at the end."""

    differences: tuple[Difference, ...]

    def of(self, state: State) -> tuple[Difference, ...]:
        """The wheels in a state."""
        return tuple(each for each in self.differences if each.state is state)

    @property
    def to_upload(self) -> tuple[Candidate, ...]:
        """What is missing in the index and may go there."""
        return tuple(each.candidate for each in self.of(State.UPLOAD) if each.candidate is not None)

    def check(self, index: str) -> None:
        """Refuse what cannot be published as it is, all of it at once.

        Raises:
            ConflictError: when a name is taken by other bytes.
            IncompleteError: when a release lacks something.
        """
        problems = Collector()
        for each in self.of(State.CONFLICTING):
            problems.add(
                ConflictError(
                    f"{each.filename} is published with other bytes",
                    where=f"index {index}",
                    why="a published file is never overwritten",
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
    *,
    needed: Needed,
    owned: Collection[Name] = (),
    members: Members = alone,
) -> Comparison:
    """How candidates wheels stand in an index.

    Args:
        candidates: dependencies before dependents.
        listing: the files of all projects that are candidates, and of `owned` as far as it matters.
        needed: what makes a release complete.
        owned: the farm's distributions: a wheel that needs one is incomplete where neither the candidates nor
            the index have it.
        members: what belongs to a release.
    """
    candidates = tuple(candidates)
    listed = {project: _by_identity(files) for project, files in listing.items()}
    found = [_standing(candidate, listed.get(candidate.project, {})) for candidate in candidates]
    judged = _without_incomplete(found, needed, _absent(candidates, listing, owned), members)
    known = {_identity(candidate.filename) for candidate in candidates}
    foreign = (
        Difference(state=State.FOREIGN, project=project, filename=file.filename)
        for project in sorted(listing)
        for file in listing[project]
        if _identity(file.filename) not in known
    )
    return Comparison((*judged, *foreign))


@lru_cache(maxsize=1 << 16)
def _identity(filename: str) -> object:
    """What a file name says: an index may write a name in another way."""
    try:
        return parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return filename


def _by_identity(files: Iterable[ListedFile]) -> Mapping[object, ListedFile]:
    return {_identity(file.filename): file for file in files}


def _standing(candidate: Candidate, files: Mapping[object, ListedFile]) -> Difference:
    file = files.get(_identity(candidate.filename))
    standing = Difference(
        state=State.UPLOAD, project=candidate.project, filename=candidate.filename, candidate=candidate
    )
    if file is None:
        return standing
    # What carries papers is named after the wheels that they belong to.
    if file.sha256 == candidate.sha256 or candidate.carrier:
        return replace(standing, state=State.SAME)
    number = next_build(candidate, (each.filename for each in files.values()))
    return replace(
        standing,
        state=State.CONFLICTING,
        published=file.sha256,
        why=f"release another version, or give it the build tag {number}, which is free: --next-build",
    )


def next_build(candidate: Candidate, filenames: Iterable[str]) -> int:
    """The build number that no published wheel of this version has reached."""
    highest = 0
    for filename in (*filenames, candidate.filename):
        try:
            _, version, build, _ = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            continue
        if version == Version(candidate.version) and build:
            highest = max(highest, build[0])
    return highest + 1


def _absent(candidates: Sequence[Candidate], listing: Listing, owned: Collection[Name]) -> frozenset[Name]:
    """The farm's distributions that nobody who installs the candidates could get."""
    projects = {candidate.project for candidate in candidates}
    return frozenset(name for name in owned if name not in projects and not listing.get(name))


def _without_incomplete(
    found: Sequence[Difference], needed: Needed, absent: frozenset[Name], members: Members
) -> Iterator[Difference]:
    """The same, with what may not be uploaded since its release lacks something."""
    releases: defaultdict[tuple[Name, str], list[Candidate]] = defaultdict(list)
    for each in found:
        if each.candidate is not None:
            releases[members(each.project)[0], each.candidate.version].append(each.candidate)
    lacks = {
        release: _lacks(members(release[0]), wheels, needed, absent) for release, wheels in releases.items()
    }
    for each in found:
        why = lacks[members(each.project)[0], each.candidate.version] if each.candidate else ""
        if each.state is State.UPLOAD and why:
            yield replace(each, state=State.INCOMPLETE, why=why)
        else:
            yield each


def _lacks(
    projects: Sequence[Name], wheels: Sequence[Candidate], needed: Needed, absent: frozenset[Name]
) -> str:
    """What a release lacks, in words; nothing when it is complete."""
    lacking = []
    for project in projects:
        of = f" of {project}" if project != projects[0] else ""
        targets = [
            target.identifier
            for target in needed(project)
            if not any(
                candidate.project == project and serves(candidate.filename, target) for candidate in wheels
            )
        ]
        lacking += [f"no wheel{of} for {', '.join(targets)}"] if targets else []
    names = sorted(absent & {name for candidate in wheels for name in candidate.requires})
    lacking += [f"it needs {', '.join(names)}, which is not published"] if names else []
    return "; ".join(lacking)
