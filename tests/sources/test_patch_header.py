"""The headers of patches: the vulnerabilities that they resolve."""

from __future__ import annotations

import pytest

from wheelfarm.sources.patch_header import resolved_vulnerabilities


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Resolves: CVE-2026-1111", ("CVE-2026-1111",)),
        ("Why: x\nresolves: cve-2026-1111, GHSA-ABCD-2345-6789\n", ("CVE-2026-1111", "GHSA-abcd-2345-6789")),
        ("Resolves: CVE-2026-1111\n  PYSEC-2026-7\nUpstream: CVE-2026-9", ("CVE-2026-1111", "PYSEC-2026-7")),
        (
            "Resolves: CVE-2026-1111\nResolves: CVE-2026-2222, CVE-2026-1111",
            ("CVE-2026-1111", "CVE-2026-2222"),
        ),
        ("Resolves: #12, https://example.org/12", ()),
        ("Why: CVE-2026-1111 is not resolved", ()),
        ("", ()),
    ],
)
def test_the_line_resolves_names_vulnerabilities(header: str, expected: tuple[str, ...]) -> None:
    assert resolved_vulnerabilities(header) == expected
