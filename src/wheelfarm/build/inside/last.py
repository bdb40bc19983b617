"""Runs in a build around the repair tool: does the last build's repair again where only texts have changed.

A repair tool looks at binaries, and changes these, tags and RECORD. So when two wheels out of one environment
differ in texts that the tool has left as they were, the repaired wheels differ in these alone. Both wheels of
the last build lie in the kept build directory, and go with it when it does not fit
(`prepare_build_cache.py`).
Uses the standard library only, since it runs with the target's interpreter.

Usage: last.py again WHEEL DIRECTORY BUILD-DIRECTORY   fails where the tool has to do it
       last.py keep WHEEL DIRECTORY BUILD-DIRECTORY    after the repair, for the next build
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import shutil
import sys
import zipfile
import zlib
from io import StringIO
from pathlib import Path
from typing import IO

LAST = ".wheelfarm/last"
"""Where the two wheels lie in a build directory."""
BUILT = "built"
REPAIRED = "repaired"
RECORD = ".dist-info/RECORD"
HEADER = 30
"""Bytes of a header before the name; the last four are two lengths, of it and of more (APPNOTE 4.3.7)."""
DESCRIBED = 0x8
"""Sizes stand behind the bytes (bit 3, APPNOTE 4.4.4)."""
Facts = dict[str, tuple[str, int, int]]
"""Member → its digest as RECORD states it, the checksum of its bytes, its mode."""


def record_of(archive: zipfile.ZipFile) -> str:
    """The name of a wheel's RECORD."""
    names = [name for name in archive.namelist() if name.endswith(RECORD) and name.count("/") == 1]
    if len(names) != 1:
        raise ValueError(f"{archive.filename} is no wheel")
    return names[0]


def facts(path: Path) -> Facts:
    """What tells a wheel's members from those of another; RECORD, which follows from them, is left out."""
    with zipfile.ZipFile(path) as archive:
        record = record_of(archive)
        rows = csv.reader(StringIO(archive.read(record).decode("utf-8"), newline=""))
        digests = {row[0]: row[1] for row in rows if row}
        return {
            info.filename: (digests.get(info.filename, ""), info.CRC, info.external_attr >> 16)
            for info in archive.infolist()
            if info.filename != record
        }


def changed(wheel: Path, before: Path, repaired: Path) -> dict[str, bool] | None:
    """The members that have changed, and whether the tool left them as they were; None when more has.

    Args:
        wheel: the wheel as the backend made it.
        before: the last one as the backend made it.
        repaired: the last one after its repair.
    """
    now, then, done = facts(wheel), facts(before), facts(repaired)
    if now.keys() != then.keys():
        return None
    found = [name for name in now if now[name] != then[name]]
    for name in found:
        metadata = name.partition("/")[0].endswith(".dist-info")
        if name not in done or now[name][2] != then[name][2] or metadata:
            return None
    return {name: done[name][:2] == then[name][:2] for name in found}


def parted(wheel: Path, before: Path, repaired: Path) -> tuple[dict[str, bytes], list[str]] | None:
    """The changed texts as the tool leaves them, and the names of the changed binaries.

    None where it is the tool's to say what becomes of the wheel.
    """
    names = changed(wheel, before, repaired)
    if names is None:
        return None
    texts, binaries = {}, []
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(before) as old:
        for name, left in names.items():
            new = archive.read(name)
            if b"\0" in new or b"\0" in old.read(name):
                binaries.append(name)
            elif left:
                texts[name] = new
            else:
                # The tool has put something of its own into it, as delvewheel does into an __init__.py.
                return None
    return texts, binaries


def edition(wheel: Path, path: Path, written: dict[str, bytes]) -> None:
    """Write a wheel with other contents of some members, and RECORD to match: whole or not at all.

    All else stays as it is, to the byte and the place; what is written is packed as it was. So the time goes
    with what has changed.
    """
    draft = path.with_suffix(".draft")
    try:
        if written:
            write_members(wheel, draft, written)
        else:
            shutil.copyfile(wheel, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_members(wheel: Path, path: Path, written: dict[str, bytes]) -> None:
    """Write all members of a wheel in their order."""
    with (
        wheel.open("rb") as raw,
        path.open("wb") as file,
        zipfile.ZipFile(raw) as old,
        zipfile.ZipFile(file, "w") as new,
    ):
        record = record_of(old)
        contents = {**written, record: recorded(old.read(record).decode("utf-8"), written)}
        for info in sorted(old.infolist(), key=lambda each: each.header_offset):
            if info.filename in contents:
                new.writestr(like(info), contents[info.filename])
            else:
                carry(info, raw, new, file)


def carry(info: zipfile.ZipInfo, raw: IO[bytes], archive: zipfile.ZipFile, file: IO[bytes]) -> None:
    """Take a member over as it is packed, with its header."""
    raw.seek(info.header_offset)
    header = raw.read(HEADER)
    behind = int.from_bytes(header[-4:-2], "little") + int.from_bytes(header[-2:], "little")
    info.header_offset = archive.start_dir
    packed = header + raw.read(behind + info.compress_size)
    if info.flag_bits & DESCRIBED or len(packed) != HEADER + behind + info.compress_size:
        raise ValueError(f"{info.filename} is packed in a way that is not known here")
    file.seek(archive.start_dir)
    file.write(packed)
    # As zipfile does after each member that it writes; it has no call for one that is packed already.
    archive.filelist.append(info)
    archive.NameToInfo[info.filename] = info
    archive.start_dir = file.tell()


def like(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """A member with other content, and all else as another has it."""
    made = zipfile.ZipInfo(info.filename, info.date_time)
    made.compress_type = info.compress_type
    made.create_system, made.external_attr = info.create_system, info.external_attr
    return made


def recorded(record: str, written: dict[str, bytes]) -> bytes:
    """RECORD with the digests and sizes of what was written."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n" if "\r\n" in record else "\n")
    for row in csv.reader(StringIO(record, newline="")):
        data = written.get(row[0]) if row else None
        if data is not None:
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")
            row[1:] = [f"sha256={digest}", str(len(data))]
        writer.writerow(row)
    return text.getvalue().encode("utf-8")


def wheels_of(build: Path, name: str) -> tuple[Path, Path] | None:
    """The last build's wheel of a name, before and after its repair; None when they are not there."""
    before, repaired = build / LAST / BUILT / name, list((build / LAST / REPAIRED).glob("*.whl"))
    return (before, repaired[0]) if before.is_file() and len(repaired) == 1 else None


def again(wheel: Path, directory: Path, build: Path) -> Path | None:
    """Repair a wheel as the last one was; None where the tool has to do it.

    Args:
        wheel: the wheel as the backend made it.
        directory: where the repaired wheel goes.
        build: the kept build directory.
    """
    last = wheels_of(build, wheel.name)
    if last is None:
        return None
    parts = parted(wheel, *last)
    if parts is None or parts[1]:
        return None
    path = directory / last[1].name
    edition(last[1], path, parts[0])
    return path


def keep(wheel: Path, directory: Path, build: Path) -> None:
    """Keep both wheels for the next build: both, or none."""
    last = build / LAST
    draft = last.with_name("last.draft")
    shutil.rmtree(draft, ignore_errors=True)
    for name, path in [(BUILT, wheel), *((REPAIRED, path) for path in directory.glob("*.whl"))]:
        (draft / name).mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, draft / name / path.name)
        except OSError:
            shutil.copyfile(path, draft / name / path.name)
    shutil.rmtree(last, ignore_errors=True)
    draft.replace(last)


def main(word: str, wheel: Path, directory: Path, build: Path) -> int:
    """Do what the word says; it fails where the tool has to do it."""
    if word == "keep":
        try:
            keep(wheel, directory, build)
        except OSError as problem:
            sys.stdout.write(f"nothing is kept of this repair for the next build: {problem}\n")
        return 0
    try:
        made = again(wheel, directory, build)
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as problem:
        sys.stdout.write(f"the last repair is of no use: {problem}\n")
        return 1
    if made is not None:
        sys.stdout.write(f"the last repair serves again: {made.name} is made of its wheel\n")
    return int(made is None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(Path, sys.argv[2:])))
