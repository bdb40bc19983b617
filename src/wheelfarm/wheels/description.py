"""Describes a wheel as data that can be written as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.wheels.binary import externals, newest_version
from wheelfarm.wheels.blas import blas_all
from wheelfarm.wheels.contents import Kind, contents, kind_of
from wheelfarm.wheels.examination import examine
from wheelfarm.wheels.instruction_sets import baseline_level, describe_levels
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheelfarm.model import CompiledObjects
    from wheelfarm.wheels.archive import Wheel
    from wheelfarm.wheels.binary import Binary


_OFTEN_USELESS: Final = (Kind.TESTS, Kind.HEADER, Kind.TYPING)


def describe(
    wheel: Wheel, compiled: CompiledObjects | None = None, baseline: str | None = None
) -> dict[str, Any]:
    """The wheel as strings, numbers, lists and tables; sizes are bytes.

    Args:
        wheel: the wheel.
        compiled: how the objects in it were compiled, where it has a record.
        baseline: the instruction-set level that its recipe expects.

    Raises:
        WheelError: when a member cannot be read.
    """
    binaries = linkage(wheel)
    found = contents(wheel)
    return {
        "file": wheel.path.name,
        "name": wheel.name,
        "version": wheel.version,
        "build": wheel.build,
        "tags": sorted(map(str, wheel.tags)),
        "requires_python": wheel.metadata.requires_python,
        "requires_dist": list(wheel.metadata.requires_dist),
        "size": {"packed": wheel.packed, "unpacked": wheel.unpacked, "members": len(wheel.members)},
        "kinds": {str(kind): asdict(share) for kind, share in found.kinds},
        "packages": list(found.packages),
        "largest": [
            {
                "member": member.name,
                "kind": str(kind_of(member.name)),
                "size": member.size,
                "compressed": member.compressed,
            }
            for member in found.largest
        ],
        "removable": _removable(wheel, binaries),
        "linkage": _linkage(binaries),
        "instruction_set": describe_levels(
            compiled,
            baseline_level(wheel.platform_tag, None),
            {binary.level for binary in binaries if binary.level},
        ),
        "findings": [asdict(each) for each in examine(wheel, binaries, compiled, baseline)],
        "externals": externals(binaries),
        "blas": [
            {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(one).items()}
            for one in blas_all(binaries)
        ],
    }


def _removable(wheel: Wheel, binaries: Sequence[Binary]) -> dict[str, dict[str, int]]:
    """What an installed package does as well without, as a rule: how many files, and their bytes."""
    unstripped = {binary.member for binary in binaries if not binary.stripped or binary.has_debug}
    first: dict[str, str] = {}
    copies = set()
    for member in wheel.members:
        if member.sha256 and member.size and first.setdefault(member.sha256, member.name) != member.name:
            copies.add(member.name)
    names = [member.name for member in wheel.members]
    groups = {
        **{str(kind): {name for name in names if kind_of(name) is kind} for kind in _OFTEN_USELESS},
        "static libraries": {name for name in names if name.endswith((".a", ".lib"))},
        "sources of extensions": {name for name in names if kind_of(name) is Kind.SOURCE},
        "the same file again": copies,
        "not stripped, the whole file": unstripped,
    }
    sizes = {member.name: member.size for member in wheel.members}
    return {
        what: {"files": len(group), "bytes": sum(sizes[name] for name in group)}
        for what, group in groups.items()
        if group
    }


def _linkage(binaries: Sequence[Binary]) -> dict[str, Any]:
    """Counts of binaries by format and machine, and the newest system that one of them needs."""
    return {
        "binaries": len(binaries),
        "formats": dict(sorted(Counter(str(binary.format) for binary in binaries).items())),
        "machines": dict(sorted(Counter(binary.machine for binary in binaries).items())),
        "unstripped": sorted({binary.member for binary in binaries if not binary.stripped}),
        "with_debug": sorted({binary.member for binary in binaries if binary.has_debug}),
        "rpaths": sorted({path for binary in binaries for path in binary.rpaths}),
        "glibc": newest_version(binary.glibc for binary in binaries),
        "libstdcxx": newest_version(binary.libstdcxx for binary in binaries),
        "hardening": dict(sorted(Counter(name for binary in binaries for name in binary.hardening).items())),
        "macos": newest_version(binary.macos for binary in binaries),
    }
