"""Unpacking a verified archive: all of it, or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.errors import ArchiveError
from wheelfarm.sources.leftover import holds, prune
from wheelfarm.sources.members import Kind, Member, open_archive
from wheelfarm.sources.safety import Limits, Parts, safe_members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.model import FetchedSource


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
