"""The files of several wheels as an installer lays them out, without what nothing needs there."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from posixpath import basename, dirname, relpath
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, DeployError
from wheelfarm.wheels.contents import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from wheelfarm.model import Digest, Name, Target
    from wheelfarm.wheels.archive import Member, Wheel

SITE: Final = "python"
"""The directory of an AWS Lambda layer that is on the import path of Python."""
COMMENTS: Final = "comments"
DROPPABLE: Final[tuple[str, ...]] = (Kind.TESTS, Kind.HEADER, Kind.SOURCE, Kind.TYPING, COMMENTS)
"""What a deployed package does not need, as a rule: kinds of files, and comments in modules."""
_STATIC: Final = re.compile(r".*\.(?:a|lib)")
_SCHEME: Final = re.compile(r"[^/]+\.data/(purelib|platlib|data|scripts|headers)/")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file of the tree; sizes are bytes."""

    path: str
    wheel: Wheel
    member: str
    size: int
    kind: Kind
    sha256: Digest | None
    link: str = ""
    """The path of the same library of another wheel, relative to the directory; it is a link then."""
    content: bytes | None = field(default=None, repr=False)
    """In place of the member's."""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The files by path, and what is left out.

    Args:
        entries: in the order of their paths.
        target: the Python and the platform that it is for.
        dropped: bytes that are left out, by distribution and kind.
    """

    entries: tuple[Entry, ...]
    target: Target
    dropped: dict[tuple[Name, str], int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files; a link has none."""
        return sum(entry.size for entry in self.entries if not entry.link)

    def sizes(self) -> dict[Name, dict[str, int]]:
        """Bytes by distribution and kind."""
        found: dict[Name, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for entry in self.entries:
            if not entry.link:
                found[entry.wheel.name][str(entry.kind)] += entry.size
        return found

    @property
    def saved_by_links(self) -> int:
        return sum(entry.size for entry in self.entries if entry.link)


def lay_out(wheels: Iterable[Wheel], target: Target, drop: Collection[str] = DROPPABLE) -> Tree:
    """Lay out wheels side by side.

    A library with the bytes of one that is there already becomes a link to that. Scripts and
    headers of the schemes are left out; what is below `data` goes beside `python/`.

    Args:
        wheels: in the order of their names.
        target: the Python and the platform that they are for.
        drop: the kinds of files that are left out.

    Raises:
        DeployError: a group, for each path that two wheels have.
    """
    problems, entries = Collector(), dict[str, Entry]()
    libraries: dict[Digest, str] = {}
    dropped: dict[tuple[Name, str], int] = defaultdict(int)
    for wheel in wheels:
        for entry in _entries(wheel):
            if entry.kind in drop or _STATIC.fullmatch(entry.path):
                dropped[wheel.name, str(entry.kind)] += entry.size
            elif entry.path in entries:
                other = entries[entry.path]
                if other.sha256 != entry.sha256 or basename(entry.path) != "__init__.py":
                    problems.add(_twice(other, entry))
            else:
                entries[entry.path] = _linked(entry, libraries)
    problems.check()
    ordered = tuple(entries[path] for path in sorted(entries))
    return Tree(entries=ordered, target=target, dropped=dict(dropped))


def _entries(wheel: Wheel) -> Iterator[Entry]:
    for member in wheel.members:
        path = _path_of(member)
        if path is not None:
            yield Entry(
                path=path,
                wheel=wheel,
                member=member.name,
                size=member.size,
                kind=kind_of(member.name),
                sha256=member.sha256,
            )


def _path_of(member: Member) -> str | None:
    """The path in the tree; None for what no import needs."""
    match = _SCHEME.match(member.name)
    if match is None:
        return f"{SITE}/{member.name}"
    rest = member.name[match.end() :]
    if match[1] in {"purelib", "platlib"}:
        return f"{SITE}/{rest}"
    return rest if match[1] == "data" else None


def _linked(entry: Entry, libraries: dict[Digest, str]) -> Entry:
    """The entry, as a link where an equal library is there already."""
    if entry.kind is not Kind.LIBRARY or entry.sha256 is None:
        return entry
    first = libraries.setdefault(entry.sha256, entry.path)
    if first == entry.path:
        return entry
    return replace(entry, link=relpath(first, dirname(entry.path)))


def _twice(one: Entry, other: Entry) -> DeployError:
    return DeployError(
        f"two wheels have {one.path.removeprefix(f'{SITE}/')}",
        where=f"{one.wheel.path.name}, {other.wheel.path.name}",
        why="the file of the later one would replace that of the first",
        hint=f"leave it out of one: a split, an install tag or a patch of {other.wheel.name}",
    )
