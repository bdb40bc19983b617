"""A small package with scipy's name and options: what the pages of the how-to say of scipy is run with it.

Its build files are its own. By the option `use-system-libraries` it takes qhull and Boost's math from the
system or from its subprojects, as scipy does since 1.16. It installs its tests under their own tag.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from support.farm import make_farm, over
from support.packages import make_sdist
from support.suite import runner
from support.tiny import MESON, host_settings
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.farm import Table
    from support.index import Index
    from wheelfarm.recipes.settings import Settings

VERSION: Final = "1.17.1"
"""The version of scipy that the farm has a recipe for."""

_PYPROJECT: Final = """\
[build-system]
build-backend = 'mesonpy'
requires = [{requires}]

[project]
name = "scipy"
version = "1.17.1"
requires-python = ">=3.11"
dependencies = [{dependencies}]
"""

_OPTIONS: Final = """\
option('blas', type: 'string', value: 'openblas')
option('lapack', type: 'string', value: 'openblas')
option('use-pythran', type: 'boolean', value: true)
option(
  'use-system-libraries',
  type: 'array',
  choices: ['none', 'all', 'auto', 'boost.math', 'qhull'],
  value: ['none'],
)
"""

_MESON: Final = """\
project('scipy', 'c', 'cpp', version: '1.17.1', meson_version: '>=1.5')
py = import('python').find_installation(pure: false)
requested = get_option('use-system-libraries')
libraries = []
known = {'boost.math': ['boost', 'boost_math', '1.89.0'], 'qhull': ['qhull_r', 'qhull_r', '8.0.2']}
foreach name, names : known
  bundled = [names[1], names[1] + '_dep']
  if 'none' in requested
    libraries += subproject(names[1]).get_variable(bundled[1])
  elif 'all' in requested or name in requested
    libraries += dependency(names[0], version: names[2])
  elif 'auto' in requested
    libraries += dependency(names[0], version: names[2], fallback: bundled)
  else
    libraries += subproject(names[1]).get_variable(bundled[1])
  endif
endforeach
py.extension_module(
  '_qhull',
  'native/qhull.c',
  dependencies: libraries,
  subdir: 'scipy/spatial',
  install: true,
)
py.install_sources('scipy/__init__.py', subdir: 'scipy')
foreach name : ['_lib', 'linalg', 'spatial']
  py.install_sources('scipy' / name / '__init__.py', subdir: 'scipy' / name)
endforeach
py.install_sources('scipy/_lib/_test_ccallback.py', subdir: 'scipy/_lib', install_tag: 'tests')
foreach name : ['__init__.py', 'test_qhull.py']
  py.install_sources('scipy/linalg/tests' / name, subdir: 'scipy/linalg/tests', install_tag: 'tests')
endforeach
"""

_QHULL: Final = """\
#include <Python.h>

extern const char qh_version[];

static PyObject *version(PyObject *self, PyObject *args) { return PyUnicode_FromString(qh_version); }
static PyMethodDef methods[] = {{"version", version, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_qhull", NULL, -1, methods};

PyMODINIT_FUNC PyInit__qhull(void) { return PyModule_Create(&module); }
"""

SMOKE: Final = """\
from scipy.spatial import _qhull

assert _qhull.version()
"""


def scipy(*, requires: str = '"meson-python>=0.15.0"', dependencies: str = "") -> dict[str, str]:
    """The files of its source distribution, with requirements as TOML writes them."""
    empty = ("__init__", "_lib/__init__", "_lib/_test_ccallback", "linalg/__init__", "linalg/tests/__init__")
    return {
        "pyproject.toml": _PYPROJECT.format(requires=requires, dependencies=dependencies),
        "meson.build": _MESON,
        "meson.options": _OPTIONS,
        "native/qhull.c": _QHULL,
        **{f"scipy/{name}.py": "" for name in (*empty, "spatial/__init__")},
        "scipy/linalg/tests/test_qhull.py": (
            "from scipy.spatial import _qhull\n\n\ndef test_version() -> None:\n    assert _qhull.version()\n"
        ),
        "subprojects/qhull_r/meson.build": (
            "project('qhull_r', 'c', version: '8.0.2')\n"
            "library = static_library('qhull_r', 'qhull.c', pic: true)\n"
            "qhull_r_dep = declare_dependency(link_with: library)\n"
        ),
        "subprojects/qhull_r/qhull.c": 'const char qh_version[] = "of the source";\n',
        "subprojects/boost_math/meson.build": (
            "project('boost_math', version: '1.89.0')\nboost_math_dep = declare_dependency()\n"
        ),
    }


def scipy_farm(root: Path, index: Index, recipe: Table, files: Mapping[str, str] | None = None) -> Settings:
    """A farm that builds this scipy, whose recipe also says what is given; its index also has pytest."""
    own = index.copy(root / "index")
    (root / "wheels").mkdir()
    tools = runner(root / "wheels")
    # pypa/build needs colorama on Windows; a lock is for all systems.
    colorama = make_wheel(root, "colorama", "1.0", {})
    source = make_sdist(root, "scipy", dict(files or scipy()), VERSION)
    own.add(source, colorama, *(wheel.path for wheel in tools))
    base: dict[str, Any] = {
        "version": VERSION,
        "source": {"kind": "sdist", "sha256": own.sha256(f"scipy-{VERSION}.tar.gz")},
        "compilers": ["c", "c++"],
        "test": {"imports": ["scipy"], "smoke": "smoke.py"},
    }
    return make_farm(
        root / "farm",
        {"scipy": over(base, recipe)},
        settings=host_settings(own),
        files={
            "recipes/scipy/build.lock": own.lock(*MESON),
            "recipes/scipy/suite.lock": own.lock(*(str(wheel.name) for wheel in tools)),
            "recipes/scipy/smoke.py": SMOKE,
        },
    )
