"""What the build files of a source say: Fortran, BLAS and LAPACK, downloads, tests that are installed."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.recipes.draft.system_libraries import CONFIGURED_BY
from wheelfarm.wheels.contents import is_test

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_BUILD_FILES: Final = frozenset({"meson.build", "CMakeLists.txt", "setup.py"})
_BLAS: Final = re.compile(
    r"dependency\(\s*'(?:scipy-)?(?:open|c)?(?:blas|lapack)|find_package\(\s*(?:BLAS|LAPACK)"
    r"|['\"](?:-l)?(?:blas|lapack)['\"]",
    re.IGNORECASE,
)
_REQUIRED_BLAS: Final = re.compile(
    r"dependency\(\s*'(?:openblas|cblas|blas|lapack)'(?![^)]*required\s*:(?!\s*true))"
    r"|(?i:find_package)\(\s*(?:BLAS|LAPACK)\b[^)]*\bREQUIRED\b"
)
"""Where Meson or CMake fails without it."""
_FORTRAN: Final = re.compile(
    r"\b(?:project|enable_language)\s*\([^)]*\bFortran\b|\b(?:project|add_languages)\s*\([^)]*'fortran'"
)
"""Where CMake or Meson enables Fortran."""
_TESTS: Final = re.compile(r"['/]tests?['/]|\binstall_subdir\b")
_DOWNLOADS: Final = re.compile(
    r"\burlretrieve\b|\burlopen\b|\brequests\.get\b|\bFetchContent_Declare\b|\bExternalProject_Add\b"
    r"|\bCPMAddPackage\b|\bfile\(\s*DOWNLOAD\b"
)
_SCRIPT: Final = re.compile(r"['\"/]([\w.-]+\.py)['\"]")
_COMMENT: Final = re.compile(r"^\s*#.*$", re.MULTILINE)
_LONGEST: Final = 1_000_000
"""Bytes of a file that are searched."""


class BlasSearch(StrEnum):
    """How the build files of a source look for BLAS or LAPACK."""

    NONE = "none"
    PERHAPS = "perhaps"
    """They name it, and may do without."""
    MESON = "meson"
    """Meson fails without it."""
    CMAKE = "cmake"
    """CMake fails without it."""

    @property
    def required(self) -> bool:
        return self in {BlasSearch.MESON, BlasSearch.CMAKE}


def read_start(path: Path) -> str:
    """The text of a file as far as it is searched; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(_LONGEST).decode("utf-8", "replace")


def _texts(tree: Path, files: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """The files with some names, without comments."""
    chosen = set(names)
    return {
        file: _COMMENT.sub("", read_start(tree / file))
        for file in files
        if PurePosixPath(file).name in chosen or (chosen == _BUILD_FILES and file.endswith(".cmake"))
    }


def compiles_fortran(tree: Path, files: Iterable[str]) -> bool | None:
    """Whether the CMake or Meson at the top enables Fortran; None where neither builds.

    The sources may be in a subproject, be written by a generator, or not be compiled at all.
    """
    build = {name for name in CONFIGURED_BY if (tree / name).is_file()}
    if not build:
        return None
    return any(map(_FORTRAN.search, _texts(tree, files, build).values()))


def find_blas_search(tree: Path, files: Iterable[str]) -> BlasSearch:
    """How the build files look for BLAS or LAPACK."""
    texts = _texts(tree, files, _BUILD_FILES)
    names = {PurePosixPath(file).name for file, text in texts.items() if _REQUIRED_BLAS.search(text)}
    # Only the build system at the top runs.
    for name, search in (("meson.build", BlasSearch.MESON), ("CMakeLists.txt", BlasSearch.CMAKE)):
        if name in names and (tree / name).is_file():
            return search
    return BlasSearch.PERHAPS if any(map(_BLAS.search, texts.values())) else BlasSearch.NONE


def find_downloads(tree: Path, files: Iterable[str]) -> Iterator[str]:
    """The build files, and the scripts that CMake or Meson run, with a call that downloads."""
    known = list(files)
    texts = _texts(tree, known, _BUILD_FILES)
    scripts = {
        name for file, text in texts.items() if not file.endswith(".py") for name in _SCRIPT.findall(text)
    }
    texts |= _texts(tree, known, scripts)
    yield from (file for file, text in sorted(texts.items()) if _DOWNLOADS.search(text))


def names_tests(tree: Path, files: Iterable[str]) -> bool:
    """Whether a build file of Meson names tests, as it does where they are installed."""
    texts = _texts(tree, files, {"meson.build"})
    return any(is_test(file) or _TESTS.search(text) for file, text in texts.items())
