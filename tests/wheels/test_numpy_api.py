"""The version of NumPy's C API in binaries: in made-up bytes, and in modules compiled with its headers."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from typing import TYPE_CHECKING

import pytest

from wheelfarm.wheels.linkage import read_binary
from wheelfarm.wheels.numpy_api import UNPROVEN, numpy_api, serves_numpy

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"module was compiled against NumPy C-API version 0x%%x (NumPy %s) but the running NumPy has"
HEADERS = b"\0numpy._core._multiarray_umath\0_ARRAY_API\0"
PYBIND11 = b"pybind11 numpy support requires numpy >= 1.7.0"
MODULE = """
#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "small", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_small(void) {
    import_array();
    return PyModule_Create(&definition);
}
"""

PYBIND11_MODULE = """
#include <pybind11/numpy.h>
PYBIND11_MODULE(small, module) {
    module.def("total", [](pybind11::array_t<double> values) { return values.size(); });
}
"""


@pytest.mark.parametrize(
    ("data", "api"),
    [
        (b"", ""),
        (b"text of another module\0", ""),
        (HEADERS + TEXT % b"1.23", "1.23"),
        (HEADERS + TEXT % b"2.0" + TEXT % b"1.23", "2.0"),
        (HEADERS + TEXT % b"2.9" + TEXT % b"2.10", "2.10"),
        # Without import_array.
        (HEADERS, UNPROVEN),
        # pybind11 2.12 or later, alone and beside import_array; and an older one.
        (PYBIND11 + b"\0numpy._core\0_ARRAY_API\0", "1.7"),
        (HEADERS + TEXT % b"1.23" + PYBIND11 + b"\0numpy._core\0", "1.23"),
        (PYBIND11 + b"\0numpy.core.multiarray\0_ARRAY_API\0", UNPROVEN),
        (
            b"numpy.core._multiarray_umath\0_ARRAY_API\0" + TEXT % b"1.23" + PYBIND11 + b"\0numpy._core\0",
            UNPROVEN,
        ),
        # Compiled against NumPy 1.
        (b"numpy.core._multiarray_umath\0_ARRAY_API\0" + TEXT % b"1.23", UNPROVEN),
        (b"_ARRAY_API is not PyCapsule object\0", ""),
    ],
)
def test_a_binary_names_its_api(data: bytes, api: str) -> None:
    assert numpy_api(data) == api


@pytest.mark.parametrize(
    ("api", "version", "serves"),
    [
        ("2.0", "2.0.0", True),
        ("2.0", "2.5.0", True),
        ("1.23", "2.5.0", True),
        ("2.3", "2.2.6", False),
        ("2.10", "2.9.1", False),
        ("2.0", "1.26.4", False),
        ("2.0", "3.0.0", False),
    ],
)
def test_a_module_works_with_the_numpy_that_has_its_api(api: str, version: str, *, serves: bool) -> None:
    assert serves_numpy(api, version) is serves


def _download(directory: Path, requirement: str) -> Path:
    """Unpack a wheel of the index."""
    words = ("download", "--no-deps", "--only-binary", ":all:", "-q", "-d", str(directory), requirement)
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    (wheel,) = directory.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(directory)
    return wheel


def _compile(source: Path, module: Path, *options: str) -> str:
    """The API of a module that is compiled of a source."""
    include = f"-I{sysconfig.get_path('include')}"
    compiler = "c++" if source.suffix == ".cpp" else "cc"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", include, *options, str(source), "-o", str(module)], check=True
    )
    (binary,) = read_binary(module)
    return binary.numpy_api


@pytest.mark.slow
def test_a_real_module_asks_for_the_api_that_it_targets(tmp_path: Path) -> None:
    """Compiled against a NumPy of the index with two targets; the newest target needs that NumPy."""
    wheel = _download(tmp_path, "numpy>=2")
    version = wheel.name.split("-")[1]
    source = tmp_path / "small.c"
    source.write_text(MODULE)
    include = f"-I{tmp_path / 'numpy/_core/include'}"
    found = {}
    for target in ("NPY_1_23_API_VERSION", "NPY_2_0_API_VERSION", ""):
        define = [f"-DNPY_TARGET_VERSION={target}"] if target else []
        found[target] = _compile(source, tmp_path / f"small{target}.so", include, *define)
    assert found["NPY_1_23_API_VERSION"] == "1.23"
    assert found["NPY_2_0_API_VERSION"] == "2.0"
    assert serves_numpy(found[""], version)


@pytest.mark.slow
@pytest.mark.parametrize(("requirement", "api"), [("pybind11>=2.12", "1.7"), ("pybind11==2.11.1", UNPROVEN)])
def test_a_real_module_of_pybind11(tmp_path: Path, requirement: str, api: str) -> None:
    _download(tmp_path, requirement)
    source = tmp_path / "small.cpp"
    source.write_text(PYBIND11_MODULE)
    assert _compile(source, tmp_path / "small.so", f"-I{tmp_path / 'pybind11/include'}") == api
