"""Find the origin of each vendored library: a wheel, a system package, or unknown."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.provenance.sbom_identity import hashes, parse_license, purl
from wheelfarm.wheels.archive import open_wheel, read_member
from wheelfarm.wheels.contents import Kind, kind_of, vendored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from email.message import Message

    from wheelfarm.build.environment_report import LibraryProvenance, SystemPackage
    from wheelfarm.model import PinnedWheel
    from wheelfarm.wheels.archive import Member, Wheel

_MANGLED: Final = re.compile(r"(.+)-([0-9a-f]{8}|[0-9a-f]{32})(\..+)")
"""A name with the beginning of a sha256: 8 digits (auditwheel) or 32 (delvewheel); delocate adds none."""

_LICENSE: Final = re.compile(r"[^/]+\.dist-info/(?:licenses/.+|(?:LICEN[CS]E|COPYING|NOTICE)[^/]*)")
"""License texts of a wheel: since PEP 639 in a directory of their own."""


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library as the repair tool names it, and the name and the beginning of the sha256 that it had."""

    member: Member
    name: str
    beginning: str = ""

    @classmethod
    def of(cls, member: Member) -> Library:
        """Parse the name of a vendored member."""
        file = member.name.rpartition("/")[2]
        match = _MANGLED.fullmatch(file)
        if match is None:
            return cls(member=member, name=file)
        return cls(member=member, name=match[1] + match[3], beginning=match[2])

    def is_of(self, member: Member) -> bool:
        """Whether it is a copy of a wheel's member."""
        same = member.sha256 is not None and member.sha256.startswith(self.beginning)
        return same and member.name.rpartition("/")[2] == self.name


@dataclass(frozen=True, kw_only=True)
class Package:
    """What vendored libraries come from; a library of unknown origin is one of its own."""

    ref: str
    """What other parts of the document call it."""
    named: Mapping[str, Any]
    """What names it in the document."""
    licenses: tuple[Mapping[str, Any], ...] = ()
    """What it declares."""
    libraries: tuple[Library, ...]
    texts: Mapping[str, str] = field(default_factory=dict)
    """License texts by directory and name."""


def packages(
    wheel: Wheel, sources: Iterable[PinnedWheel], provenance: LibraryProvenance
) -> tuple[Package, ...]:
    """Each origin of the wheel's vendored libraries with those that come from it, in the order of names.

    Args:
        wheel: the repaired wheel.
        sources: wheels that may have supplied libraries, the likely ones first; the system's packages have
            the first say.
        provenance: what the system knew.
    """
    libraries = [Library.of(member) for member in vendored(wheel)]
    known = {name: package for name, package in provenance.packages.items() if package is not None}
    rest = [library for library in libraries if library.member.name not in known]
    origins = [
        _owned(known[library.member.name], library, provenance.distribution)
        for library in libraries
        if library.member.name in known
    ]
    for pinned in sources:
        supplied = _supplied(pinned, rest) if rest else None
        if supplied is not None:
            origins.append(supplied)
            rest = [library for library in rest if library not in supplied.libraries]
    found: dict[str, Package] = {}
    for origin in (*origins, *map(_unknown, rest)):
        same = found.get(origin.ref)
        found[origin.ref] = origin if same is None else _joined(same, origin)
    return tuple(found[ref] for ref in sorted(found))


def _joined(one: Package, other: Package) -> Package:
    """One package that several libraries come from."""
    return replace(one, libraries=one.libraries + other.libraries, texts={**one.texts, **other.texts})


def _supplied(pinned: PinnedWheel, libraries: Iterable[Library]) -> Package | None:
    """A wheel as the origin of those libraries that are copies of its own; None when none is."""
    wheel = open_wheel(pinned.path)
    binaries = [member for member in wheel.members if kind_of(member.name) in {Kind.LIBRARY, Kind.EXTENSION}]
    copies = tuple(each for each in libraries if any(each.is_of(member) for member in binaries))
    if not copies:
        return None
    with zipfile.ZipFile(wheel.path) as archive:
        message = message_from_bytes(read_member(archive, f"{wheel.dist_info}/METADATA"))
        names = [each.name for each in wheel.members if _LICENSE.match(each.name)]
        files = {
            f"{wheel.name}/{name.partition('/')[2].removeprefix('licenses/')}": read_member(
                archive, name
            ).decode("utf-8", "replace")
            for name in names
        }
    ref = purl("pypi", wheel.name, version=wheel.version)
    named = {"name": wheel.name, "version": wheel.version, "purl": ref, "hashes": hashes(pinned.sha256)}
    return Package(ref=ref, named=named, licenses=declared(message), libraries=copies, texts=files)


def _owned(package: SystemPackage, library: Library, distribution: str) -> Package:
    """A package of the system as the origin of one library."""
    namespace = distribution if package.kind in {"deb", "rpm", "apk"} else ""
    ref = purl(package.kind, namespace, package.name, version=package.version)
    named = {"name": package.name, "version": package.version, "purl": ref}
    return Package(
        ref=ref,
        named=named,
        licenses=parse_license(package.license),
        libraries=(library,),
        texts=package.texts,
    )


def _unknown(library: Library) -> Package:
    """A library of unknown origin."""
    unknown = [{"name": "wheelfarm:origin", "value": "unknown"}]
    ref = f"vendored:{library.member.name}"
    return Package(ref=ref, named={"name": library.name, "properties": unknown}, libraries=(library,))


def declared(metadata: Message) -> tuple[dict[str, Any], ...]:
    """The license that core metadata declare: License-Expression, a short License, or else classifiers."""
    return next(filter(None, (parse_license(text) for text in _statements(metadata))), ())


def _statements(metadata: Message) -> Iterator[str]:
    yield metadata.get("License-Expression", "")
    yield metadata.get("License", "")
    classifiers = (str(each).split(" :: ") for each in metadata.get_all("Classifier", []))
    yield "; ".join(words[-1] for words in classifiers if words[0] == "License")
