"""Which archives may be unpacked: every member is judged before one byte is written.

The rules are those of PEP 706's data filter and stricter: an archive that has to be bent to be safe is
refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import ArchiveError, Collector
from wheelfarm.sources.members import Kind, Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

Parts = tuple[str, ...]

_SHOWN: Final = 50
"""Problems that are told; an archive with more of them is not better known by all."""

_MOST_LINKS: Final = 40
"""Links that Linux follows on one way, before it says that they run in a circle."""

_DRIVE: Final = re.compile(r"[A-Za-z]:")
_PLAIN: Final = re.compile(r"(?:[\w+-][\w.+-]*/)*[\w+-][\w.+-]*/?", re.ASCII)
"""A path of which nothing can be wrong: its parts do not even begin with a dot."""
_ORDINARY: Final = frozenset({Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.HARDLINK})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much may be in an archive.

    Args:
        size: bytes of all members together, unpacked.
        members: their number.
    """

    size: int = 4 << 30
    members: int = 500_000


def safe_members(members: Iterable[Member], path: Path, limits: Limits) -> dict[Parts, Member]:
    """The members by their place below the directory to unpack into.

    Args:
        members: of the archive.
        path: of the archive, for the errors.
        limits: how much may be in it.

    Raises:
        ArchiveError: when any is unsafe; several as a group.
    """
    found = list(_within(members, path, limits))
    problems = _problems(found)
    collector = Collector()
    for name, why in islice(problems, _SHOWN):
        collector.add(ArchiveError(f"{path.name} is not safe to unpack", where=name, why=why))
    if more := sum(1 for _ in problems):
        collector.add(ArchiveError(f"{path.name} has {more} further members that are not safe to unpack"))
    collector.check()
    return {place: member for member in found if (place := _place(member.name))}


def _within(members: Iterable[Member], path: Path, limits: Limits) -> Iterator[Member]:
    """The members, as long as they keep to the limits; a bomb is not read to its end."""
    size = 0
    sizes: dict[str, int] = {}
    for count, member in enumerate(members, 1):
        sizes[member.name] = member.size
        # A hard link becomes a copy.
        size += sizes.get(member.link, 0) if member.kind is Kind.HARDLINK else member.size
        if size > limits.size or count > limits.members:
            raise ArchiveError(
                f"{path.name} is too large to unpack",
                where=member.name,
                why=f"it has more than {limits.size} bytes or {limits.members} members when unpacked",
            )
        yield member


def _problems(members: Iterable[Member]) -> Iterator[tuple[str, str]]:
    """Name and reason of each member that is not safe."""
    kinds: dict[Parts, Kind] = {}
    judged: list[tuple[Parts, Member]] = []
    for member in members:
        place = _place(member.name)
        if why := _alone(member) or _twice(member, kinds.get(place)):
            yield member.name, why
        else:
            judged.append((place, member))
            kinds[place] = member.kind
    links = _Links(judged)
    for place, member in judged:
        if why := _below(place, kinds) or _link(place, member, kinds, links):
            yield member.name, why


def _alone(member: Member) -> str | None:
    """What is wrong with a member whatever the others are."""
    if _PLAIN.fullmatch(member.name) and member.kind in _ORDINARY and not member.encrypted:
        return None  # nearly all are, and thousands are judged
    parts = re.split(r"[/\\]", member.name)
    wrongs = (
        ("\0" in member.name, "its name holds a null byte"),
        (len(parts) > 1 and not parts[0], "its path is absolute"),
        (".." in parts, "its path leads upwards with '..'"),
        (any(map(_DRIVE.match, parts)), "its path names a drive"),
        (member.kind is Kind.SPECIAL, f"it is a {member.kind}"),
        (member.encrypted, "it is encrypted"),
        (not _place(member.name) and member.kind is not Kind.DIRECTORY, "it has no name"),
    )
    return next((why for wrong, why in wrongs if wrong), None)


def _twice(member: Member, earlier: Kind | None) -> str | None:
    """Some programs name a directory again; anything else that comes twice hides something."""
    if earlier is None or earlier is member.kind is Kind.DIRECTORY:
        return None
    return "it is there twice"


def _below(place: Parts, kinds: Mapping[Parts, Kind]) -> str | None:
    """Whether a member is below something that is no directory, such as a link to elsewhere."""
    for depth in range(1, len(place)):
        if (above := kinds.get(place[:depth], Kind.DIRECTORY)) is not Kind.DIRECTORY:
            return f"{'/'.join(place[:depth])} above it is a {above}"
    return None


def _link(place: Parts, member: Member, kinds: Mapping[Parts, Kind], links: _Links) -> str | None:
    """Whether a link points to what is not in the archive."""
    if member.kind is Kind.HARDLINK and kinds.get(_place(member.link)) is not Kind.FILE:
        return f"it is a hard link to {member.link!r}, which is no file of this archive"
    if member.kind is Kind.SYMLINK and links.escapes(place, member.link):
        return f"it is a symbolic link that leads out or in a circle, to {member.link!r}"
    return None


class _Links:
    """The symbolic links of an archive, and where they lead."""

    def __init__(self, members: Sequence[tuple[Parts, Member]]) -> None:
        tops = {place[0] for place, _ in members if place}
        self._root = 1 if len(tops) == 1 else 0  # a single top directory may be moved away alone
        self._links = {_fold(place): member.link for place, member in members if member.kind is Kind.SYMLINK}

    def escapes(self, place: Parts, link: str) -> bool:
        """Whether a link leaves the tree or goes in a circle, through whatever other links there are.

        It is followed as the kernel would: `a/..` is not where one started when `a` is itself a link.
        """
        here = list(place[:-1])
        ahead = _steps(link)
        for _ in range(_MOST_LINKS):
            while ahead:
                step = ahead.pop()
                if not step or _DRIVE.match(step) or (step == ".." and len(here) <= self._root):
                    return True
                if step == "..":
                    here.pop()
                    continue
                here.append(step)
                if (onward := self._links.get(_fold(here))) is not None:
                    ahead += _steps(onward)
                    here.pop()
                    break
            else:
                return False
        return True  # nowhere, which some programs take for somewhere else


def _fold(place: Iterable[str]) -> Parts:
    """As file systems see it that do not tell upper from lower case."""
    return tuple(map(str.casefold, place))


def _steps(link: str) -> list[str]:
    """The parts of a link, the first one last; an absolute one begins with an empty part."""
    first, *others = re.split(r"[/\\]", link)
    return [step for step in reversed(others) if step not in {"", "."}] + ([] if first == "." else [first])


def _place(name: str) -> Parts:
    return tuple(part for part in name.split("/") if part not in {"", "."})
