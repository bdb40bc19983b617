"""A wheel under a build number: in its name, in WHEEL and in RECORD, and nowhere else."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from packaging.utils import parse_wheel_filename

from support.wheels import make_wheel
from wheelfarm.wheels.archive import open_wheel, read_member, verify
from wheelfarm.wheels.rewrite import numbered_name, write_numbered

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"demo/__init__.py": "x = 1\n", "demo-1.0.dist-info/sboms/wheelfarm.cdx.json": "{}"}


def read(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return read_member(archive, name)


@pytest.mark.parametrize("before", ["", "3"])
def test_the_number_is_everywhere_it_belongs(tmp_path: Path, before: str) -> None:
    old = open_wheel(make_wheel(tmp_path, files=FILES, build=before))
    new = write_numbered(old, tmp_path, 12)
    assert new.path.name == "demo-1.0-12-py3-none-any.whl"
    assert new.build == "12"
    verify(new)
    lines = read(new.path, "demo-1.0.dist-info/WHEEL").decode().splitlines()
    assert lines.count("Build: 12") == 1
    assert sum(line.startswith("Build:") for line in lines) == 1
    assert lines.index("Build: 12") < lines.index("Tag: py3-none-any")
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
        write_numbered(old, one, 1).path.read_bytes()
        == write_numbered(open_wheel(old.path), two, 1).path.read_bytes()
    )


@pytest.mark.parametrize("name", ["demo-1.0-py3-none-any.whl", "demo-1.0-7x-py3-none-any.whl"])
def test_a_name_has_one_number(name: str) -> None:
    numbered = numbered_name(name, 2)
    assert parse_wheel_filename(numbered)[2] == (2, "")
    assert numbered_name(numbered, 2) == numbered
