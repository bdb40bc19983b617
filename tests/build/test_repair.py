"""The repair tools' command lines, and the one wheel that must come out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.raised import only
from wheelfarm.build.repair import (
    TOOLS,
    architecture,
    check_name,
    check_repaired,
    library_source,
    only_wheel,
    tool_for,
)
from wheelfarm.errors import RepairError, YieldError
from wheelfarm.model import Name, Platform
from wheelfarm.wheels.binary import Binary, BinaryFormat

if TYPE_CHECKING:
    from pathlib import Path

NAME = Name("my-demo")


@pytest.mark.parametrize("libraries", [None, "/provider/lib"])
@pytest.mark.parametrize("platform", Platform)
def test_command_lines(platform: Platform, libraries: str | None) -> None:
    argv, variables = TOOLS[platform].command(wheel="W", dest="D", arch="arm64", libraries=libraries)
    expected = {
        Platform.LINUX: ("auditwheel", "repair", "--wheel-dir", "D", "W"),
        Platform.MACOS: ("delocate-wheel", "--require-archs", "arm64", "--wheel-dir", "D", "-v", "W"),
        Platform.WINDOWS: ("delvewheel", "repair", "--wheel-dir", "D", "W"),
    }[platform]
    where = {
        Platform.LINUX: ((), {"LD_LIBRARY_PATH": "/provider/lib"}),
        Platform.MACOS: ((), {"DYLD_LIBRARY_PATH": "/provider/lib"}),
        Platform.WINDOWS: (("--add-path", "/provider/lib"), {}),
    }[platform]
    assert (argv, variables) == ((*expected, *where[0]), where[1]) if libraries else (expected, {})


@pytest.mark.parametrize(
    ("tag", "arch"),
    [
        ("macosx_11_0_x86_64", "x86_64"),
        ("macosx_14_0_arm64", "arm64"),
        ("macosx_10_9_universal2", "universal2"),
        ("win_amd64", "amd64"),
        ("manylinux_2_28_aarch64", "aarch64"),
        ("linux_x86_64", "x86_64"),
    ],
)
def test_architecture(tag: str, arch: str) -> None:
    assert architecture(tag) == arch


class TestOnlyWheel:
    def found(self, directory: Path) -> Path:
        return only_wheel(directory, name=NAME, version="1.0", made_by="the tool")

    def test_the_one(self, tmp_path: Path) -> None:
        (tmp_path / "environment.json").touch()
        (tmp_path / "My_Demo-1.0.0-py3-none-any.whl").touch()
        assert self.found(tmp_path).name == "My_Demo-1.0.0-py3-none-any.whl"

    def test_none(self, tmp_path: Path) -> None:
        error = only(lambda: self.found(tmp_path), YieldError)
        assert (error.what, error.why) == (
            "the tool left no wheel for my-demo",
            "the directory is empty",
        )

    def test_two(self, tmp_path: Path) -> None:
        for tag in ("py2", "py3"):
            (tmp_path / f"my_demo-1.0-{tag}-none-any.whl").touch()
        error = only(lambda: self.found(tmp_path), YieldError)
        assert error.what == "the tool left 2 wheels for my-demo"
        assert error.why == "my_demo-1.0-py2-none-any.whl, my_demo-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("filename", "said"),
    [
        ("other-1.0-py3-none-any.whl", "made other 1.0"),
        ("my_demo-1.0.1-py3-none-any.whl", "made my-demo 1.0.1"),
        ("my_demo-1.0+local-py3-none-any.whl", "made my-demo 1.0+local"),
        ("my_demo.whl", "not a wheel's name"),
    ],
)
def test_names(filename: str, said: str) -> None:
    error = only(lambda: check_name(filename, name=NAME, version="1.0"), YieldError)
    assert said in error.what


def _binary(machine: str = "arm64", needed: tuple[str, ...] = (), **changes: str) -> Binary:
    said = {"member": "demo/ext.so", "format": BinaryFormat.MACHO} | changes
    return Binary(machine=machine, needed=needed, **said)  # type: ignore[arg-type]


def test_a_wheel_of_another_system_is_repaired_by_another_tool() -> None:
    assert tool_for(Platform.LINUX, Platform.LINUX).program == "auditwheel"
    foreign = tool_for(Platform.MACOS, Platform.LINUX)
    argv, variables = foreign.command(wheel="W", dest="D", arch="arm64", libraries="L")
    assert argv == ("repairwheel", "--no-sys-paths", "--output-dir", "D", "W", "--lib-dir", "L")
    assert variables == {}


def test_what_is_part_of_the_system_or_in_the_wheel() -> None:
    system = ("/usr/lib/libSystem.B.dylib", "/System/Library/Frameworks/Accelerate.framework/Accelerate")
    inside = _binary(needed=(*system, "@loader_path/.dylibs/libanswer.dylib"))
    vendored = _binary(member="demo/.dylibs/libanswer.dylib")
    check_repaired([inside, vendored], "macosx_11_0_arm64")
    windows = _binary("amd64", ("KERNEL32.dll", "python311.dll"), format=BinaryFormat.PE)
    check_repaired([windows], "win_amd64")
    check_repaired([_binary(), _binary("x86_64")], "macosx_11_0_universal2")


@pytest.mark.parametrize(
    ("binary", "tag", "what", "hint"),
    [
        (
            _binary("x86_64"),
            "macosx_11_0_arm64",
            "demo/ext.so is for x86_64, and the wheel for arm64",
            "arm64",
        ),
        (
            _binary(needed=("/opt/homebrew/lib/libgfortran.5.dylib",)),
            "macosx_11_0_arm64",
            "/opt/homebrew/lib/libgfortran.5.dylib is needed from outside the wheel",
            "gcc (brew)",
        ),
        (
            _binary("amd64", ("MSVCP140.dll",), format=BinaryFormat.PE),
            "win_amd64",
            "MSVCP140.dll is needed from outside the wheel",
            "redistributable",
        ),
        (
            _binary("amd64", ("far.dll",), format=BinaryFormat.PE),
            "win_amd64",
            "far.dll is needed from outside the wheel",
            "--libraries",
        ),
    ],
)
def test_what_points_outside(binary: Binary, tag: str, what: str, hint: str) -> None:
    error = only(lambda: check_repaired([binary], tag), RepairError)
    assert error.what == what
    assert hint in str(error.hint)


@pytest.mark.parametrize(
    ("library", "provider"),
    [
        ("libscipy_openblas-6cdc3b4a.so", "scipy-openblas32"),
        ("C:\\mingw\\bin\\libgfortran-5.dll", "Fortran"),
        ("@rpath/libomp.dylib", "OpenMP"),
        ("liblapack.so.3", "liblapack-dev"),
        ("libfar.so", None),
    ],
)
def test_who_has_a_library(library: str, provider: str | None) -> None:
    found = library_source(library)
    assert found is None if provider is None else provider in str(found)
