"""Two tiny packages: corea ships a shared library, and the extension module of coreb is linked against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from support.farm import make_farm, over
from support.index import make_index
from support.packages import make_sdist
from support.tiny import BUILD, host_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from wheelfarm.recipes.settings import Settings

LIBRARY: Final = "libcore.so.2"
PATH_TO_IT: Final = "$ORIGIN/../corea/lib"
RECIPES: Final[Mapping[str, Table]] = {
    "corea": {},
    "coreb": {"requires": {"host": ["corea"], "run": ["corea"]}, "repair": {"exclude": ["libcore.so.*"]}},
}
_PYPROJECT: Final = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1.0"
dependencies = [{requires}]

[tool.setuptools]
packages = ["{name}"]
package-data = {{ {name} = ["lib/*"] }}
"""
_MODULE: Final = """\
#include <Python.h>
{declared}
static PyObject *answer(PyObject *self, PyObject *args) {{ return PyLong_FromLong({value}); }}
static PyMethodDef methods[] = {{{{"answer", answer, METH_NOARGS, ""}}, {{NULL, NULL, 0, NULL}}}};
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "_ext", NULL, -1, methods}};
PyMODINIT_FUNC PyInit__ext(void) {{ return PyModule_Create(&module); }}
"""
_COREA: Final = """\
import os, subprocess
from setuptools import Extension, setup

os.makedirs("corea/lib", exist_ok=True)
words = ["-shared", "-fPIC", "-s", "-Wl,-soname,libcore.so.2", "-o", "corea/lib/libcore.so.2", "core.c"]
subprocess.run(["gcc", *words], check=True)
setup(ext_modules=[Extension("corea._ext", ["ext.c"])])
"""
_COREB: Final = """\
import os, corea
from setuptools import Extension, setup

library = os.path.join(os.path.dirname(corea.__file__), "lib", "libcore.so.2")
path = os.path.dirname(library) if "{path}" == "absolute" else "{path}"
words = ["-Wl,-rpath," + path] if path else []
setup(ext_modules=[Extension("coreb._ext", ["ext.c"], extra_link_args=[library, *words])])
"""


def corea() -> dict[str, str]:
    """The files of the package with the library."""
    return {
        "pyproject.toml": _PYPROJECT.format(name="corea", requires=""),
        "setup.py": _COREA,
        "corea/__init__.py": "",
        "core.c": "int core_answer(void) { return 42; }\n",
        "ext.c": _MODULE.format(declared="", value=1),
    }


def coreb(*, path: str = PATH_TO_IT, requires: str = '"corea"') -> dict[str, str]:
    """The files of the package that needs it."""
    return {
        "pyproject.toml": _PYPROJECT.format(name="coreb", requires=requires),
        "setup.py": _COREB.format(path=path),
        "coreb/__init__.py": "from coreb._ext import answer\n",
        "ext.c": _MODULE.format(declared="int core_answer(void);", value="core_answer()"),
    }


def linked_farm(
    root: Path,
    *,
    settings: Table | None = None,
    environ: Mapping[str, str] | None = None,
    recipe: Table | None = None,
    **coreb_words: str,
) -> Settings:
    """A farm of both; what the recipe of coreb and its sources say can be changed."""
    index = make_index(root / "index")
    for name, files in (("corea", corea()), ("coreb", coreb(**coreb_words))):
        index.add(make_sdist(root, name, files))
    recipes: dict[str, Any] = {}
    for name, table in RECIPES.items():
        source = {"kind": "sdist", "sha256": index.sha256(f"{name}-1.0.tar.gz")}
        said = over(table, recipe or {}) if name == "coreb" else table
        recipes[name] = over({"source": source, "compilers": ["c"], "test": {"smoke": "smoke.py"}}, said)
    files = {f"recipes/{name}/build.lock": index.lock(*BUILD) for name in RECIPES}
    files["recipes/corea/smoke.py"] = "import corea._ext\n"
    files["recipes/coreb/smoke.py"] = "import coreb\nassert coreb.answer() == 42\n"
    return make_farm(
        root / "farm",
        recipes,
        settings=host_settings(index) | dict(settings or {}),
        files=files,
        environ=environ,
    )
