"""GitHub's runners by platform, and the compilers on them that are not on PATH."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SERVICE_RUNNER: Final = "ubuntu-24.04"
"""For the jobs that build nothing."""
RUNNERS: Final[Mapping[str, str]] = {
    "linux-x86_64": "ubuntu-24.04",
    "linux-aarch64": "ubuntu-24.04-arm",
    "musllinux-x86_64": "ubuntu-24.04",
    "musllinux-aarch64": "ubuntu-24.04-arm",
    "macos-arm64": "macos-15",
    "macos-x86_64": "macos-15-intel",
    "windows-amd64": "windows-2025",
    "windows-arm64": "windows-11-arm",
}
"""Each has the platform's own processor: nothing is emulated or cross-compiled.

https://docs.github.com/actions/reference/runners/github-hosted-runners
"""
_COMPILERS: Final[Mapping[tuple[str, str], str]] = {
    # Rtools, whose MinGW numpy and scipy use too. Since Rtools 4.2 its compilers are here:
    # https://cran.r-project.org/bin/windows/Rtools/rtools45/rtools.html
    ("windows-amd64", "fortran"): "C:/rtools45/x86_64-w64-mingw32.static.posix/bin",
    ("windows-arm64", "c"): "C:/Program Files/LLVM/bin",  # clang-cl
}
"""Directories of compilers that a runner's image has and its PATH lacks, by platform and language."""


def compiler_paths(platform: str, languages: Iterable[str]) -> tuple[str, ...]:
    """List what a job puts first on PATH to compile some languages."""
    found = (_COMPILERS.get((platform, language)) for language in languages)
    return tuple(dict.fromkeys(path for path in found if path))
