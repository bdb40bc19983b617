"""What stands where, package by package and target by target; pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from wheelfarm.index.comparison import State
from wheelfarm.wheelhouse.tags import served, serves

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wheelfarm.index.comparison import Comparison, Needed
    from wheelfarm.index.protocol import ListedFile, Listing
    from wheelfarm.model import Name, Target

MISSING: Final = "missing"
"""A target that the index asks for, and for which there is no stored wheel."""


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


_STORED: Final = {State.UPLOAD, State.SAME, State.CONFLICTING, State.INCOMPLETE}
_PUBLISHED: Final = {State.SAME, State.CONFLICTING, State.FOREIGN}


def target_statuses(comparison: Comparison, needed: Needed) -> Iterator[TargetStatus]:
    """A line for each wheel and target, and for each target that lacks one."""
    releases: defaultdict[tuple[Name, str], set[str]] = defaultdict(set)
    for each in comparison.differences:
        version = _version(each.filename)
        targets = _targets(each.filename, needed(each.project))
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
        for wanted in needed(project):
            if wanted.identifier not in covered:
                yield TargetStatus(
                    project=project,
                    version=version,
                    target=wanted.identifier,
                    stored=False,
                    published=False,
                    state=MISSING,
                )


def _version(filename: str) -> str:
    try:
        return str(parse_wheel_filename(filename)[1])
    except InvalidWheelFilename:
        return ""


def _targets(filename: str, targets: Sequence[Target]) -> list[str]:
    try:
        return [target.identifier for target in targets if serves(filename, target)]
    except InvalidWheelFilename:
        return []


def of_release(filenames: Iterable[str], version: str) -> tuple[str, ...]:
    """The wheels of a version among file names, however the version is written."""
    wanted = str(Version(version))
    return tuple(filename for filename in filenames if _version(filename) == wanted)


def superseded(listing: Listing, keep: int) -> dict[Name, tuple[str, ...]]:
    """Wheels of which there are `keep` later builds for the same version and place.

    Args:
        listing: what an index lists.
        keep: how many builds stay; one at least.
    """
    gone: dict[Name, tuple[str, ...]] = {}
    for project, files in listing.items():
        builds: defaultdict[object, list[tuple[tuple[int, str], str]]] = defaultdict(list)
        for file in files:
            place = _place(file)
            if place is not None:
                builds[place[0]].append((place[1], file.filename))
        old = [name for group in builds.values() for _, name in sorted(group, reverse=True)[max(keep, 1) :]]
        if old:
            gone[project] = tuple(sorted(old))
    return gone


def _place(file: ListedFile) -> tuple[tuple[Version, object], tuple[int, str]] | None:
    """What a wheel is for, and which build of it this is; None for what is no wheel."""
    try:
        _, version, build, _ = parse_wheel_filename(file.filename)
    except InvalidWheelFilename:
        return None
    return (version, served(file.filename)), build or (0, "")
