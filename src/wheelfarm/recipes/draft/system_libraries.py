"""Finds the system libraries that a source is compiled against, and the packages that bring them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import BaseModel, ConfigDict

from wheelfarm.system.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_SOURCES: Final = frozenset(
    {".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".pyx", ".pxd", ".pxi", ".pyf"}
)
# In C, and in `cdef extern from` of Cython.
_INCLUDE: Final = re.compile(
    r"""(?:^[ \t]*\#[ \t]*include[ \t]*|\bextern[ \t]+from[ \t]+)["'<]([\w./+-]+)[>"']""", re.MULTILINE
)
_DEPENDENCY: Final = re.compile(r"\bdependency\(\s*'([\w.+-]+)'(?P<rest>[^)]*)\)")
_OPTIONAL: Final = re.compile(r"required\s*:(?!\s*true)|fallback\s*:")
_PKG_CONFIG: Final = "pkg-config"
NameKind = Literal["headers", "meson", "links", "cmake"]
"""Who calls a library by its name: a key of system_libraries.toml."""
CONFIGURED_BY: Final = ("CMakeLists.txt", "meson.build")
"""The files by which CMake and Meson look for compilers and libraries."""
_LONGEST: Final = 2_000_000
"""Bytes of a file that are searched."""


class _Entry(BaseModel):
    """A table of system_libraries.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    headers: list[str]
    meson: list[str] = []
    links: list[str] = []
    cmake: list[str] = []
    packages: dict[str, str]


class SystemLibrary(BaseModel):
    """A library of the system, and the packages that bring its headers."""

    model_config = ConfigDict(frozen=True)

    name: str
    header: str
    """The one that the source includes; empty where only its build files name the library."""
    apt: str
    dnf: str
    brew: str

    @classmethod
    def of(cls, name: str, entry: _Entry, header: str = "") -> Self:
        """The library of an entry of the table."""
        return cls(name=name, header=header, **entry.packages)

    def __str__(self) -> str:
        return f"{self.name} (apt: {self.apt}, dnf: {self.dnf}, brew: {self.brew})"

    @property
    def hint(self) -> str:
        """The lines for a recipe that lacks it."""
        return (
            f'[system-packages] apt = ["{self.apt}"], dnf = ["{self.dnf}"] in the recipe; '
            f"with Homebrew: brew install {self.brew}"
        )


@cache
def known_libraries() -> Mapping[str, _Entry]:
    """The libraries of system_libraries.toml, by name."""
    text = files(__package__).joinpath("system_libraries.toml").read_text(encoding="utf-8")
    return {name: _Entry.model_validate(table) for name, table in parse_toml(text).items()}


def find_library(kind: NameKind, name: str) -> SystemLibrary | None:
    """The library that a header, pkg-config, a linker or CMake calls so; None where it is not known."""
    for key, entry in known_libraries().items():
        if name in getattr(entry, kind):
            return SystemLibrary.of(key, entry, name if kind == "headers" else "")
    return None


def find_libraries(
    tree: Path, names: Iterable[str], whole: Iterable[str], *, runs_pkg_config: bool = False
) -> tuple[SystemLibrary, ...]:
    """The system libraries that some files of a tree need.

    A header that the tree holds itself is of a library that it brings along.

    Args:
        tree: the unpacked source.
        names: its own files, without code of others.
        whole: all its files that a build may use.
        runs_pkg_config: whether its build requires what calls pkg-config.
    """
    own = [PurePosixPath(name) for name in names]
    included, required = set[str](), set[str]()
    for path in own:
        if path.suffix.lower() in _SOURCES:
            included |= set(_INCLUDE.findall(_text(tree / path)))
        elif path.name == "meson.build":
            found = _DEPENDENCY.finditer(_text(tree / path))
            required |= {each[1] for each in found if not _OPTIONAL.search(each["rest"])}
    present = {tail for path in map(PurePosixPath, whole) for tail in (path.name, "/".join(path.parts[-2:]))}
    libraries = []
    for name, entry in known_libraries().items():
        header = next((each for each in entry.headers if each in included and each not in present), "")
        if header or not required.isdisjoint(entry.meson):
            libraries.append(SystemLibrary.of(name, entry, header))
    if libraries and (runs_pkg_config or any((tree / name).is_file() for name in CONFIGURED_BY)):
        # By which Meson, CMake and the distribution pkgconfig find them.
        libraries.append(SystemLibrary.of(_PKG_CONFIG, known_libraries()[_PKG_CONFIG]))
    return tuple(libraries)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LONGEST).decode("utf-8", "replace")
