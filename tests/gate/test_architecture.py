"""The architecture of binaries against a wheel's tags."""

from __future__ import annotations

import platform
import subprocess
from typing import TYPE_CHECKING

import pytest
from packaging.tags import parse_tag

from support.farm import builds_of, make_farm
from support.raised import only
from support.wheels import make_wheel
from wheelfarm.errors import ExpectationError
from wheelfarm.gate.expectations import check_architecture, check_expectations, tag_architectures
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.binary import Binary, BinaryFormat

if TYPE_CHECKING:
    from pathlib import Path

E_MACHINE = 18
"""Where an ELF header says the machine (System V ABI, chapter 4)."""


@pytest.mark.parametrize(
    ("tag", "machines"),
    [
        ("any", set()),
        ("linux_x86_64", {"x86_64"}),
        ("manylinux_2_28_aarch64", {"aarch64"}),
        ("manylinux2014_x86_64.manylinux_2_17_x86_64", {"x86_64"}),
        ("musllinux_1_2_riscv64", {"riscv64"}),
        ("macosx_11_0_arm64", {"arm64"}),
        ("macosx_10_13_x86_64.macosx_11_0_arm64.macosx_10_13_universal2", {"x86_64", "arm64"}),
        ("win_amd64", {"amd64"}),
        ("win_arm64", {"arm64"}),
        ("win32", {"win32"}),
    ],
)
def test_architectures_of_a_tag(tag: str, machines: set[str]) -> None:
    parse_tag(f"cp311-cp311-{tag}")
    assert tag_architectures(tag) == machines


def slices(*machines: str, member: str = "alpha/ext.so") -> list[Binary]:
    return [Binary(member=member, format=BinaryFormat.MACHO, machine=each) for each in machines]


@pytest.mark.parametrize(
    ("tag", "machines", "ok"),
    [
        ("macosx_11_0_arm64", ("arm64",), True),
        ("macosx_11_0_arm64", ("x86_64", "arm64"), True),
        ("macosx_11_0_arm64", ("x86_64",), False),
        ("macosx_11_0_universal2", ("x86_64", "arm64"), True),
        ("macosx_11_0_universal2", ("arm64",), False),
    ],
)
def test_files_of_several_architectures(
    tmp_path: Path, tag: str, machines: tuple[str, ...], *, ok: bool
) -> None:
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", {"alpha/ext.so": b""}, tag=f"cp311-cp311-{tag}"))
    (check,) = check_architecture(wheel, slices(*machines))
    assert check.ok is ok
    assert check.result.found == ", ".join(sorted(machines))


def test_without_binaries_or_an_architecture_there_is_no_check(tmp_path: Path) -> None:
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", {}))
    assert not list(check_architecture(wheel, slices("x86_64")))
    wheel = open_wheel(make_wheel(tmp_path, "beta", "1.0", {}, tag="cp311-cp311-linux_x86_64"))
    assert not list(check_architecture(wheel, []))


def test_an_extension_module_for_another_machine_is_an_error(tmp_path: Path) -> None:
    """A real library whose header is another machine's."""
    (tmp_path / "ext.c").write_text("void *PyInit_ext(void) { return 0; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", "ext.so", "ext.c"], cwd=tmp_path, check=True)
    binary = bytearray((tmp_path / "ext.so").read_bytes())
    machine = int.from_bytes(binary[E_MACHINE : E_MACHINE + 2], "little")
    other, name = (183, "aarch64") if machine != 183 else (62, "x86_64")  # EM_AARCH64, EM_X86_64
    binary[E_MACHINE : E_MACHINE + 2] = other.to_bytes(2, "little")
    build = builds_of(
        make_farm(tmp_path / "farm", {"alpha": {"compilers": ["c"], "expect": {"stripped": False}}})
    )["alpha"]
    here = platform.machine()
    tag = f"cp311-cp311-linux_{here}"
    wheel = open_wheel(make_wheel(tmp_path, "alpha", "1.0", {"alpha/ext.so": bytes(binary)}, tag=tag))
    error = only(lambda: check_expectations(build, wheel, {}, tmp_path), ExpectationError)
    assert f"architecture: expected {here}, found {name}" in error.what
    assert error.where == build.recipe.where
    assert f"alpha/ext.so is for {name}" in str(error.why)
