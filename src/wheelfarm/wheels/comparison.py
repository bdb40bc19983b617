"""What tells two wheels apart: files, sizes, symbols, linkage, BLAS, tags and metadata."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.wheels.binary import externals
from wheelfarm.wheels.blas import blas_all
from wheelfarm.wheels.contents import contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wheelfarm.wheels.archive import Member, Wheel
    from wheelfarm.wheels.binary import Binary

# A repair tool puts a hash into the name of what it vendors: libfoo-1a2b3c4d.so.1, or 32 digits on Windows.
_MARKED: Final = re.compile(r"-[0-9a-f]{8}(?:-[0-9a-f]{8}|[0-9a-f]{24})?(?=\.)")
_PLATFORM: Final = re.compile(r"\.(?:cpython-[0-9]+t?|cp[0-9]+t?|abi3)[^./]*(?=\.(?:so|pyd)$)")


def difference(
    before: Wheel, after: Wheel, binaries_before: Sequence[Binary], binaries_after: Sequence[Binary]
) -> dict[str, Any]:
    """What tells two wheels apart, as strings, numbers, lists and tables; sizes are bytes.

    Members are compared under the names that they have without what a platform or a repair tool adds, so that
    `_foo.cpython-311-darwin.so` is `_foo.so`. Tables without a difference are left out; wheels of the same
    bytes give an empty one.
    """
    found = {
        "tags": _pair(sorted(map(str, before.tags)), sorted(map(str, after.tags))),
        "version": _pair(before.version, after.version),
        "requires_python": _pair(before.metadata.requires_python, after.metadata.requires_python),
        "requires_dist": _sets(before.metadata.requires_dist, after.metadata.requires_dist),
        "size": _size(before, after),
        "kinds": _kinds(before, after),
        "members": _members(before, after),
        "externals": _sets(externals(binaries_before), externals(binaries_after)),
        "blas": _pair(_blas(binaries_before), _blas(binaries_after)),
        "binaries": _binaries(binaries_before, binaries_after),
    }
    return {key: value for key, value in found.items() if value}


def common_name(member: str) -> str:
    """A member's name without the platform and the hash in it."""
    name = _PLATFORM.sub("", member)
    return _MARKED.sub("", name) if ".libs/" in name or ".dylibs/" in name else name


def _pair(before: object, after: object) -> dict[str, object] | None:
    return None if before == after else {"before": before, "after": after}


def _sets(before: Iterable[str], after: Iterable[str]) -> dict[str, list[str]] | None:
    old, new = set(before), set(after)
    return None if old == new else {"only_before": sorted(old - new), "only_after": sorted(new - old)}


def _size(before: Wheel, after: Wheel) -> dict[str, dict[str, int]] | None:
    sizes = {
        "packed": (before.packed, after.packed),
        "unpacked": (before.unpacked, after.unpacked),
        "members": (len(before.members), len(after.members)),
    }
    changed = {key: {"before": old, "after": new} for key, (old, new) in sizes.items() if old != new}
    return changed or None


def _kinds(before: Wheel, after: Wheel) -> dict[str, dict[str, int]]:
    """Unpacked bytes by kind, where they differ."""
    old, new = contents(before), contents(after)
    kinds = {kind for kind, _ in (*old.kinds, *new.kinds)}
    pairs = {str(kind): (old.of(kind).size, new.of(kind).size) for kind in sorted(kinds)}
    return {kind: {"before": one, "after": other} for kind, (one, other) in pairs.items() if one != other}


def _members(before: Wheel, after: Wheel) -> dict[str, Any]:
    """Files that only one of them has, and those of other content, the largest first."""
    old, new = by_name(before), by_name(after)
    changed = sorted(
        (-max(old[name].size, new[name].size), name)
        for name in old.keys() & new.keys()
        if old[name].sha256 != new[name].sha256 or old[name].size != new[name].size
    )
    found = {
        "only_before": _sized(old[name] for name in old.keys() - new.keys()),
        "only_after": _sized(new[name] for name in new.keys() - old.keys()),
        "changed": [
            {"member": name, "before": old[name].size, "after": new[name].size} for _, name in changed
        ],
    }
    return {key: value for key, value in found.items() if value}


def by_name(wheel: Wheel) -> dict[str, Member]:
    """The members by the names under which they are compared."""
    # The directory of metadata has the version in its name.
    named = {}
    for member in wheel.members:
        top, slash, rest = member.name.partition("/")
        named[f".dist-info{slash}{rest}" if top == wheel.dist_info else common_name(member.name)] = member
    return named


def _sized(members: Iterable[Member]) -> list[dict[str, Any]]:
    ordered = sorted(members, key=lambda member: (-member.size, member.name))
    return [{"member": member.name, "size": member.size} for member in ordered]


def _blas(binaries: Sequence[Binary]) -> list[str]:
    return sorted(
        f"{one.provider} {one.interface or ''}".strip() + f" in {', '.join(map(common_name, one.libraries))}"
        for one in blas_all(binaries)
    )


def _binaries(before: Sequence[Binary], after: Sequence[Binary]) -> dict[str, dict[str, Any]]:
    """By binary, where both have it: symbols, needed libraries, and whether it is stripped."""
    old, new = _alone(before), _alone(after)
    found = {}
    for name in sorted(old.keys() & new.keys()):
        one, other = old[name], new[name]
        facts = {
            "exported": _sets(one.exported, other.exported),
            "needed": _sets(map(_plain, one.needed), map(_plain, other.needed)),
            "machine": _pair(one.machine, other.machine),
            "glibc": _pair(one.glibc, other.glibc),
            "macos": _pair(one.macos, other.macos),
            "stripped": _pair(one.stripped, other.stripped),
            "has_debug": _pair(one.has_debug, other.has_debug),
        }
        differing = {key: value for key, value in facts.items() if value}
        if differing:
            found[name] = differing
    return found


def _plain(library: str) -> str:
    return _MARKED.sub("", library.rpartition("/")[2])


def _alone(binaries: Sequence[Binary]) -> Mapping[str, Binary]:
    """The binaries by name; of the slices of a fat one the first."""
    found: dict[str, Binary] = {}
    for binary in binaries:
        found.setdefault(common_name(binary.member), binary)
    return found
