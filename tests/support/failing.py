"""Tiny source distributions whose build fails as that of well-known packages has, each for one reason."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from support.packages import make_sdist, tinyleaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from support.farm import Table
    from support.index import Index

_PYPROJECT: Final = """\
[build-system]
requires = [{requires}]
build-backend = "{backend}"

[project]
name = "{name}"
version = "1.0"
"""
_SETUP: Final = "from setuptools import Extension, setup\n"
_EXT: Final = tinyleaf()["native/ext.c"]


def _pyproject(name: str, *requires: str, backend: str = "setuptools.build_meta", more: str = "") -> str:
    listed = ", ".join(f'"{each}"' for each in requires)
    return _PYPROJECT.format(name=name, requires=listed, backend=backend) + more


def _setuptools(name: str, setup: str, *requires: str, source: str = "native/ext.c") -> dict[str, str]:
    """A package with one extension module, whose setup.py defines what `Extension` gets as `options`."""
    return {
        "pyproject.toml": _pyproject(
            name, "setuptools", *requires, more=f'[tool.setuptools]\npackages = ["{name}"]\n'
        ),
        "setup.py": f"{_SETUP}options = {{}}\n{setup}"
        f'setup(ext_modules=[Extension("{name}._ext", ["{source}"], **options)])\n',
        f"{name}/__init__.py": f"from {name} import _ext\n",
        "native/ext.c": _EXT,
    }


def _pkg_resources() -> dict[str, str]:
    return _setuptools("pkgres", "import pkg_resources\npkg_resources.parse_version('1.0')\n")


def _old_cmake() -> dict[str, str]:
    cmake = (
        "cmake_minimum_required(VERSION 3.0)\nproject(oldcmake LANGUAGES C)\n"
        "find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)\n"
        "python_add_library(_ext MODULE native/ext.c WITH_SOABI)\n"
        "install(TARGETS _ext DESTINATION oldcmake)\n"
    )
    return {
        "pyproject.toml": _pyproject(
            "oldcmake", "scikit-build-core", "cmake", "ninja", backend="scikit_build_core.build"
        ),
        "CMakeLists.txt": cmake,
        "oldcmake/__init__.py": "from oldcmake import _ext\n",
        "native/ext.c": _EXT,
    }


def _old_cython() -> dict[str, str]:
    # Until Cython 3 a function without `noexcept` fits a pointer to a C function.
    files = _setuptools(
        "oldcython", "from Cython.Build import cythonize\n", "cython", source="oldcython/_ext.pyx"
    )
    files["setup.py"] = files["setup.py"].replace("ext_modules=[", "ext_modules=cythonize([").replace("])\n", "]))\n")
    files["oldcython/_ext.pyx"] = (
        "cdef extern from *:\n"
        '    """\n    static double call(double (*f)(double), double x) { return f(x); }\n    """\n'
        "    double call(double (*f)(double) nogil, double x) nogil\n\n\n"
        "cdef double twice(double x) nogil:\n    return 2 * x\n\n\n"
        "def built_against():\n    return call(twice, 1.5)\n"
    )
    return files


def _old_numpy() -> dict[str, str]:
    files = _setuptools("oldnumpy", "import numpy\noptions['include_dirs'] = [numpy.get_include()]\n", "numpy")
    files["native/ext.c"] = files["native/ext.c"].replace(
        "#include <Python.h>\n", "#include <Python.h>\n#include <numpy/arrayobject.h>\n"
    ) + "int tiny_size(PyArrayObject *array) { return PyArray_DESCR(array)->elsize; }\n"
    return files


def _no_requirement() -> dict[str, str]:
    files = _old_cython()
    return {
        path.replace("oldcython", "noreq"): text.replace("oldcython", "noreq").replace(', "cython"', "").replace(
            "nogil", "noexcept nogil"
        ).replace(") noexcept nogil\n\n\ncdef", ") nogil\n\n\ncdef")
        for path, text in files.items()
    }


def _no_version() -> dict[str, str]:
    files = _setuptools("nover", "")
    files["pyproject.toml"] = files["pyproject.toml"].replace('version = "1.0"', 'dynamic = ["version"]')
    files["setup.py"] = files["setup.py"].replace("setup(", "import setuptools_scm\nsetup(use_scm_version=True, ")
    return files


def _vendored_scm() -> dict[str, str]:
    files = _setuptools("ownscm", "")
    files["pyproject.toml"] = files["pyproject.toml"].replace('version = "1.0"', 'dynamic = ["version"]')
    # As projects do that bring setuptools_scm along under a name of their own.
    files["setup.py"] = files["setup.py"].replace(
        "options = {}",
        "import os\noptions = {}\nversion = os.environ.get('SETUPTOOLS_SCM_PRETEND_VERSION')\n"
        "if version is None:\n    raise LookupError('setuptools-scm was unable to detect version for .')\n",
    ).replace("setup(", "setup(version=version, ")
    return files


def _fortran() -> dict[str, str]:
    meson = (
        "project('fortran', 'c', 'fortran', version: '1.0')\n"
        "py = import('python').find_installation(pure: false)\n"
        "py.extension_module('_ext', 'native/ext.c', 'native/add.f90', subdir: 'fortran', install: true)\n"
        "py.install_sources('fortran/__init__.py', subdir: 'fortran')\n"
    )
    return {
        "pyproject.toml": _pyproject("fortran", "meson-python", backend="mesonpy"),
        "meson.build": meson,
        "fortran/__init__.py": "from fortran import _ext\n",
        "native/ext.c": _EXT,
        "native/add.f90": "subroutine add(a, b)\n  integer :: a, b\n  a = a + b\nend subroutine\n",
    }


def _license() -> dict[str, str]:
    # hatchling 1.26 writes License-Expression with Metadata-Version 2.3.
    more = 'license = "MIT"\n[tool.hatch.build.targets.wheel]\npackages = ["licensed"]\n'
    return {
        "pyproject.toml": _pyproject("licensed", "hatchling==1.25.0", backend="hatchling.build", more=more),
        "licensed/__init__.py": "",
    }


def _license_text() -> dict[str, str]:
    files = _setuptools("spdx", "")
    files["pyproject.toml"] = files["pyproject.toml"].replace('"setuptools"]', '"setuptools==75.8.0"]').replace(
        'version = "1.0"', 'version = "1.0"\nlicense = "MIT"'
    )
    return files


def _header() -> dict[str, str]:
    files = _setuptools("syslib", "options['libraries'] = ['xxhash']\n")
    files["native/ext.c"] += "#include <xxhash.h>\nunsigned tiny_hash(void) { return XXH32(\"\", 0, 0); }\n"
    return files


FAILING: Final[Mapping[str, Mapping[str, str]]] = {
    "pkgres": _pkg_resources(),
    "oldcmake": _old_cmake(),
    "oldcython": _old_cython(),
    "oldnumpy": _old_numpy(),
    "noreq": _no_requirement(),
    "nover": _no_version(),
    "ownscm": _vendored_scm(),
    "fortran": _fortran(),
    "licensed": _license(),
    "spdx": _license_text(),
    "syslib": _header(),
}
"""By name, the files of each; without what they are built with."""
