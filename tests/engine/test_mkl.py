"""An extension module that leaves the libraries of MKL to the index's own wheel, `mkl`."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from packaging.utils import parse_wheel_filename

from support.farm import make_farm
from support.index import make_index
from support.packages import make_sdist
from support.tiny import BUILD, host_settings, run_farm
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

MKL = "mkl==2026.2.0"
FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools", "mkl"]
build-backend = "setuptools.build_meta"

[project]
name = "tinymkl"
version = "1.0"
dependencies = ["mkl"]

[tool.setuptools]
packages = ["tinymkl"]
""",
    "setup.py": """\
import os, sys
from setuptools import Extension, setup

library = os.path.join(sys.prefix, "lib", "libmkl_rt.so.3")
words = [library, "-Wl,-rpath,$ORIGIN/../../.."]
setup(ext_modules=[Extension("tinymkl._ext", ["ext.c"], extra_link_args=words)])
""",
    "tinymkl/__init__.py": "from tinymkl._ext import dot\n",
    "ext.c": """\
#include <Python.h>
double cblas_ddot(int, const double *, int, const double *, int);
static PyObject *dot(PyObject *self, PyObject *args) {
    const double x[] = {1, 2, 3};
    return PyFloat_FromDouble(cblas_ddot(3, x, 1, x, 1));
}
static PyMethodDef methods[] = {{"dot", dot, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", NULL, -1, methods};
PyMODINIT_FUNC PyInit__ext(void) { return PyModule_Create(&module); }
""",
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of MKL and what it requires, from the index that this machine is set to."""
    directory = tmp_path_factory.mktemp("mkl")
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(directory), MKL]
    subprocess.run(words, check=True)
    return sorted(directory.iterdir())


def farm(root: Path, wheels: list[Path], settings: dict[str, Any], environ: dict[str, str]) -> Settings:
    index = make_index(root / "index", [make_sdist(root, "tinymkl", FILES)])
    index.add(*wheels)
    recipe = {
        "source": {"kind": "sdist", "sha256": index.sha256("tinymkl-1.0.tar.gz")},
        "compilers": ["c"],
        "repair": {"exclude": ["libmkl_rt.so.*"]},
        "test": {"smoke": "smoke.py"},
    }
    names = [str(parse_wheel_filename(path.name)[0]) for path in wheels]
    files = {
        "recipes/tinymkl/smoke.py": "import tinymkl\nassert tinymkl.dot() == 14\n",
        "recipes/tinymkl/build.lock": index.lock(*BUILD, *names),
        "recipes/tinymkl/test.lock": index.lock(*names),
    }
    return make_farm(
        root / "farm",
        {"tinymkl": recipe},
        settings=host_settings(index) | {"time-limit": 600.0} | settings,
        files=files,
        environ=environ,
    )


@pytest.mark.parametrize("engine", ["host", "cibuildwheel"])
def test_the_library_is_found_below_the_prefix(
    engine: str, wheels: list[Path], container: dict[str, str], tmp_path: Path
) -> None:
    run = run_farm(farm(tmp_path, wheels, {"engine": engine}, container))
    assert run.states == {"tinymkl": "built"}, str(run.outcomes["tinymkl"].error)
    wheel = open_wheel(run.wheel("tinymkl"))
    (ext,) = linkage(wheel)
    assert ("libmkl_rt.so.3" in ext.needed, ext.rpaths) == (True, ("$ORIGIN/../../..",))
    assert sum(member.size for member in wheel.members) < 100_000
