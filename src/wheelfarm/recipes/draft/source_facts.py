"""What an unpacked source says of its build: backend, languages, options, libraries, metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.recipes.build_requirements import SETUPTOOLS, backend, build_requires, static_run_requires
from wheelfarm.recipes.draft.build_files import (
    BlasSearch,
    compiles_fortran,
    find_blas_search,
    find_downloads,
    names_tests,
    read_start,
)
from wheelfarm.recipes.draft.build_options import BuildOption, cmake_options, meson_options
from wheelfarm.recipes.draft.setup_script import imported_distributions, imported_modules, listed_packages
from wheelfarm.recipes.draft.system_libraries import CONFIGURED_BY, SystemLibrary, find_libraries
from wheelfarm.sources.unpacking import files_below, read_pkg_info
from wheelfarm.system.toml import parse_toml
from wheelfarm.wheels.contents import is_test

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

_LANGUAGES: Final = {
    **dict.fromkeys((".c", ".pyx"), "c"),
    **dict.fromkeys((".cc", ".cpp", ".cxx", ".c++"), "c++"),
    **dict.fromkeys((".f", ".f77", ".f90", ".f95", ".f03", ".for", ".pyf"), "fortran"),
    ".rs": "rust",
}
"""The suffix of a source file → its language; Cython writes C unless the file says otherwise."""
_ORDER: Final = ("c", "c++", "fortran", "rust")
_NO_PART: Final = frozenset(
    {"test", "tests", "testing", "doc", "docs", "example", "examples", "benchmark", "benchmarks", "bench"}
)
"""Directories whose files do not get into a build."""
_VENDORED: Final = frozenset(
    {"extern", "external", "externals", "third_party", "third-party", "thirdparty", "3rdparty", "3rd-party"}
    | {"vendor", "vendored", "_vendor", "subprojects", "deps", "contrib"}
)
"""Directories of code of others, of which a build takes a part or nothing."""
_CYTHON_CXX: Final = re.compile(rb"#\s*distutils:\s*language\s*=\s*['\"]?c\+\+", re.IGNORECASE)
_WITHOUT_SETUP: Final = ("mesonpy", "scikit_build_core", "flit_core", "hatchling", "poetry", "pdm")
"""Backends that run no setup.py."""
_SEARCHED: Final = 1_000_000
"""Bytes of a file that are searched."""


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """What a source tree says."""

    backend: str
    legacy: str | None
    """Why it is built by setuptools' legacy backend; None where it names a backend."""
    summary: str
    build_requires: tuple[str, ...]
    run_requires: tuple[str, ...] | None
    """None where it does not state them without a build."""
    imports_of_setup: tuple[str, ...]
    """Distributions that its setup.py imports and that it does not require."""
    uses_pkg_resources: bool
    languages: tuple[str, ...]
    """Without regard to tests and documentation."""
    configures: bool
    """Whether CMake or Meson look for the compilers."""
    packages: tuple[str, ...]
    tests: bool
    """Whether there are tests inside of its packages."""
    meson: tuple[BuildOption, ...]
    cmake: tuple[BuildOption, ...]
    libraries: tuple[SystemLibrary, ...]
    """Of the system, whose headers it includes and does not hold."""
    wraps: tuple[str, ...]
    """Subprojects that Meson would download."""
    downloads: tuple[str, ...]
    """The files of its build that may download something."""
    blas: BlasSearch
    """Whether its build files look for BLAS or LAPACK."""
    numpy_distutils: bool
    """Whether its setup.py needs numpy.distutils, which Python 3.12 does not have."""


def inspect_source(tree: Path) -> SourceFacts:
    """Read an unpacked source; nothing of it is run.

    Raises:
        BuildDirectoryError: when pyproject.toml is not valid.
    """
    files = [file for file, entry in files_below(tree) if entry.is_file(follow_symlinks=False)]
    built = [file for file in files if _NO_PART.isdisjoint(PurePosixPath(file).parts[:-1])]
    own = [file for file in built if _VENDORED.isdisjoint(PurePosixPath(file).parts[:-1])]
    # Some projects that other backends build still have one.
    setup = "" if backend(tree).startswith(_WITHOUT_SETUP) else read_start(tree / "setup.py")
    requires = build_requires(tree)
    named = {re.split(r"[^\w.-]", each, maxsplit=1)[0].replace("_", "-").lower() for each in requires}
    return SourceFacts(
        backend=backend(tree),
        legacy=_legacy(tree),
        summary=_summary(tree),
        build_requires=tuple(requires),
        run_requires=None if (runs := static_run_requires(tree)) is None else tuple(runs),
        imports_of_setup=tuple(sorted(imported_distributions(setup) - named)),
        uses_pkg_resources="pkg_resources" in setup,
        languages=_with_fortran(tree, own, _languages(tree, own) or _languages(tree, built)),
        configures=any((tree / name).is_file() for name in CONFIGURED_BY),
        packages=(packages := listed_packages(setup) or _packages(files)),
        tests=any(_is_test_of(packages, file) for file in files)
        # Meson installs only what a build file names.
        and (backend(tree) != "mesonpy" or names_tests(tree, own)),
        meson=meson_options(tree) if backend(tree) == "mesonpy" else (),
        cmake=cmake_options(tree) if backend(tree).startswith("scikit_build_core") else (),
        libraries=find_libraries(
            tree, own, built, runs_pkg_config="pkgconfig" in named or "pkg-config" in setup
        ),
        wraps=_wraps(tree),
        downloads=tuple(find_downloads(tree, own)),
        blas=find_blas_search(tree, own),
        numpy_distutils=any(name.startswith("numpy.distutils") for name in imported_modules(setup)),
    )


def _legacy(tree: Path) -> str | None:
    if not (tree / "pyproject.toml").is_file():
        return "it has no pyproject.toml"
    return "its pyproject.toml names no build backend" if backend(tree) == SETUPTOOLS else None


def _wraps(tree: Path) -> tuple[str, ...]:
    wraps, packaged = (tree / "subprojects").glob("*.wrap"), tree / "subprojects" / "packagefiles"
    # https://mesonbuild.com/Wrap-dependency-system-manual.html: `directory` is the wrap's name by default.
    found = (
        each.stem
        for each in wraps
        if not any(
            directory.is_dir() and directory != packaged
            for directory in (tree / "subprojects").glob(f"{each.stem}*")
        )
    )
    return tuple(sorted(found))


def _summary(tree: Path) -> str:
    fields = read_pkg_info(tree)
    found = str(fields.get("Summary", "")) if fields else ""
    if not found:
        project = _table(tree).get("project")
        found = str(project.get("description", "")) if isinstance(project, dict) else ""
    return " ".join(found.split())


def _table(tree: Path) -> Mapping[str, object]:
    try:
        return parse_toml(read_start(tree / "pyproject.toml"))
    except ValueError:
        return {}


def _with_fortran(tree: Path, own: Iterable[str], languages: tuple[str, ...]) -> tuple[str, ...]:
    enabled = compiles_fortran(tree, own)
    if enabled is None:
        return languages
    return tuple(each for each in _ORDER if (enabled if each == "fortran" else each in languages))


def _languages(tree: Path, files: Iterable[str]) -> tuple[str, ...]:
    found = set[str]()
    for file in files:
        suffix = PurePosixPath(file).suffix
        language = _LANGUAGES.get(suffix if suffix == ".c++" else suffix.lower())
        if suffix == ".pyx" and "c++" not in found:
            with (tree / file).open("rb") as content:
                language = "c++" if _CYTHON_CXX.search(content.read(_SEARCHED)) else language
        if language:
            found.add(language)
    return tuple(each for each in _ORDER if each in found)


def _is_test_of(packages: Collection[str], file: str) -> bool:
    path = file.removeprefix("src/")
    return path.partition("/")[0] in packages and is_test(path)


def _packages(files: Iterable[str]) -> tuple[str, ...]:
    """The import packages at the top of a source or in its src/."""
    found = set[str]()
    for file in files:
        parts = PurePosixPath(file).parts
        parts = parts[1:] if parts[0] == "src" else parts
        name = parts[0].partition(".")[0] if parts else ""
        if len(parts) == 2 and parts[1] == "__init__.py" and name not in _NO_PART and name.isidentifier():  # noqa: PLR2004
            found.add(name)
    return tuple(sorted(found))
