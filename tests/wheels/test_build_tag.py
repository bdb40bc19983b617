"""A wheel with a build tag: in its name, in WHEEL and in RECORD, and nowhere else."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from packaging.utils import parse_wheel_filename

from support.wheels import make_wheel
from wheelfarm.wheels.archive import open_wheel, read_member, verify
from wheelfarm.wheels.rewrite import Changes, rewrite_wheel, tagged_name, write_tagged

if TYPE_CHECKING:
    from pathlib import Path

TAG = "12_762d9660f05c"
FILES = {"demo/__init__.py": "x = 1\n", "demo-1.0.dist-info/sboms/wheelfarm.cdx.json": "{}"}


def read(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return read_member(archive, name)


@pytest.mark.parametrize("before", ["", "3"])
def test_the_tag_is_in_the_name_and_in_wheel(tmp_path: Path, before: str) -> None:
    old = open_wheel(make_wheel(tmp_path, files=FILES, build=before))
    new = write_tagged(old, tmp_path, TAG)
    assert new.path.name == f"demo-1.0-{TAG}-py3-none-any.whl"
    assert new.build == TAG
    verify(new)
    lines = read(new.path, "demo-1.0.dist-info/WHEEL").decode().splitlines()
    assert lines.count(f"Build: {TAG}") == 1
    assert sum(line.startswith("Build:") for line in lines) == 1
    assert lines.index(f"Build: {TAG}") < lines.index("Tag: py3-none-any")
    same = {member.name: member.sha256 for member in old.members} | {
        member.name: member.sha256 for member in new.members if member.name.endswith("/WHEEL")
    }
    assert {member.name: member.sha256 for member in new.members} == same


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    old = open_wheel(make_wheel(tmp_path, files=FILES))
    one, two = (tmp_path / name for name in ("one", "two"))
    one.mkdir()
    two.mkdir()
    assert (
        write_tagged(old, one, TAG).path.read_bytes()
        == write_tagged(open_wheel(old.path), two, TAG).path.read_bytes()
    )


@pytest.mark.parametrize("name", ["demo-1.0-py3-none-any.whl", "demo-1.0-7x-py3-none-any.whl"])
def test_a_name_has_one_tag(name: str) -> None:
    tagged = tagged_name(name, TAG)
    assert parse_wheel_filename(tagged)[2] == (12, "_762d9660f05c")
    assert tagged_name(tagged, TAG) == tagged
    assert tagged_name(tagged, "") == "demo-1.0-py3-none-any.whl"


@pytest.mark.parametrize("end", ["\n", "\n\n", "\r\n"])
def test_a_tag_can_be_removed_without_a_trace(tmp_path: Path, end: str) -> None:
    made = open_wheel(make_wheel(tmp_path, files=FILES))
    text = read(made.path, "demo-1.0.dist-info/WHEEL").decode().replace("\n", "\r\n" if "\r" in end else "\n")
    written = {"demo-1.0.dist-info/WHEEL": (text.rstrip() + end).encode()}
    (tmp_path / "out").mkdir()
    stored = rewrite_wheel(made, tmp_path / "out" / made.path.name, Changes(written=written))
    before = stored.path.read_bytes()
    tagged = write_tagged(stored, tmp_path, TAG)
    assert write_tagged(tagged, tmp_path / "out", "").path.read_bytes() == before
