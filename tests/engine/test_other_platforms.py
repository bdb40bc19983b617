"""The tiny packages and numpy for other platforms than this machine's, in the images of .ci/other-images."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from support.packages import tinyleaf
from support.tiny import LEAF, check_chain, run_farm, tiny_farm, tiny_index
from wheelfarm.model import Target
from wheelfarm.recipes.settings import load
from wheelfarm.wheels.archive import open_wheel, verify
from wheelfarm.wheels.binary import externals
from wheelfarm.wheels.blas import blas_all
from wheelfarm.wheels.linkage import linkage

if TYPE_CHECKING:
    from support.index import Index
    from support.tiny import Run

ROOT: Final = Path(__file__).parents[2]
TAGS: Final = {
    "musllinux_x86_64": r"musllinux_1_2_x86_64",
    "manylinux_aarch64": r"manylinux2014_aarch64\.manylinux_2_17_aarch64|manylinux_2_\d\d_aarch64",
}
"""The tags of the wheels, by platform."""
LIBRARIES: Final = {
    "musllinux_x86_64": r"libc\.musl-x86_64\.so\.1",
    "manylinux_aarch64": r"lib(c|m|dl|rt|pthread)\.so\.\d|ld-linux-aarch64\.so\.1",
}
"""All that they may need of a system: the C++ library is linked statically."""
# Under emulation each step takes about ten times as long.
LIMIT: Final = 1200.0
CXX: Final = """\
#include <Python.h>
#include <stdexcept>
#include <string>
#include <vector>

static PyObject *built_against(PyObject *, PyObject *) {
    try {
        (void)std::vector<int>(1).at(2);
    } catch (const std::out_of_range &) {
        return PyUnicode_FromString(std::string("none").c_str());
    }
    return PyUnicode_FromString("nothing was thrown");
}

static PyMethodDef methods[] = {{"built_against", built_against, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", NULL, -1, methods};

PyMODINIT_FUNC PyInit__ext(void) { return PyModule_Create(&module); }
"""

pytestmark = [pytest.mark.platforms, pytest.mark.timeout(2 * LIMIT)]


@pytest.fixture(params=TAGS)
def platform(request: pytest.FixtureRequest, container: dict[str, str]) -> str:
    variable = f"WHEELFARM_IMAGE_{request.param.upper()}"
    assert variable in container, f"{variable} is not set: see .ci/other-images"
    return str(request.param)


def settings_of(platform: str) -> dict[str, Any]:
    return {"engine": "cibuildwheel", "platform": platform, "time-limit": LIMIT}


def check_wheel(run: Run, name: str, platform: str) -> None:
    """A wheel is for the platform, and needs nothing of it but the C library."""
    wheel = open_wheel(run.wheel(name))
    verify(wheel)
    assert re.fullmatch(TAGS[platform], wheel.platform_tag), wheel.platform_tag
    binaries = linkage(wheel)
    assert {binary.machine for binary in binaries} == {Target.parse(f"cp311-{platform}").arch}
    needed = externals(binaries)
    assert all(re.fullmatch(LIBRARIES[platform], library) for library in needed), needed


def test_the_chain(platform: str, index: Index, container: dict[str, str], tmp_path: Path) -> None:
    settings = tiny_farm(tmp_path / "farm", index, settings=settings_of(platform), environ=container)
    run = run_farm(settings)
    check_chain(run)
    for name in run.outcomes:
        check_wheel(run, name, platform)
    assert run_farm(settings).states == {"tinybase": "cached", "tinytop": "cached"}


def test_a_module_in_cxx(platform: str, container: dict[str, str], tmp_path: Path) -> None:
    files = {path: text.replace("native/ext.c", "native/ext.cpp") for path, text in tinyleaf().items()}
    del files["native/ext.c"]
    index = tiny_index(tmp_path, tinyleaf=files | {"native/ext.cpp": CXX})
    recipes = {"tinyleaf": {**LEAF["tinyleaf"], "compilers": ["c", "c++"]}}
    settings = tiny_farm(tmp_path / "farm", index, recipes, settings=settings_of(platform), environ=container)
    run = run_farm(settings)
    assert run.states == {"tinyleaf": "built"}, str(run.outcomes["tinyleaf"].error)
    check_wheel(run, "tinyleaf", platform)


def test_numpy(platform: str, container: dict[str, str], tmp_path: Path) -> None:
    for name in ("recipes", "patches", "variants"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    options = settings_of(platform) | {"time-limit": f"{LIMIT}"}
    run = run_farm(load(tmp_path, environ=container, options=options), "numpy")
    assert run.states == {"numpy": "built"}, str(run.outcomes["numpy"].error)
    check_wheel(run, "numpy", platform)
    (blas,) = blas_all(linkage(open_wheel(run.wheel("numpy"))))
    assert (blas.provider, blas.interface, blas.vendored) == ("openblas", "lp64", True)
