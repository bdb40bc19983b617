"""numpy computes: linear algebra through BLAS and LAPACK, random numbers, Fourier transforms."""

import platform
import tracemalloc

import numpy as np

generator = np.random.default_rng(42)
matrix = generator.standard_normal((60, 60))
right = generator.standard_normal(60)

solution = np.linalg.solve(matrix, right)
assert np.allclose(matrix @ solution, right)

u, s, vt = np.linalg.svd(matrix)
assert np.allclose((u * s) @ vt, matrix)
values = np.linalg.eigvalsh(matrix + matrix.T)
assert np.all(np.diff(values) >= 0)

signal = generator.standard_normal(256)
assert np.allclose(np.fft.irfft(np.fft.rfft(signal)), signal)

assert np.einsum("ij,jk->ik", matrix, matrix).shape == (60, 60)
assert np.char.upper(np.array(["farm"]))[0] == "FARM"

# An operator writes into the result of the one before it, where glibc's backtrace(3) shows who else has that.
if platform.libc_ver()[0] == "glibc":
    ones = np.ones(1_000_000)
    tracemalloc.start()
    more = ones * 2 + 1
    peak = tracemalloc.get_traced_memory()[1]
    assert peak < 1.5 * more.nbytes, f"{peak} bytes for a result of {more.nbytes}: were unwind tables left out?"
