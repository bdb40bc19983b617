"""Multiplies two matrices through BLAS and solves a system through LAPACK, both through the symbols of Fortran."""

import ctypes
from pathlib import Path

import wheelfarm_openblas

(path,) = Path(wheelfarm_openblas.__file__).parent.glob("lib/libopenblas_wheelfarm.*")
library = ctypes.CDLL(str(path))
two, one, zero = ctypes.c_int(2), ctypes.c_double(1), ctypes.c_double(0)
matrix = ctypes.c_double * 4
a, b, c = matrix(1, 2, 3, 4), matrix(5, 6, 7, 8), matrix()
by_reference = [ctypes.byref(each) for each in (two, two, two, one)]
ends = [ctypes.byref(two), b, ctypes.byref(two), ctypes.byref(zero), c, ctypes.byref(two)]
library.scipy_dgemm_(b"N", b"N", *by_reference, a, *ends)
assert [*c] == [23, 34, 31, 46], [*c]

pivots, information = (ctypes.c_int * 2)(), ctypes.c_int()
right = (ctypes.c_double * 2)(7, 10)
count = ctypes.byref(ctypes.c_int(1))
size = ctypes.byref(two)
library.scipy_dgesv_(size, count, a, size, pivots, right, size, ctypes.byref(information))
assert information.value == 0
assert all(abs(found - wanted) < 1e-12 for found, wanted in zip(right, (1, 2), strict=True)), [*right]
