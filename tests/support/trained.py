"""A tiny package whose extension module has two loops, of which a training script may run one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from support.farm import make_farm
from support.index import make_index
from support.packages import make_sdist
from support.tiny import BUILD, host_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.recipes.settings import Settings

_SYSTEM: Final = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
_EXTENSION: Final = """\
#include <Python.h>
static PyObject *sum_up(PyObject *self, PyObject *args) {
    long n, s = 0, t[64];
    if (!PyArg_ParseTuple(args, "l", &n)) return NULL;
    for (long i = 0; i < 64; i++) t[i] = i * n;
    for (long i = 0; i < n; i++) { s += t[i % 64]; if (s % 7 == 3) s ^= i; }
    return PyLong_FromLong(s);
}
static PyObject *multiply(PyObject *self, PyObject *args) {
    long n, s = 1, t[64];
    if (!PyArg_ParseTuple(args, "l", &n)) return NULL;
    for (long i = 0; i < 64; i++) t[i] = i + n;
    for (long i = 0; i < n; i++) { s *= t[i % 64]; if (s % 5 == 3) s ^= i; }
    return PyLong_FromLong(s);
}
static PyMethodDef methods[] = {
    {"sum_up", sum_up, METH_VARARGS, ""}, {"multiply", multiply, METH_VARARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "tinyhot", NULL, -1, methods};
PyMODINIT_FUNC PyInit_tinyhot(void) { return PyModule_Create(&module); }
"""
_SETUP: Final = """\
from setuptools import Extension, setup
setup(ext_modules=[Extension("tinyhot", ["tinyhot.c"])])
"""


def trained_farm(
    root: Path,
    training: str | None,
    *,
    settings: Table | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """A farm of the package with that script, or with none."""
    index = make_index(root / "index")
    project = '[project]\nname = "tinyhot"\nversion = "1.0"\n'
    files = {"pyproject.toml": _SYSTEM + project, "setup.py": _SETUP, "tinyhot.c": _EXTENSION}
    index.add(make_sdist(root, "tinyhot", files))
    table = {
        "source": {"kind": "sdist", "sha256": index.sha256("tinyhot-1.0.tar.gz")},
        "compilers": ["c"],
        "environment": {"CFLAGS": "-O2"},
        "profile": {"script": "profile.py"},
    }
    texts = {"recipes/tinyhot/build.lock": index.lock(*BUILD)}
    if training is not None:
        texts["recipes/tinyhot/profile.py"] = training
    return make_farm(
        root / "farm",
        {"tinyhot": table},
        settings={**host_settings(index), **(settings or {})},
        files=texts,
        environ=environ,
    )
