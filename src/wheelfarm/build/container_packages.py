"""Shell lines that install packages in a build's container: the system's, and the locked requirements."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.build.commands import shell_line
from wheelfarm.model import Platform

if TYPE_CHECKING:
    from wheelfarm.build.directory import BuildDirectory

UV_INSIDE: Final = PurePosixPath("/wheelfarm/uv")
"""Where a container gets this machine's uv."""


def system_packages_line(directory: BuildDirectory) -> str | None:
    """The shell's line that installs system packages with the image's package manager; None without any."""
    packages = directory.build.system_packages
    apt, dnf = (shlex.join(packages[manager]) for manager in ("apt", "dnf"))
    if directory.build.id.target.platform is not Platform.LINUX or not (apt or dnf):
        return None
    # Otherwise a mirror that cannot be reached is a warning, and then no package is known.
    update = "apt-get update -qq -o APT::Update::Error-Mode=any"
    install_apt = f"{update} && apt-get install -y --no-install-recommends {apt}"
    branches = (
        ("apt-get", install_apt if apt else ":"),
        ("dnf", f"dnf install -y {dnf}" if dnf else ":"),
        ("yum", f"yum install -y {dnf}" if dnf else ":"),
    )
    tests = "; el".join(f"if command -v {program} >/dev/null; then {line}" for program, line in branches)
    return f"{tests}; else echo 'no known package manager' >&2; exit 1; fi"


def requirements_line(directory: BuildDirectory) -> str:
    """The line that installs the build requirements by hash, and nothing else."""
    target = directory.build.id.target
    options = ("--no-index", "--require-hashes", "--force-reinstall", "--no-compile")
    # pip and uv understand these alike.
    install = ("install", *options, "-r", (directory.inside / "requirements.txt").as_posix())
    pip = shell_line(("python", "-m", "pip", "--isolated", *install), target=target)
    if target.platform is not Platform.LINUX:
        return pip
    # Where this machine's uv does not run, pip does the same and takes a second longer.
    words = (str(UV_INSIDE), "--offline", "--no-config", "--no-cache", "pip", *install)
    uv = shell_line((*words, "--break-system-packages"), target=target)
    # By its path: under a mere name uv takes virtual environments only, which some images have.
    uv += ' --python "$(command -v python)"'
    return f"if {UV_INSIDE} --version >/dev/null 2>&1; then {uv}; else {pip}; fi"
