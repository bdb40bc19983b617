from __future__ import annotations

import pytest
from packaging.tags import parse_tag

from wheelfarm.model import Target
from wheelfarm.wheelhouse.tags import served, serves


@pytest.mark.parametrize(
    ("tag", "target"),
    [
        ("cp312-cp312-manylinux_2_28_x86_64", "cp312-manylinux_x86_64"),
        ("cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64", "cp312-manylinux_x86_64"),
        ("cp312-cp312-linux_x86_64", "cp312-manylinux_x86_64"),
        ("cp312-cp312-musllinux_1_2_aarch64", "cp312-musllinux_aarch64"),
        ("cp313-cp313t-manylinux_2_28_x86_64", "cp313t-manylinux_x86_64"),
        ("cp310-abi3-manylinux_2_28_x86_64", "cp313-manylinux_x86_64"),
        ("cp312-cp312-macosx_14_0_arm64", "cp312-macosx_arm64"),
        ("cp312-cp312-macosx_11_0_universal2", "cp312-macosx_arm64"),
        ("cp312-cp312-win_amd64", "cp312-win_amd64"),
        ("cp312-cp312-win32", "cp312-win32"),
        ("py3-none-any", "cp312-manylinux_x86_64"),
        ("py2.py3-none-any", "cp313t-win_arm64"),
        ("py3-none-manylinux_2_28_x86_64", "cp312-manylinux_x86_64"),
    ],
)
def test_a_wheel_serves_its_targets(tag: str, target: str) -> None:
    assert serves(f"demo-1.0-{tag}.whl", Target.parse(target))


@pytest.mark.parametrize(
    ("tag", "target"),
    [
        ("cp312-cp312-manylinux_2_28_x86_64", "cp313-manylinux_x86_64"),
        ("cp312-cp312-manylinux_2_28_x86_64", "cp312-manylinux_aarch64"),
        ("cp312-cp312-manylinux_2_28_x86_64", "cp312-musllinux_x86_64"),
        ("cp312-cp312-linux_x86_64", "cp312-musllinux_x86_64"),
        ("cp313-cp313-manylinux_2_28_x86_64", "cp313t-manylinux_x86_64"),
        ("cp313-cp313t-manylinux_2_28_x86_64", "cp313-manylinux_x86_64"),
        ("cp313-abi3-manylinux_2_28_x86_64", "cp312-manylinux_x86_64"),
        ("cp310-abi3-manylinux_2_28_x86_64", "cp313t-manylinux_x86_64"),
        ("py3-abi3-manylinux_2_28_x86_64", "cp313-manylinux_x86_64"),
        ("cp312-cp312-win_amd64", "cp312-win32"),
        ("cp312-cp312-win_amd64", "cp312-win_arm64"),
        ("cp312-cp312-win_universal2", "cp312-win_amd64"),
        ("py2-none-any", "cp312-manylinux_x86_64"),
    ],
)
def test_a_wheel_serves_no_other_target(tag: str, target: str) -> None:
    assert not serves(f"demo-1.0-{tag}.whl", Target.parse(target))


@pytest.mark.parametrize(
    ("platform", "without"),
    [
        ("manylinux_2_36_x86_64", "manylinux_x86_64"),
        ("manylinux2014_x86_64", "manylinux_x86_64"),
        ("manylinux1_i686", "manylinux_i686"),
        ("manylinux2014_aarch64.manylinux_2_17_aarch64", "manylinux_aarch64"),
        ("linux_x86_64", "manylinux_x86_64"),
        ("musllinux_1_2_aarch64", "musllinux_aarch64"),
        ("macosx_14_0_arm64", "macosx_arm64"),
        ("macosx_10_9_x86_64.macosx_11_0_arm64", "macosx_x86_64.macosx_arm64"),
        ("win_amd64", "win_amd64"),
        ("win32", "win32"),
        ("any", "any"),
    ],
)
def test_the_level_is_no_part_of_what_a_wheel_serves(platform: str, without: str) -> None:
    assert served(f"demo-1.0-cp312-abi3-{platform}.whl") == parse_tag(f"cp312-abi3-{without}")
