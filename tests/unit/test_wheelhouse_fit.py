from __future__ import annotations

import pytest

from wheelfarm.model import Target
from wheelfarm.wheelhouse.fit import serves


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
