"""Operations of numpy: ufuncs, reductions, sorting, indexing, random numbers, FFT, linear algebra, text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from registry import SEED, operation

if TYPE_CHECKING:
    from collections.abc import Callable

    Timed = Callable[[], Any]


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(SEED).random(shape)


def _symmetric(size: int) -> np.ndarray:
    matrix = _random(size, size)
    return matrix + matrix.T + size * np.eye(size)


@operation()
def add_float64() -> Timed:
    a = _random(500_000)
    out = np.empty_like(a)
    return lambda: np.add(a, 1.5, out=out)


@operation()
def exp_float64() -> Timed:
    a = _random(500_000)
    return lambda: np.exp(a)


@operation()
def sin_float64() -> Timed:
    a = 10 * _random(300_000)
    return lambda: np.sin(a)


@operation(rtol=1e-4)
def log_float32() -> Timed:
    a = 1 + _random(1_000_000).astype(np.float32)
    return lambda: np.log(a)


@operation()
def power_float64() -> Timed:
    a = 1 + _random(200_000)
    return lambda: np.power(a, 1.7)


@operation()
def multiply_complex() -> Timed:
    a = _random(300_000) + 1j
    return lambda: a * a


@operation()
def compare_and_select() -> Timed:
    a = _random(500_000)
    return lambda: np.where(a > 0.5, a, -a)


@operation()
def integer_arithmetic() -> Timed:
    a = np.arange(1, 500_001)
    return lambda: (a * 7 + 3) // 11


@operation()
def small_arrays() -> Timed:
    a = _random(3)

    def run() -> np.ndarray:
        total = a
        for _ in range(1000):
            total = total * 0.5 + a
        return total

    return run


@operation()
def sum_float64() -> Timed:
    a = _random(1000, 1000)
    return lambda: a.sum()


@operation(rtol=1e-5)
def sum_float32_columns() -> Timed:
    a = _random(1000, 1000).astype(np.float32)
    return lambda: a.sum(axis=0)


@operation()
def standard_deviation() -> Timed:
    a = _random(1000, 500)
    return lambda: a.std(axis=1)


@operation()
def cumulative_sum() -> Timed:
    a = _random(500_000)
    return lambda: np.cumsum(a)


@operation()
def largest_index() -> Timed:
    a = _random(1_000_000).astype(np.float32)
    return lambda: a.argmax()


@operation()
def sort_float64() -> Timed:
    a = _random(500_000)
    return lambda: np.sort(a)


@operation()
def sort_int16_stable() -> Timed:
    a = (_random(500_000) * 30_000).astype(np.int16)
    return lambda: np.sort(a, kind="stable")


@operation()
def argsort_int64() -> Timed:
    a = np.random.default_rng(SEED).permutation(200_000)
    return lambda: np.argsort(a)


@operation()
def median() -> Timed:
    a = _random(500_001)
    return lambda: np.median(a)


@operation()
def search_sorted() -> Timed:
    a, b = np.sort(_random(100_000)), _random(100_000)[::-1]
    return lambda: np.searchsorted(a, b)


@operation()
def unique() -> Timed:
    a = np.random.default_rng(SEED).integers(0, 5000, 200_000)
    return lambda: np.unique(a, return_counts=True)


@operation()
def fancy_indexing() -> Timed:
    a = _random(500_000)
    order = np.random.default_rng(SEED).permutation(500_000)
    return lambda: a[order]


@operation()
def boolean_indexing() -> Timed:
    a = _random(500_000)
    mask = a > 0.3
    return lambda: a[mask]


@operation()
def transpose_copy() -> Timed:
    a = _random(1000, 1000)
    return lambda: np.ascontiguousarray(a.T)


@operation()
def cast_float64_to_int32() -> Timed:
    a = 1e6 * _random(1_000_000)
    return lambda: a.astype(np.int32)


@operation()
def histogram() -> Timed:
    a = _random(300_000)
    return lambda: np.histogram(a, bins=100)[0]


@operation()
def interpolate() -> Timed:
    a = np.linspace(0, 1, 1000)
    b = _random(200_000)
    return lambda: np.interp(b, a, a * a)


@operation()
def random_normal() -> Timed:
    return lambda: np.random.default_rng(SEED).standard_normal(300_000)


@operation()
def random_integers() -> Timed:
    return lambda: np.random.default_rng(SEED).integers(0, 1000, 500_000)


@operation()
def fft_complex() -> Timed:
    a = _random(2**17) + 0.5j
    return lambda: np.fft.fft(a)


@operation()
def fft_real_2d() -> Timed:
    a = _random(512, 512)
    return lambda: np.fft.rfft2(a)


@operation()
def einsum() -> Timed:
    a, b = _random(40, 50, 60), _random(40, 50, 60)
    return lambda: np.einsum("ijk,ijk->ik", a, b)


@operation(linear_algebra=True)
def matmul_float64() -> Timed:
    a = _random(500, 500)
    return lambda: a @ a


@operation(linear_algebra=True, rtol=1e-4)
def matmul_float32() -> Timed:
    a = _random(700, 700).astype(np.float32)
    return lambda: a @ a


@operation(linear_algebra=True)
def matrix_times_vector() -> Timed:
    a, b = _random(1500, 1500), _random(1500)
    return lambda: a @ b


@operation(linear_algebra=True)
def matmul_tall_and_thin() -> Timed:
    a = _random(50_000, 20)
    return lambda: a.T @ a


@operation(linear_algebra=True)
def solve() -> Timed:
    a, b = _symmetric(400), _random(400, 3)
    return lambda: np.linalg.solve(a, b)


@operation(linear_algebra=True)
def cholesky() -> Timed:
    a = _symmetric(500)
    return lambda: np.linalg.cholesky(a)


@operation(linear_algebra=True, view=lambda r: (r.S, (r.U * r.S) @ r.Vh))
def svd() -> Timed:
    a = _random(200, 200)
    return lambda: np.linalg.svd(a)


@operation(linear_algebra=True, view=lambda r: (r[0], (r[1] * r[0]) @ r[1].T))
def eigh() -> Timed:
    a = _symmetric(250)
    return lambda: np.linalg.eigh(a)


@operation(linear_algebra=True, rtol=1e-7, view=lambda r: np.sort(abs(r)))
def eigenvalues() -> Timed:
    a = _random(120, 120)
    return lambda: np.linalg.eigvals(a)


@operation(linear_algebra=True)
def many_small_inverses() -> Timed:
    a = _random(5000, 4, 4) + 4 * np.eye(4)
    return lambda: np.linalg.inv(a)


@operation()
def load_text() -> Timed:
    text = io.StringIO()
    np.savetxt(text, _random(2000, 10), delimiter=",")
    lines = text.getvalue().splitlines()
    return lambda: np.loadtxt(lines, delimiter=",")


@operation()
def array_to_text() -> Timed:
    a = _random(1000)
    return lambda: np.array2string(a, threshold=2000)


@operation()
def strings_upper_and_find() -> Timed:
    a = np.array([f"text number {each % 977}" for each in range(50_000)])
    return lambda: np.strings.find(np.strings.upper(a), "97")


@operation()
def save_and_load() -> Timed:
    a = _random(300_000)

    def run() -> np.ndarray:
        file = io.BytesIO()
        np.save(file, a)
        file.seek(0)
        return np.load(file)

    return run
