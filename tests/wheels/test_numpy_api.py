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


@pytest.mark.parametrize(
    ("data", "api"),
    [
        (b"", ""),
        (b"text of another module\0", ""),
        (HEADERS + TEXT % b"1.23", "1.23"),
        (HEADERS + TEXT % b"2.0" + TEXT % b"1.23", "2.0"),
        (HEADERS + TEXT % b"2.9" + TEXT % b"2.10", "2.10"),
        # As pybind11, without import_array.
        (HEADERS, UNPROVEN),
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


@pytest.mark.slow
def test_a_real_module_asks_for_the_api_that_it_targets(tmp_path: Path) -> None:
    """Compiled against a NumPy of the index with two targets; the newest target needs that NumPy."""
    words = (
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "-q",
        "-d",
        str(tmp_path),
        "numpy>=2",
    )
    subprocess.run([sys.executable, *words], check=True)
    (wheel,) = tmp_path.glob("numpy-*.whl")
    version = wheel.name.split("-")[1]
    zipfile.ZipFile(wheel).extractall(tmp_path / "numpy")
    (tmp_path / "small.c").write_text(MODULE)
    found = {}
    for target in ("NPY_1_23_API_VERSION", "NPY_2_0_API_VERSION", ""):
        module = tmp_path / f"small{target}.so"
        include = tmp_path / "numpy" / "numpy" / "_core" / "include"
        includes = (f"-I{sysconfig.get_path('include')}", f"-I{include}")
        define = [f"-DNPY_TARGET_VERSION={target}"] if target else []
        command = [
            "cc",
            "-shared",
            "-fPIC",
            "-O2",
            *includes,
            *define,
            str(tmp_path / "small.c"),
            "-o",
            str(module),
        ]
        subprocess.run(command, check=True)
        (binary,) = read_binary(module)
        found[target] = binary.numpy_api
    assert found["NPY_1_23_API_VERSION"] == "1.23"
    assert found["NPY_2_0_API_VERSION"] == "2.0"
    assert serves_numpy(found[""], version)
