"""Unpacks an archive into a source tree."""

from __future__ import annotations

import os
import shutil
import tempfile
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from wheelfarm.errors import ArchiveError, FarmError, SourceError
from wheelfarm.model import parse_name
from wheelfarm.sources.members import Kind, Member, open_archive
from wheelfarm.sources.safety import Limits, Parts, safe_members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.model import FetchedSource
    from wheelfarm.sources.members import Member
    from wheelfarm.sources.safety import Parts


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
        top = _top(members)
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
    return into.joinpath(*top)


def _top(members: Mapping[Parts, Member]) -> Parts:
    """The place of the only directory at the top; nowhere when there is more."""
    tops = {place[:1] for place in members}
    if len(tops) != 1:
        return ()
    (only,) = tops
    alone = only in members and members[only].kind is not Kind.DIRECTORY
    return () if alone else only


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
    with member.open() as content, open(path, "xb") as file:  # noqa: PTH123
        shutil.copyfileobj(content, file)
    os.chmod(path, 0o755 if member.executable else 0o644)  # noqa: PTH101


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
