"""Finds the native binaries of a wheel by their first bytes and reads how they are linked.

Usage: python -m wheelfarm.wheels.linkage WHEEL OUTPUT
"""

from __future__ import annotations

import sys
import zipfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from wheelfarm.errors import Collector, FarmError, ProcessError, WheelError
from wheelfarm.system.process import Command, run
from wheelfarm.wheels.archive import open_wheel, read_member, unreadable_as_wheel_error
from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.numpy_api import numpy_api

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wheelfarm.wheels.archive import Member, Wheel

_HEAD: Final = 64  # bytes; a PE file's pointer to its real header ends there
_FAT: Final = b"\xca\xfe\xba\xbe"
_MACHO: Final = frozenset(
    {b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbf"}
)
_MOST_SLICES: Final = 20
_TIME_LIMIT: Final = 600.0


def linkage(wheel: Wheel) -> tuple[Binary, ...]:
    """Read every ELF, Mach-O and PE binary of the wheel, in order; a value for each slice of a fat one.

    Raises:
        WheelError: when a binary cannot be read; a GroupError when several cannot.
    """
    problems = Collector()
    found: list[Binary] = []
    with unreadable_as_wheel_error(wheel.path.name), zipfile.ZipFile(wheel.path) as archive:
        for member in wheel.members:
            with problems.collect():
                found += _read(archive, member.name)
    problems.check()
    return tuple(found)


def numpy_apis(wheel: Wheel) -> dict[str, str]:
    """The version of NumPy's C API that each binary of a wheel asks for; see `numpy_api`.

    Binaries that do not take it are left out. Nothing is parsed, so it is read in this process.

    Raises:
        WheelError: when the wheel cannot be read.
    """
    with unreadable_as_wheel_error(wheel.path.name), zipfile.ZipFile(wheel.path) as archive:
        names = [member.name for member in wheel.members if _format_of(archive, member.name)]
        found = {name: numpy_api(read_member(archive, name)) for name in names}
    return {name: api for name, api in found.items() if api}


def read_binary(path: Path) -> tuple[Binary, ...]:
    """Read a binary that is no member of a wheel; nothing where the file is none.

    Raises:
        OSError: when the file cannot be read.
        WheelError: when the binary is damaged.
    """
    return tuple(_parse(path.read_bytes(), str(path)))


def added_binaries(wheel: Wheel, built: Collection[str]) -> tuple[Member, ...]:
    """The binaries that a repair tool added to a wheel, whatever their names are.

    Args:
        wheel: the repaired wheel.
        built: the names of the members that it had before.
    """
    with unreadable_as_wheel_error(wheel.path.name), zipfile.ZipFile(wheel.path) as archive:
        added = (member for member in wheel.members if member.name not in built)
        return tuple(member for member in added if _format_of(archive, member.name))


def _format_of(archive: zipfile.ZipFile, name: str) -> BinaryFormat | None:
    with unreadable_as_wheel_error(name), archive.open(name) as stream:
        return binary_format_of(stream.read(_HEAD))


def _may_have_binaries(wheel: Wheel) -> bool:
    """Whether the child has something to read, or to report."""
    name = wheel.path.name
    with suppress(WheelError), unreadable_as_wheel_error(name), zipfile.ZipFile(wheel.path) as archive:
        return any(_format_of(archive, member.name) for member in wheel.members)
    return True


def _read(archive: zipfile.ZipFile, name: str) -> list[Binary]:
    binary_format = _format_of(archive, name)
    if binary_format is None:
        return []
    return _parse(read_member(archive, name), name)


def _parse(data: bytes, name: str) -> list[Binary]:
    binary_format = binary_format_of(data[:_HEAD])
    if binary_format is None:
        return []
    if binary_format is BinaryFormat.PE and not _is_pe(data):
        return []
    # Importing the parser costs more than reading most wheels.
    from wheelfarm.wheels.binary_parsers import READERS  # noqa: PLC0415

    why = "it is damaged or truncated"
    try:
        binaries = READERS[binary_format](data, name)
    except Exception as error:  # noqa: BLE001 - the parser has no class of its own for names and numbers
        binaries, why = [], f"{type(error).__name__}: {error}"
    if not binaries:
        raise WheelError(f"this {binary_format} binary cannot be read", where=name, why=why)
    api = numpy_api(data)
    return [replace(binary, numpy_api=api) for binary in binaries] if api else binaries


def binary_format_of(data: bytes) -> BinaryFormat | None:
    """The binary format that a file's first 64 bytes show; None for anything else. More may follow."""
    match data[:4]:
        case b"\x7fELF":
            return BinaryFormat.ELF
        case magic if magic in _MACHO:
            return BinaryFormat.MACHO
        # A Java class begins like a fat binary, with its version where that has a small count of slices.
        case magic if magic == _FAT and int.from_bytes(data[4:8]) < _MOST_SLICES:
            return BinaryFormat.MACHO
        case magic if magic.startswith(b"MZ") and len(data) >= _HEAD:
            return BinaryFormat.PE
        case _:
            return None


def _is_pe(data: bytes) -> bool:
    """Whether the DOS header points to a PE header; a text may begin with MZ too."""
    offset = int.from_bytes(data[0x3C:0x40], "little")
    return data[offset : offset + 4] == b"PE\0\0"


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What the child writes: the binaries, or what is wrong with them."""

    binaries: tuple[Binary, ...] = ()
    errors: tuple[dict[str, str | None], ...] = ()


def linkage_in_child(wheel: Wheel, env: Mapping[str, str], scratch: Path) -> tuple[Binary, ...]:
    """Do the same in a process of its own.

    The parser takes 50 MB and several times the largest library, and is native code at work on whatever a
    build has left: its memory and its crashes are not the farm's.

    Args:
        wheel: the wheel.
        env: what the child may see of the host.
        scratch: a directory for the child's answer.

    Raises:
        WheelError: when a binary cannot be read, or the parser dies of it; a group when several cannot.
    """
    if not _may_have_binaries(wheel):
        return ()
    output = scratch / "binaries.json"
    argv = (sys.executable, "-P", "-m", "wheelfarm.wheels.linkage", str(wheel.path), str(output))
    env = {**env, "PYTHONPATH": str(Path(__file__).parents[2])}
    try:
        run(Command(argv=argv, env=env, time_limit=_TIME_LIMIT))
        answer = TypeAdapter(_Answer).validate_json(output.read_bytes())
    except (ProcessError, OSError, ValueError) as problem:
        why = problem.why if isinstance(problem, ProcessError) else str(problem)
        raise WheelError("the binaries cannot be read", where=wheel.path.name, why=why) from problem
    problems = Collector()
    for error in answer.errors:
        problems.add(WheelError(str(error.pop("what")), **error))  # type: ignore[arg-type]
    problems.check()
    return answer.binaries


def main(path: Path, output: Path) -> None:
    """Read the binaries of a wheel and write them, or what is wrong with them, as JSON."""
    problems = Collector()
    answer = _Answer()
    with problems.collect():
        answer = _Answer(binaries=linkage(open_wheel(path)))
    if problems.errors:
        answer = _Answer(errors=tuple(map(_fields, problems.errors)))
    output.write_bytes(TypeAdapter(_Answer).dump_json(answer))


def _fields(error: FarmError) -> dict[str, str | None]:
    return {"what": error.what, "where": error.where, "why": error.why, "hint": error.hint}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
