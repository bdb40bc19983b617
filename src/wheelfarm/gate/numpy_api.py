"""Compares the version of NumPy's C API that a wheel's modules ask for with what its recipe expects."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from packaging.version import Version

from wheelfarm.gate.check import Check, listed
from wheelfarm.wheels.numpy_api import NUMPY, UNPROVEN

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wheelfarm.wheels.archive import Wheel
    from wheelfarm.wheels.binary import Binary


def check_numpy_api(binaries: Sequence[Binary], wanted: str, beside: Collection[Wheel] = ()) -> Check:
    """Whether each module that takes NumPy's C API asks for a version that is not above the expected one.

    What is found names the NumPy that the tests run with: a record has it, where that is not the one that the
    wheel was compiled against.
    """
    numpy = "".join(f", tested with NumPy {wheel.version}" for wheel in beside if wheel.name == NUMPY)
    members = defaultdict[str, set[str]](set)
    for binary in binaries:
        members[binary.numpy_api].add(binary.member)
    members.pop("", None)
    wrong = {
        api: found for api, found in members.items() if api == UNPROVEN or Version(api) > Version(wanted)
    }
    causes = {
        api: f"{listed(sorted(found))}: "
        + (
            "compiled against NumPy 1, with pybind11 before 2.12, or takes the API without import_array"
            if api == UNPROVEN
            else "NPY_TARGET_VERSION, or the default of the NumPy that it is compiled against"
        )
        for api, found in wrong.items()
    }
    return Check.of(
        "numpy-api",
        expected=f"{wanted} or older",
        found=f"{listed(sorted(members))}{numpy}",
        ok=bool(members) and not wrong,
        cause="; ".join(causes.values()) or "no module takes NumPy's C API: drop the expectation",
    )
