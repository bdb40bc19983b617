"""Conditions of a search, and the order of versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from wheelfarm.errors import UsageError
from wheelfarm.provenance.conditions import Condition, upstream_version
from wheelfarm.provenance.facts import Fact, FactKind

CONTAINS = FactKind.CONTAINS


def _selects(text: str, name: str, version: str = "", scheme: str = "") -> bool:
    fact = Fact(kind=CONTAINS, name=name, version=version, scheme=scheme)
    return Condition.parse(CONTAINS, text).selects(fact)


@pytest.mark.parametrize(
    ("text", "name"),
    [("libgomp*", "libgomp1"), ("Scipy_OpenBLAS32", "scipy-openblas32"), ("zlib", "ZLIB"), ("a.b", "a-b")],
)
def test_a_name_is_compared_as_a_pattern_without_case_and_separators(text: str, name: str) -> None:
    assert _selects(text, name)
    assert not _selects(text, f"x{name}")


@pytest.mark.parametrize(
    ("bounds", "version", "scheme", "expected"),
    [
        ("<3.2", "3.0.17-1~deb12u2", "deb", True),
        ("<3.2", "3.2.0-1", "deb", False),
        ("==3.2", "3.2.0-1", "deb", True),
        ("<3.2", "1:3.2.1-1", "deb", False),
        ("<=1.1.1k", "1:1.1.1k-12.el8_9", "rpm", True),
        ("<1.1.1k", "1:1.1.1k-12.el8_9", "rpm", False),
        ("==3.0.*", "3.0.17-1~deb12u2", "deb", True),
        ("!=3.0.*", "3.0.17-1~deb12u2", "deb", False),
        ("==3.0.*", "3.01-1", "deb", False),
        ("~=3.0.2", "3.0.17-1", "deb", True),
        ("~=3.0.2", "3.1.0-1", "deb", False),
        (">=3.0,<3.0.18", "3.0.17-r4", "apk", True),
        ("<3.0.17-1", "3.0.17-1~deb12u2", "deb", True),
        ("<3.0.17-1~deb12u2", "3.0.17-1~deb12u2", "deb", False),
        ("<3.2", "3.1.0+dfsg-1", "deb", True),
        ("==3.1.0", "3.1.0+dfsg-1", "deb", True),
        ("==3.2.0", "3.2.0_1", "brew", True),
        ("==1.3.1", "1.3.1#2", "vcpkg", True),
        ("===3.0.17-1", "3.0.17-1", "deb", True),
        ("<2", "2.0rc1", "pypi", False),
        ("==3.0.*", "3.0.12", "pypi", True),
        ("==1.17.1", "1.17.1+team.1", "pypi", True),
        ("<1.0", "1.0.0-rc.1", "cargo", False),
        ("<1.0.1", "1.0.0-rc.1", "cargo", True),
        ("<1.1.1k", "1.1.1", "pypi", True),
        (">12", "12.2.0", "", True),
    ],
)
def test_bounds_follow_the_order_of_the_package_manager(
    bounds: str, version: str, scheme: str, *, expected: bool
) -> None:
    assert _selects(f"openssl{bounds}", "openssl", version, scheme) is expected


def test_an_unknown_version_is_within_any_bounds() -> None:
    assert _selects("openssl<3.2", "openssl")


@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=4), st.lists(st.integers(0, 99), min_size=1, max_size=4)
)
def test_numbers_are_ordered_alike_in_all_kinds_of_packages(one: list[int], other: list[int]) -> None:
    version, bound = ".".join(map(str, one)), ".".join(map(str, other))
    for operator in ("<", "<=", "==", "!=", ">=", ">"):
        expected = SpecifierSet(f"{operator}{bound}").contains(version)
        for scheme, suffix in (("pypi", ""), ("deb", "-1"), ("rpm", "-2.el8"), ("apk", "-r3"), ("", "")):
            assert _selects(f"x{operator}{bound}", "x", version + suffix, scheme) is expected


def test_a_patch_is_found_by_its_file_and_by_words_of_its_header() -> None:
    patch = Fact(kind=FactKind.PATCH, name="0001-fix.patch", ref="Mend it\n\nResolves: CVE-2026-1111")
    for text in ("cve-2026-1111", "0001-*", "Mend it"):
        assert Condition.parse(FactKind.PATCH, text).selects(patch)
    assert not Condition.parse(FactKind.PATCH, "CVE-2026-11").selects(
        Fact(kind=FactKind.PATCH, name="0002.patch", ref="Why: CVE-2025-1")
    )


@pytest.mark.parametrize("text", ["", "<3", "openssl 3", "openssl<", "openssl<3,", "a b"])
def test_what_is_no_condition_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="is no condition") as caught:
        Condition.parse(CONTAINS, text)
    assert "wheel.search --contains" in str(caught.value.hint)


def test_a_linked_library_has_no_version() -> None:
    with pytest.raises(UsageError, match="has no version"):
        Condition.parse(FactKind.LINKS, "libgomp<2")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2:6.2.1-3", "6.2.1"), ("1.2.13.dfsg-1", "1.2.13"), ("8.5.0-28.el8_10", "8.5.0"), ("1.0", "1.0")],
)
def test_the_version_of_the_project(version: str, expected: str) -> None:
    assert upstream_version(version) == expected
