"""Audits of stored wheels, and the VEX document about them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from support.searched import FIX, SSL, advisory, put
from wheelfarm.errors import Collector
from wheelfarm.provenance.audit import PackageVersion, audit_wheels
from wheelfarm.provenance.facts import Component
from wheelfarm.provenance.search_index import open_search_index
from wheelfarm.provenance.vex import vex_document
from wheelfarm.report.audit import audit_lines
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.provenance.audit import Audit

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Wheelhouse:
    return Wheelhouse(tmp_path / "wheelhouse")


def _audit(wheelhouse: Wheelhouse, *records: dict[str, Any]) -> Audit:
    root = wheelhouse.root.parent
    (root / "osv").mkdir(exist_ok=True)
    for record in (advisory("X-0", "another"), *records):
        (root / "osv" / f"{record['id']}.json").write_text(json.dumps(record))
    with open_search_index(root / "search.sqlite") as index:
        index.update(wheelhouse, problems=Collector(), progress=lambda _: None)
        wheels = [*index.wheels(wheelhouse.variants())]
        return audit_wheels(index, wheels, root / "osv", lambda _: None)


def _vex(audit: Audit) -> dict[str, Any]:
    document = vex_document(audit.findings, NOW)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode())
    assert problem is None, problem
    found: dict[str, Any] = json.loads(document)
    return found


def test_the_distribution_and_its_libraries_are_audited(wheelhouse: Wheelhouse) -> None:
    put(wheelhouse, "alpha", "1.0", purls=[SSL])
    put(wheelhouse, "alpha", "1.1")
    audit = _audit(
        wheelhouse,
        advisory("PYSEC-2026-1", "Alpha", aliases=["CVE-2026-1"], introduced="0", fixed="1.1"),
        advisory("DEBIAN-1", "openssl", ecosystem="Debian:12", introduced="0", fixed="3.0.18-1~deb12u1"),
        advisory("DEBIAN-2", "openssl", ecosystem="Debian:13", introduced="0", fixed="3.5.1-1"),
        advisory("DEBIAN-3", "openssl", ecosystem="Debian:12", introduced="0", fixed="3.0.16-1"),
    )
    found = {(each.name, each.component.name, each.wheel.version, each.fixed) for each in audit.findings}
    assert found == {
        ("CVE-2026-1", "alpha", "1.0", ("1.1",)),
        ("DEBIAN-1", "libssl3", "1.0", ("3.0.18-1~deb12u1",)),
    }
    assert audit.open == audit.findings
    assert next(audit_lines(audit)) == "2 vulnerabilities in 1 of 2 wheels; 0 others resolved by patches"


def test_records_by_several_names_are_one_vulnerability(wheelhouse: Wheelhouse) -> None:
    put(wheelhouse, "alpha")
    audit = _audit(
        wheelhouse,
        advisory("PYSEC-2026-1", "alpha", aliases=["CVE-2026-1"], introduced="0", fixed="2"),
        advisory("GHSA-aaaa-bbbb-cccc", "alpha", aliases=["CVE-2026-1"], introduced="0", fixed="1.5"),
        advisory("PYSEC-2026-9", "alpha", introduced="0"),
    )
    one, other = sorted(audit.findings, key=lambda each: each.name)
    assert (one.name, len(one.advisories), set(one.fixed)) == ("CVE-2026-1", 2, {"2", "1.5"})
    assert other.name == "PYSEC-2026-9"


def test_a_patch_marks_the_fix_of_its_own_wheel_alone(wheelhouse: Wheelhouse) -> None:
    put(wheelhouse, "alpha", patches={"0001-fix.patch": FIX})
    put(wheelhouse, "alpha", variant="slim")
    audit = _audit(wheelhouse, advisory("GHSA-abcd-2345-6789", "alpha", introduced="0"))
    assert {(each.wheel.variant, each.patches) for each in audit.findings} >= {
        ("plain", ("0001-fix.patch",)),
        ("slim", ()),
    }
    assert {each.wheel.variant for each in audit.open} == {"slim"}
    states = {
        (each["id"], each["analysis"]["state"], len(each["affects"]))
        for each in _vex(audit)["vulnerabilities"]
    }
    # The patch names two vulnerabilities, of which the database has one.
    assert states == {
        ("GHSA-abcd-2345-6789", "resolved_with_pedigree", 1),
        ("GHSA-abcd-2345-6789", "in_triage", 1),
        ("CVE-2026-1111", "resolved_with_pedigree", 1),
    }


def test_a_patch_mends_no_library_that_was_copied_into_the_wheel(wheelhouse: Wheelhouse) -> None:
    put(wheelhouse, "alpha", purls=[SSL], patches={"0001-fix.patch": FIX})
    record = advisory("DEBIAN-1", "openssl", ecosystem="Debian:12", aliases=["CVE-2026-1111"], introduced="0")
    (finding,) = _audit(wheelhouse, record).open
    assert finding.component.name == "libssl3"


def test_the_vex_document_refers_to_the_sboms_in_the_wheels(wheelhouse: Wheelhouse) -> None:
    put(wheelhouse, "alpha", purls=[SSL])
    record = advisory("DEBIAN-1", "openssl", ecosystem="Debian:12", introduced="0", fixed="3.0.18-1")
    audit = _audit(wheelhouse, record)
    document = _vex(audit)
    (vulnerability,) = document["vulnerabilities"]
    (reference,) = vulnerability["affects"]
    link, _, component = reference["ref"].partition("#")
    assert link == audit.findings[0].component.document
    assert component == "pkg%3Adeb%2Fdebian%2Flibssl3%403.0.17-1~deb12u2"
    assert vulnerability["ratings"][0]["method"] == "CVSSv31"
    assert vulnerability["recommendation"] == "use libssl3 3.0.18-1"
    assert vulnerability["published"] < vulnerability["updated"]
    assert vex_document(audit.findings, NOW) == vex_document(audit.findings[::-1], NOW)


def test_what_no_database_knows_is_named(wheelhouse: Wheelhouse) -> None:
    put(wheelhouse, "alpha", purls=["pkg:brew/openssl@3.5.0"])
    audit = _audit(wheelhouse, advisory("PYSEC-2026-1", "openssl", introduced="0"))
    assert audit.findings == ()
    assert [each.name for each in audit.unknown] == ["openssl"]
    assert "not audited, since no ecosystem of OSV has them: openssl" in [*audit_lines(audit)]


def test_a_system_package_without_its_source_is_named(wheelhouse: Wheelhouse) -> None:
    put(wheelhouse, "alpha", purls=["pkg:deb/debian/libssl3@3.0.17-1~deb12u2"])
    record = advisory("DEBIAN-1", "openssl", ecosystem="Debian:12", introduced="0")
    audit = _audit(wheelhouse, record)
    assert audit.findings == ()
    assert [each.name for each in audit.sourceless] == ["libssl3"]
    assert "(build again): libssl3" in [*audit_lines(audit)][-1]


@pytest.mark.parametrize(
    ("purl", "ecosystem", "expected"),
    [
        ("pkg:deb/debian/zlib1g@1?distro=debian-12", "Debian:12", True),
        ("pkg:deb/debian/zlib1g@1?distro=debian-12", "Debian:11", False),
        ("pkg:deb/debian/zlib1g@1?distro=debian-12", "Debian", True),
        ("pkg:deb/debian/zlib1g@1", "Debian:11", True),
        ("pkg:deb/ubuntu/zlib1g@1?distro=ubuntu-22.04", "Ubuntu:22.04:LTS", True),
        ("pkg:deb/ubuntu/zlib1g@1?distro=ubuntu-22.04", "Ubuntu:22.10", False),
        ("pkg:deb/ubuntu/zlib1g@1?distro=ubuntu-22.04", "Ubuntu:Pro:22.04:LTS", False),
        ("pkg:apk/alpine/zlib@1?distro=alpine-3.20.3", "Alpine:v3.20", True),
        ("pkg:apk/alpine/zlib@1?distro=alpine-3.20.3", "Alpine:v3.2", False),
        ("pkg:rpm/almalinux/zlib@1?distro=almalinux-8.10", "AlmaLinux:8", True),
        ("pkg:rpm/almalinux/zlib@1?distro=almalinux-8.10", "AlmaLinux:9", False),
        ("pkg:rpm/rhel/zlib@1?distro=rhel-8.10", "Red Hat:enterprise_linux:8::baseos", True),
        ("pkg:rpm/rhel/zlib@1?distro=rhel-8.10", "Red Hat:rhel_eus:8.6::baseos", False),
        ("pkg:pypi/zlib@1", "PyPI", True),
        ("pkg:pypi/zlib@1", "Debian:12", False),
    ],
)
def test_the_release_of_a_distribution_selects_its_records(
    purl: str, ecosystem: str, *, expected: bool
) -> None:
    component = Component(ref="", document="", name="zlib", version="1", purl=purl, own=False)
    package = PackageVersion.of(component)
    assert package is not None
    assert package.is_in(ecosystem) is expected
