"""What can be searched in stored wheels: components, libraries, build environments and patches."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.model import sha256_of_bytes
from wheelfarm.provenance.sbom_components import PackageUrl, original_name
from wheelfarm.provenance.sbom_reader import read_bills, sound
from wheelfarm.sources.patch_header import header_text, resolved_vulnerabilities
from wheelfarm.sources.patches import recorded_parts
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.provenance.record import Record
    from wheelfarm.wheels.archive import Wheel

_LIBRARY_SUFFIX: Final = re.compile(r"\.so(?:\..*)?$|(?:\.\d+)*\.dylib$|\.(?:dll|pyd)$", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+")
_PLACES: Final = frozenset({"stages"})
"""Facts of a toolchain that are no program."""


class FactKind(StrEnum):
    """What a fact of a wheel is about; the options of `inv wheel.search` have these names."""

    CONTAINS = "contains"
    """The distribution, and whatever was copied into the wheel."""
    LINKS = "links"
    """Libraries that the wheel's binaries load."""
    BUILT_WITH = "built-with"
    """Distributions in the build environment, and programs of the toolchain."""
    PATCH = "patch"
    """Patches of the series."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One name by which a wheel is found. A component has several: of its package, source and files."""

    kind: FactKind
    name: str
    version: str = ""
    """Of a patch: the vulnerabilities that it resolves."""
    scheme: str = ""
    """The type of its package URL, which orders versions; of a patch, the sha256 of its diff."""
    ref: str = ""
    """The component in the SBOM; the header of a patch; a member that loads the library."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """A component of a wheel as its SBOM names it: what a database of vulnerabilities is searched for."""

    ref: str
    """The reference in its document."""
    document: str
    """The document as BOM-Link names it, such as urn:cdx:<serial number>/1; empty where it has no number."""
    name: str
    version: str
    purl: str
    own: bool
    """Whether it is the distribution itself, so that the patches of the series are patches of it."""


@dataclass(frozen=True, kw_only=True)
class WheelFacts:
    """All that can be searched in a wheel."""

    facts: tuple[Fact, ...]
    components: tuple[Component, ...]


def read_facts(record: Record, wheel: Wheel) -> WheelFacts:
    """Read what can be searched in a wheel, from its record, its SBOMs and its binaries.

    Raises:
        WheelError: when an SBOM or a binary cannot be read; a group of several.
    """
    facts, components = dict.fromkeys((*_built_with(record), *_patches(record), *_links(wheel))), []
    facts[_own(record)] = None
    for bill in read_bills(wheel):
        with sound(bill.member):
            for own, component in bill.components:
                # The record has more of the build environment.
                if component.get("scope") != "excluded":
                    components.append(_component(component, bill.link, own=own))
                    facts |= dict.fromkeys(_contains(component))
    return WheelFacts(facts=tuple(facts), components=tuple(components))


def _own(record: Record) -> Fact:
    """The distribution itself, which also a wheel without any SBOM has."""
    return Fact(kind=FactKind.CONTAINS, name=record.distribution, version=record.version, scheme="pypi")


def _component(component: Mapping[str, Any], document: str, *, own: bool) -> Component:
    return Component(
        ref=str(component.get("bom-ref", "")),
        document=document,
        name=str(component["name"]),
        version=str(component.get("version", "")),
        purl=str(component.get("purl", "")),
        own=own,
    )


def library_stem(name: str) -> str:
    """The name of a library without what follows it: libgomp of libgomp.so.1."""
    return _LIBRARY_SUFFIX.sub("", name)


def _contains(component: Mapping[str, Any]) -> Iterator[Fact]:
    purl, version = PackageUrl.parse(str(component.get("purl", ""))), str(component.get("version", ""))
    names = [str(component["name"]), purl.qualifiers.get("upstream", "") if purl else ""]
    for file in component.get("components", ()):
        original, _ = original_name(file["name"])
        names += [original, library_stem(original)]
    for name in filter(None, names):
        yield Fact(
            kind=FactKind.CONTAINS,
            name=name,
            version=version,
            scheme=purl.kind if purl else "",
            ref=str(component.get("bom-ref", "")),
        )


def _links(wheel: Wheel) -> Iterator[Fact]:
    first: dict[str, str] = {}
    for binary in linkage(wheel):
        for needed in binary.needed:
            first.setdefault(original_name(needed)[0], binary.member)
    for library, member in first.items():
        for name in dict.fromkeys((library, library_stem(library))):
            yield Fact(kind=FactKind.LINKS, name=name, ref=member)


def _built_with(record: Record) -> Iterator[Fact]:
    kind = FactKind.BUILT_WITH
    for each in record.build_requirements:
        yield Fact(kind=kind, name=each.name, version=each.version, scheme="pypi")
    for name, requirement in (record.inputs.provider_requirements if record.inputs else {}).items():
        yield Fact(kind=kind, name=name, version=requirement.version, scheme="pypi")
    for what, text in record.toolchain.items():
        first, _, second = what.partition(" ")
        number = _NUMBER.search(text.rpartition(")")[2]) or _NUMBER.search(text)
        if first == "package":
            yield Fact(kind=kind, name=second, version=text, scheme="generic")
        elif what not in _PLACES:
            name = f"{second}-compiler" if first == "compiler" else second or first
            yield Fact(kind=kind, name=name, version=number[0] if number else "")


def _patches(record: Record) -> Iterator[Fact]:
    for patch in record.patches:
        content, diff = recorded_parts(patch)
        header = header_text(content)
        yield Fact(
            kind=FactKind.PATCH,
            name=patch.file,
            version=" ".join(resolved_vulnerabilities(header)),
            scheme=sha256_of_bytes(diff) if diff else "",
            ref=header,
        )
