"""What an unpacked source says of its build: backend, languages, options, libraries, metadata."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from wheelfarm.recipes.build_requirements import SETUPTOOLS, backend, build_requires, static_run_requires
from wheelfarm.recipes.draft.build_options import BuildOption, cmake_options, meson_options
from wheelfarm.recipes.draft.system_libraries import CONFIGURED_BY, SystemLibrary, find_libraries
from wheelfarm.sources.unpacking import files_below, read_pkg_info
from wheelfarm.system.toml import parse_toml
from wheelfarm.wheels.contents import is_test

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
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
_BLAS: Final = re.compile(
    r"dependency\(\s*'(?:scipy-)?(?:open|c)?(?:blas|lapack)|find_package\(\s*(?:BLAS|LAPACK)|cython_(?:blas|lapack)"
    r"|['\"](?:-l)?(?:blas|lapack)['\"]",
    re.IGNORECASE,
)
_REQUIRED_BLAS: Final = re.compile(
    r"dependency\(\s*'(?:openblas|cblas|blas|lapack)'(?![^)]*required\s*:(?!\s*true))"
    r"|(?i:find_package)\(\s*(?:BLAS|LAPACK)\b[^)]*\bREQUIRED\b",
)
"""Where Meson or CMake fails without it."""
_FORTRAN: Final = re.compile(
    r"\b(?:project|enable_language)\s*\([^)]*\bFortran\b|\b(?:project|add_languages)\s*\([^)]*'fortran'"
)
"""Where CMake or Meson is told of Fortran."""
_NAMES_TESTS: Final = re.compile(r"['/]tests?['/]|\binstall_subdir\b")
_DOWNLOADS: Final = re.compile(
    r"\burlretrieve\b|\burlopen\b|\brequests\.get\b|\bFetchContent_Declare\b|\bExternalProject_Add\b"
    r"|\bCPMAddPackage\b|\bfile\(\s*DOWNLOAD\b"
)
_COMMENT: Final = re.compile(r"^\s*#.*$", re.MULTILINE)
_SCRIPT: Final = re.compile(r"['\"/]([\w.-]+\.py)['\"]")
_BUILD_FILES: Final = frozenset({"meson.build", "CMakeLists.txt", "setup.py"})
_DISTRIBUTIONS: Final = {
    "Cython": "cython",
    "cffi": "cffi",
    "numpy": "numpy",
    "pkgconfig": "pkgconfig",
    "pybind11": "pybind11",
    "setuptools_scm": "setuptools-scm",
    "skbuild": "scikit-build",
    "versioneer": "versioneer",
}
"""What setup.py files import → the distribution that brings it."""
_WITHOUT_SETUP: Final = ("mesonpy", "scikit_build_core", "flit_core", "hatchling", "poetry", "pdm")
"""Backends that run no setup.py."""
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
    setup = "" if backend(tree).startswith(_WITHOUT_SETUP) else _read(tree / "setup.py")
    requires = build_requires(tree)
    named = {re.split(r"[^\w.-]", each, maxsplit=1)[0].replace("_", "-").lower() for each in requires}
    return SourceFacts(
        backend=backend(tree),
        legacy=_legacy(tree),
        summary=_summary(tree),
        build_requires=tuple(requires),
        run_requires=None if (runs := static_run_requires(tree)) is None else tuple(runs),
        imports_of_setup=tuple(sorted(set(_imported_distributions(setup)) - named)),
        uses_pkg_resources="pkg_resources" in setup,
        languages=_with_fortran(tree, own, _languages(tree, own) or _languages(tree, built)),
        configures=any((tree / name).is_file() for name in CONFIGURED_BY),
        packages=(packages := _packages_of_setup(setup) or _packages(files)),
        tests=any(_is_test_of(packages, file) for file in files) and _installs_tests(tree, own),
        meson=meson_options(tree) if backend(tree) == "mesonpy" else (),
        cmake=cmake_options(tree) if backend(tree).startswith("scikit_build_core") else (),
        libraries=find_libraries(tree, own, built, runs_pkg_config="pkgconfig" in named),
        wraps=_wraps(tree),
        downloads=tuple(_downloads(tree, own)),
        blas=_blas_search(tree, own),
        numpy_distutils=any(name.startswith("numpy.distutils") for name in _imports(setup)),
    )


def _legacy(tree: Path) -> str | None:
    if not (tree / "pyproject.toml").is_file():
        return "it has no pyproject.toml"
    return "its pyproject.toml names no build backend" if backend(tree) == SETUPTOOLS else None


def _downloads(tree: Path, own: Iterable[str]) -> Iterator[str]:
    """The build files, and the scripts that they run, with a call that downloads."""
    paths = {file: PurePosixPath(file) for file in own}
    texts = {
        file: _read(tree / file)
        for file, path in paths.items()
        if path.name in _BUILD_FILES or path.suffix == ".cmake"
    }
    scripts = {
        name for file, text in texts.items() if not file.endswith(".py") for name in _SCRIPT.findall(text)
    }
    for file, path in paths.items():
        if path.name in scripts and path.suffix == ".py":
            texts.setdefault(file, _read(tree / file))
    yield from (file for file, text in sorted(texts.items()) if _DOWNLOADS.search(_COMMENT.sub("", text)))


def _blas_search(tree: Path, own: Iterable[str]) -> BlasSearch:
    texts = {file: _read(tree / file) for file in own if PurePosixPath(file).name in _BUILD_FILES}
    names = {PurePosixPath(file).name for file, text in texts.items() if _REQUIRED_BLAS.search(text)}
    # Only the build system at the top runs.
    for name, search in (("meson.build", BlasSearch.MESON), ("CMakeLists.txt", BlasSearch.CMAKE)):
        if name in names and (tree / name).is_file():
            return search
    return BlasSearch.PERHAPS if any(map(_BLAS.search, texts.values())) else BlasSearch.NONE


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


def _read(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(_LONGEST).decode("utf-8", "replace")


def _summary(tree: Path) -> str:
    fields = read_pkg_info(tree)
    found = str(fields.get("Summary", "")) if fields else ""
    if not found:
        project = _table(tree).get("project")
        found = str(project.get("description", "")) if isinstance(project, dict) else ""
    return " ".join(found.split())


def _table(tree: Path) -> Mapping[str, object]:
    try:
        return parse_toml(_read(tree / "pyproject.toml"))
    except ValueError:
        return {}


def _imported_distributions(setup: str) -> Iterator[str]:
    """The distributions that a setup.py imports, in whatever function: PEP 517 has to know them before."""
    for top in (name.partition(".")[0] for name in _imports(setup)):
        if top not in sys.stdlib_module_names and top in _DISTRIBUTIONS:
            yield _DISTRIBUTIONS[top]


def _imports(setup: str) -> Iterator[str]:
    """The modules that a setup.py cannot do without."""
    nodes = _nodes(setup)
    # What is imported in a `try` has a way without it.
    optional = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.Try)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in nodes:
        if id(node) in optional:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            # A name of the module may be a module too: `from numpy import distutils`.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _nodes(setup: str) -> list[ast.AST]:
    try:
        return list(ast.walk(ast.parse(setup)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _with_fortran(tree: Path, own: Iterable[str], languages: tuple[str, ...]) -> tuple[str, ...]:
    """The languages, with Fortran as the build files of CMake or Meson have it, where one of them builds.

    Its sources may be in a subproject, be written by a generator, or not be compiled at all.
    """
    build = {name for name in CONFIGURED_BY if (tree / name).is_file()}
    if not build:
        return languages
    files = (tree / file for file in own if PurePosixPath(file).name in build)
    found = (
        {*languages, "fortran"}
        if any(_FORTRAN.search(_read(file)) for file in files)
        else {*languages} - {"fortran"}
    )
    return tuple(each for each in _ORDER if each in found)


def _languages(tree: Path, files: Iterable[str]) -> tuple[str, ...]:
    found = set[str]()
    for file in files:
        suffix = PurePosixPath(file).suffix
        language = _LANGUAGES.get(suffix if suffix == ".c++" else suffix.lower())
        if suffix == ".pyx" and "c++" not in found:
            with (tree / file).open("rb") as content:
                language = "c++" if _CYTHON_CXX.search(content.read(_LONGEST)) else language
        if language:
            found.add(language)
    return tuple(each for each in _ORDER if each in found)


def _installs_tests(tree: Path, own: Iterable[str]) -> bool:
    """Whether the build installs tests that a package has: Meson installs only what a build file names."""
    if backend(tree) != "mesonpy":
        return True
    files = [file for file in own if PurePosixPath(file).name == "meson.build"]
    return any(is_test(file) or _NAMES_TESTS.search(_read(tree / file)) for file in files)


def _is_test_of(packages: Collection[str], file: str) -> bool:
    path = file.removeprefix("src/")
    return path.partition("/")[0] in packages and is_test(path)


def _packages_of_setup(setup: str) -> tuple[str, ...]:
    """The top ones of the packages that a setup.py lists, whose directories may have other names."""
    return tuple(
        sorted(
            {
                name.value.partition(".")[0]
                for node in _nodes(setup)
                if isinstance(node, ast.keyword) and node.arg == "packages"
                for name in getattr(node.value, "elts", ())
                if isinstance(name, ast.Constant) and isinstance(name.value, str)
            }
        )
    )


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
