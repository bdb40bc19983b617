"""inv wheel.search and inv index.audit, on a wheelhouse of a farm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.publishing import publishing_farm
from support.searched import FIX, SSL, advisory, put
from wheelfarm.errors import DatabaseError, UsageError, VulnerableError, WheelhouseError
from wheelfarm.model import Name
from wheelfarm.wheelhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def door(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    """A farm with wheels of alpha and beta, of which one is not current any more."""
    farm = publishing_farm(tmp_path / "farm", {"kind": "static", "url": "public"})
    put(farm.wheelhouse, "alpha", purls=[SSL], built_with={"cython": "3.0.11"}, needs=["libz.1.dylib"])
    put(farm.wheelhouse, "alpha", purls=[SSL], built_with={"cython": "3.0.12"})
    put(farm.wheelhouse, "alpha", purls=[SSL], target="cp312-manylinux_x86_64")
    put(farm.wheelhouse, "beta", variant="netlib", patches={"0001-fix.patch": FIX})
    return Door(tmp_path / "farm", capsys, monkeypatch)


def test_a_search_shows_a_table(door: Door) -> None:
    done = door.inv("wheel.search", "--contains", "openssl<3.2")
    first, head, *rows = done.stdout.splitlines()
    assert (done.returncode, first) == (0, "3 wheels of 4")
    assert head.split() == ["package", "version", "variant", "state", "found", "targets"]
    assert [row.split()[3] for row in rows] == ["earlier", "current"] or [row.split()[3] for row in rows] == [
        "current",
        "earlier",
    ]
    assert "openssl 3.0.17-1~deb12u2 (deb)" in done.stdout
    assert "cp311-manylinux_x86_64, cp312-manylinux_x86_64" in done.stdout


def test_a_search_as_json_by_several_conditions(door: Door) -> None:
    done = door.inv(
        "wheel.search",
        "--contains",
        "openssl<3.2",
        "--built-with",
        "cython==3.0.*",
        "--links",
        "libz",
        "--json",
    )
    (found,) = json.loads(done.stdout)
    assert (found["name"], found["state"]) == ("alpha", "earlier")
    assert [(each["kind"], each["name"]) for each in found["found"]] == [
        ("contains", "openssl"),
        ("links", "libz"),
        ("built-with", "cython"),
    ]
    patched = json.loads(door.inv("wheel.search", "--patch", "CVE-2026-1111", "--json").stdout)
    assert [each["resolves"] for each in patched[0]["found"]] == [["CVE-2026-1111", "GHSA-abcd-2345-6789"]]


def test_nothing_found_is_exit_code_1(door: Door) -> None:
    done = door.inv("wheel.search", "--contains", "openssl<3.0")
    assert (done.returncode, done.stdout) == (1, "0 wheels of 4\n")
    assert door.inv("wheel.search", "--contains", "openssl", "--variant", "netlib").returncode == 1
    assert door.inv("wheel.search", "--contains", "openssl;libssl3", "--json").returncode == 0


def test_bad_input_is_refused(door: Door) -> None:
    for words in (
        (),
        ("--contains", "<3"),
        ("--links", "libz>1"),
        ("--contains", "a", "--variant", "none-such"),
    ):
        done = door.inv("wheel.search", *words)
        assert done.returncode in {UsageError.exit_code, 10}
        assert "next:" in done.stderr


def test_a_wheel_that_cannot_be_read_fails_the_search_after_its_answer(door: Door) -> None:
    wheelhouse = Wheelhouse(door / "wheelhouse")
    (stored,) = wheelhouse.current("netlib", Name("beta"))
    stored.path.unlink()
    done = door.inv("wheel.search", "--contains", "openssl")
    assert done.returncode == WheelhouseError.exit_code
    assert done.stdout.startswith("3 wheels of 3\n")
    assert stored.path.name in done.stderr


def test_an_audit_writes_a_vex_document_and_fails_for_open_vulnerabilities(door: Door) -> None:
    record = advisory("DEBIAN-CVE-2026-2", "openssl", ecosystem="Debian:12", introduced="0")
    (door / "osv").mkdir()
    (door / "osv" / "one.json").write_text(json.dumps(record))
    done = door.inv("index.audit", "all", "--database", "osv", "--dry-run", "--json")
    assert done.returncode == VulnerableError.exit_code
    data = json.loads(done.stdout)
    # Of the two wheels for one target the index lists the newer.
    assert (data["wheels"], len(data["findings"])) == (2, 2)
    assert not (door / "vex.cdx.json").exists()
    done = door.inv("index.audit", "alpha==1.0", "--database", "osv", "--output", "a.cdx.json")
    assert done.stdout.splitlines()[0] == "1 vulnerability in 2 of 2 wheels; 0 others resolved by patches"
    assert "error[vulnerable]" in done.stderr
    assert len(json.loads((door / "a.cdx.json").read_text())["vulnerabilities"]) == 1
    clean = door.inv("index.audit", "beta", "--variant", "netlib", "--database", "osv")
    assert clean.returncode == 0
    assert "0001-fix.patch" in clean.stdout


def test_the_header_of_a_patch_counts_as_it_is_now(door: Door) -> None:
    record = advisory("PYSEC-2026-5", "beta", aliases=["CVE-2026-5"], introduced="0")
    (door / "osv").mkdir()
    (door / "osv" / "one.json").write_text(json.dumps(record))
    words = ("index.audit", "beta", "--variant", "netlib", "--database", "osv", "--dry-run")
    assert door.inv(*words).returncode == VulnerableError.exit_code
    patch = door / "patches" / "beta" / "0001-fix.patch"
    patch.parent.mkdir(parents=True)
    patch.write_text(FIX.replace("CVE-2026-1111", "CVE-2026-5"))
    assert door.inv(*words).returncode == 0
    patch.write_text(FIX.replace("CVE-2026-1111", "CVE-2026-5").replace("+b", "+c"))
    assert door.inv(*words).returncode == VulnerableError.exit_code


def test_an_audit_refuses_bad_input(door: Door) -> None:
    assert door.inv("index.audit", "all").returncode == UsageError.exit_code
    assert door.inv("index.audit", "gamma", "--database", "osv").returncode == UsageError.exit_code
    assert door.inv("index.audit", "alpha==9", "--database", "osv").returncode == UsageError.exit_code
    done = door.inv("index.audit", "all", "--database", "osv")
    assert done.returncode == DatabaseError.exit_code
    assert not (door / "vex.cdx.json").exists()
