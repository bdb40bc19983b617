"""What can be searched in a wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.searched import FIX, SSL, put
from wheelfarm.errors import WheelError
from wheelfarm.provenance.facts import FactKind, library_stem, read_facts
from wheelfarm.provenance.record import Record
from wheelfarm.provenance.sbom_reader import MEMBER
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.model import StoredWheel
    from wheelfarm.provenance.facts import WheelFacts


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    return Wheelhouse(tmp_path / "wheelhouse")


def _facts(wheelhouse: Wheelhouse, stored: StoredWheel) -> WheelFacts:
    record = Record.from_json(wheelhouse.record(stored.variant, stored.key), "record")
    return read_facts(record, open_wheel(stored.path))


def _named(found: WheelFacts, kind: FactKind) -> dict[str, str]:
    return {fact.name: fact.version for fact in found.facts if fact.kind is kind}


def test_a_component_has_the_names_of_its_package_its_source_and_its_files(wheelhouse: Wheelhouse) -> None:
    files = {SSL: "alpha.libs/libssl-3c1e2a3b.so.3"}
    found = _facts(wheelhouse, put(wheelhouse, "alpha", purls=[SSL], files=files))
    version = "3.0.17-1~deb12u2"
    assert _named(found, FactKind.CONTAINS) == {
        "alpha": "1.0",
        **dict.fromkeys(("libssl3", "openssl", "libssl.so.3", "libssl"), version),
    }
    own, ssl = found.components
    assert (own.own, own.purl) == (True, "pkg:pypi/alpha@1.0")
    assert (ssl.own, ssl.purl, ssl.ref) == (False, SSL, SSL.partition("?")[0])
    assert own.document == ssl.document
    assert own.document.startswith("urn:cdx:")


def test_linked_libraries_have_the_names_from_before_the_repair(wheelhouse: Wheelhouse) -> None:
    needs = ["@loader_path/../alpha.libs/libgomp-a34b3233.so.1.0.0", "/usr/lib/libc++.1.dylib"]
    found = _facts(wheelhouse, put(wheelhouse, "alpha", needs=needs))
    assert set(_named(found, FactKind.LINKS)) == {"libgomp.so.1.0.0", "libgomp", "libc++.1.dylib", "libc++"}


def test_the_build_environment_and_the_toolchain(wheelhouse: Wheelhouse) -> None:
    toolchain = {
        "compiler c": "cc (Debian 12.2.0-14+deb12u1) 12.2.0",
        "package libyaml-dev": "0.2.5-1",
        "program gcc-11": "gcc-11 (Debian 11.4) 11.4.0",
        "stages": "/var/tmp/0.0.0",  # noqa: S108 - as a record has it
    }
    found = _facts(wheelhouse, put(wheelhouse, "alpha", built_with={"cython": "3.0.12"}, toolchain=toolchain))
    assert _named(found, FactKind.BUILT_WITH) == {
        "cython": "3.0.12",
        "c-compiler": "12.2.0",
        "libyaml-dev": "0.2.5-1",
        "gcc-11": "11.4.0",
    }


def test_a_patch_has_its_header_and_the_vulnerabilities_that_it_resolves(wheelhouse: Wheelhouse) -> None:
    found = _facts(wheelhouse, put(wheelhouse, "alpha", patches={"0001-fix.patch": FIX}))
    (patch,) = [fact for fact in found.facts if fact.kind is FactKind.PATCH]
    assert patch.version == "CVE-2026-1111 GHSA-abcd-2345-6789"
    assert "beyond the end" in patch.ref
    assert "9999" not in patch.ref


def test_an_old_record_without_the_text_of_a_patch_has_its_name(wheelhouse: Wheelhouse) -> None:
    stored = put(wheelhouse, "alpha", patches={"0001-fix.patch": FIX})
    record = Record.from_json(wheelhouse.record(stored.variant, stored.key), "record")
    old = record.model_copy(
        update={"patches": tuple(type(each)(file=each.file, sha256=each.sha256) for each in record.patches)}
    )
    (patch,) = [
        each for each in read_facts(old, open_wheel(stored.path)).facts if each.kind is FactKind.PATCH
    ]
    assert (patch.name, patch.ref) == ("0001-fix.patch", "")


@pytest.mark.parametrize("text", [b"{", b'{"bomFormat": "CycloneDX", "components": [{"version": "1"}]}'])
def test_a_damaged_sbom_is_an_error(wheelhouse: Wheelhouse, text: bytes) -> None:
    stored = put(wheelhouse, "alpha", members={f"alpha-1.0.dist-info/{MEMBER}": text})
    with pytest.raises(WheelError, match="bill of materials"):
        _facts(wheelhouse, stored)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("libgomp.so.1", "libgomp"),
        ("libpython3.11.so.1.0", "libpython3.11"),
        ("libstdc++.so.6", "libstdc++"),
        ("libopenblas64_.0.dylib", "libopenblas64_"),
        ("msvcp140.dll", "msvcp140"),
        ("Accelerate", "Accelerate"),
    ],
)
def test_the_stem_of_a_library(name: str, stem: str) -> None:
    assert library_stem(name) == stem
