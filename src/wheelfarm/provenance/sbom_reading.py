"""Read the SBOMs of a wheel, and check that the farm's names all vendored libraries."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any, Final

from wheelfarm.errors import WheelError
from wheelfarm.wheels.archive import read_member
from wheelfarm.wheels.contents import vendored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wheelfarm.wheels.archive import Wheel

MEMBER: Final = "sboms/wheelfarm.cdx.json"
"""Ours, in `.dist-info`."""


def components(wheel: Wheel) -> tuple[dict[str, str], ...]:
    """The components of every CycloneDX document of a wheel: name, version, license, scope and files.

    Raises:
        WheelError: when a document cannot be read.
    """
    prefix = f"{wheel.dist_info}/sboms/"
    names = [
        each.name for each in wheel.members if each.name.startswith(prefix) and each.name.endswith(".json")
    ]
    with zipfile.ZipFile(wheel.path) as archive:
        bills = [_parse(read_member(archive, name), name) for name in names]
    return tuple(_summary(each) for bill in bills for each in _all(bill))


def _parse(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        bill = json.loads(data)
    except ValueError as problem:
        raise WheelError("this bill of materials is not JSON", where=where, why=str(problem)) from problem
    return bill if isinstance(bill, dict) and bill.get("bomFormat") == "CycloneDX" else {}


def _all(bill: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    package = bill.get("metadata", {}).get("component")
    yield from [package] if package else []
    yield from bill.get("components", [])


def _summary(component: Mapping[str, Any]) -> dict[str, str]:
    licenses = [
        each.get("expression") or each["license"].get("id") or each["license"].get("name", "")
        for each in component.get("licenses", [])
    ]
    files = [each["name"] for each in component.get("components", []) if each["type"] == "file"]
    fields = {
        "name": component["name"],
        "version": component.get("version", ""),
        "license": ", ".join(licenses),
        "scope": component.get("scope", ""),
        "files": ", ".join(files),
    }
    return {key: str(value) for key, value in fields.items() if value}


def check_sbom(wheel: Wheel) -> int:
    """How many vendored libraries there are; the farm's bill of materials names all with their digests.

    Raises:
        WheelError: when there is no such document, or a library is missing from it.
    """
    where = f"{wheel.dist_info}/{MEMBER}"
    if where not in {member.name for member in wheel.members}:
        raise WheelError(
            "the wheel has no bill of materials of the farm",
            where=where,
            hint="let the farm build it: nox -s build-<name>",
        )
    with zipfile.ZipFile(wheel.path) as archive:
        bill = _parse(read_member(archive, where), where)
    listed = {
        (file["name"], digest["content"])
        for component in bill.get("components", [])
        for file in component.get("components", [])
        for digest in file.get("hashes", [])
    }
    libraries = vendored(wheel)
    missing = [each.name for each in libraries if (each.name, each.sha256) not in listed]
    if missing:
        raise WheelError(
            "vendored libraries are not in the wheel's bill of materials",
            where=where,
            why=", ".join(missing),
            hint="something changed the wheel after it was finished",
        )
    return len(libraries)
