"""Calls BLAS and LAPACK through the symbols of Fortran: a product, a system of equations, eigenvalues in threads."""

import ctypes
import math
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

# The second differences of 200 points have known eigenvalues.
order = 200
differences = (ctypes.c_double * order**2)()
for row in range(order):
    differences[row * order + row] = 2
    if row:
        differences[row * order + row - 1] = differences[(row - 1) * order + row] = -1
values = (ctypes.c_double * order)()
work, integers = (ctypes.c_double * (1 + 6 * order + 2 * order**2))(), (ctypes.c_int * (3 + 5 * order))()
lengths = [ctypes.byref(ctypes.c_int(len(each))) for each in (work, integers)]
size = ctypes.byref(ctypes.c_int(order))
rest = [differences, size, values, work, lengths[0], integers, lengths[1], ctypes.byref(information)]
library.scipy_dsyevd_(b"V", b"U", size, *rest)
assert information.value == 0
for number, value in enumerate(values, start=1):
    angle = number * math.pi / (order + 1)
    assert abs(value - 2 + 2 * math.cos(angle)) < 1e-12, (number, value)
    vector = differences[(number - 1) * order : number * order]
    known = [math.sqrt(2 / (order + 1)) * math.sin(angle * place) for place in range(1, order + 1)]
    assert abs(abs(sum(one * other for one, other in zip(vector, known, strict=True))) - 1) < 1e-10

# More threads than at the start, each of which needs memory of its own.
library.scipy_openblas_set_num_threads(2 * library.scipy_openblas_get_num_threads() + 3)
order = 300
ones, product = (ctypes.c_double * order**2)(*[1] * order**2), (ctypes.c_double * order**2)()
size, one, zero = (ctypes.byref(each) for each in (ctypes.c_int(order), one, zero))
library.scipy_dgemm_(b"N", b"N", size, size, size, one, ones, size, ones, size, zero, product, size)
assert {*product} == {order}, {*product}
