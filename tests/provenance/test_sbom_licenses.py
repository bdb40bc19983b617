"""Licences in a bill of materials, their texts in the wheel, and package urls."""

from __future__ import annotations

from email import message_from_bytes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from wheelfarm.provenance.sbom_embedding import with_license_files
from wheelfarm.provenance.sbom_identity import known_license, parse_license, purl


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
