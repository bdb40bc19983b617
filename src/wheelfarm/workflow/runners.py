"""Where jobs run: what GitHub lends for each platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wheelfarm.settings import Settings

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


def runner(platform: str, settings: Settings) -> str:
    """The label of a platform's runner."""
    return settings.ci.runners.get(platform) or RUNNERS[platform]
