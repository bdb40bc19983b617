"""The SBOMs that a wheel has: their components, and whether the farm's own lists what was vendored."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import WheelError
from wheelfarm.system.files import parse_json
from wheelfarm.wheels.contents import vendored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.wheels.archive import Wheel

MEMBER: Final = "sboms/wheelfarm.cdx.json"
"""The farm's own SBOM, in `.dist-info` (PEP 770)."""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """A CycloneDX document of a wheel."""

    member: str
    """The file in the wheel."""
    link: str
    """The document as BOM-Link names it, such as urn:cdx:<serial number>/1; empty where it has no number."""
    components: tuple[tuple[bool, Mapping[str, Any]], ...]
    """Each with whether it is what the document describes."""


def read_bills(wheel: Wheel) -> Iterator[Bill]:
    """Read every CycloneDX document of a wheel.

    Raises:
        WheelError: when a document cannot be read.
    """
    prefix = f"{wheel.dist_info}/sboms/"
    for member in wheel.members:
        if member.name.startswith(prefix) and member.name.endswith(".json"):
            bill = parse_bill(wheel.read(member.name), member.name)
            with sound(member.name):
                package = bill.get("metadata", {}).get("component")
                found = [(True, package)] if package else []
                found += [(False, each) for each in bill.get("components", [])]
            yield Bill(member=member.name, link=_bom_link(bill), components=tuple(found))


def _bom_link(bill: Mapping[str, Any]) -> str:
    serial = str(bill.get("serialNumber", "")).removeprefix("urn:uuid:")
    return f"urn:cdx:{serial}/{bill.get('version', 1)}" if serial else ""


def read_components(wheel: Wheel) -> tuple[dict[str, str], ...]:
    """The components of every CycloneDX document of a wheel: name, version, license, scope and files.

    Raises:
        WheelError: when a document cannot be read.
    """
    found = []
    for bill in read_bills(wheel):
        with sound(bill.member):
            found += [_summary(each) for _, each in bill.components if each]
    return tuple(found)


@contextmanager
def sound(where: str) -> Iterator[None]:
    """Raise a WheelError for a document that does not have the form of CycloneDX."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as problem:
        what = "this bill of materials is no sound CycloneDX document"
        raise WheelError(what, where=where, why=f"{problem!r:.200}") from problem


def parse_bill(data: bytes, where: str) -> Mapping[str, Any]:
    """Parse a document; one in another format is empty.

    Raises:
        WheelError: when it is not JSON.
    """
    try:
        bill = parse_json(data)
    except ValueError as problem:
        raise WheelError("this bill of materials is not JSON", where=where, why=str(problem)) from problem
    return bill if isinstance(bill, dict) and bill.get("bomFormat") == "CycloneDX" else {}


def _summary(component: Mapping[str, Any]) -> dict[str, str]:
    licenses = [
        each.get("expression") or each["license"].get("id") or each["license"].get("name", "")
        for each in component.get("licenses", [])
    ]
    files = [each["name"] for each in component.get("components", []) if each["type"] == "file"]
    fields = {key: component.get(key, "") for key in ("name", "version", "scope")}
    fields |= {"license": ", ".join(licenses), "files": ", ".join(files)}
    return {key: str(value) for key, value in fields.items() if value}


def vendored_members(wheel: Wheel) -> frozenset[str]:
    """The members that the repair tool added, as the farm's SBOM lists them.

    For a wheel without that document they are the libraries in directories of repair tools.

    Raises:
        WheelError: when the document cannot be read.
    """
    where = f"{wheel.dist_info}/{MEMBER}"
    if where in wheel.names:
        return frozenset(name for name, _ in _listed_files(wheel, where))
    return frozenset(member.name for member in vendored(wheel))


def _listed_files(wheel: Wheel, where: str) -> set[tuple[str, str]]:
    """Name and sha256 of the files that components of a document are made of."""
    bill = parse_bill(wheel.read(where), where)
    with sound(where):
        return {
            (file["name"], digest["content"])
            for component in bill.get("components", [])
            for file in component.get("components", [])
            for digest in file.get("hashes", [])
        }


def check_sbom(wheel: Wheel) -> int:
    """Count the vendored libraries that the farm's SBOM lists, which must be in the wheel as it says.

    The document lists what the repair tool added; see `sbom.embed`.

    Raises:
        WheelError: when there is no such document, or a library that it lists is another one.
    """
    where = f"{wheel.dist_info}/{MEMBER}"
    if where not in wheel.names:
        raise WheelError(
            "the wheel has no bill of materials of the farm",
            where=where,
            hint="let the farm build it: nox -s build-<name>",
        )
    listed = _listed_files(wheel, where)
    found = {(member.name, member.sha256) for member in wheel.members}
    if missing := sorted(name for name, _ in listed - found):
        raise WheelError(
            "the wheel does not have the libraries that its bill of materials lists",
            where=where,
            why=", ".join(missing),
            hint="something changed the wheel after it was finished",
        )
    return len(listed)
