"""Writes wheels for tests: valid ones, the same bytes each time, and ones with a single fault."""

from __future__ import annotations

import base64
import hashlib
import struct
import zipfile
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from packaging.tags import parse_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class Fault(Enum):
    """What is wrong with a broken wheel."""

    WRONG_HASH = auto()
    OTHER_HASH = auto()
    MISSING_LINE = auto()
    EXTRA_LINE = auto()
    DOUBLE_LINE = auto()
    SHORT_LINE = auto()
    RECORD_NOT_UTF8 = auto()
    NO_RECORD = auto()
    DUPLICATE_MEMBER = auto()
    PARENT_MEMBER = auto()
    ABSOLUTE_MEMBER = auto()
    BACKSLASH_MEMBER = auto()
    DRIVE_MEMBER = auto()
    ENCRYPTED = auto()
    BEYOND_THE_END = auto()
    NAME_NOT_UTF8 = auto()
    TRUNCATED = auto()
    NOT_A_ZIP = auto()
    DAMAGED_MEMBER = auto()
    LARGE_RECORD = auto()
    BAD_FILE_NAME = auto()
    OTHER_NAME = auto()
    OTHER_VERSION = auto()
    OTHER_DIRECTORY = auto()
    ODD_DIRECTORY = auto()
    OTHER_TAG = auto()
    OTHER_FORMAT = auto()
    TWO_DIST_INFO = auto()
    NO_DIST_INFO = auto()
    BAD_REQUIREMENT = auto()


_UNSAFE_MEMBERS: Final = {
    Fault.PARENT_MEMBER: "pkg/../../evil.py",
    Fault.ABSOLUTE_MEMBER: "/etc/evil",
    Fault.BACKSLASH_MEMBER: "..\\evil.py",
    Fault.DRIVE_MEMBER: "C:evil.py",
}
_DIST_INFO: Final = {
    Fault.OTHER_DIRECTORY: "other-9.9.dist-info",
    Fault.ODD_DIRECTORY: "-.dist-info",
    Fault.NO_DIST_INFO: "info",
}


def make_wheel(
    directory: Path,
    name: str = "demo",
    version: str = "1.0",
    files: Mapping[str, str | bytes] | None = None,
    *,
    tag: str = "py3-none-any",
    build: str = "",
    requires: Iterable[str] = (),
    requires_python: str = "",
    fields: Iterable[str] = ("Metadata-Version: 2.4",),
    fault: Fault | None = None,
) -> Path:
    """Write a wheel that holds `files` (by default one empty module) and return its path.

    `fields` are the first lines of METADATA.
    """
    escaped = name.replace("-", "_")
    dist_info = (
        _DIST_INFO.get(fault, f"{escaped}-{version}.dist-info") if fault else f"{escaped}-{version}.dist-info"
    )
    members = {
        path: text.encode() if isinstance(text, str) else text
        for path, text in ({f"{escaped}.py": ""} if files is None else files).items()
    }
    if fault is Fault.TWO_DIST_INFO:
        members["other-1.0.dist-info/METADATA"] = b""
    if fault in _UNSAFE_MEMBERS:
        members[_UNSAFE_MEMBERS[fault]] = b""
    members[f"{dist_info}/METADATA"] = _lines(
        [*fields, *_fields(name, version, requires, requires_python, fault)]
    )
    members[f"{dist_info}/WHEEL"] = _wheel(tag, build, fault)
    record = _record(members, f"{dist_info}/RECORD", fault)
    if fault is not Fault.NO_RECORD:
        members[f"{dist_info}/RECORD"] = record
    parts = [escaped, version, *([build] if build else []), tag]
    path = directory / ("demo-1.0.whl" if fault is Fault.BAD_FILE_NAME else f"{'-'.join(parts)}.whl")
    _write(path, members, fault)
    return path


def _fields(
    name: str, version: str, requires: Iterable[str], requires_python: str, fault: Fault | None
) -> list[str]:
    return [
        f"Name: {'other' if fault is Fault.OTHER_NAME else name}",
        f"Version: {'9.9' if fault is Fault.OTHER_VERSION else version}",
        *([f"Requires-Python: {requires_python}"] if requires_python else []),
        *(f"Requires-Dist: {requirement}" for requirement in requires),
        *(["Requires-Dist: not a requirement!"] if fault is Fault.BAD_REQUIREMENT else []),
    ]


def _wheel(tag: str, build: str, fault: Fault | None) -> bytes:
    tags = sorted(map(str, parse_tag("py2-none-any" if fault is Fault.OTHER_TAG else tag)))
    lines = [
        f"Wheel-Version: {'2.0' if fault is Fault.OTHER_FORMAT else '1.0'}",
        "Generator: wheelfarm-tests",
        "Root-Is-Purelib: true",
        *([f"Build: {build}"] if build else []),
        *(f"Tag: {one}" for one in tags),
    ]
    return _lines(lines)


def _lines(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _record(members: Mapping[str, bytes], record: str, fault: Fault | None) -> bytes:
    rows = []
    for number, (path, data) in enumerate(members.items()):
        first = number == 0
        digest = hashlib.sha256(data + b"!" if first and fault is Fault.WRONG_HASH else data).digest()
        value = "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if first and fault is Fault.OTHER_HASH:
            value = value.replace("sha256", "sha3_256")
        times = {Fault.MISSING_LINE: 0, Fault.DOUBLE_LINE: 2}.get(fault, 1) if first and fault else 1
        quoted = '"{}"'.format(path.replace('"', '""')) if {",", '"'}.intersection(path) else path
        rows += [f"{quoted},{value},{len(data)}"] * times
    if fault is Fault.EXTRA_LINE:
        rows.append("ghost.py,,")
    if fault is Fault.SHORT_LINE:
        rows.append("short.py")
    data = ("\n".join([*rows, f"{record},,"]) + "\n").encode()
    if fault is Fault.LARGE_RECORD:
        data += b"\n" * 5000
    return data + b"\xff" if fault is Fault.RECORD_NOT_UTF8 else data


def _write(path: Path, members: Mapping[str, bytes], fault: Fault | None) -> None:
    first = next(iter(members))
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (0o100755 if ".data/scripts/" in name else 0o644) << 16
            archive.writestr(info, data)
    written = bytearray(path.read_bytes())
    match fault:
        case Fault.DUPLICATE_MEMBER:
            # zipfile warns about a second member of a name, so one of the same length is renamed.
            _add_twin(path, first)
            return
        case Fault.ENCRYPTED:
            entry = written.index(b"PK\1\2")
            written[entry + 8] |= 1
        case Fault.NAME_NOT_UTF8:
            entry = written.index(b"PK\1\2")
            struct.pack_into("<H", written, entry + 8, 1 << 11)  # the name is UTF-8 (APPNOTE.TXT 4.4.4)
            written[entry + 46] = 0xFF
        case Fault.BEYOND_THE_END:
            struct.pack_into("<I", written, written.index(b"PK\1\2") + 20, 0xFF000000)
        case Fault.TRUNCATED:
            del written[len(written) // 2 :]
        case Fault.NOT_A_ZIP:
            written[:] = b"<html>404</html>"
        case Fault.DAMAGED_MEMBER:
            name_length, extra_length = struct.unpack_from("<HH", written, 26)
            written[30 + name_length + extra_length] ^= 0xFF
        case _:
            return
    path.write_bytes(written)


def _add_twin(path: Path, name: str) -> None:
    twin = "~" + name[1:]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(twin, EPOCH), b"")
    path.write_bytes(path.read_bytes().replace(twin.encode(), name.encode()))


def change_member(wheel: Path, name: str, data: bytes) -> None:
    """Replace the bytes of a member and leave RECORD as it is."""
    with zipfile.ZipFile(wheel) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for each, content in (members | {name: data}).items():
            archive.writestr(each, content)
