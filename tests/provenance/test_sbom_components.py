"""Where vendored libraries come from, by each repair tool; licenses and package URLs."""

from __future__ import annotations

import json
from email import message_from_bytes
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from support.archives import digest
from support.bills import BLAS, BUILT, GCC, INFO, embedded, mangled, provenance, provider, repaired, stage_of
from wheelfarm.build.environment_report import SystemPackage
from wheelfarm.errors import WheelError
from wheelfarm.provenance.sbom import embed
from wheelfarm.provenance.sbom_components import (
    PackageUrl,
    known_license,
    parse_license,
    purl,
    with_license_files,
)

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
    bill, _ = embedded(stage, repaired(tmp_path, {member: b"changed"}), provenance())
    assert bill["components"][0]["purl"] == "pkg:pypi/blas32@1.0"


@pytest.mark.parametrize(
    ("release", "source", "expected"),
    [
        ("12", "openssl", "?distro=debian-12&upstream=openssl"),
        ("12", "libssl3", "?distro=debian-12"),
        ("", "openssl", "?upstream=openssl"),
        ("", "", ""),
    ],
)
def test_the_package_url_has_the_release_and_the_source(
    tmp_path: Path, release: str, source: str, expected: str
) -> None:
    member = f"alpha.libs/{mangled('libssl.so.3', b'ssl')}"
    package = SystemPackage(kind="deb", name="libssl3", version="3.0.17-1~deb12u2", source=source)
    found = provenance({member: package}).model_copy(update={"release": release})
    bill, _ = embedded(stage_of(tmp_path), repaired(tmp_path, {member: b"ssl"}), found)
    component = bill["components"][0]
    assert component["bom-ref"] == "pkg:deb/debian/libssl3@3.0.17-1~deb12u2"
    assert component["purl"] == component["bom-ref"] + expected
    assert PackageUrl.parse(component["purl"]) == PackageUrl(
        kind="deb",
        namespace="debian",
        name="libssl3",
        version="3.0.17-1~deb12u2",
        qualifiers=dict(pair.split("=") for pair in expected.removeprefix("?").split("&") if pair),
    )


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_a_package_url_is_read_as_it_was_written(name: str, version: str, upstream: str) -> None:
    text = purl("deb", "debian", name, version=version, upstream=upstream)
    found = PackageUrl.parse(text)
    assert found is not None
    assert (found.namespace, found.name, found.version) == ("debian", name, version)
    assert found.qualifiers == {"upstream": upstream}


@pytest.mark.parametrize("text", ["", "pkg", "pkg:", "pkg:deb", "vendored:alpha.libs/libx.so", "cpe:/a"])
def test_what_is_no_package_url(text: str) -> None:
    assert PackageUrl.parse(text) is None


def test_a_copy_of_a_library_that_was_stripped_before_the_repair(tmp_path: Path) -> None:
    stage, stripped = stage_of(tmp_path, provider_wheels=(provider(tmp_path),)), b"\x7fELF less"
    member = f"alpha.libs/{mangled('libblas32.so', stripped)}"
    found = provenance().model_copy(update={"stripped": {digest(stripped): digest(BLAS)}})
    bill, _ = embedded(stage, repaired(tmp_path, {member: stripped}), found)
    assert bill["components"][0]["purl"] == "pkg:pypi/blas32@1.0"
    other, _ = embedded(stage, repaired(tmp_path, {member: stripped}), provenance())
    assert other["components"][0]["name"] == "libblas32.so"


def test_another_library_of_that_name_is_none(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, provider_wheels=(provider(tmp_path),))
    member = "alpha.libs/libblas32-00000000.so"
    bill, _ = embedded(stage, repaired(tmp_path, {member: b"another"}), provenance({member: None}))
    unknown = bill["components"][0]
    assert unknown["name"] == "libblas32.so"
    assert [each["value"] for each in unknown["properties"]] == ["unknown", "not found"]
    assert unknown["components"][0]["name"] == member


def test_two_libraries_of_one_package(tmp_path: Path) -> None:
    gcc = SystemPackage(kind="brew", name="gcc", version="14.2.0", license="GPL-3.0-or-later")
    names = ("alpha/.dylibs/libgfortran.5.dylib", "alpha/.dylibs/libquadmath.0.dylib")
    wheel = repaired(tmp_path, dict.fromkeys(names, b"\xcf\xfa\xed\xfe"))
    bill, _ = embedded(stage_of(tmp_path), wheel, provenance(dict.fromkeys(names, gcc)))
    first = bill["components"][0]
    assert (first["purl"], [each["name"] for each in first["components"]]) == (
        "pkg:brew/gcc@14.2.0",
        [*names],
    )
    assert first["components"][1]["licenses"][0]["expression"] == "LGPL-2.1-or-later"


@pytest.mark.parametrize("package", [GCC, GCC.model_copy(update={"version": "2:6.2"}), None])
def test_what_auditwheel_lists_is_taken_over_once(tmp_path: Path, package: SystemPackage | None) -> None:
    member = "alpha.libs/libgfortran-12345678.so.5"
    # As auditwheel writes it, with all special characters quoted.
    ref = f"pkg:deb/debian/libgfortran5@{quote((package or GCC).version, safe='')}"
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
    bill, found = embedded(stage_of(tmp_path), wheel, provenance({member: package}))
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
    with pytest.raises(WheelError, match="bill of materials cannot be read"):
        embed(stage_of(tmp_path), wheel, provenance(), tmp_path / "out", built=BUILT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mit", {"expression": "MIT"}),
        ("BSD-3-Clause AND MIT", {"expression": "BSD-3-Clause AND MIT"}),
        ("BSD License", {"license": {"name": "BSD License"}}),
        ("BSD 2-Clause License\n\nCopyright …", {"license": {"name": "BSD 2-Clause License"}}),
        ("Copyright (c) somebody\nAll rights reserved.", None),
        ("x" * 81, None),
        ("", None),
    ],
)
def test_declared(text: str, expected: dict[str, Any] | None) -> None:
    found = [{key: each[key] for key in each if key != "acknowledgement"} for each in parse_license(text)]
    for each in found:
        each.get("license", {}).pop("acknowledgement", None)
    assert found == ([expected] if expected else [])


def test_known_by_name() -> None:
    (both,) = known_license(["libgfortran.so.5", "libquadmath.so.0"])
    assert both["expression"] == "GPL-3.0-or-later WITH GCC-exception-3.1 AND LGPL-2.1-or-later"
    assert known_license(["libgfortran.so.5", "libmine.so"]) == ()
    assert known_license(["libgfortran-040039e1.so.5"]) == known_license(["libgomp.so.1"])
    assert known_license([]) == ()


def test_metadata_of_before_the_field_stays() -> None:
    old = b"Metadata-Version: 2.1\nName: a\n\nbody\n"
    assert with_license_files(old, {"x": ""}) == old


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("body", ["", "\nLicense-File: no field\n"])
def test_the_field_is_added_once_and_the_body_unchanged(end: str, body: str) -> None:
    lines = "Metadata-Version: 2.4\nName: a\nLicense-File: LICENSE\n"
    text = (lines + body).replace("\n", end).encode()
    found = with_license_files(text, {"vendored/x": "", "LICENSE": ""})
    message = message_from_bytes(found)
    assert message.get_all("License-File") == ["LICENSE", "vendored/x"]
    assert found.endswith(body.replace("\n", end).encode())
    assert with_license_files(found, {"vendored/x": ""}) == found


names = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]) | st.sampled_from(".-+"), min_size=1)
versions = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"]), min_size=1)


@given(name=names, version=versions, file=versions)
def test_package_urls_are_what_their_own_library_reads(name: str, version: str, file: str) -> None:
    read = PackageURL.from_string(purl("deb", "debian", name, version=version, file_name=file))
    assert (read.type, read.namespace, read.name) == ("deb", "debian", name)
    assert (read.version, read.qualifiers) == (version, {"file_name": file})
