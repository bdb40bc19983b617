"""Expectations of names, sizes and tags, met and not met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.wheels import make_wheel
from wheelfarm.gate.expectations import check_contents
from wheelfarm.recipes.recipe import Expect
from wheelfarm.wheels.archive import open_wheel

if TYPE_CHECKING:
    from pathlib import Path

FILES = {"alpha/__init__.py": "x = 1\n" * 1000, "alpha/data/a.csv": "1\n"}


def checked(
    root: Path, expect: dict[str, Any], files: dict[str, str] | None = None, tag: str = "py3-none-any"
) -> dict[str, tuple[bool, str]]:
    wheel = open_wheel(make_wheel(root, "alpha", "1.0", files or FILES, tag=tag))
    found = check_contents(Expect.model_validate(expect), wheel)
    return {check.result.check: (check.ok, check.result.found) for check in found}


def test_nothing_expected_is_nothing_checked(tmp_path: Path) -> None:
    assert checked(tmp_path, {}) == {}


def test_sizes(tmp_path: Path) -> None:
    found = checked(tmp_path, {"max-size": {"file": "1M", "unpacked": "5k"}})
    assert [(key, ok) for key, (ok, _) in found.items()] == [
        ("max-size.file", True),
        ("max-size.unpacked", False),
    ]
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", FILES))
    expect = Expect.model_validate({"max-size": {"unpacked": "5k"}})
    (check,) = check_contents(expect, wheel)
    assert check.result.found == f"{wheel.unpacked:,} bytes"
    assert "by kind: python 6,000" in check.cause
    assert "largest: alpha/__init__.py 6,000" in check.cause


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"present": ["alpha/data/*.csv", "*.py"]}, {"files.present": (True, "all of them")}),
        ({"present": ["*.csv", "*.json"]}, {"files.present": (False, "nothing for *.json")}),
        ({"absent": ["*.json"]}, {"files.absent": (True, "none")}),
        ({"absent": ["alpha/*.csv"]}, {"files.absent": (False, "alpha/data/a.csv")}),
        ({}, {}),
    ],
)
def test_files(tmp_path: Path, files: dict[str, list[str]], found: dict[str, tuple[bool, str]]) -> None:
    assert checked(tmp_path, {"files": files}) == found


@pytest.mark.parametrize(
    ("wanted", "platform", "ok"),
    [
        ("manylinux_2_28", "manylinux_2_28_x86_64", True),
        ("manylinux_2_28", "manylinux_2_27_x86_64.manylinux_2_28_x86_64", True),
        ("manylinux_2_28", "manylinux2014_x86_64.manylinux_2_17_x86_64", True),
        ("manylinux_2_28", "manylinux1_i686", True),
        ("manylinux_2_28", "manylinux_2_35_x86_64", False),
        ("manylinux_2_28", "musllinux_1_2_x86_64", False),
        ("manylinux_2_28", "linux_x86_64", False),
        ("musllinux_1_2", "musllinux_1_1_aarch64", True),
        ("macosx_11_0", "macosx_11_0_arm64", True),
        ("macosx_11_0", "macosx_10_9_universal2", True),
        ("macosx_11_0", "macosx_14_0_arm64", False),
        ("win_amd64", "win_amd64", True),
        ("win_amd64", "win32", False),
    ],
)
def test_the_newest_system_that_it_may_ask_for(
    tmp_path: Path, wanted: str, platform: str, *, ok: bool
) -> None:
    found = checked(tmp_path, {"platform-tag": wanted}, tag=f"cp311-cp311-{platform}")
    assert found == {"platform-tag": (ok, platform)}


@pytest.mark.parametrize("abi", ["abi3", "cp311"])
def test_the_stable_abi(tmp_path: Path, abi: str) -> None:
    tag = f"cp311-{abi}-win_amd64"
    assert checked(tmp_path, {"abi3": True}, tag=tag) == {"abi3": (abi == "abi3", abi)}
    assert checked(tmp_path, {"abi3": False}, tag=tag) == {"abi3": (abi != "abi3", abi)}
