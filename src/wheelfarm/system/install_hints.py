"""The commands that install what a machine lacks, for apt, dnf and Homebrew."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wheelfarm.system.environment import which

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COMPILER_PACKAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "apt": {"c": "gcc", "c++": "g++", "fortran": "gfortran"},
    "dnf": {"c": "gcc", "c++": "gcc-c++", "fortran": "gcc-gfortran"},
    "brew": {"c": "gcc", "c++": "gcc", "fortran": "gcc"},
}
"""Package manager → language → the package with its compiler."""
_PACKAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "bubblewrap": {"apt": "bubblewrap", "dnf": "bubblewrap"},
    "git": {"apt": "git", "dnf": "git", "brew": "git"},
    "netavark": {"apt": "netavark aardvark-dns", "dnf": "netavark aardvark-dns"},
    "netlib": {"apt": "libblas-dev liblapack-dev", "dnf": "blas-devel lapack-devel"},
    "pkg-config": {"apt": "pkgconf", "dnf": "pkgconf-pkg-config", "brew": "pkgconf"},
    "podman": {"apt": "podman", "dnf": "podman", "brew": "podman"},
    "qemu": {"apt": "qemu-user-static", "dnf": "qemu-user-static"},
    "runc": {"apt": "runc", "dnf": "runc"},
    "uidmap": {"apt": "uidmap", "dnf": "shadow-utils"},
}
"""What is missing → package manager → the packages that bring it."""
_INSTALL: Final = {"apt": "apt-get install", "dnf": "dnf install", "brew": "brew install"}
_PROGRAMS: Final = {"apt": "apt-get", "dnf": "dnf", "brew": "brew"}
_HOMEBREW: Final = ("/opt/homebrew/bin", "/usr/local/bin")


@cache
def _manager_here() -> str | None:
    """The package manager of this machine; None where it has none that we know."""
    path = os.pathsep.join([os.defpath, *_HOMEBREW])
    return next((name for name, program in _PROGRAMS.items() if which(program, {"PATH": path})), None)


def _command(by_manager: Mapping[str, str], manager: str | None) -> str:
    """The command of one package manager, or those of all where the one is unknown."""
    if manager is not None and manager in by_manager:
        return f"{_INSTALL[manager]} {by_manager[manager]}"
    commands = [f"{_INSTALL[name]} {packages}" for name, packages in by_manager.items()]
    return ", or ".join(commands)


def install_command(what: str, manager: str | None = None) -> str:
    """The command that installs something that this machine lacks.

    Args:
        what: one of the names above, such as podman.
        manager: apt, dnf or brew; by default that of this machine. Where there is none, all commands.
    """
    return _command(_PACKAGES[what], manager or _manager_here())


def install_compilers(languages: Iterable[str], manager: str | None = None) -> str:
    """The command that installs the compilers of some languages; see `install_command`."""
    wanted = sorted(languages)
    packages = {
        name: " ".join(dict.fromkeys(known[each] for each in wanted))
        for name, known in COMPILER_PACKAGES.items()
    }
    return _command(packages, manager or _manager_here())


def install_headers(python: object, manager: str | None = None) -> str:
    """The command that installs an interpreter with its headers; see `install_command`."""
    packages = {"apt": f"python{python}-dev", "dnf": f"python{python}-devel", "brew": f"python@{python}"}
    return _command(packages, manager or _manager_here())


def install_programs() -> str:
    """The command that installs the programs that the farm runs, from its repository or from an index."""
    checkout = (Path(__file__).parents[3] / "pyproject.toml").is_file()
    return f"python -m pip install {'-e ' if checkout else ''}'{'.' if checkout else 'wheelfarm'}[programs]'"


def allow_user_namespaces() -> str | None:
    """The command that lets programs make user namespaces where AppArmor stops them; None elsewhere.

    Ubuntu 23.10 and newer: https://ubuntu.com/blog/ubuntu-23-10-restricted-unprivileged-user-namespaces
    """
    switch = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    try:
        restricted = switch.read_text(encoding="ascii").strip() == "1"
    except OSError:
        return None
    return "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" if restricted else None


def missing_sandbox(platform: str = sys.platform) -> tuple[str, str | None]:
    """Why nothing isolates a build on a platform, and the command that mends it, where there is one."""
    if platform != "linux":
        return f"there is no sandbox for builds on {platform}", None
    mend = allow_user_namespaces() or install_command("bubblewrap")
    return "neither bubblewrap nor user namespaces work here", mend
