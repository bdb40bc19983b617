"""Which version of NumPy's C API an extension module asks for.

NumPy's headers compile `import_array` into each module that uses the API. At import it compares two numbers
with those of the running NumPy: that of the ABI, which NumPy 2 has changed, and that of the API, which grows
in minor releases. The message names the module's API (`NPY_FEATURE_VERSION_STRING` of numpyconfig.h), and
headers of NumPy 2 import `numpy._core`. https://numpy.org/doc/stable/dev/depending_on_numpy.html

pybind11 takes the API without `import_array`, compares its version with the one that it needs itself, and
names that in a message too. Since pybind11 2.12 it works with both ABIs, and knows `numpy._core`.
"""

from __future__ import annotations

import re
from typing import Final

from packaging.version import Version

_VERSION: Final = re.compile(rb"compiled against NumPy C-API version 0x%x \(NumPy (\d{1,3}\.\d{1,3})\)")
_PYBIND11: Final = re.compile(rb"pybind11 numpy support requires numpy >= (\d{1,3}\.\d{1,3})")
_PYBIND11_CORE: Final = b"numpy._core\0"
_HEADERS: Final = b"numpy._core._multiarray_umath\0"
_CAPSULE: Final = b"_ARRAY_API\0"
"""The name under which NumPy hands out the API."""
_ABI: Final = 2
"""The major version whose ABI is read here."""
UNPROVEN: Final = "unproven"
NUMPY: Final = "numpy"
"""The distribution that hands out the API."""


def numpy_api(data: bytes) -> str:
    """The version of NumPy's C API that a binary asks for, as 1.23 or 2.0.

    It is `unproven` where the binary takes the API and names no version, or was compiled for the ABI of
    NumPy 1 only, and empty where it does not take it.
    """
    versions = {found.decode() for found in _VERSION.findall(data)}
    if versions and _HEADERS in data:
        return str(max(map(Version, versions)))
    pybind11 = _PYBIND11.search(data)
    if not versions and pybind11 and _PYBIND11_CORE in data:
        return pybind11[1].decode()
    return UNPROVEN if versions or _CAPSULE in data else ""


def serves_numpy(api: str, version: str) -> bool:
    """Whether a module that asks for a version of the API works with a version of NumPy."""
    return Version(api) <= Version(version) and Version(version).major == _ABI
