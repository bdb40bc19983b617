"""What is left of a tree that was unpacked before: as many files of it as are still what the archive holds.

To make ten thousand files costs seconds, more on a file system that has just removed as many (ext4 gives no
inode away again for a while); to read them does not. Nothing is taken on trust: names and kinds are
judged here, contents byte by byte when the archive is written over what is left.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import IO, TYPE_CHECKING, Final

from wheelfarm.sources.members import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

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
