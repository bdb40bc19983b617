"""Unpacking a source archive into a new directory."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from wheelfarm.errors import ArchiveError, Collector, FarmError, SourceError
from wheelfarm.model import DEFAULT_LIMITS, parse_name
from wheelfarm.sources.archive_checks import Watch, safe_members, unsafe
from wheelfarm.sources.archives import Kind, escaped, open_archive, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message

    from wheelfarm.model import FetchedSource, Limits
    from wheelfarm.sources.archives import Member, Parts


def unpack(source: FetchedSource, into: Path, limits: Limits = DEFAULT_LIMITS) -> Path:
    """Unpack an archive into a new directory.

    Of the modes only executable bits are used; times are those of the archive. The directory, which must not
    exist yet or be empty, appears when all is in it.

    Returns:
        The only directory at the top of the archive, or `into` when there is more. What systems and
        tools leave beside it does not count.

    Raises:
        ArchiveError: when the archive is damaged, too large or unsafe; several unsafe members as a group.
    """
    if into.exists() and any(into.iterdir()):
        raise ArchiveError(
            f"{source.path.name} cannot be unpacked", where=str(into), why="the directory is not empty"
        )
    into.parent.mkdir(parents=True, exist_ok=True)
    watch = Watch(source.path, limits)
    with open_archive(source.path) as archive:
        members = safe_members(archive, watch, limits)
        top = _top(members)
        draft = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
        try:
            _write(members, draft, watch)
            _check_links(members, draft.joinpath(*top), draft, source.path)
            draft.chmod(0o755)
            if into.exists():
                into.rmdir()
            draft.rename(into)
        except BaseException:
            shutil.rmtree(draft)
            raise
    return into.joinpath(*top)


_MAX_PKG_INFO: Final = 1 << 20
_CHUNK: Final = 1 << 20
_STRAYS: Final = re.compile(r"\._.*|__MACOSX|\.DS_Store|pax_global_header")
"""What macOS puts beside a directory that it archives, and what old programs make of git's comment."""


def _top(members: Mapping[Parts, Member]) -> Parts:
    """The only directory at the top; nothing when there is more."""
    tops = {parts[:1] for parts in members if not _STRAYS.fullmatch(parts[0])}
    if len(tops) != 1:
        return ()
    (only,) = tops
    is_directory = only not in members or members[only].kind is Kind.DIRECTORY
    return only if is_directory else ()


def _write(members: Mapping[Parts, Member], root: Path, watch: Watch) -> None:
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
            # tarfile would look for the target of a hard link by its spelling.
            file_member = members[parts_of(member.link)] if member.kind is Kind.HARDLINK else member
            with file_member.open() as content, open(path, "xb") as file:  # noqa: PTH123
                while chunk := content.read(_CHUNK):
                    file.write(chunk)
                    watch.check()
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
    problems = Collector()
    for parts, member in members.items():
        if member.kind is Kind.SYMLINK and link_leads_out(root.joinpath(*parts), top):
            why = f"it is a symbolic link that leads out or in a circle, to {member.link!r}"
            problems.add(unsafe(archive, member.name, why))
    problems.check()


def link_leads_out(path: Path, tree: Path) -> bool:
    """Whether a symbolic link leads out of a tree, as this system follows it, or in a circle."""
    try:
        # The system gives up after a few dozen links; realpath does not.
        path.stat()
    except FileNotFoundError:
        pass  # a link to a missing file
    except OSError:
        return True
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(tree))


def files_below(tree: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything in a tree but its directories, by its path in the tree."""
    top, waiting = os.fspath(tree), [""]
    while waiting:
        directory = waiting.pop()
        with os.scandir(f"{top}/{directory}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{directory}{entry.name}/")
                else:
                    yield f"{directory}{entry.name}", entry


def newest(tree: Path) -> int:
    """The time of the newest file, in seconds; 1980 at least, the beginning of zip's time."""
    latest = 315532800
    for directory, directories, names in os.walk(tree):
        for name in (*directories, *names):
            found = os.lstat(os.path.join(directory, name))  # noqa: PTH118 - ten thousand: Path is slower
            # A link's own time is when it was unpacked.
            if not stat.S_ISLNK(found.st_mode):
                latest = max(latest, int(found.st_mtime))
    return latest


def read_pkg_info(tree: Path) -> Message | None:
    """The fields of a tree's PKG-INFO; None without the file."""
    path = tree / "PKG-INFO"
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", errors="replace") as file:
        return HeaderParser().parsestr(file.read(_MAX_PKG_INFO))


def check_pkg_info(source: FetchedSource, tree: Path) -> None:
    """Refuse a source tree whose PKG-INFO names another distribution or version than the recipe.

    A tree without PKG-INFO, such as that of a commit, is checked by the name of its wheel. The format is that
    of the source distribution specification.
    """
    fields = read_pkg_info(tree)
    if fields is None:
        return
    name, version = str(fields.get("Name", "?")), str(fields.get("Version", "?"))
    try:
        same = parse_name(name) == source.name and Version(version) == Version(source.version)
    except (FarmError, ValueError):  # also of a number with thousands of digits
        same = False
    if not same:
        raise SourceError(
            f"the source of {source.name} {source.version} is {escaped(name)} {escaped(version)}",
            where=source.path.name,
            why="the sha256 in the recipe pins another version's file",
            hint="correct `version` and `sha256` together",
        )
