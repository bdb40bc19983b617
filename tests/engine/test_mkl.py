"""MKL as the BLAS of a variant: the index's own wheel `mkl` has the libraries, and no wheel gets a copy."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from packaging.utils import parse_wheel_filename

from support.farm import make_farm
from support.index import make_index
from support.packages import make_sdist
from support.tiny import BUILD, host_settings, run_farm
from wheelfarm.errors import LockError
from wheelfarm.wheels.archive import open_wheel
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from pathlib import Path

    from wheelfarm.recipes.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

VERSION: Final = "2026.2.0"
SETUPTOOLS: Final = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1.0"
dependencies = {requires}

[tool.setuptools]
packages = ["{name}"]
"""
LINKED: Final = {
    "pyproject.toml": SETUPTOOLS.format(name="tinymkl", requires="[]"),
    "setup.py": """\
import os
from setuptools import Extension, setup

(found,) = (path for path in os.environ["PKG_CONFIG_PATH"].split(":") if os.path.exists(f"{path}/mkl-sdl.pc"))
prefix = os.path.dirname(found)
words = {"include_dirs": [f"{prefix}/include"], "extra_link_args": [f"{prefix}/lib/libmkl_rt.so.3"]}
setup(ext_modules=[Extension("tinymkl._ext", ["ext.c"], **words)])
""",
    "tinymkl/__init__.py": "from tinymkl._ext import dot\n",
    "ext.c": """\
#include <Python.h>
#include <mkl_cblas.h>
static PyObject *dot(PyObject *self, PyObject *args) {
    const double x[] = {1, 2, 3};
    return PyFloat_FromDouble(cblas_ddot(3, x, 1, x, 1));
}
static PyMethodDef methods[] = {{"dot", dot, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", NULL, -1, methods};
PyMODINIT_FUNC PyInit__ext(void) { return PyModule_Create(&module); }
""",
}
USER: Final = {
    "pyproject.toml": SETUPTOOLS.format(name="tinyuser", requires='["tinymkl"]'),
    # As builds on numpy import it, for the directory of its headers.
    "setup.py": "import tinymkl\nfrom setuptools import setup\n\nassert tinymkl.dot() == 14\nsetup()\n",
    "tinyuser/__init__.py": "import tinymkl\n",
}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of MKL and what it requires, from the index that this machine is set to."""
    directory = tmp_path_factory.mktemp("mkl")
    for words in ([f"mkl=={VERSION}"], ["--no-deps", f"mkl-devel=={VERSION}", f"mkl-include=={VERSION}"]):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(directory)]
        subprocess.run([*pip, *words], check=True)
    return sorted(directory.iterdir())


def farm(root: Path, wheels: list[Path], settings: dict[str, Any], environ: dict[str, str]) -> Settings:
    index = make_index(root / "index")
    index.add(make_sdist(root, "tinymkl", LINKED), make_sdist(root, "tinyuser", USER), *wheels)
    recipes: dict[str, dict[str, Any]] = {
        "tinymkl": {"compilers": ["c"], "blas": True},
        "tinyuser": {"compilers": [], "requires": {"host": ["tinymkl"], "run": ["tinymkl"]}},
    }
    files = {"mkl.lock": index.lock(*(str(parse_wheel_filename(path.name)[0]) for path in wheels))}
    for name, recipe in recipes.items():
        recipe["source"] = {"kind": "sdist", "sha256": index.sha256(f"{name}-1.0.tar.gz")}
        recipe["test"] = {"smoke": "smoke.py"}
        files[f"recipes/{name}/smoke.py"] = f"import {name}, tinymkl\nassert tinymkl.dot() == 14\n"
        files[f"recipes/{name}/build.lock"] = index.lock(*BUILD)
    variant = {
        "description": "MKL",
        "provider": "mkl",
        "lock": "mkl.lock",
        "repair": {"exclude": ["libmkl_rt.so.*"]},
        "expect": {"blas": "mkl", "interface": "lp64"},
    }
    own = {"time-limit": 600.0, "variant": "mkl", "variants": {"mkl": variant}}
    return make_farm(
        root / "farm", recipes, settings=host_settings(index) | own | settings, files=files, environ=environ
    )


@pytest.mark.parametrize("engine", ["host", "cibuildwheel"])
def test_its_libraries_stay_in_its_own_wheel(
    engine: str, wheels: list[Path], container: dict[str, str], tmp_path: Path
) -> None:
    run = run_farm(farm(tmp_path, wheels, {"engine": engine}, container))
    errors = {name: str(outcome.error) for name, outcome in run.outcomes.items() if outcome.error}
    assert (run.states, errors) == ({"tinymkl": "built", "tinyuser": "built"}, {})
    wheel = open_wheel(run.wheel("tinymkl"))
    assert wheel.metadata.requires_dist == (f"mkl=={VERSION}",)
    (ext,) = linkage(wheel)
    assert ("libmkl_rt.so.3" in ext.needed, ext.rpaths) == (True, ("$ORIGIN/../../..",))
    assert sum(member.size for member in wheel.members) < 100_000


def test_a_lock_that_is_not_complete(wheels: list[Path], container: dict[str, str], tmp_path: Path) -> None:
    lacking = [path for path in wheels if not path.name.startswith("intel_openmp")]
    run = run_farm(farm(tmp_path, lacking, {}, container), "tinymkl")
    assert run.states == {"tinymkl": "failed"}
    error = run.error("tinymkl")
    assert isinstance(error, LockError)
    assert "intel-openmp" in str(error)
