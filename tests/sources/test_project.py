"""The tags that fit a target, against what packaging itself says of this machine and known lists."""

from __future__ import annotations

import platform

import pytest
from packaging.tags import parse_tag, sys_tags

from wheelfarm.model import Target
from wheelfarm.sources.project import supported_tags


def fits(tag: str, target: str, glibc: tuple[int, int] = (2, 28)) -> bool:
    return bool(parse_tag(tag) & set(supported_tags(Target.parse(target), glibc)))


@pytest.mark.parametrize(
    "tag",
    [
        "cp312-cp312-manylinux_2_28_x86_64",
        "cp312-cp312-manylinux_2_5_x86_64",
        "cp312-cp312-manylinux2014_x86_64",
        "cp312-cp312-manylinux2010_x86_64",
        "cp312-cp312-manylinux1_x86_64",
        "cp38-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "py3-none-manylinux2014_x86_64",
        "cp312-none-any",
        "py3-none-any",
        "py2.py3-none-any",
        "cp312-cp312-linux_x86_64",
    ],
)
def test_fits_manylinux(tag: str) -> None:
    assert fits(tag, "cp312-manylinux_x86_64")


@pytest.mark.parametrize(
    "tag",
    [
        "cp312-cp312-manylinux_2_29_x86_64",
        "cp312-cp312-manylinux_2_4_x86_64",
        "cp312-cp312-manylinux_2_17_aarch64",
        "cp312-cp312-musllinux_1_1_x86_64",
        "cp313-abi3-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp312-cp312t-manylinux_2_17_x86_64",
        "py313-none-any",
        "py2-none-any",
    ],
)
def test_does_not_fit_manylinux(tag: str) -> None:
    assert not fits(tag, "cp312-manylinux_x86_64")


@pytest.mark.parametrize(
    ("tag", "target", "expected"),
    [
        ("cp314-cp314t-manylinux_2_28_aarch64", "cp314t-manylinux_aarch64", True),
        ("cp314-abi3-manylinux_2_28_aarch64", "cp314t-manylinux_aarch64", False),
        ("cp312-cp312-manylinux_2_17_aarch64", "cp312-manylinux_aarch64", True),
        ("cp312-cp312-manylinux2010_aarch64", "cp312-manylinux_aarch64", False),
        ("cp312-cp312-manylinux_2_12_aarch64", "cp312-manylinux_aarch64", False),
        ("cp312-cp312-musllinux_1_1_x86_64", "cp312-musllinux_x86_64", True),
        ("cp312-cp312-musllinux_1_2_x86_64", "cp312-musllinux_x86_64", True),
        ("cp312-cp312-manylinux_2_17_x86_64", "cp312-musllinux_x86_64", False),
        ("cp312-cp312-macosx_11_0_arm64", "cp312-macosx_arm64", True),
        ("cp312-cp312-macosx_10_9_universal2", "cp312-macosx_arm64", True),
        ("cp312-cp312-macosx_15_0_arm64", "cp312-macosx_arm64", False),
        ("cp312-cp312-macosx_10_13_x86_64", "cp312-macosx_x86_64", True),
        ("cp312-cp312-macosx_10_9_universal2", "cp312-macosx_universal2", True),
        ("cp312-cp312-macosx_11_0_arm64", "cp312-macosx_universal2", False),
        ("cp312-cp312-win_amd64", "cp312-win_amd64", True),
        ("cp312-cp312-win32", "cp312-win32", True),
        ("cp312-cp312-win32", "cp312-win_amd64", False),
        ("cp312-cp312-win_arm64", "cp312-win_arm64", True),
    ],
)
def test_elsewhere(tag: str, target: str, expected: bool) -> None:  # noqa: FBT001
    assert fits(tag, target) is expected


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="packaging knows the tags of the running system alone"
)
def test_order_and_content_are_those_of_packaging() -> None:
    major, minor, *_ = platform.python_version_tuple()
    glibc = tuple(map(int, platform.libc_ver()[1].split(".")))
    target = Target.parse(f"cp{major}{minor}-manylinux_{platform.machine()}")
    assert supported_tags(target, (glibc[0], glibc[1])) == tuple(sys_tags())
