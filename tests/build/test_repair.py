"""The repair tools: their command lines, the wheel that must come out, and real repairs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.utils import parse_wheel_filename

from support.binaries import calls, elf
from support.door import Door
from support.farm import write_farm
from support.raised import only
from support.wheels import make_wheel
from support.zig import SYSTEMS, library_of, macos_tools, wheel_of
from wheelfarm.build.repair import (
    TOOLS,
    architecture,
    check_name,
    check_normalized,
    check_repaired,
    library_source,
    only_wheel,
    tool_for,
)
from wheelfarm.errors import RepairError, YieldError
from wheelfarm.model import Name, Platform
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.binary import Binary, BinaryFormat
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from wheelfarm.wheels.archive import Wheel

NAME = Name("my-demo")


@pytest.mark.parametrize(
    ("platform", "line", "more", "variables"),
    [
        (Platform.LINUX, "auditwheel repair --wheel-dir D W", "", {"LD_LIBRARY_PATH": "L"}),
        (
            Platform.MACOS,
            "delocate-wheel --require-archs arm64 --wheel-dir D -v W",
            "",
            {"DYLD_LIBRARY_PATH": "L"},
        ),
        (Platform.WINDOWS, "delvewheel repair --wheel-dir D W", " --add-path L", {}),
    ],
)
def test_command_lines(platform: Platform, line: str, more: str, variables: dict[str, str]) -> None:
    tool = tool_for(platform, platform)
    for libraries, expected in ((None, (line, {})), ("L", (line + more, variables))):
        argv, found = tool.command(wheel="W", dest="D", arch="arm64", libraries=libraries)
        assert (" ".join(argv), found) == expected


def test_the_gate_and_not_auditwheel_examines_the_instruction_sets_of_a_build(tmp_path: Path) -> None:
    """auditwheel refuses each binary that its linker has marked with a level, whatever a recipe expects."""
    files: dict[str, str | bytes] = {
        "demo/__init__.py": "",
        "demo/_ext.so": elf(calls(), flags=("-s", "-Wl,-z,x86-64-v3")),
    }
    wheel = make_wheel(tmp_path, "demo", "1.0", files, tag="cp311-cp311-linux_x86_64")
    for examined in (True, False):
        argv, _ = TOOLS[Platform.LINUX].command(
            wheel=str(wheel), dest=str(tmp_path / "d"), arch="x86_64", libraries=None, examined=examined
        )
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is examined, done.stderr


@pytest.mark.parametrize("platform", Platform)
def test_what_is_excluded_is_a_glob_or_its_literal_beginning(platform: Platform) -> None:
    globs = ("libmkl_*.so.?", "libcore.so.2")
    argv, _ = TOOLS[platform].command(wheel="W", dest="D", arch="arm64", libraries=None, exclude=globs)
    words = ("libmkl_", "libcore.so.2") if platform is Platform.MACOS else globs
    more = ("--ignore-missing-dependencies",) if platform is Platform.MACOS else ()
    assert argv[argv.index("--exclude") :] == ("--exclude", words[0], "--exclude", words[1], *more)


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


def test_only_one_wheel_may_come_out(tmp_path: Path) -> None:
    def found() -> Path:
        return only_wheel(tmp_path, name=NAME, version="1.0", made_by="the tool")

    error = only(found, YieldError)
    assert (error.what, error.why) == ("the tool left no wheel for my-demo", "the directory is empty")
    (tmp_path / "environment.json").touch()
    (tmp_path / "My_Demo-1.0.0-py3-none-any.whl").touch()
    assert found().name == "My_Demo-1.0.0-py3-none-any.whl"
    (tmp_path / "my_demo-1.0-py2-none-any.whl").touch()
    error = only(found, YieldError)
    assert error.what == "the tool left 2 wheels for my-demo"
    assert error.why == "My_Demo-1.0.0-py3-none-any.whl, my_demo-1.0-py2-none-any.whl"


@pytest.mark.parametrize(
    ("filename", "said"),
    [
        ("other-1.0-py3-none-any.whl", "made other 1.0"),
        ("my_demo-1.0.1-py3-none-any.whl", "made my-demo 1.0.1"),
        ("my_demo-1.0+local-py3-none-any.whl", "made my-demo 1.0+local"),
        ("my_demo.whl", "not a wheel's name"),
        ("my-demo-1.0-py3-none-any.whl", "not a wheel's name"),
        ("my__demo-1.0-py3-none-any.whl", "not a wheel's name"),
    ],
)
def test_names(filename: str, said: str) -> None:
    error = only(lambda: check_name(filename, name=NAME, version="1.0"), YieldError)
    assert said in error.what


def _binary(machine: str = "arm64", needed: tuple[str, ...] = (), **changes: str) -> Binary:
    said = {"member": "demo/ext.so", "format": BinaryFormat.MACHO} | changes
    return Binary(machine=machine, needed=needed, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("filename", "normalized"),
    [
        ("PyYAML-6.0-py3-none-any.whl", "pyyaml-6.0-"),
        ("zope.interface-5.0-1-py3-none-any.whl", "zope_interface-5.0-"),
        ("demo-1.0.RC1-py3-none-any.whl", "demo-1.0rc1-"),
        ("demo-1.0+Local_1-py3-none-any.whl", "demo-1.0+local.1-"),
        ("demo-01.0-py3-none-any.whl", "demo-1.0-"),
    ],
)
def test_an_old_name_is_read_and_not_built(filename: str, normalized: str) -> None:
    name, version, _, _ = parse_wheel_filename(filename)
    check_name(filename, name=Name(name), version=str(version))
    error = only(lambda: check_normalized(filename), YieldError)
    assert normalized in str(error.why)
    assert f"inv recipe.lock {name}" in str(error.hint)


@pytest.mark.parametrize(
    "filename",
    [
        "pyyaml-6.0-py3-none-any.whl",
        "zope_interface-5.0.0-1_0123456789ab-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "demo-1!1.0.post1+local.1-py3-none-any.whl",
    ],
)
def test_a_new_name_is_normalized(filename: str) -> None:
    check_normalized(filename)


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


def _run_tool(
    platform: Platform, wheel: Path, out: Path, arch: str, *path: Path, exclude: tuple[str, ...] = ()
) -> Path:
    """The platform's own tool, with the very words that a build has."""
    words, variables = TOOLS[platform].command(
        wheel=str(wheel), dest=str(out), arch=arch, libraries=str(wheel.parent), exclude=exclude
    )
    programs = os.pathsep.join([*map(str, path), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        words, env={**variables, "PATH": programs}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (repaired,) = out.glob("*.whl")
    return repaired


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="the files are made on Linux")
class TestRealRepairs:
    """Repair for three systems, on Linux, with real files: what comes out needs nothing from elsewhere."""

    @pytest.mark.parametrize("system", ["windows", "arm64", "x86_64"])
    def test_a_wheel_of_any_platform(self, farm: Door, made: Path, system: str) -> None:
        wheel = wheel_of(made, system)
        done = farm.inv(
            "wheel.repair", str(wheel), "--libraries", str(wheel.parent), "--output", str(farm / "out")
        )
        assert done.returncode == 0, done.stderr
        (repaired,) = (farm / "out").glob("*.whl")
        _sound(repaired, SYSTEMS[system].library)

    def test_delvewheel_itself(self, made: Path, tmp_path: Path) -> None:
        wheel = wheel_of(made, "windows")
        _sound(_run_tool(Platform.WINDOWS, wheel, tmp_path / "out", "amd64"), "answer.dll")

    @pytest.mark.parametrize("arch", ["arm64", "x86_64"])
    def test_delocate_itself(self, made: Path, tmp_path: Path, arch: str) -> None:
        """With LLVM's tools in the place of Apple's; it says for which processors."""
        wheel, tools = wheel_of(made, arch), macos_tools(tmp_path / "tools")
        _sound(_run_tool(Platform.MACOS, wheel, tmp_path / "out", arch, tools), "libanswer.dylib")

    @pytest.mark.parametrize("system", ["windows", "arm64"])
    def test_a_library_that_another_wheel_has_stays_out(
        self, farm: Door, made: Path, tmp_path: Path, system: str
    ) -> None:
        """Of delvewheel and delocate themselves, and of repairwheel."""
        wheel, library = wheel_of(made, system), SYSTEMS[system].library
        glob = f"{library.partition('.')[0]}.*"
        if system == "windows":
            repaired = _run_tool(Platform.WINDOWS, wheel, tmp_path / "own", "amd64", exclude=(glob,))
        else:
            tools = macos_tools(tmp_path / "tools")
            moved = tmp_path / "alone" / wheel.name
            moved.parent.mkdir()
            moved.write_bytes(wheel.read_bytes())
            repaired = _run_tool(Platform.MACOS, moved, tmp_path / "own", system, tools, exclude=(glob,))
        words = ("--exclude", glob, "--libraries", str(wheel.parent), "--output", str(farm / "out"))
        done = farm.inv("wheel.repair", str(wheel), *words)
        assert done.returncode == 0, done.stderr
        for path in (repaired, *(farm / "out").glob("*.whl")):
            (extension,) = linkage(open_wheel(path))
            assert any(name.endswith(library) for name in extension.needed)

    @pytest.mark.parametrize("system", ["windows", "arm64", "linux"])
    def test_a_library_that_is_not_there(self, farm: Door, made: Path, system: str) -> None:
        done = farm.inv("wheel.repair", str(wheel_of(made, system)), "--output", str(farm / "out"))
        assert done.returncode != 0
        assert f"the repair tool does not find {SYSTEMS[system].library}" in done.stderr
        assert not (farm / "out").exists()

    def test_a_library_for_another_processor(self, farm: Door, made: Path) -> None:
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
