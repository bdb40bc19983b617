"""Repair for three systems, on Linux, with real files: what comes out needs nothing from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.door import Door
from support.farm import write_farm
from support.zig import SYSTEMS, library_of, macos_tools, wheel_of
from wheelfarm.build.repair import TOOLS, check_repaired
from wheelfarm.model import Platform
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.binary import BinaryFormat
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from wheelfarm.wheels.archive import Wheel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(sys.platform != "linux", reason="the files are made on Linux"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where libraries are made, each once."""
    return tmp_path_factory.mktemp("zig")


@pytest.fixture
def farm(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return Door(write_farm(tmp_path / "farm"), capsys, monkeypatch)


def _sound(path: Path, library: str) -> Wheel:
    """The repaired wheel, with the library inside and nothing that points outside."""
    wheel = open_wheel(path)
    verify(wheel)
    binaries = linkage(wheel)
    check_repaired(binaries, wheel.platform_tag)
    stem = library.removeprefix("lib").partition(".")[0]
    (vendored,) = [each for each in binaries if stem in each.member]
    (extension,) = [each for each in binaries if each.extension]
    assert extension.needs & vendored.names
    for each in binaries:
        # Where a run path is left, nothing is looked for along it.
        if each.format is BinaryFormat.MACHO:
            assert all(name.startswith(("@loader_path/", "/usr/lib/", "/DLC/")) for name in each.needed)
    return wheel


@pytest.mark.parametrize("system", ["windows", "arm64", "x86_64"])
def test_a_wheel_of_any_platform(farm: Door, made: Path, system: str) -> None:
    wheel = wheel_of(made, system)
    done = farm.inv(
        "wheel.repair", str(wheel), "--libraries", str(wheel.parent), "--output", str(farm / "out")
    )
    assert done.returncode == 0, done.stderr
    (repaired,) = (farm / "out").glob("*.whl")
    _sound(repaired, SYSTEMS[system].library)


def _run_tool(platform: Platform, wheel: Path, out: Path, arch: str, *path: Path) -> Path:
    """The platform's own tool, with the very words that a build has."""
    words, variables = TOOLS[platform].command(
        wheel=str(wheel), dest=str(out), arch=arch, libraries=str(wheel.parent)
    )
    programs = os.pathsep.join([*map(str, path), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        words, env={**variables, "PATH": programs}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (repaired,) = out.glob("*.whl")
    return repaired


def test_delvewheel_itself(made: Path, tmp_path: Path) -> None:
    wheel = wheel_of(made, "windows")
    _sound(_run_tool(Platform.WINDOWS, wheel, tmp_path / "out", "amd64"), "answer.dll")


@pytest.mark.parametrize("arch", ["arm64", "x86_64"])
def test_delocate_itself(made: Path, tmp_path: Path, arch: str) -> None:
    """With LLVM's tools in the place of Apple's; it says for which processors."""
    wheel, tools = wheel_of(made, arch), macos_tools(tmp_path / "tools")
    _sound(_run_tool(Platform.MACOS, wheel, tmp_path / "out", arch, tools), "libanswer.dylib")


@pytest.mark.parametrize("system", ["windows", "arm64", "linux"])
def test_a_library_that_is_not_there(farm: Door, made: Path, system: str) -> None:
    done = farm.inv("wheel.repair", str(wheel_of(made, system)), "--output", str(farm / "out"))
    assert done.returncode != 0
    assert f"the repair tool does not find {SYSTEMS[system].library}" in done.stderr
    assert not (farm / "out").exists()


def test_a_library_for_another_processor(farm: Door, made: Path) -> None:
    """repairwheel takes whatever has the name; the same inspection as for ELF sees what came in."""
    other = library_of(made, "x86_64")
    words = [
        "wheel.repair",
        str(wheel_of(made, "arm64")),
        "--libraries",
        str(other),
        "--output",
        str(farm / "out"),
    ]
    done = farm.inv(*words)
    assert "libanswer.dylib is for x86_64, and the wheel for arm64" in done.stderr
    assert not (farm / "out").exists()
