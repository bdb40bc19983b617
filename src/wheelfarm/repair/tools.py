"""The platforms' repair tools, their words, and the one wheel that must come out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from wheelfarm.errors import YieldError
from wheelfarm.model import Platform

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wheelfarm.model import Name


@dataclass(frozen=True)
class Tool:
    """A repair tool: its command line with placeholders, and how it is told where libraries are."""

    program: str
    distribution: str
    argv: tuple[str, ...]
    library_variable: str | None = None
    library_argv: tuple[str, ...] = ()

    def command(
        self, *, wheel: str, dest: str, arch: str, libraries: str | None
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """The words and the variables for one wheel.

        Args:
            wheel: the built wheel.
            dest: the directory for the repaired one.
            arch: the target's architecture.
            libraries: a directory with libraries that the loader does not know.
        """
        values = {"wheel": wheel, "dest": dest, "arch": arch, "libraries": libraries or ""}
        words = self.argv + (self.library_argv if libraries else ())
        filled = tuple(values[word[1:-1]] if word.startswith("@") else word for word in words)
        variables = {self.library_variable: libraries} if self.library_variable and libraries else {}
        return filled, variables


TOOLS: Final[Mapping[Platform, Tool]] = {
    Platform.LINUX: Tool(
        "auditwheel",
        "auditwheel",
        ("auditwheel", "repair", "--wheel-dir", "@dest@", "@wheel@"),
        library_variable="LD_LIBRARY_PATH",
    ),
    Platform.MACOS: Tool(
        "delocate-wheel",
        "delocate",
        ("delocate-wheel", "--require-archs", "@arch@", "--wheel-dir", "@dest@", "-v", "@wheel@"),
        library_variable="DYLD_LIBRARY_PATH",
    ),
    Platform.WINDOWS: Tool(
        "delvewheel",
        "delvewheel",
        ("delvewheel", "repair", "--wheel-dir", "@dest@", "@wheel@"),
        library_argv=("--add-path", "@libraries@"),
    ),
}

ELSEWHERE: Final = Tool(
    "repairwheel",
    "repairwheel",
    ("repairwheel", "--no-sys-paths", "--output-dir", "@dest@", "@wheel@"),
    library_argv=("--lib-dir", "@libraries@"),
)
"""For a wheel of another system than this machine's; what this one's system has is of no use to it."""


def tool_for(platform: Platform, here: Platform) -> Tool:
    """The tool for a wheel of a platform, on a machine of another or the same one."""
    return TOOLS[platform] if platform is here else ELSEWHERE


def architecture(platform_tag: str) -> str:
    """The architecture in a platform tag, such as x86_64 in macosx_11_0_x86_64; it may hold an underscore."""
    found = re.search(r"x86_64$|[a-z0-9]+$", platform_tag)
    return found[0] if found else platform_tag


def only_wheel(directory: Path, *, name: Name, version: str, made_by: str) -> Path:
    """The one wheel in a directory, of that name and version.

    Raises:
        YieldError: when there is none, more than one, or one of another name or version.
    """
    wheels = sorted(directory.glob("*.whl"))
    if len(wheels) != 1:
        raise YieldError(
            f"{made_by} left {len(wheels) or 'no'} wheel{'s' if len(wheels) > 1 else ''} for {name}",
            where=str(directory),
            why=", ".join(path.name for path in wheels) or "the directory is empty",
            hint="a recipe is for one distribution: look at the source's build configuration",
        )
    check_name(wheels[0].name, name=name, version=version)
    return wheels[0]


def check_name(filename: str, *, name: Name, version: str) -> None:
    """Refuse a wheel that is not of the recipe.

    Raises:
        YieldError: for another name or version, or a file name that is none of a wheel.
    """
    try:
        found, found_version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename as problem:
        raise YieldError(f"{filename} is not a wheel's name", why=str(problem)) from problem
    if str(found) != name or found_version != Version(version):
        raise YieldError(
            f"the build of {name} {version} made {found} {found_version}",
            where=filename,
            why="the source says another name or version than the recipe",
            hint="correct `name` and `version` in the recipe",
        )
