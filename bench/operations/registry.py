"""What an operation of the benchmark is: a function that makes the inputs and returns what is timed.

Runs with the Python and the packages of a measured environment, and uses nothing of the farm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SEED: Final = 20240229
OPERATIONS: Final[dict[str, Operation]] = {}
"""By name, as `numpy.sort_float64`."""


@dataclass(frozen=True)
class Operation:
    """One operation.

    Args:
        make: makes the inputs, and returns the function that is timed.
        linear_algebra: whether most of its time is spent in BLAS and LAPACK.
        rtol: how much two results may differ, relative to the largest value.
        view: turns a result into what two correct results agree in.
    """

    make: Callable[[], Callable[[], Any]]
    linear_algebra: bool
    rtol: float
    view: Callable[[Any], Any]


def operation(
    *, linear_algebra: bool = False, rtol: float = 1e-9, view: Callable[[Any], Any] = lambda result: result
) -> Callable[[Callable[[], Callable[[], Any]]], Callable[[], Callable[[], Any]]]:
    """Register a function as an operation; its module's name ends with the package's."""

    def register(make: Callable[[], Callable[[], Any]]) -> Callable[[], Callable[[], Any]]:
        package = make.__module__.rpartition("of_")[2]
        OPERATIONS[f"{package}.{make.__name__}"] = Operation(make, linear_algebra, rtol, view)
        return make

    return register
