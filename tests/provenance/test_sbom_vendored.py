"""Libraries that repair has vendored: whose they are, by each tool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.bills import BLAS, GCC, INFO, enclosed, mangled, provenance, provider, repaired, stage_of
from wheelfarm.build.environment_report import SystemPackage
from wheelfarm.errors import WheelError
from wheelfarm.provenance.sbom_embedding import embed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "member",
    [
        f"alpha.libs/{mangled('libblas32.so', BLAS)}",
        "alpha/.dylibs/libblas32.so",
        f"alpha.libs/{mangled('libblas32.so', BLAS, 32)}",
    ],
)
def test_a_copy_from_a_wheel_by_each_tool(tmp_path: Path, member: str) -> None:
    stage = stage_of(tmp_path, requirements=(provider(tmp_path),))
    bill, _ = enclosed(stage, repaired(tmp_path, {member: b"changed"}), provenance())
    assert bill["components"][0]["purl"] == "pkg:pypi/blas32@1.0"


def test_another_library_of_that_name_is_none(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, provider_wheel=provider(tmp_path))
    member = "alpha.libs/libblas32-00000000.so"
    bill, _ = enclosed(stage, repaired(tmp_path, {member: b"another"}), provenance({member: None}))
    unknown = bill["components"][0]
    assert unknown["name"] == "libblas32.so"
    assert [each["value"] for each in unknown["properties"]] == ["unknown", "not found"]
    assert unknown["components"][0]["name"] == member


def test_two_libraries_of_one_package(tmp_path: Path) -> None:
    gcc = SystemPackage(kind="brew", name="gcc", version="14.2.0", license="GPL-3.0-or-later")
    names = ("alpha/.dylibs/libgfortran.5.dylib", "alpha/.dylibs/libquadmath.0.dylib")
    wheel = repaired(tmp_path, dict.fromkeys(names, b"\xcf\xfa\xed\xfe"))
    bill, _ = enclosed(stage_of(tmp_path), wheel, provenance(dict.fromkeys(names, gcc)))
    first = bill["components"][0]
    assert (first["purl"], [each["name"] for each in first["components"]]) == (
        "pkg:brew/gcc@14.2.0",
        [*names],
    )
    assert first["components"][1]["licenses"][0]["expression"] == "LGPL-2.1-or-later"


@pytest.mark.parametrize("package", [GCC, None])
def test_what_auditwheel_tells_is_taken_over_once(tmp_path: Path, package: SystemPackage | None) -> None:
    member = "alpha.libs/libgfortran-12345678.so.5"
    ref = "pkg:deb/debian/libgfortran5@12.2.0-14%2Bb1"
    theirs = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.4",
        "metadata": {
            "component": {"bom-ref": "alpha", "type": "library", "name": "alpha"},
            "tools": [{"name": "auditwheel", "version": "6.8.2"}],
        },
        "components": [
            {"bom-ref": "alpha", "type": "library", "name": "alpha"},
            {"bom-ref": f"{ref}#1", "type": "library", "name": "libgfortran5", "purl": ref},
        ],
    }
    document = f"{INFO}/sboms/auditwheel.cdx.json"
    others = {document: json.dumps(theirs).encode(), f"{INFO}/sboms/backend.cdx.json": b"{}"}
    wheel = repaired(tmp_path, {member: b"x"}, others)
    bill, found = enclosed(stage_of(tmp_path), wheel, provenance({member: package}))
    purls = [each.get("purl") for each in bill["components"]]
    assert purls.count(ref) == 1
    (depends,) = (each["dependsOn"] for each in bill["dependencies"] if "dependsOn" in each)
    assert depends == ([ref] if package else [f"vendored:{member}", f"{ref}#1"])
    assert bill["metadata"]["tools"]["components"][1]["name"] == "auditwheel"
    assert document not in found
    assert f"{INFO}/sboms/backend.cdx.json" in found


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b"{}", b'{"bomFormat": "SPDX", "metadata": {"component": {"bom-ref": 1}}}']
)
def test_what_auditwheel_cannot_have_written(tmp_path: Path, text: bytes) -> None:
    wheel = repaired(tmp_path, {}, {f"{INFO}/sboms/auditwheel.cdx.json": text})
    with pytest.raises(WheelError, match="auditwheel tells cannot be read"):
        embed(stage_of(tmp_path), wheel, provenance(), tmp_path / "out")
