"""numpy computes: linear algebra through BLAS and LAPACK, random numbers, Fourier transforms, sorts and searches."""

import bisect
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

# Sorts, searches and choices that slim-v3 patches, as plain Python has them: sizes on both sides of each limit in them.
for size in (9, 3000, 70_000):
    wild = generator.integers(-(2**62), 2**62, size)
    signed = generator.standard_normal(size).round(2)
    signed[::7], signed[3::11] = np.nan, -0.0
    mask = generator.random(size) < 0.4
    zeros = np.linspace(-1, 1, size)
    zeros[size // 2 - 4 : size // 2 + 4] *= 0.0
    generator.shuffle(zeros)
    for values in (wild, signed, zeros, wild % 5, wild.astype("int16"), signed.astype("float32"), np.sort(wild)):
        plain = values.tolist()
        by_value = sorted(range(size), key=lambda at: (plain[at] != plain[at], plain[at] if plain[at] == plain[at] else 0))
        assert np.argsort(values, kind="stable").tolist() == by_value
        numbers = [plain[at] for at in by_value if plain[at] == plain[at]]
        assert [each for each in np.sort(values, kind="stable").tolist() if each == each] == numbers
        parts, bits = np.partition(values, (size // 2, size // 2 + 1, -1)), f"u{values.itemsize}"
        assert parts[size // 2] == values[by_value[size // 2]]
        assert np.array_equal(np.sort(parts.view(bits)), np.sort(values.view(bits))), "of zeros and NaN too"
        keys = [each for each in plain[:500] if each == each]
        assert np.searchsorted(numbers, keys).tolist() == [bisect.bisect_left(numbers, each) for each in keys]
        assert np.searchsorted(numbers, keys, "right").tolist() == [bisect.bisect_right(numbers, each) for each in keys]
        indexed = [each for each, chosen in zip(plain, mask, strict=True) if chosen]
        np.testing.assert_array_equal(values[mask], np.array(indexed, values.dtype))
        np.testing.assert_array_equal(np.where(mask, values, 3)[mask], values[mask])
        np.testing.assert_array_equal(np.where(mask, 3, values)[~mask], values[~mask])
        if values.dtype.kind == "i":
            assert np.unique(values).tolist() == sorted(set(plain))
    places = generator.random(size)
    assert np.allclose(np.interp(places, np.linspace(0, 1, 300), np.linspace(0, 2, 300)), 2 * places)

# An operator writes into the result of the one before it, where glibc's backtrace(3) shows who else has that.
if platform.libc_ver()[0] == "glibc":
    ones = np.ones(1_000_000)
    tracemalloc.start()
    more = ones * 2 + 1
    peak = tracemalloc.get_traced_memory()[1]
    assert peak < 1.5 * more.nbytes, f"{peak} bytes for a result of {more.nbytes}: were unwind tables left out?"
