"""Components of an SBOM: where vendored libraries come from, package URLs, digests and licenses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote, unquote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.contents import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from email.message import Message

    from wheelfarm.build.environment_report import LibraryProvenance, SystemPackage
    from wheelfarm.model import Digest, PinnedWheel
    from wheelfarm.wheels.archive import Member

_MANGLED: Final = re.compile(r"(.+)-([0-9a-f]{8}|[0-9a-f]{32})(\..+)")
"""A name with the beginning of a sha256: 8 digits (auditwheel) or 32 (delvewheel); delocate adds none."""
_LICENSE: Final = re.compile(r"[^/]+\.dist-info/(?:licenses/.+|(?:LICEN[CS]E|COPYING|NOTICE)[^/]*)")
"""License texts of a wheel: since PEP 639 in a directory of their own."""
_BUNDLED: Final = re.compile(r"-[0-9a-f]{8}$")
"""What auditwheel added to the name of a library that had been vendored once before."""
_LONGEST_NAME: Final = 80
"""Letters of a license's name; what is longer is its text."""

_LICENSE_FILE: Final = (2, 4)
"""The version of core metadata that introduced the field License-File (PEP 639)."""

_GCC: Final = "GPL-3.0-or-later WITH GCC-exception-3.1"
_KNOWN: Final[Mapping[str, str]] = {
    **dict.fromkeys(("libgfortran", "libgomp", "libgcc_s", "libgcc_s_seh", "libstdc++", "libatomic"), _GCC),
    "libquadmath": "LGPL-2.1-or-later",
    **dict.fromkeys(("libomp", "libiomp5md", "libc++"), "Apache-2.0 WITH LLVM-exception"),
    **dict.fromkeys(("libblas", "libcblas", "liblapack"), "BSD-3-Clause"),
    **dict.fromkeys(
        ("msvcp140", "vcomp140", "vcruntime140", "vcruntime140_1", "concrt140"), "LicenseRef-Visual-C-Runtime"
    ),
}
"""Licenses of the run-time libraries of compilers, and of netlib's, as their own projects state them.

GCC: "GCC Runtime Library Exception"; quadmath: its COPYING.LIB; LLVM: LICENSE.TXT; netlib: "modified BSD".
"""


def original_name(path: str) -> tuple[str, str]:
    """The name that a library had before the repair, and the beginning of its sha256, which may be empty."""
    file = path.rpartition("/")[2]
    match = _MANGLED.fullmatch(file)
    return (match[1] + match[3], match[2]) if match else (file, "")


@dataclass(frozen=True, kw_only=True)
class Library:
    """A vendored library, the name and the beginning of the sha256 that it had before the repair."""

    member: Member
    name: str
    beginning: str = ""

    @classmethod
    def of(cls, member: Member) -> Library:
        name, beginning = original_name(member.name)
        return cls(member=member, name=name, beginning=beginning)

    def is_of(self, member: Member, stripped: Mapping[Digest, Digest]) -> bool:
        """Whether it is a copy of a wheel's member, or of what was left of that by `strip`."""
        digests = [member.sha256, *(new for new, old in stripped.items() if old == member.sha256)]
        same = any(digest is not None and digest.startswith(self.beginning) for digest in digests)
        return same and member.name.rpartition("/")[2] == self.name


@dataclass(frozen=True, kw_only=True)
class Package:
    """The origin of vendored libraries; a library of unknown origin has one of its own."""

    ref: str
    fields: Mapping[str, Any]
    """What identifies it in the document."""
    licenses: tuple[Mapping[str, Any], ...] = ()
    """What it declares."""
    libraries: tuple[Library, ...]
    texts: Mapping[str, str] = field(default_factory=dict)
    """License texts by directory and name."""


def find_packages(
    vendored: Iterable[Member], sources: Iterable[PinnedWheel], provenance: LibraryProvenance
) -> tuple[Package, ...]:
    """Find the origin of each vendored library: a system package, a wheel, or unknown.

    Args:
        vendored: the libraries in the repaired wheel.
        sources: wheels that may have supplied libraries, the likely ones first; system packages precede them.
        provenance: the system packages of the libraries.
    """
    origins, rest = list[Package](), list[Library]()
    for library in map(Library.of, vendored):
        package = provenance.packages.get(library.member.name)
        if package is None:
            rest.append(library)
        else:
            origins.append(_system_package(package, library, provenance))
    for pinned in sources:
        supplier = _supplier(pinned, rest, provenance.stripped) if rest else None
        if supplier is not None:
            origins.append(supplier)
            rest = [library for library in rest if library not in supplier.libraries]
    found: dict[str, Package] = {}
    for origin in (*origins, *map(_unknown, rest)):
        same = found.get(origin.ref)
        found[origin.ref] = (
            origin
            if same is None
            else replace(
                same, libraries=same.libraries + origin.libraries, texts={**same.texts, **origin.texts}
            )
        )
    return tuple(found[ref] for ref in sorted(found))


def _supplier(
    pinned: PinnedWheel, libraries: Iterable[Library], stripped: Mapping[Digest, Digest]
) -> Package | None:
    """A wheel as the origin of those libraries that are copies of its own; None when none is."""
    wheel = open_wheel(pinned.path)
    binaries = [member for member in wheel.members if kind_of(member.name) in {Kind.LIBRARY, Kind.EXTENSION}]
    copies = tuple(each for each in libraries if any(each.is_of(member, stripped) for member in binaries))
    if not copies:
        return None
    ref = purl("pypi", wheel.name, version=wheel.version)
    return Package(
        ref=ref,
        fields={"name": wheel.name, "version": wheel.version, "purl": ref, "hashes": hashes(pinned.sha256)},
        licenses=declared_license(message_from_bytes(wheel.read(f"{wheel.dist_info}/METADATA"))),
        libraries=copies,
        texts={
            f"{wheel.name}/{name.partition('/')[2].removeprefix('licenses/')}": wheel.read(name).decode(
                "utf-8", "replace"
            )
            for name in (member.name for member in wheel.members)
            if _LICENSE.match(name)
        },
    )


def _system_package(package: SystemPackage, library: Library, provenance: LibraryProvenance) -> Package:
    """The package with what databases of vulnerabilities need: release of the distribution, and source."""
    namespace, facts = "", dict[str, str]()
    if package.kind in {"deb", "rpm", "apk"}:
        namespace = provenance.distribution
        if namespace and provenance.release:
            facts["distro"] = f"{namespace}-{provenance.release}"
        if package.source not in {"", package.name}:
            facts["upstream"] = package.source
    path = (package.kind, namespace, package.name)
    ref = purl(*path, version=package.version)
    return Package(
        ref=ref,
        fields={
            "name": package.name,
            "version": package.version,
            "purl": purl(*path, version=package.version, **facts),
        },
        licenses=parse_license(package.license),
        libraries=(library,),
        texts=package.texts,
    )


def _unknown(library: Library) -> Package:
    unknown = [{"name": "wheelfarm:origin", "value": "unknown"}]
    ref = f"vendored:{library.member.name}"
    return Package(ref=ref, fields={"name": library.name, "properties": unknown}, libraries=(library,))


def purl(kind: str, *path: str, version: str = "", **qualifiers: str) -> str:
    """Write a package URL (purl specification) as auditwheel does, such as pkg:deb/debian/libgomp1@12.2.0-14.

    packageurl-python writes the colon of 2:6.2.1 as it is, auditwheel %3A: a package that both documents name
    would be counted twice (docs/decisions/0013).

    Args:
        kind: its type.
        path: namespace, if any, and name.
        version: the version, or empty.
        qualifiers: in any order; they are sorted.
    """
    names = "/".join(quote(part, safe="") for part in path if part)
    at = f"@{quote(version, safe='')}" if version else ""
    pairs = "&".join(f"{key}={quote(qualifiers[key], safe=':')}" for key in sorted(qualifiers))
    return f"pkg:{kind}/{names}{at}" + (f"?{pairs}" if pairs else "")


@dataclass(frozen=True, kw_only=True)
class PackageUrl:
    """A package URL, read."""

    kind: str
    namespace: str
    name: str
    version: str
    qualifiers: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> PackageUrl | None:
        """Read a package URL; None for what is none."""
        scheme, colon, rest = text.partition(":")
        if scheme != "pkg" or not colon:
            return None
        path, _, pairs = rest.partition("#")[0].partition("?")
        names, _, version = path.partition("@")
        kind, slash, names = names.strip("/").partition("/")
        *namespaces, name = names.split("/")
        if not (slash and name):
            return None
        return cls(
            kind=kind.lower(),
            namespace="/".join(map(unquote, namespaces)),
            name=unquote(name),
            version=unquote(version),
            qualifiers={key: values[-1] for key, values in parse_qs(pairs).items()},
        )


def hashes(sha256: str) -> list[dict[str, str]]:
    """A digest as CycloneDX has it."""
    return [{"alg": "SHA-256", "content": sha256}]


def declared_license(metadata: Message) -> tuple[dict[str, Any], ...]:
    """The license that core metadata declare: License-Expression, a short License, or else classifiers."""
    return next(filter(None, map(parse_license, _license_texts(metadata))), ())


def _license_texts(metadata: Message) -> Iterator[str]:
    yield metadata.get("License-Expression", "")
    yield metadata.get("License", "")
    classifiers = (str(each).split(" :: ") for each in metadata.get_all("Classifier", []))
    yield "; ".join(words[-1] for words in classifiers if words[0] == "License")


def parse_license(text: str) -> tuple[dict[str, Any], ...]:
    """Parse a declared license: an SPDX expression, or a name that is none; nothing for a license's text."""
    first, _, more = text.strip().partition("\n")
    try:
        expression = canonicalize_license_expression(text.strip())
    except InvalidLicenseExpression:
        titled = not more or "licen" in first.lower()
        if not first or not titled or len(first) > _LONGEST_NAME:
            return ()
        return ({"license": {"name": first.strip(), "acknowledgement": "declared"}},)
    return ({"expression": expression, "acknowledgement": "declared"},)


def known_license(libraries: Iterable[str]) -> tuple[dict[str, Any], ...]:
    """The license of libraries that are known by their names, such as libgfortran; nothing if one is not."""
    found = {_KNOWN.get(_BUNDLED.sub("", library.partition(".")[0].lower())) for library in libraries}
    if None in found or not found:
        return ()
    expression = " AND ".join(sorted(each for each in found if each))
    return ({"expression": expression, "acknowledgement": "concluded"},)


def with_license_files(metadata: bytes, names: Mapping[str, str]) -> bytes:
    """Add License-File fields for files below `.dist-info/licenses` to core metadata (PEP 639).

    Metadata before 2.4 have no such field, and stay as they are: the files are there, and the SBOM names
    them. License-Expression stays what the project says of its own code.
    """
    message = message_from_bytes(metadata)
    version = tuple(
        int(part) for part in str(message.get("Metadata-Version", "0")).split(".") if part.isdigit()
    )
    if version < _LICENSE_FILE:
        return metadata
    end = b"\r\n" if b"\r\n" in metadata.partition(b"\n")[0] + b"\n" else b"\n"
    head, gap, body = metadata.partition(end + end)
    new = set(names) - {str(each) for each in message.get_all("License-File", [])}
    lines = [f"License-File: {name}".encode() for name in sorted(new)]
    return end.join([head.removesuffix(end), *lines]) + (gap + body if gap else end)
