"""What is left of a tree that was unpacked before: as many files of it as are still what the archive holds.

To make ten thousand files costs seconds, more on a file system that has just removed as many (ext4 gives no
inode away again for a while); to read them does not. Nothing is taken on trust: names and kinds are
judged here, contents byte by byte when the archive is written over what is left.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from email.parser import HeaderParser
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from wheelfarm.errors import ArchiveError, FarmError, SourceError
from wheelfarm.model import parse_name
from wheelfarm.sources.members import Kind, Member, open_archive
from wheelfarm.sources.safety import Limits, Parts, safe_members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.model import FetchedSource
    from wheelfarm.sources.members import Member
    from wheelfarm.sources.safety import Parts


_CHUNK: Final = 1 << 18


def prune(tree: Path, members: Mapping[Parts, Member]) -> None:
    """Remove from a tree whatever an archive does not have there, or has of another kind.

    What stays are directories, regular files of one name each, and links that lead where the archive says.

    Args:
        tree: the directory that the archive will be unpacked into.
        members: of the archive, by their place below the tree.

    Raises:
        OSError: when something cannot be removed.
    """
    implied = {place[:depth] for place in members for depth in range(1, len(place))}
    directories = implied | {place for place, member in members.items() if member.kind is Kind.DIRECTORY}
    for place, entry in _entries(tree, ()):
        member = members.get(place)
        if entry.is_dir(follow_symlinks=False):
            if place not in directories:
                shutil.rmtree(entry.path)
        elif member is None or place in directories or not _is(entry, member):
            os.unlink(entry.path)  # noqa: PTH108 - ten thousand: Path takes twice the time


def _entries(directory: Path | str, place: Parts) -> Iterator[tuple[Parts, os.DirEntry[str]]]:
    """What is in a tree: a directory before what is in it, which is passed over once it is gone."""
    with os.scandir(directory) as found:
        entries = list(found)
    for entry in entries:
        below = (*place, entry.name)
        yield below, entry
        if entry.is_dir(follow_symlinks=False) and os.path.lexists(entry.path):
            yield from _entries(entry.path, below)


def _is(entry: os.DirEntry[str], member: Member) -> bool:
    """Whether something that is no directory is of a member's kind and, for a link, leads to the same."""
    if entry.is_symlink():
        return member.kind is Kind.SYMLINK and os.readlink(entry.path) == member.link  # noqa: PTH115
    known = entry.stat(follow_symlinks=False)
    return member.kind in {Kind.FILE, Kind.HARDLINK} and stat.S_ISREG(known.st_mode) and known.st_nlink == 1


def holds(path: str, content: IO[bytes]) -> bool:
    """Whether a file holds just these bytes; one that cannot be read does not."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            while True:
                wanted = content.read(_CHUNK)
                if file.read(len(wanted) or 1) != wanted:
                    return False
                if not wanted:
                    return True
    except OSError:
        return False


def unpack(
    source: FetchedSource, into: Path, *, leftover: Path | None = None, limits: Limits | None = None
) -> Path:
    """Unpack an archive into a new directory.

    Of the modes only executable bits are kept; times are those of the archive.

    Args:
        source: the archive.
        into: the directory, which must not exist yet or be empty. It appears when all is in it.
        leftover: what an earlier call has returned, whatever has become of it since, on the same file
            system; it is used up. The outcome is the same, but files that still are as in the archive are
            not written again.
        limits: how much may be in the archive; by default 4 GiB and 500,000 members.

    Returns:
        The only directory at the top of the archive, or `into` when there is more at the top.

    Raises:
        ArchiveError: when the archive is damaged, too large or unsafe; all unsafe members at once.
    """
    if into.exists() and any(into.iterdir()):
        raise ArchiveError(
            f"{source.path.name} cannot be unpacked", where=str(into), why="something is there already"
        )
    into.parent.mkdir(parents=True, exist_ok=True)
    with open_archive(source.path, into.parent) as archive:
        members = safe_members(archive, source.path, limits or Limits())
        top = _top(members)
        draft = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
        try:
            if leftover is not None and leftover.is_dir() and not leftover.is_symlink():
                _take(leftover, draft, top, members)
            _write(members, draft)
            draft.chmod(0o755)
            if into.exists():
                into.rmdir()
            draft.rename(into)
        except BaseException:
            shutil.rmtree(draft)
            raise
    return into.joinpath(*top)


def _top(members: Mapping[Parts, Member]) -> Parts:
    """The place of the only directory at the top; nowhere when there is more."""
    tops = {place[:1] for place in members}
    if len(tops) != 1:
        return ()
    (only,) = tops
    alone = only in members and members[only].kind is not Kind.DIRECTORY
    return () if alone else only


def _take(leftover: Path, draft: Path, top: Parts, members: Mapping[Parts, Member]) -> None:
    """Move into the draft what is left of a tree; all is written anew where that cannot be done."""
    try:
        if top:
            leftover.rename(draft.joinpath(*top))
        else:
            draft.rmdir()
            leftover.rename(draft)
        prune(draft, members)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)


def _write(members: Mapping[Parts, Member], root: Path) -> None:
    # Plain strings: with ten thousand members, a Path for each takes longer than the system's calls.
    top, latest = os.fspath(root), max((member.time for member in members.values()), default=0)
    made: set[Parts] = set()
    # Links come last, so that nothing is ever written through one.
    for place, member in sorted(members.items(), key=lambda pair: pair[1].kind is Kind.SYMLINK):
        path = os.path.join(top, *place)  # noqa: PTH118
        if place[:-1] not in made:
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
            made.add(place[:-1])
        match member.kind:
            case Kind.DIRECTORY:
                os.makedirs(path, exist_ok=True)  # noqa: PTH103
            case Kind.SYMLINK:
                if not os.path.islink(path):  # noqa: PTH114
                    os.symlink(member.link, path)  # noqa: PTH211
            case _:
                _write_file(path, member)
        if member.kind is not Kind.SYMLINK:
            os.utime(path, (member.time, member.time))
    # The directories' times change while they are filled; those that are only implied get the latest.
    for directory, _, _ in os.walk(root, topdown=False):
        place = Path(directory).relative_to(root).parts
        time = members[place].time if place in members else latest
        Path(directory).chmod(0o755)
        os.utime(directory, (time, time))


def _write_file(path: str, member: Member) -> None:
    if not _is_left(path, member):
        with member.open() as content, open(path, "xb") as file:  # noqa: PTH123
            shutil.copyfileobj(content, file)
    os.chmod(path, 0o755 if member.executable else 0o644)  # noqa: PTH101


def _is_left(path: str, member: Member) -> bool:
    """Whether a file of an earlier unpacking holds what it should; it is removed when it does not."""
    if not os.path.lexists(path):
        return False
    with member.open() as content:
        left = holds(path, content)
    if not left:
        os.unlink(path)  # noqa: PTH108
    return left


def check_pkg_info(source: FetchedSource, tree: Path) -> None:
    """Refuse a source tree whose PKG-INFO is of another distribution or version than the recipe's.

    A tree without PKG-INFO, as a commit has, is told by the wheel that comes of it. The format is that of the
    source distribution specification.

    Raises:
        SourceError: naming both.
    """
    path = tree / "PKG-INFO"
    if not path.is_file():
        return
    fields = HeaderParser().parsestr(path.read_text(encoding="utf-8", errors="replace"))
    found = f"{fields.get('Name', '?')} {fields.get('Version', '?')}"
    try:
        same = parse_name(str(fields["Name"])) == source.name and Version(str(fields["Version"])) == Version(
            source.version
        )
    except (FarmError, InvalidVersion):
        same = False
    if not same:
        raise SourceError(
            f"the source of {source.name} {source.version} is {found}",
            where=source.path.name,
            why="the sha256 in the recipe pins another version's file",
            hint="correct `version` and `sha256` together",
        )
