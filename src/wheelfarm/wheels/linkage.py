"""Finds the native binaries of a wheel by their first bytes and reads how they are linked."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, WheelError
from wheelfarm.wheels.archive import read_member, unreadable_as_wheel_error
from wheelfarm.wheels.binary import Binary, BinaryFormat

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheelfarm.wheels.wheel import Wheel

_HEAD: Final = 64  # bytes; a PE file's pointer to its real header ends there
_FAT: Final = b"\xca\xfe\xba\xbe"
_MACHO: Final = frozenset(
    {b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbf"}
)
_MOST_SLICES: Final = 20


def linkage(wheel: Wheel) -> tuple[Binary, ...]:
    """Every ELF, Mach-O and PE binary of the wheel, in the wheel's order; one for each slice of a fat one.

    Raises:
        WheelError: when a binary cannot be read; a GroupError when several cannot.
    """
    problems = Collector()
    found: list[Binary] = []
    readers: dict[BinaryFormat, Callable[[bytes, str], list[Binary]]] = {}
    with unreadable_as_wheel_error(wheel.path.name), zipfile.ZipFile(wheel.path) as archive:
        for member in wheel.members:
            with problems.collect():
                with unreadable_as_wheel_error(member.name), archive.open(member.name) as stream:
                    binary_format = binary_format_of(stream.read(_HEAD))
                if binary_format is None:
                    continue
                readers = readers or _readers()
                data = read_member(archive, member.name)
                if binary_format is BinaryFormat.PE and not _is_pe(data):
                    continue
                binaries = readers[binary_format](data, member.name)
                if not binaries:
                    raise WheelError(f"this {binary_format} binary cannot be read", where=member.name)
                found += binaries
    problems.check()
    return tuple(found)


def binary_format_of(head: bytes) -> BinaryFormat | None:
    """The binary format that a file's first 64 bytes show; None for anything else."""
    match head[:4]:
        case b"\x7fELF":
            return BinaryFormat.ELF
        case magic if magic in _MACHO:
            return BinaryFormat.MACHO
        # A Java class begins like a fat binary, with its version where that has a small count of slices.
        case magic if magic == _FAT and int.from_bytes(head[4:8]) < _MOST_SLICES:
            return BinaryFormat.MACHO
        case magic if magic.startswith(b"MZ") and len(head) == _HEAD:
            return BinaryFormat.PE
        case _:
            return None


def _is_pe(data: bytes) -> bool:
    """Whether the DOS header points to a PE header; a text may begin with MZ too."""
    offset = int.from_bytes(data[0x3C:0x40], "little")
    return data[offset : offset + 4] == b"PE\0\0"


def _readers() -> dict[BinaryFormat, Callable[[bytes, str], list[Binary]]]:
    """The parsers, loaded when a wheel has a binary: their import costs more than reading most wheels."""
    from wheelfarm.wheels import elf, macho, pe  # noqa: PLC0415

    return {BinaryFormat.ELF: elf.read, BinaryFormat.MACHO: macho.read, BinaryFormat.PE: pe.read}
