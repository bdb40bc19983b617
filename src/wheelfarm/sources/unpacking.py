"""Unpacking a verified archive: all of it, or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wheelfarm.errors import ArchiveError
from wheelfarm.sources.members import Kind, Member, open_archive
from wheelfarm.sources.safety import Limits, Parts, safe_members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.model import FetchedSource


def unpack(source: FetchedSource, into: Path, *, limits: Limits | None = None) -> Path:
    """Unpack an archive into a new directory.

    Of the modes only executable bits are kept; times are those of the archive.

    Args:
        source: the archive.
        into: the directory, which must not exist yet or be empty. It appears when all is in it.
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
        draft = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
        try:
            _write(members, draft)
            draft.chmod(0o755)
            if into.exists():
                into.rmdir()
            draft.rename(into)
        except BaseException:
            shutil.rmtree(draft)
            raise
    top = {place[0] for place in members}
    only = into / top.pop() if len(top) == 1 else into
    return only if only.is_dir() and not only.is_symlink() else into


def _write(members: Mapping[Parts, Member], root: Path) -> None:
    latest = max((member.time for member in members.values()), default=0)
    made: set[Path] = set()
    # Links come last, so that nothing is ever written through one.
    for place, member in sorted(members.items(), key=lambda pair: pair[1].kind is Kind.SYMLINK):
        path = root.joinpath(*place)
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        match member.kind:
            case Kind.DIRECTORY:
                path.mkdir(exist_ok=True)
            case Kind.SYMLINK:
                path.symlink_to(member.link)
            case _:
                with member.open() as content, path.open("xb") as file:
                    shutil.copyfileobj(content, file)
                path.chmod(0o755 if member.executable else 0o644)
        if member.kind is not Kind.SYMLINK:
            os.utime(path, (member.time, member.time))
    # The directories' times change while they are filled; those that are only implied get the latest.
    for directory, _, _ in os.walk(root, topdown=False):
        place = Path(directory).relative_to(root).parts
        time = members[place].time if place in members else latest
        Path(directory).chmod(0o755)
        os.utime(directory, (time, time))
