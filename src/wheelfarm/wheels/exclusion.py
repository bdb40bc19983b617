"""Looks up libraries that a wheel leaves to others: who installs them, and whether binaries find them."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from posixpath import basename, dirname, normpath, relpath
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from wheelfarm.model.requirements import parse_requirement
from wheelfarm.wheels.binary import BinaryFormat
from wheelfarm.wheels.examination import Finding, installed_paths, rpath_finding, rpath_target

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from wheelfarm.wheels.archive import Wheel
from wheelfarm.wheels.binary import Binary

RULE = "library-elsewhere"


@dataclass(frozen=True)
class Supplier:
    """A wheel that installs a library, and the directory of it, from the prefix of the environment."""

    wheel: Wheel
    directory: str


@dataclass(frozen=True)
class Exclusion:
    """What a wheel leaves to others.

    Args:
        matched: the globs that match a needed library.
        findings: a finding for each binary that may not find a library.
        proved: findings of the rule `rpath` that are none: their directories have a needed library.
    """

    matched: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()
    proved: frozenset[Finding] = frozenset()


def is_excluded(library: str, globs: Iterable[str]) -> bool:
    """Whether a glob matches the file name of a needed library; capitals count on no system."""
    name = basename(library).lower()
    return any(fnmatchcase(name, glob.lower()) for glob in globs)


def examine_exclusion(
    wheel: Wheel, binaries: Iterable[Binary], globs: Collection[str], beside: Iterable[Wheel], *, python: str
) -> Exclusion:
    """Look up each library that the repair left out among the wheels that are installed beside a wheel.

    Args:
        wheel: the repaired wheel.
        binaries: those of the wheel.
        globs: of the recipe's `repair.exclude`.
        beside: the wheels that are installed with it.
        python: the version that site-packages is named after, such as 3.11.
    """
    site, own = f"lib/python{python}/site-packages", {basename(name) for name in wheel.names}
    suppliers = _suppliers(beside, site)
    matched, findings, proved = set[str](), list[Finding](), set[Finding]()
    for binary in binaries:
        targets = {entry: rpath_target(binary, entry, site) for entry in binary.rpaths}
        for library in binary.needed:
            name = basename(library)
            matching = {glob for glob in globs if is_excluded(library, [glob])}
            if not matching or name in own:
                continue
            matched |= matching
            found = suppliers.get(name.lower(), [])
            findings += (
                Finding(RULE, binary.member, text) for text in _problems(wheel, binary, name, found, site)
            )
            directories = {supplier.directory for supplier in found}
            proved |= {
                finding
                for entry, target in targets.items()
                if target in directories and (finding := rpath_finding(binary, entry))
            }
    return Exclusion(frozenset(matched), tuple(sorted(findings)), frozenset(proved))


def _suppliers(wheels: Iterable[Wheel], site: str) -> dict[str, list[Supplier]]:
    """Who installs a file, by its name."""
    found: dict[str, list[Supplier]] = {}
    for wheel in wheels:
        for path in installed_paths(wheel):
            # Below the scheme `data` is the prefix itself (binary distribution format specification).
            place = path.removeprefix(".data/data/") if path.startswith(".data/") else f"{site}/{path}"
            found.setdefault(basename(path).lower(), []).append(Supplier(wheel, dirname(place)))
    return found


def _problems(
    wheel: Wheel, binary: Binary, library: str, suppliers: list[Supplier], site: str
) -> Iterator[str]:
    if not suppliers:
        yield f"{library} is in no wheel of its environment"
        return
    stated = map(parse_requirement, wheel.metadata.requires_dist)
    required = {canonicalize_name(each.name) for each in stated if "extra" not in str(each.marker)}
    names = sorted({supplier.wheel.name for supplier in suppliers})
    if not required.intersection(names):
        yield f"{library} is in {', '.join(names)}, which its metadata do not require"
    if binary.format is BinaryFormat.PE:
        # Windows has no RPATH: the package adds a directory before it imports the module.
        return
    directories = {supplier.directory for supplier in suppliers}
    if directories.isdisjoint(rpath_target(binary, entry, site) for entry in binary.rpaths):
        origin = "@loader_path" if binary.format is BinaryFormat.MACHO else "$ORIGIN"
        way = relpath(min(directories), normpath(f"{site}/{dirname(binary.member)}"))
        yield f"its RPATH does not lead to {library} of {', '.join(names)}; {origin}/{way} does"
