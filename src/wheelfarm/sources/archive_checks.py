"""Which members of an archive are safe to unpack.

The rules are those of PEP 706's data filter and stricter: an unsafe archive is refused, not corrected.
"""

from __future__ import annotations

import re
import time
import unicodedata
import zipfile
from itertools import islice
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import ArchiveError, Collector, counted
from wheelfarm.model import raise_hint
from wheelfarm.sources.archives import Kind, escaped, open_archive, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from wheelfarm.model import Limits
    from wheelfarm.sources.archives import Member, Parts

_MAX_DEPTH: Final = 100
"""Directories above a member."""
_MAX_PART: Final = 255
_MAX_PATH: Final = 1000
"""Bytes of one name, and of all with their slashes; a file system takes more, but below a long directory."""
_MAX_PROBLEMS: Final = 50
"""Problems that the error lists."""

_DRIVE: Final = re.compile(r"[A-Za-z]:")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Watch:
    """Raises when reading an archive takes longer than `limits.unpack-time`."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path, self.most = path, limits.unpack_time
        self.began = time.monotonic()

    def check(self) -> None:
        """Raise an ArchiveError when the time is over."""
        if time.monotonic() - self.began > self.most:
            raise _too_much(self.path, "unpack_time", f"takes more than {self.most:g} s to unpack")


def check_size(path: Path, limits: Limits) -> None:
    """Refuse a wheel from outside that unpacks to more than the limits; what reads it refuses another file.

    Raises:
        ArchiveError: when it does, or when it is damaged.
    """
    if not zipfile.is_zipfile(path):
        return
    with open_archive(path) as members:
        for _ in _limited(members, Watch(path, limits), limits):
            pass


def safe_members(members: Iterable[Member], watch: Watch, limits: Limits) -> dict[Parts, Member]:
    """The members by the parts of their names, in the order of the archive.

    The targets of symbolic links are not checked here: that is `unpack`'s, when all else is unpacked.

    Raises:
        ArchiveError: when the archive is too large or a member is unsafe; several as a group.
    """
    path = watch.path
    found = list(_limited(members, watch, limits))
    problems = _problems(found)
    collector = Collector()
    for name, why in islice(problems, _MAX_PROBLEMS):
        collector.add(unsafe(path, name, why))
    if more := sum(1 for _ in problems):
        further = counted(more, "further member that is", "further members that are")
        collector.add(ArchiveError(f"{path.name} has {further} not safe to unpack"))
    collector.check()
    return {member.parts: member for member in found if member.parts}


def unsafe(path: Path, name: str, why: str) -> ArchiveError:
    """The error for an unsafe member."""
    return ArchiveError(f"{path.name} is not safe to unpack", where=escaped(name), why=escaped(why))


def _too_much(path: Path, limit: str, what: str, where: str | None = None) -> ArchiveError:
    error = ArchiveError(
        f"{path.name} {what}",
        where=where and escaped(where),
        why=f"this is the limit for what comes from outside; {path} has {path.stat().st_size:,} bytes",
        hint=f"if you trust it, {raise_hint(limit)}",
    )
    error.retryable = False
    return error


def _limited(members: Iterable[Member], watch: Watch, limits: Limits) -> Iterator[Member]:
    """The members up to the limits: a compression bomb is not read to its end."""
    total = 0
    # By the path that is written: "./x" and "x" are the same file.
    sizes: dict[Parts, int] = {}
    above: set[Parts] = set()
    for count, member in enumerate(members, 1):
        parts = member.parts
        # A hard link becomes a copy.
        size = sizes.get(parts_of(member.link), 0) if member.kind is Kind.HARDLINK else member.size
        sizes[parts] = size
        total += size
        depth = min(len(parts), _MAX_DEPTH) - 1
        while depth > 0 and parts[:depth] not in above:
            above.add(parts[:depth])
            depth -= 1
        if total > limits.unpacked:
            what = f"unpacks to {total:,} bytes or more; at most {limits.unpacked:,} are accepted"
            raise _too_much(watch.path, "unpacked", what, member.name)
        if count + len(above) > limits.members:
            what = f"has more than {limits.members:,} members and directories"
            raise _too_much(watch.path, "members", what, member.name)
        watch.check()
        yield member


def _problems(members: Iterable[Member]) -> Iterator[tuple[str, str]]:
    """Name and reason of each unsafe member."""
    kinds: dict[Parts, Kind] = {}
    spellings: dict[str, str] = {}
    named: list[Member] = []
    for member in members:
        earlier = kinds.get(member.parts)
        if why := _name_problem(member):
            yield member.name, why
        # Some programs name a directory again.
        elif earlier is not None and not earlier is member.kind is Kind.DIRECTORY:
            yield member.name, "it is there twice"
        elif twin := _twin(member.parts, spellings):
            why = f"its name differs from {twin!r} by capitals or Unicode form only"
            yield member.name, f"{why}: macOS and Windows write both to one file"
        # A link that comes before its file is none that tar programs write.
        elif member.kind is Kind.HARDLINK and kinds.get(parts_of(member.link)) is not Kind.FILE:
            yield member.name, f"it is a hard link to {member.link!r}, which is no file before it"
        else:
            kinds[member.parts] = member.kind
            named.append(member)
    for member in named:
        if why := _tree_problem(member, kinds):
            yield member.name, why


def _twin(parts: Parts, spellings: dict[str, str]) -> str | None:
    """An earlier path that a file system may take for this one, or for a directory above it."""
    folded = path = ""
    for part in parts:
        path = f"{path}/{part}"
        folded = f"{folded}/{_fold(part)}"
        if spellings.setdefault(folded, path) != path:
            return spellings[folded][1:]
    return None


def _fold(part: str) -> str:
    if part.isascii():
        return part.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", part).casefold())


def _name_problem(member: Member) -> str | None:
    parts = re.split(r"[/\\]", member.name)
    try:
        too_long = max(len(part.encode()) for part in parts) > _MAX_PART
        too_long = too_long or len(f"{member.name}{member.link}".encode()) > _MAX_PATH
    except UnicodeEncodeError:
        return "its name, or that of its target, is not UTF-8"
    problems = (
        ("\0" in member.name, "its name has a null byte"),
        (
            _CONTROL.search(member.name + member.link),
            "its name, or that of its target, has a control character",
        ),
        (len(parts) > 1 and not parts[0], "its path is absolute"),
        (".." in parts, "its path leads upwards with '..'"),
        (any(map(_DRIVE.match, parts)), "its path names a drive"),
        ("\\" in member.name, "its name has a backslash, which separates directories on Windows"),
        (too_long, f"its path is longer than {_MAX_PATH} bytes, or a name in it than {_MAX_PART}"),
        (len(member.parts) > _MAX_DEPTH, f"it is below more than {_MAX_DEPTH} directories"),
        (member.kind in {Kind.SPECIAL, Kind.SPARSE}, f"it is a {member.kind}"),
        (member.encrypted, "it is encrypted"),
        (not member.parts and member.kind is not Kind.DIRECTORY, "it has no name"),
    )
    return next((why for wrong, why in problems if wrong), None)


def _tree_problem(member: Member, kinds: Mapping[Parts, Kind]) -> str | None:
    parts = member.parts
    for depth in range(1, len(parts)):
        above = kinds.get(parts[:depth], Kind.DIRECTORY)
        if above is not Kind.DIRECTORY:
            return f"{'/'.join(parts[:depth])} above it is a {above}"
    steps = re.split(r"[/\\]", member.link)
    if member.kind is Kind.SYMLINK and (not steps[0] or any(map(_DRIVE.match, steps))):
        return f"it is a symbolic link that leads out, to {member.link!r}"
    return None
