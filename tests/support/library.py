"""Two tiny packages: tinyblas is a C library for all Pythons, and tinyuse links the BLAS of the variant."""

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

VARIANTS: Final[Table] = {
    "plain": {"description": "no BLAS"},
    "tiny": {
        "description": "the farm's own",
        "provider": "recipe",
        "recipe": "tinyblas",
        "repair": {"exclude": ["libtinyblas.so*"]},
    },
}
_BACKEND: Final = """\
import base64, hashlib, subprocess, sysconfig, zipfile

PC = "prefix=${pcfiledir}/../..\\nName: tinyblas\\nDescription: -\\nVersion: 1.0\\nLibs: -L${prefix}/lib\\n"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    words = ["-shared", "-fPIC", "-s", "-Wl,-soname,libtinyblas.so", "-o", "libtinyblas.so", "tiny.c"]
    subprocess.run(["gcc", "-c", "-fPIC", "tiny.c"], check=True)
    subprocess.run(["gcc", *words], check=True)
    tag = "TAG" + sysconfig.get_platform().replace("-", "_")
    info = "tinyblas-1.0.dist-info"
    members = {
        "tinyblas/__init__.py": b"",
        "tinyblas/lib/libtinyblas.so": open("libtinyblas.so", "rb").read(),
        "tinyblas/lib/pkgconfig/tinyblas.pc": PC.encode(),
        f"{info}/METADATA": b"Metadata-Version: 2.1\\nName: tinyblas\\nVersion: 1.0\\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: {tag}\\n".encode(),
    }
    rows = ""
    with zipfile.ZipFile(f"{wheel_directory}/tinyblas-1.0-{tag}.whl", "w") as archive:
        for name, data in members.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows += f"{name},sha256={digest},{len(data)}\\n"
            archive.writestr(name, data)
        archive.writestr(f"{info}/RECORD", f"{rows}{info}/RECORD,,\\n")
    return f"tinyblas-1.0-{tag}.whl"
"""
_USER: Final = """\
import os
from setuptools import Extension, setup

found = [path for path in os.environ["PKG_CONFIG_PATH"].split(":") if os.path.exists(f"{path}/tinyblas.pc")]
(directory,) = (os.path.dirname(path) for path in found)
setup(ext_modules=[Extension("tinyuse._ext", ["ext.c"], library_dirs=[directory], libraries=["tinyblas"])])
"""
_MODULE: Final = """\
#include <Python.h>
int tiny_answer(void);
static PyObject *answer(PyObject *self, PyObject *args) { return PyLong_FromLong(tiny_answer()); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", NULL, -1, methods};
PyMODINIT_FUNC PyInit__ext(void) { return PyModule_Create(&module); }
"""


def tinyblas(*, tag: str = "py3-none-") -> dict[str, str]:
    """The files of the library; its wheel's tag begins with `tag`."""
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    return {
        "pyproject.toml": f'{system}[project]\nname = "tinyblas"\nversion = "1.0"\n',
        "backend.py": _BACKEND.replace("TAG", tag),
        "tiny.c": "int tiny_answer(void) { return 42; }\n",
    }


def tinyuse() -> dict[str, str]:
    """The files of the package with the extension module."""
    system = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    project = '[project]\nname = "tinyuse"\nversion = "1.0"\n[tool.setuptools]\npackages = ["tinyuse"]\n'
    return {
        "pyproject.toml": system + project,
        "setup.py": _USER,
        "tinyuse/__init__.py": "from tinyuse._ext import answer\n",
        "tinyuse/more.py": "",
        "ext.c": _MODULE,
    }


def library_farm(
    root: Path,
    *,
    recipe: Table | None = None,
    settings: Table | None = None,
    environ: Mapping[str, str] | None = None,
    **library_words: str,
) -> Settings:
    """A farm of both; what the recipe of tinyblas and its source say can be changed."""
    index = make_index(root / "index")
    for name, files in (("tinyblas", tinyblas(**library_words)), ("tinyuse", tinyuse())):
        index.add(make_sdist(root, name, files))
    own: dict[str, dict[str, Any]] = {
        "tinyblas": over({"abi": "none", "test": {"imports": ["tinyblas"]}}, recipe or {}),
        "tinyuse": {
            "blas": True,
            "test": {"smoke": "smoke.py"},
            "splits": {"more": {"files": ["tinyuse/more.py"]}},
        },
    }
    recipes = {
        name: over(
            {
                "source": {"kind": "sdist", "sha256": index.sha256(f"{name}-1.0.tar.gz")},
                "compilers": ["c"],
            },
            table,
        )
        for name, table in own.items()
    }
    files = {f"recipes/{name}/build.lock": index.lock(*BUILD) for name in recipes}
    files["recipes/tinyuse/smoke.py"] = "import tinyuse\nassert tinyuse.answer() == 42\n"
    own_settings = host_settings(index) | {"variants": VARIANTS, "variant": "tiny"}
    return make_farm(
        root / "farm", recipes, settings=own_settings | dict(settings or {}), files=files, environ=environ
    )
