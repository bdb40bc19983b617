"""A tiny NumPy whose version changes, and two packages that are compiled against it.

Its header compiles into a module what NumPy's `import_array` does: an import of `_ARRAY_API`, and the message
that names the C API which the module asks for. As with NumPy, that is an older one than the header's own,
unless the module wants the newest. tinyarray takes the API; so does tinystats, which needs tinyarray too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from support.farm import make_farm, over
from support.packages import make_sdist
from support.tiny import BUILD, host_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from support.index import Index
    from wheelfarm.recipes.settings import Settings

OLD: Final = "2.4.0"
NEW: Final = "2.5.0"
BROKEN: Final = "2.6.0"
"""A version that the modules cannot be imported with, though it has their API."""
VERSIONS: Final = (OLD, NEW, BROKEN)

_PYPROJECT: Final = """\
[build-system]
requires = ["setuptools"{requires}]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"
dependencies = [{dependencies}]

[tool.setuptools]
packages = [{packages}]

[tool.setuptools.package-data]
numpy = ["include/*.h"]
"""
_HEADER: Final = """\
#ifdef NEWEST_API
#define NPY_TARGET_VERSION TINY_API
#define NPY_FEATURE_VERSION_STRING TINY_API_STRING
#else
#define NPY_TARGET_VERSION 20
#define NPY_FEATURE_VERSION_STRING "2.0"
#endif

static int import_array(void) {
    PyObject *module = PyImport_ImportModule("numpy._core._multiarray_umath");
    PyObject *api = module ? PyObject_GetAttrString(module, "_ARRAY_API") : NULL;
    long found = api ? PyLong_AsLong(api) : -1;
    if (found == -1) return -1;
    if (found < NPY_TARGET_VERSION) {
        PyErr_Format(PyExc_RuntimeError,
            "module was compiled against NumPy C-API version 0x%x (NumPy " NPY_FEATURE_VERSION_STRING ") "
            "but the running NumPy has C-API version 0x%x", NPY_TARGET_VERSION, found);
        return -1;
    }
    return 0;
}
"""
_MODULE: Final = """\
#include <Python.h>
#include <tiny_arrayobject.h>

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", NULL, -1, NULL};

PyMODINIT_FUNC PyInit__ext(void) {
    if (import_array() < 0) return NULL;
    PyObject *made = PyModule_Create(&module);
    PyModule_AddStringConstant(made, "compiled_against", TINY_VERSION);
    return made;
}
"""
_SETUP: Final = """\
import numpy
from setuptools import Extension, setup

setup(ext_modules=[Extension("{name}._ext", ["ext.c"], include_dirs=[numpy.get_include()])])
"""


def tiny_numpy(version: str) -> dict[str, str]:
    """The files of a version of the tiny NumPy."""
    short = version.rpartition(".")[0]
    number = short.replace(".", "")
    api = "'broken'" if version == BROKEN else number
    packages = '"numpy", "numpy._core"'
    return {
        "pyproject.toml": _PYPROJECT.format(
            name="numpy", version=version, requires="", dependencies="", packages=packages
        ),
        "numpy/__init__.py": (
            f"from pathlib import Path\n\n__version__ = {version!r}\n\n\n"
            "def get_include():\n    return str(Path(__file__).parent / 'include')\n"
        ),
        "numpy/_core/__init__.py": "",
        "numpy/_core/_multiarray_umath.py": f"_ARRAY_API = {api}\n",
        "numpy/include/tiny_arrayobject.h": (
            f'#define TINY_VERSION "{version}"\n#define TINY_API {number}\n'
            f'#define TINY_API_STRING "{short}"\n{_HEADER}'
        ),
    }


def user_of_numpy(name: str, *needs: str) -> dict[str, str]:
    """The files of a package that is compiled against NumPy, and needs other packages."""
    return {
        "pyproject.toml": _PYPROJECT.format(
            name=name,
            version="1.0",
            requires=', "numpy>=2"',
            dependencies=", ".join(f'"{each}"' for each in ("numpy>=2", *needs)),
            packages=f'"{name}"',
        ),
        "setup.py": _SETUP.format(name=name),
        "ext.c": _MODULE,
        f"{name}/__init__.py": "\n".join(
            [*(f"import {each}" for each in needs), f"from {name}._ext import compiled_against", ""]
        ),
    }


def numpy_index(index: Index, root: Path) -> Index:
    """A copy of an index that has these packages too."""
    copied = index.copy(root)
    users = {"tinyarray": user_of_numpy("tinyarray"), "tinystats": user_of_numpy("tinystats", "tinyarray")}
    copied.add(
        *(make_sdist(root, "numpy", tiny_numpy(version), version) for version in VERSIONS),
        *(make_sdist(root, name, files) for name, files in users.items()),
    )
    return copied


def numpy_recipe(index: Index, version: str) -> dict[str, Any]:
    """The recipe of a version of the tiny NumPy."""
    return {
        "version": version,
        "source": {"kind": "sdist", "sha256": index.sha256(f"numpy-{version}.tar.gz")},
        "compilers": [],
        "test": {"imports": ["numpy"]},
    }


def numpy_farm(
    root: Path,
    index: Index,
    version: str = OLD,
    *,
    recipes: Mapping[str, Table] | None = None,
    settings: Table | None = None,
) -> Settings:
    """A farm of the three; its recipes get what is given on top.

    It is written again where it is there already, as if somebody had edited the recipes.
    """
    needs = {"tinyarray": ["numpy"], "tinystats": ["numpy", "tinyarray"]}
    tables = {"numpy": numpy_recipe(index, version)} | {
        name: {
            "source": {"kind": "sdist", "sha256": index.sha256(f"{name}-1.0.tar.gz")},
            "compilers": ["c"],
            "requires": {"host": names, "run": names},
            "expect": {"numpy-api": "2.0"},
            "test": {"imports": [name]},
        }
        for name, names in needs.items()
    }
    tables = {name: over(table, (recipes or {}).get(name, {})) for name, table in tables.items()}
    locks = {f"recipes/{name}/build.lock": index.lock(*BUILD) for name in tables}
    own = {**host_settings(index), "trust-numpy-abi": True, **(settings or {})}
    return make_farm(root, tables, settings=own, files=locks)
