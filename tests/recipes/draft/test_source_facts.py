"""What an unpacked source says of its build, without a line of it run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wheelfarm.recipes.draft.build_files import BlasSearch
from wheelfarm.recipes.draft.source_facts import inspect_source
from wheelfarm.recipes.draft.system_libraries import known_libraries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYPROJECT: Final = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("files", "legacy"),
    [
        ({"setup.py": ""}, "it has no pyproject.toml"),
        ({"pyproject.toml": ""}, "its pyproject.toml names no build backend"),
        (
            {"pyproject.toml": "[build-system]\nrequires = ['setuptools']\n"},
            "its pyproject.toml names no build backend",
        ),
        ({"pyproject.toml": PYPROJECT}, None),
    ],
)
def test_the_legacy_backend_has_a_reason(tmp_path: Path, files: dict[str, str], legacy: str | None) -> None:
    assert inspect_source(tree(tmp_path, files)).legacy == legacy


@pytest.mark.parametrize(
    ("files", "languages"),
    [
        ({"a.py": "", "tests/a.c": "", "docs/b.f90": ""}, ()),
        ({"src/a.c": ""}, ("c",)),
        ({"a.pyx": ""}, ("c",)),
        ({"a.pyx": "", "extern/b/c.f90": ""}, ("c",)),
        ({"a.py": "", "vendor/b.cpp": ""}, ("c++",)),
        ({"a.pyx": "# distutils: language = c++\n"}, ("c++",)),
        ({"a.CPP": "", "b.F90": "", "c.c": "", "src/lib.rs": ""}, ("c", "c++", "fortran", "rust")),
    ],
)
def test_languages_are_those_of_what_is_built(
    tmp_path: Path, files: dict[str, str], languages: tuple[str, ...]
) -> None:
    assert inspect_source(tree(tmp_path, files)).languages == languages


CMAKE_LIKE: Final = {"a.c": "", "b.f90": ""}


@pytest.mark.parametrize(
    ("files", "languages"),
    [
        ({"setup.py": "", **CMAKE_LIKE}, ("c", "fortran")),
        # What no build file enables is not compiled.
        ({"meson.build": "project('leaf', 'c')\n", **CMAKE_LIKE}, ("c",)),
        ({"CMakeLists.txt": "project(leaf LANGUAGES C)\n", **CMAKE_LIKE}, ("c",)),
        # The sources may be in a subproject.
        ({"meson.build": "project('leaf',\n  ['c', 'fortran'],\n)\n", "a.c": ""}, ("c", "fortran")),
        ({"meson.build": "project('leaf', 'c')\nadd_languages('fortran', native: false)\n"}, ("fortran",)),
        ({"CMakeLists.txt": "project(leaf LANGUAGES C Fortran)\n"}, ("fortran",)),
        (
            {"CMakeLists.txt": "project(leaf C)\n", "src/CMakeLists.txt": "enable_language(Fortran)\n"},
            ("fortran",),
        ),
        # Only the build system at the top runs.
        ({"meson.build": "project('leaf', 'c')\n", "src/CMakeLists.txt": "project(x Fortran)\n"}, ()),
        (
            {
                "meson.build": "project('leaf', 'c')\n",
                "subprojects/x/meson.build": "project('x', 'fortran')\n",
            },
            (),
        ),
    ],
)
def test_fortran_is_compiled_where_the_build_system_enables_it(
    tmp_path: Path, files: dict[str, str], languages: tuple[str, ...]
) -> None:
    assert inspect_source(tree(tmp_path, files)).languages == languages


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"meson.build": "dependency('zlib')\n"}, BlasSearch.NONE),
        ({"meson.build": "b = dependency('lapack')\n"}, BlasSearch.MESON),
        (
            {"meson.build": "b = dependency(\n  'openblas', version: '>=0.3', required: true)\n"},
            BlasSearch.MESON,
        ),
        ({"meson.build": "b = dependency('blas', required: false)\n"}, BlasSearch.PERHAPS),
        (
            {"meson.build": "b = dependency('scipy-openblas', required: get_option('b'))\n"},
            BlasSearch.PERHAPS,
        ),
        ({"CMakeLists.txt": "find_package(LAPACK REQUIRED)\n"}, BlasSearch.CMAKE),
        ({"CMakeLists.txt": "FIND_PACKAGE( BLAS 3 QUIET REQUIRED )\n"}, BlasSearch.CMAKE),
        ({"CMakeLists.txt": "find_package(BLAS)\nfind_package(ZLIB REQUIRED)\n"}, BlasSearch.PERHAPS),
        ({"setup.py": "Extension('a', [], libraries=['lapack'])\n"}, BlasSearch.PERHAPS),
        ({"setup.py": "", "src/CMakeLists.txt": "find_package(BLAS REQUIRED)\n"}, BlasSearch.PERHAPS),
        ({"meson.build": "", "extern/meson.build": "dependency('blas')\n"}, BlasSearch.NONE),
        (
            {"meson.build": "cython.compiles('from scipy.linalg.cython_blas cimport dgemm')\n"},
            BlasSearch.NONE,
        ),
    ],
)
def test_how_the_build_files_look_for_blas(tmp_path: Path, files: dict[str, str], found: BlasSearch) -> None:
    assert inspect_source(tree(tmp_path, files)).blas is found


@pytest.mark.parametrize(
    ("setup", "needed"),
    [
        ("from numpy.distutils.core import setup, Extension\n", True),
        ("import numpy.distutils\n", True),
        ("from numpy import distutils\n", True),
        ("try:\n    from numpy.distutils.core import setup\nexcept ImportError:\n    pass\n", False),
        ("import numpy\nimport distutils\n", False),
    ],
)
def test_numpy_distutils_is_needed_where_setup_py_cannot_do_without(
    tmp_path: Path, setup: str, *, needed: bool
) -> None:
    assert inspect_source(tree(tmp_path, {"setup.py": setup})).numpy_distutils is needed
    meson = PYPROJECT.replace("setuptools.build_meta", "mesonpy")
    facts = inspect_source(tree(tmp_path, {"setup.py": setup, "pyproject.toml": meson}))
    assert (facts.numpy_distutils, facts.imports_of_setup) == (False, ())


def test_packages_are_those_that_setup_py_lists(tmp_path: Path) -> None:
    setup = "setup(packages=['spharm', 'spharm.data'], package_dir={'spharm': 'Lib'})\n"
    assert inspect_source(tree(tmp_path, {"setup.py": setup, "Lib/__init__.py": ""})).packages == ("spharm",)
    setup = "setup(packages=find_packages())\n"
    assert inspect_source(tree(tmp_path, {"setup.py": setup})).packages == ("Lib",)


def test_what_setup_py_imports_and_does_not_require(tmp_path: Path) -> None:
    setup = (
        "import os\nfrom setuptools import setup\nfrom Cython.Build import cythonize\n"
        "import pkg_resources\nfrom . import numpy\n"
        "try:\n    import cffi\nexcept ImportError:\n    cffi = None\n"
        "def extensions():\n    import numpy\n"
    )
    facts = inspect_source(tree(tmp_path, {"setup.py": setup, "pyproject.toml": PYPROJECT}))
    assert facts.imports_of_setup == ("cython", "numpy")
    assert facts.uses_pkg_resources
    required = PYPROJECT.replace('"setuptools"', '"setuptools", "Cython>=3", "numpy"')
    assert inspect_source(tree(tmp_path, {"pyproject.toml": required})).imports_of_setup == ()


def test_a_setup_py_that_is_no_python_3_is_read(tmp_path: Path) -> None:
    assert inspect_source(tree(tmp_path, {"setup.py": "print 'hello'\n"})).imports_of_setup == ()


def test_packages_and_their_tests(tmp_path: Path) -> None:
    files = {"src/leaf/__init__.py": "", "src/leaf/tests/test_a.py": "", "tests/__init__.py": ""}
    facts = inspect_source(tree(tmp_path, files))
    assert (facts.packages, facts.tests) == (("leaf",), True)
    assert not inspect_source(tree(tmp_path / "other", {"leaf/__init__.py": "", "tests/test_a.py": ""})).tests


@pytest.mark.parametrize(
    ("build_file", "tests"),
    [
        ("py.install_sources(['leaf/__init__.py'], subdir: 'leaf')\ntest('all', exe)\n", False),
        ("py.install_sources(['leaf/tests/test_a.py'], subdir: 'leaf/tests')\n", True),
        ("subdir('leaf/tests')\n", True),
        ("install_subdir('leaf', install_dir: py.get_install_dir())\n", True),
    ],
)
def test_meson_installs_only_the_tests_that_a_build_file_names(
    tmp_path: Path, build_file: str, *, tests: bool
) -> None:
    pyproject = PYPROJECT.replace("setuptools.build_meta", "mesonpy")
    files = {"leaf/__init__.py": "", "leaf/tests/test_a.py": "", "meson.build": build_file}
    assert inspect_source(tree(tmp_path, files | {"pyproject.toml": pyproject})).tests is tests
    assert inspect_source(tree(tmp_path, {"pyproject.toml": PYPROJECT})).tests


@pytest.mark.parametrize(
    ("files", "downloads"),
    [
        ({"setup.py": "from urllib.request import urlretrieve\n"}, ("setup.py",)),
        ({"setup.py": "# or it calls\n#    urlretrieve(url)\n"}, ()),
        ({"cmake/deps.cmake": "FetchContent_Declare(fmt)\n", "a.py": "urlopen()\n"}, ("cmake/deps.cmake",)),
        (
            {
                "meson.build": "run_command(py, files('tools/get.py'))\n",
                "tools/get.py": "requests.get(url)\n",
            },
            ("tools/get.py",),
        ),
        (
            {
                "meson.build": "",
                "leaf/net.py": "urlopen(url)\n",
                "extern/CMakeLists.txt": "file(DOWNLOAD x y)\n",
            },
            (),
        ),
    ],
)
def test_build_files_that_may_download(
    tmp_path: Path, files: dict[str, str], downloads: tuple[str, ...]
) -> None:
    assert inspect_source(tree(tmp_path, files)).downloads == downloads


def test_the_summary_is_that_of_the_metadata(tmp_path: Path) -> None:
    project = {"pyproject.toml": "[project]\ndescription = 'of the project'\n"}
    assert inspect_source(tree(tmp_path, project)).summary == "of the project"
    metadata = {"PKG-INFO": "Metadata-Version: 2.1\nSummary: of the\n metadata\n"}
    assert inspect_source(tree(tmp_path, metadata)).summary == "of the metadata"


def test_subprojects_that_meson_would_download(tmp_path: Path) -> None:
    files = {"subprojects/far.wrap": "", "subprojects/near.wrap": "", "subprojects/near-1.0/meson.build": ""}
    assert inspect_source(tree(tmp_path, files)).wraps == ("far",)


class TestSystemLibraries:
    def found(self, root: Path, files: Mapping[str, str]) -> list[str]:
        return [each.name for each in inspect_source(tree(root, files)).libraries]

    def test_headers_that_the_source_does_not_hold(self, tmp_path: Path) -> None:
        files = {
            "leaf/_a.c": "#include <Python.h>\n  #  include <zlib.h>\n#include <lz4.h>\n",
            "leaf/etree.pxd": 'cdef extern from "libxml/tree.h" nogil:\n',
            "lz4/lz4.h": "",
            "extern/zstd/zstd.c": "#include <expat.h>\n",
            "extern/zstd/bzlib.h": "",
            "leaf/_b.c": "#include <bzlib.h>\n",
            "tests/t.c": "#include <gmp.h>\n",
        }
        assert self.found(tmp_path, files) == ["libxml2", "zlib"]

    def test_dependencies_that_meson_requires(self, tmp_path: Path) -> None:
        text = (
            "dependency('zlib')\ndependency('libzstd', required: false)\n"
            "dependency('libcurl', fallback: ['curl', 'dep'])\n"
            "dependency('expat', version: '>=2', required: true)\n"
        )
        assert self.found(tmp_path, {"meson.build": text}) == ["expat", "zlib", "pkg-config"]
        assert self.found(tmp_path / "other", {"meson.build": "project('leaf', 'c')\n"}) == []

    def test_pkg_config_where_the_build_calls_it(self, tmp_path: Path) -> None:
        pyproject = '[build-system]\nrequires = ["setuptools", "pkgconfig"]\n'
        files = {"leaf/_a.c": "#include <hdf5.h>\n", "pyproject.toml": pyproject}
        assert self.found(tmp_path, files) == ["hdf5", "pkg-config"]
        setup = "import subprocess\nsubprocess.run(['pkg-config', '--libs', 'hdf5'])\n"
        files = {"leaf/_a.c": "#include <hdf5.h>\n", "setup.py": setup}
        assert self.found(tmp_path / "other", files) == ["hdf5", "pkg-config"]

    def test_modules_of_pictures(self, tmp_path: Path) -> None:
        text = "#include <webp/decode.h>\n#include <lcms2.h>\n#include <openjpeg.h>\n#include <xcb/xcb.h>\n"
        assert self.found(tmp_path, {"_a.c": text}) == ["lcms2", "openjpeg", "webp", "xcb"]

    def test_each_has_a_name_for_each_package_manager(self) -> None:
        for name, entry in known_libraries().items():
            assert set(entry.packages) == {"apt", "dnf", "brew"}, name
            assert all(
                re.fullmatch(r"[a-z0-9.+@-]+", each, re.IGNORECASE) for each in entry.packages.values()
            )
            assert entry.headers or entry.meson or name == "pkg-config"


@given(st.dictionaries(st.sampled_from(["setup.py", "a.pyx", "meson.build", "PKG-INFO", "b.c"]), st.text()))
def test_any_text_is_read(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]) -> None:
    root = tmp_path_factory.mktemp("tree")
    for name, text in files.items():
        (root / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    assert inspect_source(root).backend == "setuptools.build_meta:__legacy__"
