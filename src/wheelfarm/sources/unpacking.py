"""Unpacking a source archive into a new directory."""

from __future__ import annotations

import os
import shutil
import tempfile
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from wheelfarm.errors import ArchiveError, Collector, FarmError, SourceError
from wheelfarm.model import parse_name
from wheelfarm.sources.archives import Kind, open_archive, safe_members, unsafe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.model import FetchedSource
    from wheelfarm.sources.archives import Member, Parts


def unpack(source: FetchedSource, into: Path) -> Path:
    """Unpack an archive into a new directory.

    Of the modes only executable bits are used; times are those of the archive. The directory, which must not
    exist yet or be empty, appears when all is in it.

    Returns:
        The only directory at the top of the archive, or `into` when there is more at the top.

    Raises:
        ArchiveError: when the archive is damaged, too large or unsafe; several unsafe members as a group.
    """
    if into.exists() and any(into.iterdir()):
        raise ArchiveError(
            f"{source.path.name} cannot be unpacked", where=str(into), why="the directory is not empty"
        )
    into.parent.mkdir(parents=True, exist_ok=True)
    with open_archive(source.path) as archive:
        members = safe_members(archive, source.path)
        top = _top(members)
        draft = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
        try:
            _write(members, draft)
            _check_links(members, draft.joinpath(*top), draft, source.path)
            draft.chmod(0o755)
            if into.exists():
                into.rmdir()
            draft.rename(into)
        except BaseException:
            shutil.rmtree(draft)
            raise
    return into.joinpath(*top)


def _top(members: Mapping[Parts, Member]) -> Parts:
    """The only directory at the top; nothing when there is more."""
    tops = {parts[:1] for parts in members}
    if len(tops) != 1:
        return ()
    (only,) = tops
    is_directory = only not in members or members[only].kind is Kind.DIRECTORY
    return only if is_directory else ()


def _write(members: Mapping[Parts, Member], root: Path) -> None:
    # Plain strings: with ten thousand members, a Path for each takes longer than the system's calls.
    top, latest = os.fspath(root), max((member.time for member in members.values()), default=0)
    made: set[Parts] = set()
    # Links come last, so that nothing is ever written through one.
    for parts, member in sorted(members.items(), key=lambda pair: pair[1].kind is Kind.SYMLINK):
        path = os.path.join(top, *parts)  # noqa: PTH118
        if parts[:-1] not in made:
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
            made.add(parts[:-1])
        if member.kind is Kind.SYMLINK:
            os.symlink(member.link, path)  # noqa: PTH211
            continue
        if member.kind is Kind.DIRECTORY:
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
        else:
            with member.open() as content, open(path, "xb") as file:  # noqa: PTH123
                shutil.copyfileobj(content, file)
            os.chmod(path, 0o755 if member.executable else 0o644)  # noqa: PTH101
        os.utime(path, (member.time, member.time))
    # Filling a directory changes its time; one that the archive does not list gets the latest time.
    for directory, _, _ in os.walk(root, topdown=False):
        parts = Path(directory).relative_to(root).parts
        time = members[parts].time if parts in members else latest
        Path(directory).chmod(0o755)
        os.utime(directory, (time, time))


def _check_links(members: Mapping[Parts, Member], top: Path, root: Path, archive: Path) -> None:
    """Refuse symbolic links that leave the tree, as this system follows them, or that never end."""
    problems, inside = Collector(), top.resolve()
    for parts, member in members.items():
        if member.kind is Kind.SYMLINK:
            path = root.joinpath(*parts)
            if _is_circular(path) or not Path(os.path.realpath(path)).is_relative_to(inside):
                why = f"it is a symbolic link that leads out or in a circle, to {member.link!r}"
                problems.add(unsafe(archive, member.name, why))
    problems.check()


def _is_circular(path: Path) -> bool:
    try:
        path.resolve(strict=True)
    except FileNotFoundError:
        return False  # a link to a missing file
    except (OSError, RuntimeError):
        return True
    return False


def check_pkg_info(source: FetchedSource, tree: Path) -> None:
    """Refuse a source tree whose PKG-INFO names another distribution or version than the recipe.

    A tree without PKG-INFO, such as that of a commit, is checked by the name of its wheel. The format is that
    of the source distribution specification.
    """
    path = tree / "PKG-INFO"
    if not path.is_file():
        return
    fields = HeaderParser().parsestr(path.read_text(encoding="utf-8", errors="replace"))
    name, version = str(fields.get("Name", "?")), str(fields.get("Version", "?"))
    try:
        same = parse_name(name) == source.name and Version(version) == Version(source.version)
    except (FarmError, InvalidVersion):
        same = False
    if not same:
        raise SourceError(
            f"the source of {source.name} {source.version} is {name} {version}",
            where=source.path.name,
            why="the sha256 in the recipe pins another version's file",
            hint="correct `version` and `sha256` together",
        )
