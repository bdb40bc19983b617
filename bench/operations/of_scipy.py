"""Operations of scipy, one or more for each of its subpackages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.cluster.hierarchy
import scipy.fft
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.ndimage
import scipy.optimize
import scipy.signal
import scipy.sparse
import scipy.sparse.linalg
import scipy.spatial
import scipy.special
import scipy.stats
from registry import SEED, operation

if TYPE_CHECKING:
    from collections.abc import Callable

    Timed = Callable[[], Any]

THREADS = int(os.environ["OMP_NUM_THREADS"])


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(SEED).random(shape)


def _symmetric(size: int) -> np.ndarray:
    matrix = _random(size, size)
    return matrix + matrix.T + size * np.eye(size)


def _laplacian(side: int) -> scipy.sparse.csr_array:
    """The matrix of Poisson's equation on a square."""
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(side, side))
    unit = scipy.sparse.eye_array(side)
    return scipy.sparse.csr_array(scipy.sparse.kron(line, unit) + scipy.sparse.kron(unit, line))


@operation()
def fft_complex() -> Timed:
    a = _random(2**17) + 0.5j
    return lambda: scipy.fft.fft(a)


@operation()
def fft_2d() -> Timed:
    a = _random(512, 512) + 0.5j
    return lambda: scipy.fft.fft2(a, workers=THREADS)


@operation(rtol=1e-5)
def fft_2d_float32() -> Timed:
    a = _random(512, 512).astype(np.float32)
    return lambda: scipy.fft.rfft2(a, workers=THREADS)


@operation()
def dct_of_prime_length() -> Timed:
    a = _random(20, 4999)
    return lambda: scipy.fft.dct(a)


@operation(linear_algebra=True)
def lu_solve() -> Timed:
    a, b = _symmetric(400), _random(400)
    return lambda: scipy.linalg.lu_solve(scipy.linalg.lu_factor(a), b)


@operation(linear_algebra=True, view=lambda r: (r[0], (r[1] * r[0]) @ r[1].T))
def eigh() -> Timed:
    a = _symmetric(250)
    return lambda: scipy.linalg.eigh(a)


@operation(linear_algebra=True, view=lambda r: (r[1], (r[0] * r[1]) @ r[2]))
def svd() -> Timed:
    a = _random(300, 150)
    return lambda: scipy.linalg.svd(a, full_matrices=False)


@operation(linear_algebra=True, view=lambda r: (abs(r[1]), r[0] @ r[1]))
def qr() -> Timed:
    a = _random(400, 200)
    return lambda: scipy.linalg.qr(a, mode="economic")


@operation(linear_algebra=True)
def matrix_exponential() -> Timed:
    a = _random(150, 150) / 50
    return lambda: scipy.linalg.expm(a)


@operation(linear_algebra=True)
def triangular_solve() -> Timed:
    a, b = np.tril(_symmetric(600)), _random(600, 60)
    return lambda: scipy.linalg.solve_triangular(a, b, lower=True)


@operation()
def sparse_times_sparse() -> Timed:
    a = scipy.sparse.random_array((3000, 3000), density=0.004, format="csr", rng=np.random.default_rng(SEED))
    return lambda: a @ a


@operation()
def sparse_times_vector() -> Timed:
    a = _laplacian(300)
    b = _random(a.shape[0])
    return lambda: a @ b


@operation()
def sparse_solve() -> Timed:
    a = scipy.sparse.csc_array(_laplacian(60))
    b = _random(a.shape[0])
    return lambda: scipy.sparse.linalg.spsolve(a, b)


@operation(rtol=1e-6)
def sparse_eigenvalues() -> Timed:
    a = _laplacian(40)
    start = _random(a.shape[0])
    return lambda: scipy.sparse.linalg.eigsh(a, k=4, v0=start, return_eigenvectors=False)


@operation()
def shortest_paths() -> Timed:
    a = abs(_laplacian(20))
    return lambda: scipy.sparse.csgraph.dijkstra(a, indices=range(20))


@operation()
def gamma() -> Timed:
    a = 1 + 10 * _random(100_000)
    return lambda: scipy.special.gammaln(a)


@operation()
def error_function() -> Timed:
    a = 4 * _random(200_000) - 2
    return lambda: scipy.special.erf(a)


@operation(rtol=1e-8)
def bessel() -> Timed:
    a = 20 * _random(20_000)
    return lambda: scipy.special.jv(1.5, a)


@operation()
def gaussian_filter() -> Timed:
    a = _random(400, 400)
    return lambda: scipy.ndimage.gaussian_filter(a, 2.0)


@operation()
def median_filter() -> Timed:
    a = _random(150, 150)
    return lambda: scipy.ndimage.median_filter(a, size=5)


@operation()
def zoom_spline() -> Timed:
    a = _random(150, 150)
    return lambda: scipy.ndimage.zoom(a, 2.0, order=3)


@operation()
def label_regions() -> Timed:
    a = _random(500, 500) > 0.6
    return lambda: scipy.ndimage.label(a)


@operation()
def convolve_by_fft() -> Timed:
    a, b = _random(100_000), _random(5000)
    return lambda: scipy.signal.fftconvolve(a, b)


@operation()
def filter_iir() -> Timed:
    sections, a = scipy.signal.butter(6, 0.2, output="sos"), _random(100_000)
    return lambda: scipy.signal.sosfilt(sections, a)


@operation()
def resample_polyphase() -> Timed:
    a = _random(100_000)
    return lambda: scipy.signal.resample_poly(a, 3, 7)


@operation()
def find_peaks() -> Timed:
    a = _random(100_000)
    return lambda: scipy.signal.find_peaks(a, prominence=0.5)[0]


@operation()
def cubic_spline() -> Timed:
    a, b = np.linspace(0, 1, 5000), _random(100_000)
    values = np.sin(9 * a)
    return lambda: scipy.interpolate.CubicSpline(a, values)(b)


@operation()
def interpolate_on_grid() -> Timed:
    a, points = np.linspace(0, 1, 50), _random(50_000, 3)
    grid = scipy.interpolate.RegularGridInterpolator((a, a, a), _random(50, 50, 50))
    return lambda: grid(points)


@operation()
def interpolate_scattered() -> Timed:
    points, values, wanted = _random(2000, 2), _random(2000), 0.2 + 0.6 * _random(5000, 2)
    return lambda: scipy.interpolate.LinearNDInterpolator(points, values)(wanted)


@operation(rtol=1e-4)
def least_squares() -> Timed:
    a = np.linspace(0, 4, 500)
    values = 2.5 * np.exp(-1.3 * a) + 0.5 + 0.01 * _random(500)
    return lambda: scipy.optimize.curve_fit(lambda x, p, q, r: p * np.exp(-q * x) + r, a, values)[0]


@operation(rtol=1e-3)
def minimize_bfgs() -> Timed:
    start = np.full(10, 1.3)
    bounds = [(-2.0, 2.0)] * 10
    rosen, gradient = scipy.optimize.rosen, scipy.optimize.rosen_der
    return lambda: scipy.optimize.minimize(rosen, start, jac=gradient, method="L-BFGS-B", bounds=bounds).x


@operation()
def assignment() -> Timed:
    cost = _random(300, 300)
    return lambda: cost[scipy.optimize.linear_sum_assignment(cost)].sum()


@operation(rtol=1e-6)
def linear_program() -> Timed:
    a, b, cost = _random(60, 120), np.full(60, 30.0), -1 - _random(120)
    return lambda: scipy.optimize.linprog(cost, A_ub=a, b_ub=b, method="highs").fun


@operation(rtol=1e-5)
def initial_value_problem() -> Timed:
    def slope(_time: float, y: np.ndarray) -> list[float]:
        return [y[1], 5 * (1 - y[0] ** 2) * y[1] - y[0]]

    return lambda: scipy.integrate.solve_ivp(slope, (0, 10), [2.0, 0.0], method="LSODA", rtol=1e-8).y[:, -1]


@operation(rtol=1e-7)
def quadrature() -> Timed:
    return lambda: [scipy.integrate.quad(np.cos, 0, each)[0] for each in range(1, 60)]


@operation()
def normal_distribution() -> Timed:
    a = 6 * _random(100_000) - 3
    return lambda: scipy.stats.norm.cdf(a)


@operation()
def ranks() -> Timed:
    a = np.random.default_rng(SEED).integers(0, 1000, 100_000)
    return lambda: scipy.stats.rankdata(a)


@operation()
def density_estimate() -> Timed:
    a, b = _random(1500), _random(500)
    return lambda: scipy.stats.gaussian_kde(a)(b)


@operation()
def nearest_neighbors() -> Timed:
    a, b = _random(10_000, 3), _random(5000, 3)[::-1]
    return lambda: scipy.spatial.cKDTree(a).query(b, k=3, workers=THREADS)[0]


@operation()
def pairwise_distances() -> Timed:
    a = _random(700, 10)
    return lambda: scipy.spatial.distance.pdist(a)


@operation(view=lambda r: np.unique(np.sort(r.simplices, axis=1), axis=0))
def delaunay() -> Timed:
    a = _random(5000, 2)
    return lambda: scipy.spatial.Delaunay(a)


@operation()
def hierarchical_clustering() -> Timed:
    a = _random(500, 5)
    return lambda: scipy.cluster.hierarchy.linkage(a, "average")[:, 2]
