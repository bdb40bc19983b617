"""Databases of vulnerabilities in OSV's format."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from support.searched import advisory
from wheelfarm.errors import DatabaseError, WheelhouseError
from wheelfarm.provenance.osv import Advisory, Affected, read_database

if TYPE_CHECKING:
    from pathlib import Path

NUMPY = {("PyPI", "numpy")}


def _read(path: Path, wanted: set[tuple[str, str]] = NUMPY) -> list[str]:
    return [each.id for each in read_database(path, wanted, lambda _: None)]


def _affected(*events: dict[str, str], kind: str = "ECOSYSTEM", versions: tuple[str, ...] = ()) -> Affected:
    ranges = [{"type": kind, "events": list(events)}] if events else []
    return Affected.model_validate({"ranges": ranges, "versions": versions})


@pytest.mark.parametrize(
    ("events", "affected", "safe"),
    [
        ([{"introduced": "0"}], ["0.1", "9"], []),
        ([{"introduced": "0"}, {"fixed": "1.22"}], ["1.0", "1.21.9", "1.22rc1"], ["1.22", "1.22.1", "2"]),
        ([{"introduced": "1.9"}, {"last_affected": "1.21"}], ["1.9", "1.21"], ["1.8", "1.21.1"]),
        (
            [{"fixed": "2.1"}, {"introduced": "2.0"}, {"fixed": "1.5"}, {"introduced": "1.0"}],
            ["1.0", "1.4", "2.0"],
            ["0.9", "1.5", "1.9", "2.1"],
        ),
        ([{"introduced": "0"}, {"limit": "2"}], ["1.9"], ["2", "3"]),
        ([{"introduced": "0"}, {"limit": "*"}], ["1.9", "3"], []),
    ],
)
def test_ranges_are_evaluated_as_the_schema_says(
    events: list[dict[str, str]], affected: list[str], safe: list[str]
) -> None:
    found = _affected(*events)
    assert [version for version in (*affected, *safe) if found.covers(version, "pypi")] == affected


@pytest.mark.parametrize(
    ("scheme", "fixed", "affected", "safe"),
    [
        ("deb", "3.0.17-1~deb12u3", "3.0.17-1~deb12u2", "3.0.17-1"),
        ("deb", "1:1.2.13-1", "1.3-1", "1:1.2.13-1"),
        ("rpm", "1:1.1.1k-12.el8_9", "1:1.1.1k-9.el8_7", "1:1.1.1k-14.el8_10"),
        ("apk", "3.1.4-r6", "3.1.4-r5", "3.1.5-r0"),
        ("cargo", "1.2.0", "1.2.0-rc.1", "1.10.0"),
    ],
)
def test_versions_of_system_packages_have_their_own_order(
    scheme: str, fixed: str, affected: str, safe: str
) -> None:
    found = _affected({"introduced": "0"}, {"fixed": fixed})
    assert found.covers(affected, scheme)
    assert not found.covers(safe, scheme)


def test_listed_versions_are_affected_also_with_a_local_version() -> None:
    found = _affected(versions=("1.17.1", "1.16"))
    for version in ("1.17.1", "1.17.1+team.1", "1.16.0"):
        assert found.covers(version, "pypi")
    assert not found.covers("1.17", "pypi")
    last = _affected({"introduced": "0"}, {"last_affected": "1.17.1"})
    assert last.covers("1.17.1+team.1", "pypi")


def test_a_range_of_commits_says_nothing_about_versions() -> None:
    found = _affected({"introduced": "0"}, {"fixed": "d" * 40}, kind="GIT")
    assert not found.covers("1.0", "pypi")
    assert found.fixed == ()


def test_a_version_without_an_order_counts_as_affected() -> None:
    assert _affected({"introduced": "0"}, {"fixed": "2012b"}).covers("1.0", "pypi")


def test_the_names_of_an_advisory() -> None:
    first = Advisory(id="GHSA-AAAA-bbbb-cccc", aliases=("cve-2026-1",))
    assert first.names == {"GHSA-aaaa-bbbb-cccc", "CVE-2026-1"}
    assert Advisory(id="DEBIAN-CVE-2026-1", upstream=("CVE-2026-1",)).names >= {"CVE-2026-1"}
    both = Advisory(id="DSA-2-1", upstream=("CVE-2026-1", "DEBIAN-CVE-2026-1"))
    assert both.names == {"DSA-2-1", "CVE-2026-1", "DEBIAN-CVE-2026-1"}
    assert Advisory(id="DSA-1-1", upstream=("CVE-2026-1", "CVE-2026-2")).names == {"DSA-1-1"}


def test_records_are_read_from_files_directories_and_zip_files(tmp_path: Path) -> None:
    one, other = advisory("PYSEC-2026-1", "numpy", introduced="0"), advisory("PYSEC-2026-2", "scipy")
    (tmp_path / "osv" / "PyPI").mkdir(parents=True)
    file, archive = tmp_path / "osv" / "one.json", tmp_path / "osv" / "PyPI" / "all.zip"
    file.write_text(json.dumps(one))
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("PYSEC-2026-2.json", json.dumps(other))
        opened.writestr("PYSEC-2026-3.json", json.dumps({**one, "id": "PYSEC-2026-3"}))
    assert _read(file) == ["PYSEC-2026-1"]
    assert _read(archive) == ["PYSEC-2026-3"]
    assert sorted(_read(tmp_path / "osv")) == ["PYSEC-2026-1", "PYSEC-2026-3"]


def test_null_is_a_missing_key(tmp_path: Path) -> None:
    record = {**advisory("A-1", "numpy", introduced="0"), "aliases": None, "withdrawn": None}
    record["affected"][0]["versions"] = None
    (tmp_path / "a.json").write_text(json.dumps(record))
    assert _read(tmp_path) == ["A-1"]


def test_withdrawn_records_and_those_of_other_packages_are_left_out(tmp_path: Path) -> None:
    records = [
        {**advisory("A-1", "numpy"), "withdrawn": "2026-01-01T00:00:00Z"},
        advisory("A-2", "numpy", ecosystem="npm"),
        {"id": "A-3", "modified": "2026-01-01T00:00:00Z"},
    ]
    for record in records:
        (tmp_path / f"{record['id']}.json").write_text(json.dumps(record))
    assert _read(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "Expecting"),
        ("[]", "has no id"),
        ('{"id": "A-1", "affected": [1]}', "affected"),
        (json.dumps({**advisory("A-1", "numpy"), "aliases": 7}), "aliases"),
    ],
)
def test_a_damaged_record_is_an_error_that_names_it(tmp_path: Path, content: str, why: str) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as opened:
        opened.writestr("A-1.json", content)
    with pytest.raises(DatabaseError, match="no vulnerability in the OSV format") as caught:
        _read(tmp_path / "all.zip")
    assert "all.zip: A-1.json" in str(caught.value.where)
    assert why in str(caught.value.why)


def _no_zip(path: Path) -> Path:
    (path / "all.zip").write_bytes(b"PK")
    return path


def _truncated(path: Path, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path / "all.zip", "w", compression) as opened:
        opened.writestr("A-1.json", json.dumps(advisory("A-1", "numpy")) + " " * 9999)
    content = bytearray((path / "all.zip").read_bytes())
    content[60:90] = bytes(30)
    (path / "all.zip").write_bytes(content)
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path / "missing",
        lambda path: path,
        _no_zip,
        _truncated,
        lambda path: _truncated(path, zipfile.ZIP_LZMA),
    ],
)
def test_a_database_that_is_missing_empty_or_damaged_is_an_error(tmp_path: Path, make: Any) -> None:
    with pytest.raises((DatabaseError, WheelhouseError)) as caught:
        _read(make(tmp_path))
    assert str(tmp_path) in str(caught.value.where)
