"""This machine: its compilers, interpreters and system packages, and how to get what is missing."""

from __future__ import annotations

import json
import os
import platform as host_platform
import re
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.errors import EngineError, ProcessError, SystemPackageError
from wheelfarm.model import Platform, Python, Target
from wheelfarm.system.environment import which
from wheelfarm.system.install_hints import COMPILER_PACKAGES
from wheelfarm.system.logs import get_logger
from wheelfarm.system.process import Command, run
from wheelfarm.system.signals import defer_signals

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

logger = get_logger(__name__)

_ARENA_MAX: Final = -8  # M_ARENA_MAX in malloc.h
_NONE: Final = "(none)"
_INTERPRETER: Final = re.compile(r"python(3\.\d{1,2}t?)(\.exe)?")
# The interpreters behind a version manager's scripts in shims/: pyenv, then asdf and mise.
_MANAGED: Final = ("versions/{0}.*/bin/python{0}", "installs/python/{0}.*/bin/python{0}")
PROGRAMS: Final = {"c": "cc", "c++": "c++", "fortran": "gfortran"}
_INSTALL: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "apt": (("apt-get", "update", "-qq"), ("apt-get", "install", "-y", "--no-install-recommends")),
    "dnf": (("dnf", "install", "-y"),),
}
_QUERY: Final[Mapping[str, tuple[str, ...]]] = {
    "apt": ("dpkg-query", "-W", "-f=${Package} ${Version} ${db:Status-Status}\\n"),
    "dnf": ("rpm", "-q", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE} installed\\n"),
}
_LINKERS: Final = {"LDSHARED": "CC", "LDCXXSHARED": "CXX"}
_RPATH: Final = re.compile(r"(?<!\S)-Wl,(?:-rpath|-R)[,=](\S+)")
# Lines of /proc/cpuinfo, on x86 and on Arm.
_PROCESSOR: Final = re.compile(r"vendor_id|cpu family|model\s*$|cache size|flags|CPU |Features")
_CLANG: Final = re.compile(r"\bclang version (\d+(?:\.\d+)*)")
_CONFIGURE: Final = "dpkg --configure -a"
_SYSTEMS: Final = {"linux": "manylinux", "darwin": "macosx", "win32": "win"}
_ARCHES: Final = {"AMD64": "amd64", "ARM64": "arm64"}


def target_here(python: Python, platform: str | None = None) -> Target:
    """The target of this machine for a Python, or that of another platform that it builds for.

    A platform is the part after the interpreter in a build identifier, such as musllinux_x86_64. Linux
    machines build for musllinux and other processors too, in containers, and the engine knows whether those
    run here; macOS and Windows only for themselves.

    Raises:
        EngineError: for another system, or another processor off Linux.
    """
    own = native_target(python)
    if platform is None:
        return own
    target = Target.parse(f"{python.tag}-{platform}")
    if target.platform is not own.platform or (
        own.platform is not Platform.LINUX and target.arch != own.arch
    ):
        raise EngineError(
            f"this machine does not build for {platform}",
            where="platform",
            why=f"it builds for {own.identifier.partition('-')[2]}",
            hint="leave it out, or run this on a machine of that kind",
        )
    return target


def native_target(python: Python) -> Target:
    """The target of this machine for a Python.

    Raises:
        EngineError: on a system that wheels are not built on.
    """
    system = _SYSTEMS.get(sys.platform)
    if system is None:
        raise EngineError(f"wheels are not built on {sys.platform}", hint="use Linux, macOS or Windows")
    if sys.platform == "linux" and glibc() == (0, 0):
        system = "musllinux"
    machine = host_platform.machine()
    return Target(python=python, system=system, arch=_ARCHES.get(machine, machine))


def glibc() -> tuple[int, int]:
    """The version of this machine's C library; (0, 0) where it is not glibc."""
    try:
        _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        major, minor = version.split(".")[:2]
        return int(major), int(minor)
    except (ValueError, OSError, AttributeError):
        return (0, 0)


def memory() -> int | None:
    """The bytes of memory of this machine or its container; None where the system does not report it."""
    found = []
    with suppress(OSError, ValueError, AttributeError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        with suppress(OSError, ValueError):
            found.append(int(limit.read_text(encoding="utf-8")))
    return min(found, default=None)


def processor() -> str:
    """The processor of this machine with its features: what a compiler's -march=native depends on."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
        facts = (line.partition(":") for line in lines)
        return "; ".join(
            f"{key.strip()}: {value.strip()}" for key, _, value in facts if _PROCESSOR.match(key)
        )
    return host_platform.processor()


def peak_memory() -> int | None:
    """The peak memory of this process in bytes; None where the system does not report it."""
    if sys.platform == "win32":
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def use_one_heap() -> None:
    """Limit glibc to one memory arena for all threads of this process.

    An arena for each thread retains what was freed in it (mallopt(3)): a tenth of the memory during the
    gate of scipy.
    """
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - needed by a run that builds alone

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


@dataclass(frozen=True)
class Machine:
    """The machine as a child process with `env` sees it."""

    env: Mapping[str, str]
    _found: dict[Python, Path | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The interpreters that were looked for: a version manager takes 0.2 s to say that one is not there."""

    def _output(self, *argv: str) -> str | None:
        """What a program prints; None when it is missing or fails."""
        try:
            return run(Command(argv=argv, env=self.env, time_limit=60)).output
        except ProcessError:
            return None

    def manager(self) -> str | None:
        """The package manager: apt or dnf; None where there is none that we know."""
        programs = {"apt": "apt-get", "dnf": "dnf"}
        return next((name for name, program in programs.items() if which(program, self.env)), None)

    def compilers(self) -> dict[str, str]:
        """The version line of each compiler that is here, by language."""
        found = {language: self.describe(program) for language, program in PROGRAMS.items()}
        return {language: text for language, text in found.items() if text != _NONE}

    def packages(self, manager: str, names: Iterable[str]) -> dict[str, str]:
        """The version of each of those system packages that is installed."""
        # apt's `name=version` pins one.
        wanted = {name: name.partition("=") for name in sorted(set(names))}
        if not wanted:
            return {}
        queried = sorted({name for name, _, _ in wanted.values()})
        # The query fails when one is missing, and still prints the others.
        finished = run(Command(argv=(*_QUERY[manager], *queried), env=self.env, time_limit=60), check=False)
        lines = [line.split() for line in finished.output.splitlines()]
        found = {line[0]: line[1] for line in lines if len(line) == 3 and line[2] == "installed"}  # noqa: PLR2004
        return {
            text: found[name]
            for text, (name, _, version) in wanted.items()
            if found.get(name) and version in {"", found[name]}
        }

    def owner(self, path: str) -> str | None:
        """The system package that installed a file; None where it is unknown."""
        for name in dict.fromkeys((path, os.path.realpath(path), path.removeprefix("/usr"))):
            if line := self._output("dpkg-query", "-S", name):
                return line.partition(":")[0]
            if line := self._output("rpm", "-qf", "--queryformat", "%{NAME}\\n", name):
                return line.splitlines()[0]
        return None

    def missing(self, *, languages: Iterable[str], packages: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
        """The system packages to install for compilers and libraries that are not here.

        Raises:
            SystemPackageError: when something is missing and we know no package manager here.
        """
        manager = self.manager()
        absent = set(languages) - set(self.compilers())
        if manager is None:
            if needed := sorted(absent.union(*packages.values())):
                raise SystemPackageError(
                    f"this machine may lack: {', '.join(needed)}",
                    why="there is neither apt-get nor dnf to look with",
                    hint="use the cibuildwheel engine, or a Debian, Ubuntu, Fedora or RHEL machine",
                )
            return ()
        named = set(packages.get(manager, ()))
        lacking = named - set(self.packages(manager, named))
        return tuple(sorted({COMPILER_PACKAGES[manager][language] for language in absent} | lacking))

    def install_commands(self, names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """The commands that install system packages."""
        *before, last = _INSTALL[self.manager() or "apt"]
        return (*before, (*last, *names))

    def install(self, names: tuple[str, ...], *, log: Path) -> None:
        """Install system packages as root.

        An interrupt waits for the package manager: one that is cut off leaves packages half configured.

        Raises:
            SystemPackageError: when we are not root, or the package manager fails.
        """
        commands = self.install_commands(names)
        typed = " && ".join(" ".join(words) for words in commands)
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            raise SystemPackageError(
                f"this machine lacks: {', '.join(names)}",
                why="installing system packages needs root",
                hint=f"sudo sh -c '{typed}'",
            )
        logger.info("installing system packages: %s", typed)
        for words in commands:
            env = {**self.env, "DEBIAN_FRONTEND": "noninteractive"}
            try:
                with defer_signals(lambda: logger.info("the run ends once the package manager has finished")):
                    run(Command(argv=words, env=env, log=log, time_limit=1800))
            except ProcessError as problem:
                raise SystemPackageError(
                    f"could not install {', '.join(names)}",
                    why=problem.why,
                    hint=f"{_CONFIGURE} && {typed}" if self._half_configured(problem) else typed,
                    log=log,
                ) from problem

    def _half_configured(self, problem: ProcessError) -> bool:
        """Whether dpkg was cut off, by us or by others, and has to finish before it installs anything."""
        return _CONFIGURE in (problem.why or "") or bool((self._output("dpkg", "--audit") or "").strip())

    def describe(self, program: str) -> str:
        """The first line of a program's --version; (none) when it is not here."""
        text = self._output(program, "--version") if which(program, self.env) else None
        return text.splitlines()[0].strip() if text else _NONE

    def describe_python(self, interpreter: Path) -> str:
        """The full version and build of an interpreter."""
        return (self._output(str(interpreter), "-VV") or "").strip()

    def has_headers(self, interpreter: Path) -> bool:
        """Whether extension modules can be compiled for an interpreter."""
        include = self._output(
            str(interpreter), "-c", "import sysconfig; print(sysconfig.get_path('include'))"
        )
        return include is not None and Path(include.strip(), "Python.h").is_file()

    def linkers(self, interpreter: Path, compilers: Mapping[str, str]) -> dict[str, str]:
        """The linkers that setuptools would call, without directories that the interpreter was built with.

        pyenv, conda and Homebrew put their own into each extension module (pypa/auditwheel#562). There is
        none of those variables where the interpreter has no such directory.

        Args:
            interpreter: the Python of a build.
            compilers: CC and CXX, where they are set.
        """
        code = f"import json, sysconfig; print(json.dumps(sysconfig.get_config_vars(*{[*_LINKERS]})))"
        commands = json.loads(self._output(str(interpreter), "-I", "-c", code) or "[]")
        found = {}
        for (name, compiler), command in zip(_LINKERS.items(), commands, strict=False):
            places = set(_RPATH.findall(command or ""))
            if places:
                program, *words = shlex.split(_RPATH.sub("", command))
                left = [word for word in words if word.removeprefix("-L") not in places]
                found[name] = f"{compilers.get(compiler, program)} {shlex.join(left)}"
        return found

    def rpaths(self, interpreter: Path) -> tuple[str, ...]:
        """The directories that an interpreter's own build puts into the RPATH of what it links."""
        code = "import sysconfig; print(*sysconfig.get_config_vars('LDFLAGS', 'LDSHARED', 'LDCXXSHARED'))"
        flags = self._output(str(interpreter), "-I", "-c", code) or ""
        return tuple(dict.fromkeys(_RPATH.findall(flags)))

    def compiler_version(self, program: str) -> tuple[str, str] | None:
        """The family of a compiler of C, C++ or Fortran, gcc or clang, and its version; None for others."""
        text = self._output(program, "--version") or ""
        # clang's -dumpfullversion is that of the GCC that it imitates, or an error.
        if found := _CLANG.search(text):
            return "clang", found[1]
        version = self._output(program, "-dumpfullversion", "-dumpversion")
        return ("gcc", version.strip()) if version and "Free Software Foundation" in text else None

    def python(self, python: Python) -> Path:
        """The interpreter of that version. Raises EngineError when it is not here."""
        if found := self._find(python):
            return found
        raise EngineError(
            f"there is no Python {python} on this machine",
            hint=f"install python{python} with its headers, or use the cibuildwheel engine",
        )

    def _find(self, python: Python) -> Path | None:
        # A virtual environment's own interpreter would bring that environment's packages along.
        if python == Python(major=sys.version_info.major, minor=sys.version_info.minor):
            return Path(getattr(sys, "_base_executable", sys.executable))
        if python not in self._found:
            # A version manager has a script for versions that are not installed: run it.
            runs = (
                path for path in self._candidates(python) if self._output(str(path), "-c", "") is not None
            )
            self._found[python] = next(runs, None)
        return self._found[python]

    def _candidates(self, python: Python) -> Iterator[Path]:
        """Possible files of that Python: the one on the path, then those of a version manager."""
        found = which(f"python{python}", self.env)
        if found is not None:
            yield found
            if found.parent.name == "shims":
                for pattern in _MANAGED:
                    yield from sorted(found.parents[1].glob(pattern.format(python)), reverse=True)

    def pythons(self) -> tuple[Python, ...]:
        """The feature versions whose interpreters are here, oldest first."""
        own = Python(major=sys.version_info.major, minor=sys.version_info.minor)
        named = {
            Python.parse(match[1])
            for directory in map(Path, self.env.get("PATH", os.defpath).split(os.pathsep))
            for path in directory.glob("python3.*")
            if (match := _INTERPRETER.fullmatch(path.name))
        }
        return tuple(sorted({own, *filter(self._find, named)}))
