"""Whether a repaired wheel needs nothing from elsewhere: told from its binaries, alike on three systems."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import Collector, RepairError
from wheelfarm.repair.providers import provider_of
from wheelfarm.repair.tools import architecture
from wheelfarm.wheels import BinaryFormat, externals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.wheels import Binary

# What is on every system. For ELF it is auditwheel's policies that say so, by platform tag (PEP 600).
_SYSTEM: Final[Mapping[BinaryFormat, tuple[str, ...]]] = {
    BinaryFormat.ELF: ("*",),
    BinaryFormat.MACHO: ("/usr/lib/*", "/system/library/*"),
    BinaryFormat.PE: (
        *("api-ms-win-*.dll", "ext-ms-*.dll", "python3*.dll", "vcruntime140*.dll", "ucrtbase.dll"),
        *("kernel32.dll", "kernelbase.dll", "ntdll.dll", "user32.dll", "gdi32.dll", "advapi32.dll"),
        *("shell32.dll", "ole32.dll", "oleaut32.dll", "ws2_32.dll", "bcrypt.dll", "crypt32.dll"),
        *("msvcrt.dll", "version.dll", "psapi.dll", "shlwapi.dll", "dbghelp.dll", "iphlpapi.dll"),
    ),
}
_BOTH: Final = {"universal2": ("arm64", "x86_64")}


def check_repaired(binaries: Iterable[Binary], platform_tag: str) -> None:
    """Refuse a wheel with binaries for another processor, or that need what is on this machine only.

    Args:
        binaries: all of the wheel's.
        platform_tag: what the wheel says it is for.

    Raises:
        RepairError: for each binary or library.
    """
    binaries, problems = tuple(binaries), Collector()
    arch = architecture(platform_tag)
    wanted = _BOTH.get(arch, (arch,))
    for binary in binaries:
        if binary.machine not in wanted:
            problems.add(
                RepairError(
                    f"{binary.member} is for {binary.machine}, and the wheel for {arch}",
                    where=binary.member,
                    why="a library of that name for another processor was found first",
                    hint=f"name the directory with the libraries for {arch}: --libraries",
                )
            )
    for library, members in externals(binaries).items():
        formats = {binary.format for binary in binaries if binary.member in members}
        if all(_of_system(library, each) for each in formats):
            continue
        problems.add(
            RepairError(
                f"{library} is needed from outside the wheel",
                where=", ".join(members),
                why="it is neither in the wheel nor part of the system",
                hint=provider_of(library) or "name a directory that has it: --libraries",
            )
        )
    problems.check()


def _of_system(library: str, binary_format: BinaryFormat) -> bool:
    return any(fnmatchcase(library.lower(), glob) for glob in _SYSTEM[binary_format])
