"""What most of the time of numpy goes into: each part of it with the types that people have most.

numpy chooses its loops by processor when it is imported: here those for AVX2, and in a second run those for older
processors, with the common types only. The loops for AVX-512 have flags of the recipe in place of a profile: not each machine that builds could run them.
"""

import contextlib
import datetime
import io
import os
import pickle
import subprocess
import sys
import warnings

LEVELS = "NPY_DISABLE_CPU_FEATURES"
os.environ.setdefault(LEVELS, "X86_V4,AVX512_ICL,AVX512_SPR")

import numpy as np
from numpy._core._multiarray_umath import __cpu_dispatch__

COMMON = ("float64", "float32", "int64", "int32", "complex128", "bool", "uint8")
RARE = ("float16", "int8", "int16", "uint16", "uint32", "uint64", "complex64", "longdouble", "clongdouble")
if "X86_V3" in os.environ[LEVELS]:
    RARE = ()
TIMES = ("datetime64[us]", "timedelta64[us]")
SIZE = 2000

warnings.simplefilter("ignore")
np.seterr(all="ignore")
random = np.random.default_rng(1)


def make(dtype: str, *shape: int) -> np.ndarray:
    """Small numbers, so that no function leaves its usual range."""
    values = 1 + 8 * random.random(shape or SIZE)
    if np.dtype(dtype).kind == "c":
        return (values + 0.5j).astype(dtype)
    return values > 4 if dtype == "bool" else values.astype("int64" if dtype in TIMES else "float64").astype(dtype)


def strided(array: np.ndarray) -> np.ndarray:
    wide = np.empty((array.size, 2), array.dtype)
    wide[:, 0] = array
    return wide[:, 0]


def ufuncs() -> None:
    functions = {each.__name__: each for each in vars(np).values() if isinstance(each, np.ufunc) and not each.signature}
    for dtype in (*COMMON, *RARE, *TIMES):
        one, two = make(dtype), make(dtype)
        # As a value that all functions accept: also the inverse of a sine, and a shift.
        unit = (make("float64") / 10).astype(dtype) if np.dtype(dtype).kind in "fc" else one
        few = [two[:1], two[0]]
        wide = [strided(one), strided(two)]
        for name, function in functions.items():
            first = unit if name.startswith("arc") else one
            calls = [(first,)] if function.nin == 1 else [(first, two), (two, first)]
            if dtype in (*COMMON, *TIMES):
                calls += [wide[: function.nin]]
            if function.nin == 2:
                calls += [(first, each) for each in few] + [(few[0], first)]
            for arguments in calls:
                try:
                    result = function(*arguments)
                    if function.nout == 1:
                        function(*arguments, out=result)
                        function(*arguments, out=np.empty((SIZE, 2), result.dtype)[:, 0])
                        # As numpy does itself with a temporary result, in `a * 7 + 3`.
                        if result.dtype == one.dtype:
                            place = [np.shape(each) for each in arguments].index(result.shape)
                            in_place = (*arguments[:place], result, *arguments[place + 1 :])
                            with contextlib.suppress(ValueError):  # a negative power of an integer
                                function(*in_place, out=result)
                except TypeError:
                    break
        for function in (np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.logical_and, np.bitwise_or):
            try:
                copy = one.copy()
                function(two, copy, out=copy)
                function.at(copy, np.arange(0, SIZE, 3), two[0]), function.reduceat(one, [0, 9, 99])
                function.accumulate(one), function.reduce(wide[0]), function.outer(one[:30], two[:40])
            except TypeError:
                pass
        if dtype != "bool":
            (
                np.clip(one, two[0], two[1]),
                np.clip(one, two, two),
                np.clip(wide[0], two[0], two[1]),
                np.clip(one, two[0], None),
            )
    # Types of two kinds, and numbers of Python.
    for dtype in COMMON:
        array = make(dtype)
        for other in (make("float64"), make("int32"), 2, 1.5, True):
            try:
                array + other, array * other, other - array, array / other, array > other, array == other
            except TypeError:
                pass
    for dtype in ("float64", "float32", "int64"):
        array = make(dtype)
        array**2, array**0.5, array**3, np.power(array, 1.7), array // 7, array % 7, -array, abs(array - 4)
        for scale in (1, 10, 1e3, 1e6):
            big = (scale * array).astype(dtype)
            np.sin(big), np.cos(big), np.tan(big), np.log(big), np.sqrt(big), np.exp(-big), np.tanh(big), big // 11
    a, b = random.integers(-50, 50, SIZE), random.integers(1, 9, SIZE)
    for dtype in ("int64", "int32"):
        x, y = a.astype(dtype), b.astype(dtype)
        x // y, x % y, np.gcd(x, y), np.lcm(x, y), x << y, x >> y, x // 3, np.divmod(x, y), np.power(x, 3)


def reductions() -> None:
    names = ("sum", "prod", "min", "max", "mean", "std", "any", "all", "argmin", "argmax", "cumsum", "cumprod", "ptp")
    for dtype in (*COMMON, *RARE, *TIMES):
        flat = make(dtype)
        square = make(dtype, 50, 60)
        tall = make(dtype, 400, 3)
        views = (flat, square, square.T, tall, square[::2, ::2]) if dtype in COMMON else (flat, square)
        for view in views:
            for name in names:
                for axis in (None, *range(view.ndim)):
                    try:
                        getattr(np, name)(view, axis=axis)
                    except TypeError:
                        break
            np.count_nonzero(view), view.nonzero(), view.argmin(), np.count_nonzero(view, axis=0)
    for dtype in ("float64", "float32"):
        square = make(dtype, 50, 60)
        square[::7, ::3] = np.nan
        for view in (square, square.T):
            for name in ("nansum", "nanmean", "nanstd", "nanmin", "nanmax", "nanargmax", "nanmedian", "nancumsum"):
                getattr(np, name)(view), getattr(np, name)(view, axis=0)
        np.isnan(square).any(), np.nan_to_num(square), np.nanpercentile(square, 30), np.fmax(square, 4)
        np.average(square[1], weights=square[2]), np.diff(square), np.gradient(square), np.clip(square, 2, 5)
    for dtype in ("float64", "int64", "float32", "int32", "uint8"):
        array = make(dtype)
        (
            array.round(1),
            array.clip(2, 5),
            np.clip(array, None, 5),
            array.sum(dtype="float64"),
            array.mean(where=array > 3),
        )
        array.reshape(40, 50).trace(), array.sum(keepdims=True)
        np.clip(array, array[::-1], 6), np.interp(make("float64"), np.sort(make("float64", 100)), make("float64", 100))
    weights = make("float64")
    for bins in (10, 100, np.linspace(0, 9, 30)):
        np.histogram(weights, bins), np.histogram(weights, bins, weights=weights), np.digitize(weights, np.arange(9.0))
    counts = random.integers(0, 50, SIZE)
    (
        np.bincount(counts),
        np.bincount(counts, weights),
        np.histogram2d(weights, weights, 10),
        np.cov(weights, weights[::-1]),
    )
    np.corrcoef(weights, weights[::-1]), np.convolve(weights, weights[:20]), np.correlate(weights, weights[:30])
    np.convolve(weights, weights[:5], "same"), np.convolve(counts, [1, 2, 3]), np.trapezoid(weights)
    np.interp(weights, np.arange(9), np.arange(9.0)), np.interp(weights, np.arange(9), 1j * np.arange(9.0))
    np.unwrap(weights), np.cross(make("float64", 99, 3), make("float64", 99, 3)), np.polyfit(weights, weights, 2)
    np.packbits(weights > 4), np.unpackbits(np.packbits(weights > 4)), np.isclose(weights, weights[::-1])
    np.packbits(weights > 4, bitorder="little"), np.allclose(weights, weights), np.array_equal(weights, weights)


def casts() -> None:
    for source in (*COMMON, *RARE):
        array = make(source)
        common = source in COMMON
        aside = np.frombuffer(b"\0" + array.tobytes(), dtype="u1")[1:].view(source)  # not aligned
        for target in (*COMMON, *RARE):
            if common or target in COMMON:
                array.astype(target)
            if common and target in COMMON:
                strided(array).astype(target), aside.astype(target), np.concatenate([array, array.astype(target)])
                np.empty(SIZE * 2, target)[::2] = array
        array.byteswap(), array.astype(object).astype(source), array.tolist(), np.array(array.tolist())
        array.astype(array.dtype.newbyteorder()).astype(source), np.array(array.tolist(), dtype=source)
        array.copy(), strided(array).copy(), aside.copy(), array[::-1].copy(), np.full(SIZE, array[3])
        for name in ("real", "imag"):
            getattr(array, name).copy()
        for view in (
            array.reshape(40, 50).T,
            array.reshape(10, 20, 10).transpose(2, 0, 1),
            array[:9, None] + array[:9],
        ):
            view.copy(), np.ascontiguousarray(view), view.ravel(), view.flatten(), view.tobytes()
    for shape in ((300, 300), (2000, 3)):
        for dtype in ("float64", "float32", "uint8", "complex128", "int16"):
            array = np.empty(shape, dtype)
            array[:] = 1
            np.ascontiguousarray(array.T), np.asfortranarray(array), array.T.astype("float64")


def sorts() -> None:
    for dtype in (*COMMON, "int16", "uint16", "float16", *TIMES, "U9", "S9", "object"):
        base = make("int64") if dtype in ("U9", "S9") else random.permutation(SIZE) if dtype == "object" else None
        arrays = [make(dtype) if base is None else base.astype(dtype)]
        if dtype in ("float64", "float32", "int64", "int32"):
            long = (1e6 * random.random(10_000)).astype(dtype)
            arrays += [long, np.sort(long), np.sort(long)[::-1].copy(), (long % 9).astype(dtype)]
        elif dtype in ("int16", "uint8", "uint16"):
            arrays += [random.integers(0, np.iinfo(dtype).max // 2, 5000).astype(dtype)]
            # Of so many it counts the values. Once: what trains longest makes all else look cold.
            np.sort(np.resize(arrays[-1], 1 << 16), kind="stable")
        for array in arrays:
            for kind in ("quicksort", "stable", "heapsort"):
                np.sort(array, kind=kind), np.argsort(array, kind=kind)
            for kth in (array.size // 2, 3, [9, 99, 999]):
                if dtype not in ("U9", "S9"):
                    np.partition(array, kth), np.argpartition(array, kth)
            in_order = np.sort(array)
            for side in ("left", "right"):
                (
                    in_order.searchsorted(array, side),
                    in_order.searchsorted(array[:300], side, sorter=np.arange(array.size)),
                )
                in_order.searchsorted(in_order, side), in_order.searchsorted(array[5], side)
            (
                np.unique(array),
                np.unique(array, return_inverse=True, return_counts=True),
                np.isin(array[:300], array[::9]),
            )
            if dtype not in ("object", "bool"):
                np.intersect1d(array, array[::2]), np.union1d(array, array), np.setdiff1d(array, array[::2])
        if dtype in COMMON:
            square = arrays[0].reshape(40, 50)
            np.sort(square, axis=0), np.argsort(square, axis=0), np.sort(square, axis=1), np.unique(square, axis=0)
            np.sort_complex(square)
    array = make("float64")
    for scores in (array, array.astype("float32"), array.reshape(40, 50)):
        np.median(scores), np.median(scores, axis=0), np.percentile(scores, [5, 50, 95]), np.quantile(scores, 0.3)
    np.lexsort([make("int64"), make("float64")]), np.lexsort([make("int32"), make("bool"), array])
    holes = array.copy()
    holes[::9] = np.nan
    np.sort(holes), np.argsort(holes), np.median(holes), np.sort(holes.astype("float32")), np.unique(holes)
    for text in (
        np.array(["some", "text", "sorted"] * 200),
        np.array(["some", "text"] * 200, dtype=np.dtypes.StringDType()),
    ):
        np.sort(text), np.argsort(text), np.unique(text)


def indexing() -> None:
    for dtype in (*COMMON, *RARE, *TIMES, "U5", "object", [("a", "f8"), ("b", "i4")]):
        plain = isinstance(dtype, str) and dtype not in ("U5", "object")
        array = make(dtype) if plain else np.zeros(SIZE, dtype)
        order, mask, square = random.permutation(SIZE), random.random(SIZE) > 0.4, array.reshape(40, 50)
        rows, columns = random.integers(0, 40, 300), random.integers(0, 50, 300)
        for index in (order, order.astype("int32"), order[:300], mask, order.tolist()):
            array[index]
        array[order] = array
        array[order] = array[0]
        array[mask] = array[0]
        array[mask] = array[mask]
        square[rows], square[:, columns], square[rows, columns], square[rows[:, None], columns], square[rows, 3]
        square[np.ix_(rows, columns)], square[mask.reshape(40, 50)], square[mask[:40]], square[:, mask[:50]]
        square[rows, columns] = array[0]
        square[rows] = square[0]
        square[:, columns] = square[0, 0]
        square[5:9, ::2], square[::-1, None], square[..., 1], square[3], square[3, 4], square[-1, ::-1].copy()
        square[5:9] = square[9:13]
        square[:, 3] = array[0]
        array.take(order), square.take(rows, axis=0), square.take(columns, axis=1), array.take(order, mode="clip")
        array.take(order, mode="wrap"), array.compress(mask), square.compress(mask[:40], axis=0), array.repeat(3)
        array.put(order[:99], array[:99]), np.putmask(array, mask, array[::-1].copy()), np.place(array, mask, array[:3])
        array.repeat(random.integers(0, 4, SIZE)), square.repeat(2, axis=0), square.repeat(2, axis=1), np.tile(array, 3)
        np.where(mask, array, array[::-1]), np.where(mask, array, array[0]), np.choose(mask.astype(int), [array, array])
        np.concatenate([array, array]), np.concatenate([square, square], axis=1), np.stack([array, array], axis=1)
        np.vstack([square, square]), np.hstack([square, square]), np.roll(array, 9), np.roll(square, 3, axis=1)
        np.flip(square).copy(), np.rot90(square).copy(), np.broadcast_to(array, (3, SIZE)).copy(), np.delete(array, 5)
        (
            np.insert(array, 9, array[0]),
            np.append(array, array),
            np.split(array, 4),
            np.copyto(array, array[0], where=mask),
        )
        np.take_along_axis(square, np.argsort(columns[:50])[None, :], axis=1), array.item(3), [*array[:99]], array[4]
        np.diag(square), np.triu(square) if plain else None, np.select([mask, ~mask], [array, array], array)
        np.pad(square, 2) if plain else None, array.flat[3], array.flat[mask], [*square.flat][:3], np.nonzero(mask)
        array.fill(array[0]), array.view("u1") if dtype != "object" else None, np.resize(array, 99), array.squeeze()
        array[order[:300]].reshape(30, 10).swapaxes(0, 1).copy(), np.extract(mask, array), square.diagonal().copy()
    # Few elements, often: what copies one item of each size is a function of its own only if its calls are many.
    order, mask = np.array([3, 1, 2, 0]), np.array([True, False, True, True])
    for dtype in ("uint8", "int16", "float32", "float64", "complex128"):
        array = np.ones(4, dtype)
        for _ in range(1000):
            array.take(order), array[order], array[mask], array.repeat(2), np.putmask(array, mask, array)
            array[order] = array
            array[mask] = 1
    order, mask = random.permutation(SIZE), random.random(SIZE) > 0.4
    np.argwhere(mask), np.flatnonzero(mask), np.nonzero(mask.reshape(40, 50)), np.count_nonzero(mask), ~mask, mask.sum()
    np.unravel_index(order, (40, 50)), np.ravel_multi_index((rows, columns), (40, 50)), np.meshgrid(rows, columns)
    np.arange(5000), np.arange(0, 9, 0.01), np.linspace(0, 1, 999), np.eye(50), np.zeros((50, 50)), np.ones(SIZE)
    np.indices((30, 40)), np.tri(50), np.add.at(np.zeros(40), rows, 1.0), np.maximum.at(np.zeros(40), rows, 9.0)
    np.apply_along_axis(np.sum, 0, np.ones((9, 300))), np.vectorize(float)(rows), np.fromiter(range(999), "int64")
    for _ in np.nditer([rows, rows], op_flags=[["readonly"], ["readwrite"]]):
        pass
    for _ in np.ndenumerate(np.ones((30, 30))), np.ndindex(30, 30):
        [*_]
    record = np.zeros(300, [("a", "f8"), ("b", "i4"), ("c", "U3")])
    record["a"] = np.arange(300)
    np.sort(record, order="a"), record[["a", "b"]].copy(), record.tolist(), record[5]["a"], record == record
    np.ma.masked_array(np.ones(SIZE), mask).mean(), np.lib.stride_tricks.sliding_window_view(rows, 5).sum(axis=1)


def products() -> None:
    for dtype in (*COMMON, *RARE, "object"):
        a, b = make("int64" if dtype == "object" else dtype, 12, 13).astype(dtype), make("int8", 13, 14).astype(dtype)
        vector = make("int8", 13).astype(dtype)
        a @ b, a @ vector, vector @ b, vector @ vector, np.dot(a, b), np.inner(a, a), np.vdot(vector, vector)
        np.outer(vector, vector), np.kron(a, vector), np.tensordot(a, b, 1), np.stack([a] * 9) @ np.stack([b] * 9)
        a[::2] @ b, a.T[::2, ::2] @ a[::2], np.matvec(a, vector), np.vecdot(a, vector), np.vecmat(vector, b)
    for dtype in ("float64", "float32", "complex128", "complex64", "int64", "int32"):
        a, b, c = make(dtype, 20, 21, 22), make(dtype, 20, 21, 22), make(dtype, 21, 22)
        for pattern in ("ijk,ijk->ik", "ijk,ijk->ij", "ijk,ijk->", "ijk,ijk->ijk", "ijk,ijk->k"):
            np.einsum(pattern, a, b), np.einsum(pattern, a.transpose(0, 2, 1), b.transpose(0, 2, 1))
        np.einsum("ijk,jk->i", a, c), np.einsum("ijk,jk->ijk", a, c), np.einsum("ijk,jk,ijk->i", a, c, b)
        np.einsum("ijk->i", a), np.einsum("ijk->k", a), np.einsum("ijk->", a), np.einsum("ii->i", c[:, :21])
        np.einsum("ij,kj->ik", c, c), np.einsum("ij,kj->ik", c, c, optimize=True), np.einsum("i,j->ij", c[0], c[0])
        np.einsum("ij,j->i", c, c[0]), np.einsum("i,i", c[0], c[0]), np.einsum("ii", c[:, :21]), np.einsum("ij->ji", c)
        np.einsum("i,i->i", c[0], c[1]), np.einsum("ij,ij,ij,ij->i", c, c, c, c), np.einsum(",i->i", 2, c[0])
    for dtype in ("float64", "float32", "complex128", "complex64"):
        square = make(dtype, 30, 30) + 300 * np.eye(30, dtype=dtype)
        symmetric = square + square.T.conj()
        for matrix in (square, np.stack([square[:4, :4]] * 50), square.T):
            np.linalg.inv(matrix), np.linalg.det(matrix), np.linalg.solve(matrix, matrix), np.linalg.slogdet(matrix)
            np.linalg.svd(matrix), np.linalg.qr(matrix), np.linalg.eig(matrix), np.linalg.eigvals(matrix)
            np.linalg.pinv(matrix), np.linalg.matrix_rank(matrix), np.linalg.matrix_power(matrix, 3)
            np.linalg.norm(matrix, axis=(-2, -1)), np.linalg.svd(matrix, compute_uv=False), np.linalg.cond(matrix)
        np.linalg.cholesky(symmetric), np.linalg.eigh(symmetric), np.linalg.eigvalsh(symmetric)
        np.linalg.lstsq(square, square[0]), np.linalg.solve(square, square[0]), np.linalg.norm(square)
        (
            np.linalg.cholesky(np.stack([symmetric] * 5)),
            np.linalg.eigh(np.stack([symmetric] * 5)),
            np.linalg.norm(square[0]),
        )


def transforms() -> None:
    for dtype in ("float64", "float32", "longdouble"):
        lengths = (2**13, 3000, 1155, 499, 64, 16) if dtype != "longdouble" else (64, 35)
        for length in lengths:
            real = make(dtype, length)
            for _ in range(1 + 2000 // length):
                half = np.fft.rfft(real)
                np.fft.irfft(half, length), np.fft.ifft(np.fft.fft(real)), np.fft.fft(half), np.fft.hfft(half)
        square = make(dtype, 32, 48)
        np.fft.ifft2(np.fft.fft2(square)), np.fft.irfft2(np.fft.rfft2(square)), np.fft.fft(square, axis=0)
        np.fft.rfft(square, axis=0), np.fft.fftn(square.reshape(8, 8, 24)), np.fft.rfftn(square.reshape(8, 8, 24))
        np.fft.fft(square, 64), np.fft.fft(square, norm="ortho"), np.fft.fftshift(square), np.fft.fftfreq(99)


def random_numbers() -> None:
    parameters = {
        **{"beta": (2, 3), "binomial": (20, 0.3), "chisquare": (3,), "exponential": (2,), "f": (3, 4), "gamma": (2, 1)},
        **{"geometric": (0.3,), "gumbel": (0, 1), "hypergeometric": (20, 30, 15), "laplace": (0, 1), "poisson": (5,)},
        **{"logistic": (0, 1), "lognormal": (0, 1), "logseries": (0.5,), "negative_binomial": (5, 0.4)},
        **{"noncentral_chisquare": (3, 1), "noncentral_f": (3, 4, 1), "normal": (0, 1), "pareto": (3,), "power": (3,)},
        **{"rayleigh": (1,), "standard_cauchy": (), "standard_exponential": (), "standard_gamma": (2,)},
        **{"standard_normal": (), "standard_t": (4,), "triangular": (0, 1, 3), "uniform": (0, 1), "vonmises": (0, 1)},
        **{"wald": (1, 1), "weibull": (2,), "zipf": (3,), "dirichlet": ([1, 2, 3],), "multinomial": (9, [0.2, 0.8])},
        **{"multivariate_normal": ([0, 0], [[1, 0.5], [0.5, 1]])},
    }
    old = np.random.RandomState(1)
    for generator in (random, old):
        for name, arguments in parameters.items():
            function = getattr(generator, name)
            for size in (1000, (20, 30), None, None):
                function(*arguments, size=size)
            if arguments and name not in ("dirichlet", "multinomial", "multivariate_normal"):
                function(*(np.full(300, each) for each in arguments))
        generator.permutation(SIZE), generator.shuffle(np.arange(SIZE)), generator.choice(SIZE, 99)
        (
            generator.choice(SIZE, 99, replace=False),
            generator.choice(5, 999, p=[0.1, 0.2, 0.3, 0.2, 0.2]),
            generator.bytes(99),
        )
        generator.shuffle(np.ones((50, 3))), generator.shuffle([*range(99)]), generator.permutation(np.ones((50, 3)))
        generator.poisson(50, 999), generator.binomial(500, 0.4, 999), generator.gamma(0.5, 1, 999)
    for dtype in ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool"):
        high = 2 if dtype == "bool" else 100
        random.integers(0, high, SIZE, dtype), old.randint(0, high, SIZE, dtype), random.integers(0, high, dtype=dtype)
        random.integers(0, np.full(99, high), dtype=dtype), old.randint(0, np.full(99, high), dtype=dtype)
    random.integers(0, 2**40, SIZE), random.integers(0, [9, 99, 999], (300, 3)), random.integers(5), old.randint(5)
    for dtype in ("float64", "float32"):
        random.random(SIZE, dtype), random.standard_normal(SIZE, dtype), random.standard_exponential(SIZE, dtype)
        (
            random.standard_gamma(2, SIZE, dtype),
            random.random(out=np.empty(SIZE, dtype), dtype=dtype),
            random.random(dtype=dtype),
        )
    (
        old.rand(SIZE),
        old.randn(SIZE),
        old.random_sample(SIZE),
        old.rand(),
        old.randn(),
        np.random.seed(1),
        np.random.rand(9),
    )
    random.permuted(np.ones((50, 40)), axis=1), random.multivariate_hypergeometric([9, 9, 9], 5, 99)
    for kind in (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64):
        each = np.random.Generator(kind(3))
        (
            each.random(SIZE),
            each.integers(0, 99, SIZE),
            each.standard_normal(SIZE),
            each.random(SIZE, "float32"),
            each.normal(),
        )
        each.integers(0, 99, SIZE, dtype="int32"), pickle.loads(pickle.dumps(each)), each.bit_generator.random_raw(99)
        if hasattr(each.bit_generator, "jumped"):
            each.bit_generator.jumped()
    np.random.SeedSequence(5).spawn(3), random.spawn(2)


def texts() -> None:
    words = [f"Text number {each % 97}" for each in range(1000)]
    for array in (
        np.array(words),
        np.array(words).astype("S"),
        np.array([*words, "a very much longer text, which is not in the array itself"], dtype=np.dtypes.StringDType()),
        np.array([f"t\u00e9xt {each}" for each in range(500)]),
    ):
        kind = bytes if array.dtype.kind == "S" else str
        some, many = (each.encode() if kind is bytes else each for each in ("numb", "t"))
        for name in ("upper", "lower", "title", "capitalize", "swapcase", "strip", "lstrip", "rstrip", "str_len"):
            getattr(np.strings, name)(array)
        for name in ("isalpha", "isdigit", "isspace", "islower", "isupper", "istitle", "isalnum"):
            getattr(np.strings, name)(array)
        for text in (some, many, array[::-1]):
            for name in ("find", "rfind", "count", "startswith", "endswith", "equal", "less", "not_equal"):
                getattr(np.strings, name)(array, text)
            array == text, array < text, array + text
        np.strings.replace(array, some, many), np.strings.ljust(array, 30), np.strings.center(array, 30)
        (
            np.strings.partition(array, np.asarray(some, array.dtype)),
            np.strings.zfill(array, 30),
            np.strings.multiply(array, 2),
            np.char.split(array),
        )
        np.strings.rjust(array, 30), np.strings.slice(array, 3), np.strings.strip(array, many), array.astype(object)
        (
            array.tolist(),
            array.copy(),
            array.take([1, 2]),
            np.char.add(array, many),
            np.unique(array),
            array.astype("U30"),
        )
    numbers = np.arange(500.0) / 7
    for array in (numbers, np.arange(500), numbers > 9, numbers.astype("float32"), numbers + 1j):
        text = array.astype("U")
        if array.dtype != bool:
            text.astype(array.dtype), array.astype("S"), array.astype("S").astype(array.dtype)
            array.astype(np.dtypes.StringDType())
            text.astype(np.dtypes.StringDType()).astype(array.dtype)
        np.array2string(array, threshold=9000), str(array), repr(array[:9]), [str(each) for each in array[:99]]
        file = io.StringIO()
        np.savetxt(file, array, fmt="%d" if array.dtype.kind == "i" else "%.18e")
        if array.dtype.kind in "fi":
            np.loadtxt(file.getvalue().splitlines(), dtype=array.dtype)
        for each in array[:50]:
            repr(each), f"{each}", array.tobytes()
    with np.printoptions(precision=3, suppress=True):
        str(numbers)
    np.format_float_positional(1.5), np.format_float_scientific(1.5), numbers[3].round(2), str(numbers * 1e9)
    file = io.StringIO()
    np.savetxt(file, np.stack([numbers, numbers * 1e5], axis=1), delimiter=",")
    lines = file.getvalue().splitlines()
    (
        np.loadtxt(lines, delimiter=","),
        np.genfromtxt(lines, delimiter=","),
        np.loadtxt(lines, delimiter=",", dtype="float32"),
    )
    file = io.StringIO()
    np.savetxt(file, np.ones((500, 3), int), fmt="%d")
    np.loadtxt(file.getvalue().splitlines(), dtype=int), np.fromstring(file.getvalue(), sep=" ")
    (
        np.loadtxt(["a 1 2.5", "b 2 3.5"] * 200, dtype=[("a", "U3"), ("b", "i4"), ("c", "f8")]),
        np.fromstring("1 2", int, sep=" "),
    )
    np.loadtxt(["2024-01-01,word"] * 99, delimiter=",", dtype="U"), np.loadtxt(lines, delimiter=",", usecols=1)
    for array in (numbers, np.array(words), np.array([None, "a"], dtype=object), np.asfortranarray(np.ones((50, 60)))):
        file = io.BytesIO()
        np.save(file, array)
        file.seek(0)
        np.load(file, allow_pickle=True), pickle.loads(pickle.dumps(array)), pickle.loads(pickle.dumps(array, 5))
        np.asarray(array), np.array([array, array])
    np.frombuffer(numbers.tobytes()), np.frombuffer(b"1234" * 99, "u1"), np.from_dlpack(numbers), bytes(numbers)


def dates() -> None:
    days = np.arange("2020-01-01", "2024-01-01", dtype="datetime64[D]")
    for unit in ("Y", "M", "D", "h", "s", "ms", "us", "ns"):
        array = days.astype(f"datetime64[{unit}]")
        for other in ("Y", "M", "D", "s", "us", "ns"):
            array.astype(f"datetime64[{other}]")
        array.astype("U"), array.astype("int64"), np.datetime_as_string(array), array[:99].tolist(), array - array[0]
        array + np.timedelta64(5), array > array[9], np.isnat(array), np.diff(array), array.max(), str(array[:20])
        np.array([str(each) for each in array[:99]], dtype=array.dtype), np.sort(array[::-1]), np.unique(array)
        array.astype("U").astype(array.dtype), array.astype("S").astype(array.dtype)
    np.busday_count(days[:-9], days[9:]), np.is_busday(days), np.busday_offset(days, 3, "forward"), days.astype(object)
    gaps = days - days[::-1]
    gaps / np.timedelta64(1, "h"), gaps * 2, gaps // np.timedelta64(3, "D"), gaps % np.timedelta64(7, "D"), gaps.sum()
    gaps / 2, gaps.mean(), abs(gaps), gaps.astype("timedelta64[s]"), gaps.astype(object), gaps.astype("float64")
    np.array([datetime.datetime(2024, 1, 1)] * 99, dtype="datetime64[us]"), np.datetime64("2024-01-01T12:30")


def small() -> None:
    """Arrays and numbers that are so small that the loops take no time."""
    for dtype in COMMON:
        a, b = make(dtype, 3), make(dtype, 3, 3)
        number, other = a[0], b[0, 1]
        for _ in range(300):
            (
                a + a,
                a * number,
                a & a if dtype in ("bool", "int64") else a * 2,
                a == a,
                a.sum(),
                a.max(),
                b @ a,
                b.T,
                a[1],
                b[0],
            )
            (
                a.astype("float64"),
                np.array([1, 2, 3]),
                np.zeros(3),
                np.empty((2, 2)),
                a.copy(),
                a.reshape(3, 1),
                b[:, 1],
                a[1:],
            )
            number + other, number * 2, number == other, bool(number), number.item(), float(number.real), np.sqrt(a)
            (
                np.dot(a, a),
                np.asarray(a),
                np.concatenate([a, a]),
                a.any(),
                np.arange(3),
                len(a),
                a.mean(),
                np.add(a, a, out=a),
            )
            a[0] = number
            b[0, 1] = other
            b[0] = 1
            (
                a.T,
                a.shape,
                a.dtype,
                a.ndim,
                a.strides,
                a.size,
                np.abs(a),
                abs(number),
                hash(number),
                str(dtype),
                np.where(a, a, a),
            )
            (
                np.dtype(dtype),
                np.result_type(a, 1),
                a.tolist(),
                a.ravel(),
                np.isscalar(number),
                np.exp(a),
                a.dtype == b.dtype,
            )
            if dtype in ("float64", "float32", "int64", "int32"):
                (
                    number - other,
                    number / other,
                    number // other,
                    number % other,
                    number**2,
                    -number,
                    number < other,
                    2 + number,
                )
                (
                    2.0 * number,
                    number > 1,
                    int(number),
                    round(number, 1),
                    divmod(number, other),
                    np.float64(1.5),
                    np.int64(3),
                )
                (
                    a - a,
                    a / a,
                    a < a,
                    a**2,
                    -a,
                    2 * a,
                    a.argmax(),
                    a.min(),
                    np.clip(a, 1, 2),
                    np.maximum(a, a),
                    np.add(a, a, a),
                )
            if dtype == "int64":
                (
                    number & other,
                    number | other,
                    number ^ other,
                    ~number,
                    number << 1,
                    number >> 1,
                    [4, 5, 6, 7, 8, 9, 10][np.int64(1)],
                )
    things = np.array([1, 2.5, 3, 4] * 200, dtype=object)
    things + things, things * 2, things.sum(), things > 2, things == 2, things.max(), things.copy(), things.tolist()
    np.add.accumulate(things), np.frompyfunc(lambda each: each, 1, 1)(things), np.sort(things), things.astype(float)


PARTS = (ufuncs, reductions, casts, sorts, indexing, products, transforms, random_numbers, texts, dates, small)

if __name__ == "__main__":
    for part in PARTS:
        part()
    older = ",".join(__cpu_dispatch__)
    if "X86_V3" in __cpu_dispatch__ and os.environ[LEVELS] != older:
        subprocess.run([sys.executable, "-P", __file__], env=os.environ | {LEVELS: older}, check=True)
