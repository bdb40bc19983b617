"""A tiny package that Meson builds: its files."""

from __future__ import annotations

from difflib import unified_diff
from typing import Final

_MESON: Final = """\
project('tinymeson', 'c', version: '1.0', meson_version: '>=1.2')
py = import('python').find_installation(pure: false)
trial = meson.get_compiler('c').compiles(files('native/trial.c'), name: 'a trial')
configure_file(output: 'config.h', configuration: {'LIMIT': 7, 'TRIAL': trial ? 1 : 0})
table = custom_target(
  input: 'native/table.txt',
  output: 'table.h',
  command: [py, files('native/make_table.py'), '@INPUT@', '@OUTPUT@'],
)
py.extension_module(
  '_ext',
  ['native/ext.c', 'native/one.c', 'native/two.c', table],
  include_directories: include_directories('native/first', 'native/second'),
  subdir: 'tinymeson',
  install: true,
)
py.install_sources('tinymeson/__init__.py', subdir: 'tinymeson')
"""

_MESON_PYPROJECT: Final = """\
[build-system]
requires = ["meson-python"]
build-backend = "mesonpy"

[project]
name = "tinymeson"
version = "1.0"
"""

_MESON_EXTENSION: Final = """\
#include <Python.h>
#include "config.h"
#include "table.h"
#include "header.h"

int one(void);
int two(void);

static PyObject *values(PyObject *self, PyObject *args) {
    return Py_BuildValue("(iiiiii)", one(), two(), LIMIT, TRIAL, TABLE, HEADER);
}

static PyMethodDef methods[] = {{"values", values, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", NULL, -1, methods};

PyMODINIT_FUNC PyInit__ext(void) { return PyModule_Create(&module); }
"""

_MAKE_TABLE: Final = """\
import sys
from pathlib import Path

table, header = map(Path, sys.argv[1:])
header.write_text(f"#define TABLE {table.read_text().strip()}\\n")
"""

MESON_SMOKE: Final = """\
import tinymeson

print("values", *tinymeson.values())
"""


def tinymeson() -> dict[str, str]:
    """The files of tinymeson, which Meson builds: three compiles, a configured header and a generated one."""
    return {
        "pyproject.toml": _MESON_PYPROJECT,
        "meson.build": _MESON,
        "native/ext.c": _MESON_EXTENSION,
        "native/one.c": '#include "header.h"\nint one(void) { return 10 + HEADER; }\n',
        "native/two.c": "int two(void) { return 2; }\n",
        "native/trial.c": "int main(void) { return 0; }\n",
        "native/table.txt": "5\n",
        "native/make_table.py": _MAKE_TABLE,
        "native/first/other.h": "#define OTHER 0\n",
        "native/second/header.h": "#define HEADER 3\n",
        "tinymeson/__init__.py": "from tinymeson._ext import values\n",
    }


_TESTS: Final = """\
py.extension_module('_ext_tests', 'native/tests.c', subdir: 'tinymeson', install: true, install_tag: 'tests')
install_subdir('tinymeson/tests', install_dir: py.get_install_dir() / 'tinymeson', install_tag: 'tests')
"""
_TEST_EXTENSION: Final = """\
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext_tests", NULL, -1, NULL};
PyMODINIT_FUNC PyInit__ext_tests(void) { return PyModule_Create(&module); }
"""


def with_tests() -> dict[str, str]:
    """What tinymeson has in other files, or more, when it installs a test suite under the tag of one."""
    return {
        "meson.build": _MESON + _TESTS,
        "native/tests.c": _TEST_EXTENSION,
        "tinymeson/tests/__init__.py": "from tinymeson import _ext_tests\n",
        "tinymeson/tests/test_values.py": "def test_values() -> None: ...\n",
    }


def patch(**changed: str) -> str:
    """A patch of tinymeson that gives files another content, or makes them."""
    files = tinymeson()
    parts = ["Why: so that it differs.\nUpstream: none, inappropriate\n\n"]
    for name, text in changed.items():
        old, new = files.get(name, "").splitlines(keepends=True), text.splitlines(keepends=True)
        parts += unified_diff(old, new, f"a/{name}" if name in files else "/dev/null", f"b/{name}")
    return "".join(parts)
