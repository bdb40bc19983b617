"""Writing a file only where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.disks import fill, small_disk
from wheelfarm.errors import WheelhouseError
from wheelfarm.system.files import write_new

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    assert write_new(path, b"first")
    assert not write_new(path, b"second")
    assert path.read_bytes() == b"first"
    assert [each.name for each in path.parent.iterdir()] == ["file"]


def test_a_directory_or_a_broken_link_stays_too(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert not write_new(tmp_path / "directory", b"content")
    assert not write_new(tmp_path / "link", b"content")
    assert not (tmp_path / "nowhere").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=64k") as disk:
        fill(disk)
        with pytest.raises(WheelhouseError):
            write_new(disk / "file", bytes(10_000))
        assert [each.name for each in disk.iterdir()] == ["filler"]
