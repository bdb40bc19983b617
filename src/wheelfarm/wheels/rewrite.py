"""Rewrites a wheel: members left out, renamed, replaced or added, and RECORD written to match.

What stays is neither unpacked nor packed again, so the time goes with the size of the file and not with that
of its contents. The same wheel and the same changes make the same bytes.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from zipremove import ZipFile  # type: ignore[import-untyped]

from wheelfarm.errors import WheelError
from wheelfarm.system.files import temporary_path
from wheelfarm.wheels.archive import open_wheel, unreadable_as_wheel_error
from wheelfarm.wheels.dist_info import RECORD, SIGNATURES, write_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from wheelfarm.wheels.archive import Wheel


_DATA_DESCRIPTOR: Final = 0x8  # bit 3 of the general purpose flags (APPNOTE.TXT 4.4.4)
_VERSION: Final = re.compile(rb"^Version:[^\r\n]*", re.MULTILINE | re.IGNORECASE)
_ZIP64: Final = 1  # the extended information (APPNOTE.TXT 4.5.3)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a rewrite changes; directories do not count."""

    dropped: frozenset[str] = frozenset()
    """Members that it is to be without."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """The new name of members, by the old one."""
    dist_info: str = ""
    """The new name of the `.dist-info` directory; empty where it keeps its own."""
    written: Mapping[str, bytes] = field(default_factory=dict)
    """Contents by their new name: of members that are there, or of new ones."""


def rewrite_wheel(wheel: Wheel, path: Path, changes: Changes) -> Wheel:
    """Write a wheel again at `path` with some members changed, whole or not at all; it may be its own path.

    Members keep their order, date, mode and compression, also where they get other contents. Those of
    `.dist-info` come last (binary distribution format specification, "recommended archiver features"): what
    stays or is replaced, what is new in it, and RECORD; its signatures not at all. What is new gets the date
    and mode of METADATA.

    Raises:
        WheelError: when a member to change is not there, two would have one name, or the result is no
            sound wheel; a GroupError of them.
        OSError: when it cannot be written.
    """
    names = _names(wheel, changes)
    with temporary_path(path.parent) as draft:
        shutil.copyfile(wheel.path, draft)
        with unreadable_as_wheel_error(wheel.path.name), ZipFile(draft, "a") as archive:
            _rewrite(archive, wheel, names, changes)
        rewritten = open_wheel(draft, path.name)
        draft.replace(path)
    return replace(rewritten, path=path)


def _names(wheel: Wheel, changes: Changes) -> dict[str, str]:
    """The new name of each member whose bytes stay, by the old one."""
    known = wheel.names
    for name in sorted((changes.dropped | changes.renamed.keys()) - known):
        raise WheelError("the wheel has no such member", where=f"{wheel.path.name}: {name}")
    record = f"{wheel.dist_info}/{RECORD}"
    gone = {*changes.dropped, record, *(record + suffix for suffix in SIGNATURES)}
    names = {
        name: changes.renamed.get(name) or _moved(name, wheel, changes) for name in known if name not in gone
    }
    names = {old: new for old, new in names.items() if new not in changes.written}
    if len(set(names.values())) < len(names):
        twice = sorted(new for new in names.values() if list(names.values()).count(new) > 1)
        raise WheelError("two members would have this name", where=f"{wheel.path.name}: {twice[0]}")
    return names


def _moved(name: str, wheel: Wheel, changes: Changes) -> str:
    """The name of a member that is not renamed: what is in `.dist-info` follows that."""
    old = wheel.dist_info
    return (changes.dist_info or old) + name.removeprefix(old) if name.startswith(f"{old}/") else name


def _rewrite(archive: ZipFile, wheel: Wheel, names: Mapping[str, str], changes: Changes) -> None:
    """Apply the changes to a copy of the wheel that is open for appending."""
    dist_info = f"{changes.dist_info or wheel.dist_info}/"
    model = archive.getinfo(f"{wheel.dist_info}/METADATA")
    infos = list(archive.infolist())
    for info in infos:
        info.extra = _without_zip64(info.extra)
    homes = {**names, **_directories(infos, [*names.values(), *changes.written], wheel, changes)}
    gone: list[zipfile.ZipInfo] = []
    for inside in (False, True):
        added = {name for name in changes.written if name.startswith(dist_info) is inside}
        # What follows a member that has moved has to follow it there.
        moving = inside
        for info in infos:
            if info.filename.startswith(f"{wheel.dist_info}/") is not inside:
                continue
            name, home = info.filename, homes.get(info.filename)
            if name == home and not moving:
                continue
            gone.append(info)
            if home is None and name in added:
                archive.remove(info)
                archive.writestr(_like(info, name), changes.written[name])
                added.remove(name)
                moving = True
            else:
                _move(archive, info, home)
                moving = moving or home is not None
        for name in sorted(added):
            archive.writestr(_like(model, name), changes.written[name])
    record = f"{dist_info}{RECORD}"
    rows = _rows(wheel, names, changes)
    listed = [(info.filename, *rows[info.filename]) for info in archive.infolist() if not info.is_dir()]
    archive.writestr(_like(model, record), write_record(listed, record))
    archive.repack(gone)


def _directories(
    infos: Iterable[zipfile.ZipInfo], files: Iterable[str], wheel: Wheel, changes: Changes
) -> dict[str, str]:
    """The new name of each directory entry that is not empty, by the old one."""
    names = {info.filename: _moved(info.filename, wheel, changes) for info in infos if info.is_dir()}
    filled = {f"{parent}/" for name in files if names for parent in PurePosixPath(name).parents}
    return {old: new for old, new in names.items() if new in filled}


def _move(archive: ZipFile, info: zipfile.ZipInfo, home: str | None) -> None:
    """Remove a member, and append it if it has a new name."""
    # Then its sizes stand behind its bytes, in a form that depends on the header it had.
    described = bool(info.flag_bits & _DATA_DESCRIPTOR)
    data = archive.read(info) if home and described else b""
    if home and not described:
        archive.copy(info, home)
    archive.remove(info)
    if home and described:
        archive.writestr(_like(info, home), data)


def _without_zip64(extra: bytes) -> bytes:
    """The extra fields of a member without its ZIP64 sizes, which zipfile adds again where it needs them.

    zipfile keeps the field of the archive that it reads, beside sizes that are not those of ZIP64; uv refuses
    such a wheel (pypa/wheel#692).
    """
    fields, at = b"", 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind != _ZIP64:
            fields += extra[at : at + 4 + length]
        at += 4 + length
    return fields + extra[at:]


def _like(model: zipfile.ZipInfo, name: str) -> zipfile.ZipInfo:
    """A new member with the date, mode and compression of another."""
    info = zipfile.ZipInfo(name, model.date_time)
    info.compress_type = model.compress_type
    info.create_system, info.external_attr = model.create_system, model.external_attr
    return info


def _rows(wheel: Wheel, names: Mapping[str, str], changes: Changes) -> dict[str, tuple[str, int]]:
    """Hash and size of each member by its new name; an unchanged member keeps its own."""
    unchanged = {
        names[member.name]: (member.sha256, member.size)
        for member in wheel.members
        if member.name in names and member.sha256 is not None
    }
    written = {name: (hashlib.sha256(data).hexdigest(), len(data)) for name, data in changes.written.items()}
    return unchanged | written


def tagged_name(filename: str, tag: str) -> str:
    """The name of a wheel file with another build tag, or without one for an empty tag."""
    parts = filename.split("-")
    return "-".join((*parts[:2], *filter(None, [tag]), *parts[-3:]))


def write_version(wheel: Wheel, directory: Path, version: str) -> Wheel:
    """Write a wheel again in a directory, with another version in its name and its METADATA.

    The modules in it say of themselves what they said before.

    Raises:
        WheelError: when the wheel cannot be read.
        OSError: when the new wheel cannot be written.
    """
    old = wheel.dist_info.removesuffix(".dist-info")
    new = f"{old.partition('-')[0]}-{version}"
    # The field stands in the header, which comes first.
    field, metadata = f"Version: {version}".encode(), wheel.read(f"{wheel.dist_info}/METADATA")
    name, _, *rest = wheel.path.name.split("-")
    changes = Changes(
        dist_info=f"{new}.dist-info",
        renamed={
            each: f"{new}.data/{each.removeprefix(f'{old}.data/')}"
            for each in wheel.names
            if each.startswith(f"{old}.data/")
        },
        written={f"{new}.dist-info/METADATA": _VERSION.sub(field, metadata, count=1)},
    )
    return rewrite_wheel(wheel, directory / "-".join((name, version, *rest)), changes)


def write_tagged(wheel: Wheel, directory: Path, tag: str) -> Wheel:
    """Write a wheel again in a directory, with another build tag, or none, in its name and in WHEEL.

    The same wheel and tag make the same bytes, and an empty tag restores the bytes of a wheel of the farm.

    Raises:
        WheelError: when the wheel cannot be read.
        OSError: when the new wheel cannot be written.
    """
    member = f"{wheel.dist_info}/WHEEL"
    lines = wheel.read(member).splitlines(keepends=True)
    fields = [line for line in lines if not line.lower().startswith(b"build:")]
    # Where the specification has it: before the tags.
    first = next((at for at, line in enumerate(fields) if line.lower().startswith(b"tag:")), len(fields))
    if tag:
        fields.insert(first, f"Build: {tag}".encode() + (b"\r\n" if fields[0].endswith(b"\r\n") else b"\n"))
    path = directory / tagged_name(wheel.path.name, tag)
    return rewrite_wheel(wheel, path, Changes(written={member: b"".join(fields)}))
