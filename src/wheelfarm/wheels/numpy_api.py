"""Which version of NumPy's C API an extension module asks for.

NumPy's headers compile `import_array` into each module that uses the API. At import it compares two numbers
with those of the running NumPy: that of the ABI, which NumPy 2 has changed, and that of the API, which grows
in minor releases. The message names the module's API (`NPY_FEATURE_VERSION_STRING` of numpyconfig.h), and
headers of NumPy 2 import `numpy._core`. https://numpy.org/doc/stable/dev/depending_on_numpy.html
"""

from __future__ import annotations

import re
from typing import Final

from packaging.version import Version

_VERSION: Final = re.compile(rb"compiled against NumPy C-API version 0x%x \(NumPy (\d{1,3}\.\d{1,3})\)")
_HEADERS: Final = b"numpy._core._multiarray_umath\0"
_CAPSULE: Final = b"_ARRAY_API\0"
"""The name under which NumPy hands out the API; pybind11 takes it without `import_array`."""
_ABI: Final = 2
"""The major version whose ABI is read here."""
UNPROVEN: Final = "unproven"


def numpy_api(data: bytes) -> str:
    """The version of NumPy's C API that a binary asks for, as 1.23 or 2.0.

    It is `unproven` where the binary takes the API and names no version, or was compiled against NumPy 1, and
    empty where it does not take it.
    """
    versions = {found.decode() for found in _VERSION.findall(data)}
    if versions and _HEADERS in data:
        return str(max(map(Version, versions)))
    return UNPROVEN if versions or _CAPSULE in data else ""


def serves_numpy(api: str, version: str) -> bool:
    """Whether a module that asks for a version of the API works with a version of NumPy."""
    return Version(api) <= Version(version) and Version(version).major == _ABI
