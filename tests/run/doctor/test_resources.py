"""Disk space on real small file systems, and memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from support.archives import digest
from support.disks import fill, small_disk
from support.doctor import make_setup
from wheelfarm.run.doctor.check import Status
from wheelfarm.run.doctor.resources import build_size, check_disks, check_memory, memory_needed
from wheelfarm.sources.cache import Cache

if TYPE_CHECKING:
    from pathlib import Path


def test_a_full_disk_is_a_fault(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        fill(disk)
        setup = make_setup(tmp_path, stages=str(disk / "stages"))
        (full,) = (check for check in check_disks(setup) if str(disk) in check.details[0])
    assert (full.status, str(full.command).partition(",")[0]) == (Status.FAULT, "inv clean --wheels")
    assert full.finding == "0.0 GB free for build directories; about 0.3 GB are needed"


def test_a_disk_for_hardly_more_than_one_build_is_a_warning(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=400m") as disk:
        setup = make_setup(tmp_path, stages=str(disk))
        (check,) = (check for check in check_disks(setup) if str(disk) in check.details[0])
    assert check.status is Status.WARNING
    assert check.finding.startswith("0.4 GB free for build directories")


def test_a_disk_without_names_left_is_a_warning(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=2g,nr_inodes=100") as disk:
        setup = make_setup(tmp_path, stages=str(disk))
        (check,) = (check for check in check_disks(setup) if str(disk) in check.details[0])
    assert check.status is Status.WARNING
    assert re.fullmatch(r"the file system for build directories takes only \d\d more files", check.finding)


def test_what_lies_on_one_disk_counts_together(tmp_path: Path) -> None:
    (check,) = check_disks(make_setup(tmp_path))
    assert "for build directories, cache, wheelhouse; about 0.7 GB are needed" in check.finding
    assert [line.partition(":")[0] for line in check.details] == ["build directories", "cache", "wheelhouse"]


def test_a_build_needs_more_for_a_larger_source(tmp_path: Path) -> None:
    content = bytes(1_000_000)
    setup = make_setup(
        tmp_path, {"alpha": {"source": {"kind": "sdist", "sha256": digest(content)}}, "beta": {}}
    )
    cache = Cache(setup.farm.settings.cache)
    cache.store([content], "alpha-1.0.tar.gz", accepted={digest(content)}, origin="a test")
    sizes = {recipe.name: build_size(recipe, cache) for recipe in setup.recipes}
    assert sizes == {"alpha": 325_000_000, "beta": 300_000_000}


@pytest.mark.parametrize(
    ("recipe", "status", "command"),
    [
        ({"memory": "3G"}, Status.WARNING, "inv chain alpha -j 1"),
        ({"memory": "1G"}, Status.OK, None),
        ({"compilers": ["c", "c++"]}, Status.WARNING, "inv chain alpha -j 2"),
        ({"compilers": ["c"]}, Status.OK, None),
        ({"compilers": []}, Status.OK, None),
    ],
)
def test_memory_against_what_a_recipe_needs(
    tmp_path: Path, recipe: dict[str, Any], status: Status, command: str | None
) -> None:
    setup = make_setup(tmp_path, {"alpha": recipe}, memory="2G", jobs=4)
    (check,) = check_memory(setup)
    assert (check.status, check.command) == (status, command)
    assert check.finding.startswith("2.0 GB of memory")


def test_each_compiler_takes_its_memory(tmp_path: Path) -> None:
    recipes: dict[str, Any] = {
        "alpha": {"compilers": ["c", "c++"]},
        "beta": {"compilers": ["c"]},
        "none": {"compilers": []},
    }
    needed = {each.name: memory_needed(each, 3) for each in make_setup(tmp_path, recipes).recipes}
    assert needed == {"alpha": 3_000_000_000, "beta": 1_500_000_000, "none": 0}
