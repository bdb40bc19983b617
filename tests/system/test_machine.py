"""The machine: this very one, and machines whose package manager is made up."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.raised import only
from wheelfarm.errors import EngineError, SystemPackageError
from wheelfarm.model import Platform, Python, Target
from wheelfarm.system.machine import Machine, glibc, native_target, peak_memory, target_here
from wheelfarm.system.signals import interruptible

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's own tools")

HERE = Machine({"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"})
THIS = Python(major=sys.version_info.major, minor=sys.version_info.minor)
COMPILERS = {"c": "cc", "c++": "c++", "fortran": "gfortran"}


def _output(*argv: str) -> str:
    return subprocess.run(argv, env=dict(HERE.env), capture_output=True, text=True, check=True).stdout


def _machine(root: Path, programs: Mapping[str, str]) -> Machine:
    """A machine on which only these programs are, each a shell script."""
    root.mkdir(parents=True, exist_ok=True)
    for name, script in programs.items():
        (root / name).write_text(f"#!/bin/sh\n{script}\n")
        (root / name).chmod(0o755)
    return Machine({"PATH": str(root)})


def test_the_native_target_is_what_python_says() -> None:
    target = native_target(THIS)
    assert target.platform is Platform.LINUX
    assert target.arch == platform.machine() == _output("uname", "-m").strip()
    assert Target.parse(target.identifier) == target


@pytest.mark.parametrize(
    ("system", "machine", "identifier"),
    [
        ("win32", "AMD64", "cp311-win_amd64"),
        ("win32", "ARM64", "cp311-win_arm64"),
        ("darwin", "arm64", "cp311-macosx_arm64"),
        ("linux", "aarch64", "cp311-manylinux_aarch64"),
    ],
)
def test_native_targets_elsewhere(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, identifier: str
) -> None:
    monkeypatch.setattr("wheelfarm.system.machine.sys.platform", system)
    monkeypatch.setattr("wheelfarm.system.machine.host_platform.machine", lambda: machine)
    assert native_target(Python.parse("3.11")) == Target.parse(identifier)


@pytest.mark.parametrize(
    ("system", "libc", "identifier"),
    [
        ("linux", "glibc 2.36", "cp311-manylinux_x86_64"),
        ("linux", None, "cp311-musllinux_x86_64"),
        ("darwin", None, "cp311-macosx_x86_64"),
    ],
)
def test_the_c_library_tells_which_linux_it_is(
    monkeypatch: pytest.MonkeyPatch, system: str, libc: str | None, identifier: str
) -> None:
    monkeypatch.setattr("wheelfarm.system.machine.sys.platform", system)
    monkeypatch.setattr("wheelfarm.system.machine.host_platform.machine", lambda: "x86_64")
    monkeypatch.setattr("wheelfarm.system.machine.os.confstr", lambda _name: libc)
    assert native_target(Python.parse("3.11")) == Target.parse(identifier)


@pytest.mark.parametrize("platform", ["musllinux_x86_64", "manylinux_aarch64", "manylinux_i686"])
def test_linux_builds_for_other_kinds_of_linux(platform: str) -> None:
    assert target_here(THIS, platform) == Target.parse(f"{THIS.tag}-{platform}")


@pytest.mark.parametrize(
    ("system", "platform"), [("linux", "macosx_arm64"), ("darwin", "macosx_x86_64"), ("win32", "win_arm64")]
)
def test_no_system_builds_for_another(monkeypatch: pytest.MonkeyPatch, system: str, platform: str) -> None:
    own = {"linux": "x86_64", "darwin": "arm64", "win32": "AMD64"}[system]
    monkeypatch.setattr("wheelfarm.system.machine.sys.platform", system)
    monkeypatch.setattr("wheelfarm.system.machine.host_platform.machine", lambda: own)
    error = only(lambda: target_here(THIS, platform), EngineError)
    assert error.what == f"this machine does not build for {platform}"


def test_there_are_systems_without_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelfarm.system.machine.sys.platform", "sunos5")
    assert only(lambda: native_target(THIS), EngineError).what == "wheels are not built on sunos5"


def test_glibc_is_what_its_loader_says() -> None:
    said = _output("ldd", "--version").splitlines()[0].split()[-1]
    assert ".".join(map(str, glibc())) == said


@pytest.mark.parametrize("answer", [None, "", "musl", "glibc 2.x"])
def test_a_c_library_that_is_not_glibc(monkeypatch: pytest.MonkeyPatch, answer: str | None) -> None:
    monkeypatch.setattr("wheelfarm.system.machine.os.confstr", lambda _name: answer)
    assert glibc() == (0, 0)


_HEAPS = """
import ctypes, sys, threading
from wheelfarm.system.machine import use_one_heap

sys.argv[1:] and use_one_heap()
arenas, barrier = [], threading.Barrier(4)

def work():
    barrier.wait()
    arenas.append([bytes(2000) for _ in range(2000)])
    barrier.wait()

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


@pytest.mark.skipif(not glibc(), reason="only glibc has an arena for each thread")
def test_threads_share_one_heap() -> None:
    def heaps(*words: str) -> int:
        argv = [sys.executable, "-c", _HEAPS, *words]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stdout.count(
            "<heap "
        )

    assert heaps() > 1
    assert heaps("one") == 1


def test_peak_memory_is_what_the_kernel_says() -> None:
    peak = peak_memory()
    lines = Path("/proc/self/status").read_text().splitlines()
    kernel = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    assert peak is not None
    assert abs(peak - kernel) < kernel / 2


def test_compilers_say_their_version_themselves() -> None:
    found = HERE.compilers()
    assert "c" in found
    for language, program in COMPILERS.items():
        if language in found:
            assert found[language] == _output(program, "--version").splitlines()[0]


def test_a_compiler_that_fails_or_says_nothing_is_none(tmp_path: Path) -> None:
    programs = {"cc": "exit 1", "c++": "exit 0", "gfortran": "echo '  GNU Fortran 1 '; echo more"}
    assert _machine(tmp_path, programs).compilers() == {"fortran": "GNU Fortran 1"}


@pytest.mark.skipif(HERE.manager() != "apt", reason="asks dpkg")
def test_packages_are_what_dpkg_says() -> None:
    found = HERE.packages("apt", ["bash", "no-such-package", "dash", "bash"])
    assert found == {name: _output("dpkg-query", "-W", "-f=${Version}", name) for name in ("bash", "dash")}
    assert HERE.packages("apt", []) == {}


@pytest.mark.skipif(HERE.manager() != "apt", reason="asks dpkg")
def test_what_is_missing_here() -> None:
    here = HERE.compilers()
    packages = {"apt": ["bash", "no-such-package"], "dnf": ["nor-this"]}
    assert HERE.missing(languages=here, packages=packages) == ("no-such-package",)
    assert HERE.missing(languages=[], packages={}) == ()


def test_packages_that_dpkg_half_knows_are_not_installed(tmp_path: Path) -> None:
    lines = ["gone 1.0 config-files", "libx-dev 1.2-3 installed", "dpkg-query: no packages found matching y"]
    machine = _machine(tmp_path, {"dpkg-query": "\n".join(f"echo '{line}'" for line in lines) + "\nexit 1"})
    assert machine.packages("apt", ["gone", "libx-dev", "y"]) == {"libx-dev": "1.2-3"}


APT = {"apt-get": "exit 0", "dpkg-query": "exit 1"}
DNF = {
    "dnf": "exit 0",
    "rpm": "[ $# = 5 ] && echo 'x-devel 1-1 installed'; echo 'package y is not installed'",
}


def test_missing_compilers_by_the_names_of_each_manager(tmp_path: Path) -> None:
    packages = {"apt": ["libx-dev"], "dnf": ["x-devel", "y-devel"]}
    apt, dnf = _machine(tmp_path / "apt", APT), _machine(tmp_path / "dnf", DNF)
    assert (apt.manager(), dnf.manager()) == ("apt", "dnf")
    assert apt.missing(languages=["c", "c++", "fortran"], packages=packages) == (
        *("g++", "gcc", "gfortran", "libx-dev"),
    )
    assert dnf.missing(languages=["c", "c++", "fortran"], packages=packages) == (
        *("gcc", "gcc-c++", "gcc-gfortran", "y-devel"),
    )


def test_the_commands_of_each_manager(tmp_path: Path) -> None:
    install = ("install", "-y", "--no-install-recommends", "a", "b")
    apt = (("apt-get", "update", "-qq"), ("apt-get", *install))
    assert _machine(tmp_path / "apt", APT).install_commands(["a", "b"]) == apt
    assert _machine(tmp_path / "none", {}).install_commands(["a", "b"]) == apt
    assert _machine(tmp_path / "dnf", DNF).install_commands(["a", "b"]) == (
        ("dnf", "install", "-y", "a", "b"),
    )


def test_without_a_manager_what_may_lack_is_an_error(tmp_path: Path) -> None:
    bare = _machine(tmp_path / "bare", {})
    error = only(
        lambda: bare.missing(languages=["c"], packages={"apt": ["libx-dev"], "dnf": []}), SystemPackageError
    )
    assert error.what == "this machine may lack: c, libx-dev"
    compiler = _machine(tmp_path / "cc", {"cc": "echo cc 1"})
    assert compiler.missing(languages=["c"], packages={"apt": []}) == ()
    error = only(lambda: compiler.missing(languages=["c"], packages={"apt": ["x"]}), SystemPackageError)
    assert error.what == "this machine may lack: x"


def test_who_is_not_root_gets_the_exact_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("wheelfarm.system.machine.os.geteuid", lambda: 1000)
    machine = _machine(tmp_path, APT)
    install = partial(machine.install, ("gfortran", "libx-dev"), log=tmp_path / "log")
    error = only(install, SystemPackageError)
    assert error.what == "this machine lacks: gfortran, libx-dev"
    command = "apt-get install -y --no-install-recommends gfortran libx-dev"
    assert error.hint == f"sudo sh -c 'apt-get update -qq && {command}'"
    assert log.messages == []


def test_root_installs_and_logs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("wheelfarm.system.machine.os.geteuid", lambda: 0)
    machine = _machine(tmp_path, {"apt-get": 'echo "$DEBIAN_FRONTEND $*"'})
    machine.install(("gcc",), log=tmp_path / "log")
    command = "apt-get install -y --no-install-recommends gcc"
    assert log.messages == [f"installing system packages: apt-get update -qq && {command}"]
    logged = (tmp_path / "log").read_text()
    assert "noninteractive update -qq" in logged
    assert "noninteractive install -y --no-install-recommends gcc" in logged


def test_a_manager_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelfarm.system.machine.os.geteuid", lambda: 0)
    machine = _machine(tmp_path, {"apt-get": '[ "$1" = update ] || { echo no space left; exit 100; }'})
    log = tmp_path / "log"
    error = only(lambda: machine.install(("gcc",), log=log), SystemPackageError)
    assert (error.what, error.log) == ("could not install gcc", log)
    assert error.hint == "apt-get update -qq && apt-get install -y --no-install-recommends gcc"
    assert "no space left" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture, number: signal.Signals
) -> None:
    monkeypatch.setattr("wheelfarm.system.machine.os.geteuid", lambda: 0)
    script = f"trap 'echo cut off' INT TERM; kill -{number.value} {os.getpid()}; sleep 0.5; echo configured"
    machine = _machine(tmp_path, {"apt-get": f'[ "$1" = update ] || {{ {script}; }}'})
    with interruptible(), pytest.raises(KeyboardInterrupt):
        machine.install(("gcc",), log=tmp_path / "log")
    logged = (tmp_path / "log").read_text()
    assert ("configured" in logged, "cut off\n" in logged) == (True, False)
    assert log.messages[-1] == "the run ends once the package manager has finished"


@pytest.mark.parametrize(
    ("programs", "half"),
    [
        ({"apt-get": "echo \"you must manually run 'sudo dpkg --configure -a'\"; exit 100"}, True),
        ({"apt-get": "exit 100", "dpkg": "echo 'libx is only half configured'"}, True),
        ({"apt-get": "exit 100", "dpkg": "true"}, False),
        ({"apt-get": "exit 100"}, False),
    ],
)
def test_a_half_configured_dpkg_is_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, str], *, half: bool
) -> None:
    monkeypatch.setattr("wheelfarm.system.machine.os.geteuid", lambda: 0)
    machine = _machine(tmp_path, programs)
    error = only(lambda: machine.install(("gcc",), log=tmp_path / "log"), SystemPackageError)
    typed = "apt-get update -qq && apt-get install -y --no-install-recommends gcc"
    assert error.hint == (f"dpkg --configure -a && {typed}" if half else typed)


def test_this_python_is_the_one_outside_of_any_virtual_environment() -> None:
    found = HERE.python(THIS)
    output = _output(
        str(found), "-c", "import sys; print(sys.prefix == sys.base_prefix, sys.version_info[:2])"
    )
    assert output.strip() == f"True {THIS.version}"
    assert HERE.describe_python(found) == _output(str(found), "-VV").strip()


def test_another_python_is_found_and_run(tmp_path: Path) -> None:
    machine = _machine(tmp_path, {"python3.99": "exit 0", "python3.98": "exit 1"})
    assert machine.python(Python.parse("3.99")) == tmp_path / "python3.99"
    # 3.98 is a version manager's stand-in, 3.97 is not there at all.
    for version in ("3.98", "3.97"):
        error = only(lambda version=version: machine.python(Python.parse(version)), EngineError)  # type: ignore[misc]
        assert error.what == f"there is no Python {version} on this machine"
    assert machine.describe_python(tmp_path / "none") == ""


@pytest.mark.parametrize("directory", ["versions", "installs/python"])
def test_a_python_behind_a_version_managers_stand_in(tmp_path: Path, directory: str) -> None:
    """The stand-in refuses, as it does for a version that is not the chosen one; the newest is taken."""
    for release, ending in (("3.99.1", 0), ("3.99.2", 0), ("3.98.1", 1)):
        python = release.rpartition(".")[0]
        _machine(tmp_path / directory / release / "bin", {f"python{python}": f"exit {ending}"})
    machine = _machine(tmp_path / "shims", {"python3.99": "exit 127", "python3.98": "exit 127"})
    assert machine.python(Python.parse("3.99")) == tmp_path / directory / "3.99.2" / "bin" / "python3.99"
    assert machine.pythons() == (THIS, Python.parse("3.99"))


def test_the_pythons_of_a_machine(tmp_path: Path) -> None:
    names = ("python3.8", "python3.99t", "python3.99-config", "python3.999", "python3", "pythonw3.9")
    machine = _machine(tmp_path, dict.fromkeys(names, "exit 0"))
    assert machine.pythons() == (Python.parse("3.8"), THIS, Python.parse("3.99t"))


def test_each_is_run_once(tmp_path: Path) -> None:
    machine = _machine(tmp_path, {"python3.99": f"echo >>{tmp_path}/runs", "python3.98": "exit 1"})
    for _ in range(2):
        assert machine.pythons() == (THIS, Python.parse("3.99"))
        assert machine.python(Python.parse("3.99")) == tmp_path / "python3.99"
    assert (tmp_path / "runs").read_text() == "\n"


def test_headers_are_looked_for(tmp_path: Path) -> None:
    machine = _machine(tmp_path, {"with": f"echo {tmp_path}/include", "without": f"echo {tmp_path}"})
    (tmp_path / "include").mkdir()
    (tmp_path / "include/Python.h").touch()
    assert machine.has_headers(tmp_path / "with")
    assert not machine.has_headers(tmp_path / "without")
    assert not machine.has_headers(tmp_path / "none")
