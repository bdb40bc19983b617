"""Where jobs run: what GitHub lends for each platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wheelfarm.recipes.settings import Settings

OWN: Final = "ubuntu-24.04"
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
"""Each of the platform's own processor: nothing is emulated, and nothing is cross-compiled.

https://docs.github.com/actions/reference/runners/github-hosted-runners
"""


COMPILERS: Final[Mapping[tuple[str, str], str]] = {
    # Rtools, whose MinGW is upstream's too; it is on the image and not on the path. Since Rtools 4.2 its
    # compilers lie here: https://cran.r-project.org/bin/windows/Rtools/rtools45/rtools.html
    ("windows-amd64", "fortran"): "C:/rtools45/x86_64-w64-mingw32.static.posix/bin",
    # clang-cl, which is on the image and not on the path.
    ("windows-arm64", "c"): "C:/Program Files/LLVM/bin",
}
"""Directories of compilers that a runner has and does not find by itself, by platform and language."""


def compiler_paths(platform: str, languages: Iterable[str]) -> tuple[str, ...]:
    """What a job must put first on its path to compile some languages."""
    found = (COMPILERS.get((platform, language)) for language in languages)
    return tuple(dict.fromkeys(path for path in found if path))


def runner(platform: str, settings: Settings) -> str:
    """The label of a platform's runner."""
    return settings.ci.runners.get(platform) or RUNNERS[platform]
