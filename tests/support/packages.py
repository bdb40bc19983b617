"""Source distributions of tiny packages with compiled code.

tinyleaf is one extension module, and tinyabi3 is the same for the stable ABI. tinybase has one that needs a
library outside the wheel, so that the repair tool has something to put in; it ships a header. tinytop is
compiled against that header and needs tinybase when it runs: each of the two can tell which tinybase it was
made with. In all of these, `record_cc.py` is a compiler that writes down its environment first
(`CC = "python record_cc.py"`); what it wrote is in the wheel.
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Final

from support.archives import Entry, make_tar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GENUINE: Final = "genuine"

_PYPROJECT: Final = """\
[build-system]
requires = [{requires}]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"
dependencies = [{dependencies}]

[tool.setuptools]
packages = ["{name}"]

[tool.setuptools.package-data]
{name} = ["include/*.h"]
"""

# build_py has run when the compiler does, so what is recorded goes straight to where the wheel is made from.
_RECORD: Final = """\
import os
from setuptools.command.build_ext import build_ext


class Recording(build_ext):
    def run(self):
        os.environ["RECORD_CC"] = os.path.join(os.path.abspath(self.build_lib), "{name}", "compiler.json")
        super().run()


"""

_BASE_SETUP: Final = """\
import shlex
import subprocess
from pathlib import Path

from setuptools import Extension, setup

native = Path("native").resolve()
compiler = shlex.split(os.environ.get("CC", "gcc"))
library = str(native / "libtiny.so")
subprocess.run([*compiler, "-shared", "-fPIC", "-o", library, "native/tiny.c"], check=True)
core = Extension(
    "tinybase._core",
    ["native/core.c"],
    include_dirs=["tinybase/include"],
    library_dirs=[str(native)],
    libraries=["tiny"],
    runtime_library_dirs=[str(native)],
)
setup(ext_modules=[core], cmdclass={"build_ext": Recording})
"""

_CORE: Final = """\
#include <Python.h>
#include "tinybase.h"
int tiny_answer(void);

static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(tiny_answer()); }
static PyObject *marker(PyObject *self, PyObject *args) { return PyUnicode_FromString(TINY_MARKER); }

static PyMethodDef methods[] = {
    {"answer", answer, METH_NOARGS, ""}, {"marker", marker, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", NULL, -1, methods};

PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&module); }
"""

_RECORD_CC: Final = """\
import json
import os
import sys

seen = {os.fsdecode(name): os.fsdecode(value) for name, value in os.environb.items()}
if "RECORD_CC" in seen:
    with open(seen.pop("RECORD_CC"), "w") as file:
        json.dump(seen, file)
os.execvp("gcc", ["gcc", *sys.argv[1:]])
"""

_EXTENSION: Final = """\
#include <Python.h>
#ifdef MARKED
#include <tinybase.h>
#else
#define TINY_MARKER "none"
#endif

static PyObject *built_against(PyObject *self, PyObject *args) { return PyUnicode_FromString(TINY_MARKER); }

static PyMethodDef methods[] = {{"built_against", built_against, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", NULL, -1, methods};

PyMODINIT_FUNC PyInit__ext(void) { return PyModule_Create(&module); }
"""

_TOP_SETUP: Final = """\
import tinybase
from setuptools import Extension, setup

ext = Extension(
    "tinytop._ext", ["native/ext.c"], include_dirs=[tinybase.get_include()], define_macros=[("MARKED", "1")]
)
setup(ext_modules=[ext], cmdclass={"build_ext": Recording})
"""

_LEAF_SETUP: Final = """\
from setuptools import Extension, setup

setup(ext_modules=[Extension("tinyleaf._ext", ["native/ext.c"])], cmdclass={"build_ext": Recording})
"""

_ABI3_SETUP: Final = """\
from setuptools import Extension, setup

module = Extension(
    "tinyabi3._ext",
    ["native/ext.c"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    py_limited_api=True,
)
setup(
    ext_modules=[module],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
    cmdclass={"build_ext": Recording},
)
"""

ABI3_SMOKE: Final = """\
import tinyabi3

assert tinyabi3.built_against() == "none"
"""

BASE_SMOKE: Final = """\
import tinybase

assert tinybase.answer() == 42
"""

LEAF_SMOKE: Final = """\
import tinyleaf

assert tinyleaf.built_against() == "none"
"""

TOP_SMOKE: Final = """\
import tinybase
import tinytop

assert tinytop.built_against() == tinybase.marker()
"""


def _project(name: str, setup: str, requires: str = "") -> dict[str, str]:
    return {
        "pyproject.toml": _PYPROJECT.format(
            name=name,
            version="1.0",
            requires=", ".join(f'"{each}"' for each in ("setuptools", requires) if each),
            dependencies=f'"{requires}>=1.0"' if requires else "",
        ),
        "setup.py": _RECORD.format(name=name) + setup,
        "record_cc.py": _RECORD_CC,
    }


def tinybase(*, marker: str = GENUINE) -> dict[str, str]:
    """The files of tinybase; `marker` is what it and all that is compiled against it can tell of it."""
    return _project("tinybase", _BASE_SETUP) | {
        "native/tiny.c": "int tiny_answer(void) { return 42; }\n",
        "native/core.c": _CORE,
        "tinybase/include/tinybase.h": f'#define TINY_MARKER "{marker}"\n',
        "tinybase/__init__.py": (
            "from pathlib import Path\n\nfrom tinybase._core import answer, marker\n\n\n"
            "def get_include():\n    return str(Path(__file__).parent / 'include')\n"
        ),
    }


def tinytop() -> dict[str, str]:
    """The files of tinytop."""
    return _project("tinytop", _TOP_SETUP, "tinybase") | {
        "native/ext.c": _EXTENSION,
        "tinytop/__init__.py": "import tinybase\nfrom tinytop._ext import built_against\n",
    }


def tinyleaf() -> dict[str, str]:
    """The files of tinyleaf, which needs nothing."""
    return _project("tinyleaf", _LEAF_SETUP) | {
        "native/ext.c": _EXTENSION,
        "tinyleaf/__init__.py": "from tinyleaf._ext import built_against\n",
    }


def tinyabi3() -> dict[str, str]:
    """The files of tinyabi3: tinyleaf for the stable ABI of Python 3.11, which each later Python has too."""
    # auditwheel tells a C library from the name of a module, which tells none here, or from what it calls.
    calls = "#include <time.h>\nlong tiny_clock(void) { return (long)clock(); }\n"
    return _project("tinyabi3", _ABI3_SETUP) | {
        "native/ext.c": _EXTENSION + calls,
        "tinyabi3/__init__.py": "from tinyabi3._ext import built_against\n",
    }


BROKEN: Final = """\
Why: so that the compiler dies.
Upstream: none, inappropriate

--- a/native/core.c
+++ b/native/core.c
@@ -1,3 +1,3 @@
 #include <Python.h>
-#include "tinybase.h"
+#error the farm's own mistake
 int tiny_answer(void);
"""
"""A patch of tinybase."""


def make_sdist(directory: Path, name: str, files: Mapping[str, str], version: str = "1.0") -> Path:
    """A source distribution of these files, the same bytes each time."""
    top = f"{name}-{version}"
    entries = [
        Entry(f"{top}/PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()),
        *(Entry(f"{top}/{path}", text.encode()) for path, text in files.items()),
    ]
    plain = make_tar(directory / f"{top}.tar", entries, "")
    path = directory / f"{top}.tar.gz"
    path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    plain.unlink()
    return path
