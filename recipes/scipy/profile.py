"""What most of the time of scipy goes into: each part of it with the types that people have most."""

import io
import warnings

import numpy as np
import scipy.cluster.hierarchy
import scipy.cluster.vq
import scipy.datasets
import scipy.fft
import scipy.fftpack
import scipy.integrate
import scipy.interpolate
import scipy.io
import scipy.linalg
import scipy.ndimage
import scipy.odr
import scipy.optimize
import scipy.signal
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
import scipy.spatial
import scipy.spatial.transform
import scipy.special
import scipy.stats
import scipy.stats.sampling

warnings.simplefilter("ignore")
random = np.random.default_rng(1)
square = random.random((60, 60)) + 60 * np.eye(60)
positive = square @ square.T

# Transforms.
for dtype in (np.complex128, np.complex64):
    signal = (random.random(2**15) + 0.5j).astype(dtype)
    for _ in range(4):
        scipy.fft.fft(signal), scipy.fft.ifft(signal), scipy.fft.fft2(signal.reshape(128, 256))
for dtype in (np.float64, np.float32):
    signal = random.random(2**15).astype(dtype)
    for length in (2**15, 30_000, 4999, 3 * 5 * 7 * 11):
        scipy.fft.irfft(scipy.fft.rfft(signal[:length])), scipy.fft.fft(signal[:length])
    for _ in range(4):
        scipy.fft.rfft2(signal.reshape(128, 256)), scipy.fft.fft2(signal.reshape(128, 256))
    for kind in (1, 2, 3, 4):
        (
            scipy.fft.dct(signal[:4999], kind),
            scipy.fft.dst(signal[:4096], kind),
            scipy.fft.dct(signal.reshape(64, 512), kind),
        )
    scipy.fft.fftn(signal.reshape(32, 32, 32)), scipy.fft.rfftn(signal.reshape(32, 32, 32))

# Dense matrices.
for dtype in (np.float64, np.float32, np.complex128):
    a, s, b = (each.astype(dtype) for each in (square, positive, random.random((60, 3))))
    scipy.linalg.solve(a, b), scipy.linalg.inv(a), scipy.linalg.det(a), scipy.linalg.lu(a), scipy.linalg.qr(a)
    scipy.linalg.svd(a), scipy.linalg.eigh(s), scipy.linalg.eig(a), scipy.linalg.cholesky(s), scipy.linalg.schur(a)
    (
        scipy.linalg.expm(a / 60),
        scipy.linalg.sqrtm(s),
        scipy.linalg.logm(s),
        scipy.linalg.lstsq(a, b),
        scipy.linalg.pinv(a),
    )
    scipy.linalg.lu_solve(scipy.linalg.lu_factor(a), b), scipy.linalg.solve_triangular(np.tril(a), b, lower=True)
    scipy.linalg.cho_solve(scipy.linalg.cho_factor(s), b), scipy.linalg.ldl(s), scipy.linalg.hessenberg(a)
    scipy.linalg.solve_banded((1, 1), np.stack([a[0], 9 + a[1], a[2]]), b), scipy.linalg.qr(a, pivoting=True)
    scipy.linalg.inv(np.stack([a] * 20)), scipy.linalg.solve_toeplitz(9 * np.eye(60)[0] + 1 + a[0] / 99, b[:, 0])
(
    scipy.linalg.interpolative.interp_decomp(square, 1e-3),
    scipy.linalg.qr_insert(*scipy.linalg.qr(square), b[:, 0].real, 0, "col"),
)
(
    scipy.linalg.solve_continuous_are(square, np.eye(60), positive, np.eye(60)),
    scipy.linalg.solve_sylvester(square, square, positive),
)
scipy.linalg.bandwidth(square), scipy.linalg.issymmetric(positive), scipy.linalg.expm(np.zeros((3, 3)))

# Sparse matrices.
line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(40, 40))
unit = scipy.sparse.eye_array(40)
poisson = scipy.sparse.csr_array(scipy.sparse.kron(line, unit) + scipy.sparse.kron(unit, line))
vector = random.random(1600)
for dtype in (np.float64, np.float32, np.complex128, np.int64, np.bool_):
    for index in (np.int32, np.int64):
        sparse = scipy.sparse.random_array((800, 800), density=0.01, format="csr", rng=2)
        if dtype in (np.int64, np.bool_):
            sparse.data = np.ceil(9 * sparse.data)
        sparse = sparse.astype(dtype)
        sparse.indices, sparse.indptr = sparse.indices.astype(index), sparse.indptr.astype(index)
        for form in ("csr", "csc", "coo"):
            x = sparse.asformat(form)
            x @ x, x @ vector[:800].astype(dtype), x @ np.ones((800, 8), dtype), x + x.T, x.multiply(x), x.toarray()
            x.sum(axis=0), x.sum(axis=1), x.T.tocsr(), abs(x), x.max(), x.tocsc().tocsr(), x.astype(np.float64)
        (
            sparse[10:400],
            sparse[:, 10:400],
            sparse[[1, 5, 3]],
            sparse[5, 7],
            sparse[sparse.nonzero()],
            sparse > 0,
            sparse != sparse.T,
        )
        (
            sparse.tobsr((4, 4)) @ np.ones(800, dtype),
            sparse.tolil()[3],
            sparse.sort_indices(),
            sparse.sum_duplicates(),
            sparse.diagonal(),
        )
for _ in range(3):
    poisson @ vector, poisson @ poisson
for dtype in (np.float64, np.float32, np.complex128):
    a, b = scipy.sparse.csc_array(poisson).astype(dtype), vector.astype(dtype)
    for _ in range(3):
        scipy.sparse.linalg.spsolve(a, b)
    scipy.sparse.linalg.splu(a).solve(b), scipy.sparse.linalg.spilu(a).solve(b), scipy.sparse.linalg.eigs(a, 3, v0=b)
    scipy.sparse.linalg.svds(a, 3, v0=b.real.astype(dtype))
    (
        scipy.sparse.linalg.cg(a, b, maxiter=50),
        scipy.sparse.linalg.gmres(a, b, maxiter=3),
        scipy.sparse.linalg.expm_multiply(a, b),
    )
scipy.sparse.linalg.eigsh(poisson, 4, v0=vector), scipy.sparse.linalg.eigsh(poisson, 4, sigma=0, v0=vector)
(
    scipy.sparse.linalg.spsolve_triangular(scipy.sparse.tril(poisson).tocsr(), vector),
    scipy.sparse.linalg.lsqr(poisson, vector, iter_lim=20),
)
scipy.sparse.linalg.svds(scipy.sparse.diags_array(0.5 ** np.arange(80)).tocsr(), 3, solver="propack", rng=3)
scipy.sparse.linalg.lobpcg(poisson, random.random((1600, 3)), maxiter=5), scipy.sparse.linalg.norm(poisson)
graph = abs(poisson)[:400, :400]
for method in (scipy.sparse.csgraph.dijkstra, scipy.sparse.csgraph.johnson, scipy.sparse.csgraph.bellman_ford):
    method(graph, indices=range(10))
(
    scipy.sparse.csgraph.dijkstra(graph, indices=range(20), directed=False),
    scipy.sparse.csgraph.floyd_warshall(graph[:150, :150]),
)
scipy.sparse.csgraph.connected_components(graph), scipy.sparse.csgraph.minimum_spanning_tree(graph)
(
    scipy.sparse.csgraph.breadth_first_order(graph, 0),
    scipy.sparse.csgraph.depth_first_order(graph, 0),
    scipy.sparse.csgraph.laplacian(graph),
)
scipy.sparse.csgraph.reverse_cuthill_mckee(graph), scipy.sparse.csgraph.maximum_bipartite_matching(graph)
scipy.sparse.csgraph.maximum_flow(scipy.sparse.csr_array(np.ceil(graph.toarray()).astype(np.int32)), 0, 399)
scipy.sparse.csgraph.min_weight_full_bipartite_matching(graph), scipy.sparse.csgraph.yen(graph, 0, 9, 3)

# Special functions.
x, n = 10 * random.random(20_000) + 0.1, random.integers(0, 20, 20_000)
for dtype in (np.float64, np.float32):
    y = x.astype(dtype)
    for name in (
        *(
            "gamma",
            "gammaln",
            "loggamma",
            "psi",
            "erf",
            "erfc",
            "erfinv",
            "ndtr",
            "log_ndtr",
            "expit",
            "logit",
            "j0",
            "j1",
            "y0",
        ),
        *(
            "i0",
            "i0e",
            "k0",
            "exp1",
            "expi",
            "dawsn",
            "sinc",
            "cbrt",
            "exp2",
            "exp10",
            "expm1",
            "log1p",
            "entr",
            "ellipk",
            "zeta",
        ),
        *(
            "zetac",
            "spence",
            "rgamma",
            "sici",
            "shichi",
            "airy",
            "fresnel",
            "wofz",
            "round",
            "cosm1",
            "ndtri",
            "xlogy",
            "ellipe",
        ),
    ):
        function = getattr(scipy.special, name, None)
        if function is not None:
            inside = y / 11 if name in {"erfinv", "logit", "ndtri", "ellipk", "ellipe", "spence"} else y
            function(inside, inside) if name == "xlogy" else function(inside + 1 if name == "zeta" else inside)
    for name in (
        "jv",
        "yv",
        "iv",
        "kv",
        "gammainc",
        "gammaincc",
        "beta",
        "betaln",
        "binom",
        "poch",
        "hyp0f1",
        "pdtr",
        "chdtr",
        "kl_div",
    ):
        getattr(scipy.special, name)(y[:6000], y[::-1][:6000])
    (
        scipy.special.betainc(2, 3, y / 11),
        scipy.special.hyp2f1(1, 2, 3, y[:3000] / 22),
        scipy.special.hyp1f1(1, 2, y[:3000]),
    )
    (
        scipy.special.stdtr(5, y),
        scipy.special.fdtr(3, 4, y),
        scipy.special.bdtr(3, 9, y / 11),
        scipy.special.nbdtr(3, 4, y / 11),
    )
    (
        scipy.special.logsumexp(y),
        scipy.special.softmax(y),
        scipy.special.huber(1, y),
        scipy.special.eval_legendre(n[:5000], y[:5000] / 11),
    )
(
    scipy.special.erf(x + 1j),
    scipy.special.gamma(x[:3000] + 1j),
    scipy.special.jv(1.5, x[:3000] + 1j),
    scipy.special.comb(30, n),
    scipy.special.factorial(n),
)
(
    scipy.special.roots_legendre(40),
    scipy.special.roots_hermite(30),
    scipy.special.sph_harm_y(3, 2, x, x),
    scipy.special.lambertw(x),
    scipy.special.jn_zeros(2, 9),
)
(
    scipy.special.betaincinv(2, 3, x / 11),
    scipy.special.gammaincinv(2, x / 11),
    scipy.special.stdtrit(4, x / 11),
    scipy.special.chdtri(3, x / 11),
    scipy.special.ellipj(x, 0.5),
)

# Images.
for dtype in (np.float64, np.float32, np.uint8):
    image = (200 * random.random((150, 150))).astype(dtype)
    (
        scipy.ndimage.gaussian_filter(image, 2),
        scipy.ndimage.uniform_filter(image, 5),
        scipy.ndimage.sobel(image),
        scipy.ndimage.laplace(image),
    )
    (
        scipy.ndimage.median_filter(image, 5),
        scipy.ndimage.maximum_filter(image, 5),
        scipy.ndimage.minimum_filter(image, 3),
        scipy.ndimage.percentile_filter(image, 20, 3),
    )
    (
        scipy.ndimage.convolve(image, np.ones((3, 3))),
        scipy.ndimage.correlate1d(image, [1, 2, 1]),
        scipy.ndimage.rank_filter(image, 2, 3),
    )
    for order in (0, 1, 3):
        (
            scipy.ndimage.zoom(image, 1.7, order=order),
            scipy.ndimage.rotate(image, 20, order=order),
            scipy.ndimage.shift(image, 1.5, order=order),
        )
        (
            scipy.ndimage.map_coordinates(image, 149 * random.random((2, 5000)), order=order),
            scipy.ndimage.affine_transform(image, [[0.9, 0.1], [0, 1]], order=order),
        )
    mask = image > 100
    labels, count = scipy.ndimage.label(mask)
    (
        scipy.ndimage.sum(image, labels, range(count)),
        scipy.ndimage.center_of_mass(image, labels, range(count)),
        scipy.ndimage.find_objects(labels),
    )
    (
        scipy.ndimage.distance_transform_edt(mask),
        scipy.ndimage.binary_dilation(mask, iterations=3),
        scipy.ndimage.binary_fill_holes(mask),
    )
    (
        scipy.ndimage.grey_erosion(image, 3),
        scipy.ndimage.distance_transform_cdt(mask),
        scipy.ndimage.binary_erosion(mask),
        scipy.ndimage.watershed_ift(image.astype(np.uint8), labels.astype(np.int16)),
    )
    (
        scipy.ndimage.generic_filter(image[:20, :20].astype(float), np.max, 3),
        scipy.ndimage.spline_filter(image),
        scipy.ndimage.fourier_gaussian(image.astype(float), 1),
    )

# Signals.
for dtype in (np.float64, np.float32, np.complex128):
    signal = random.random(20_000).astype(dtype)
    sections, (b, a) = scipy.signal.butter(6, 0.2, output="sos"), scipy.signal.butter(4, 0.2)
    for _ in range(3):
        (
            scipy.signal.sosfilt(sections, signal),
            scipy.signal.lfilter(b, a, signal),
            scipy.signal.resample_poly(signal, 3, 7),
        )
    (
        scipy.signal.sosfiltfilt(sections, signal),
        scipy.signal.filtfilt(b, a, signal),
        scipy.signal.decimate(signal, 4),
        scipy.signal.resample(signal, 9000),
    )
    (
        scipy.signal.fftconvolve(signal, signal[:900]),
        scipy.signal.oaconvolve(signal, signal[:90]),
        scipy.signal.convolve2d(signal[:2500].reshape(50, 50), np.ones((5, 5))),
    )
    (
        scipy.signal.correlate(signal[:900], signal[:300], method="direct"),
        scipy.signal.hilbert(signal.real),
        scipy.signal.stft(signal),
        scipy.signal.welch(signal),
        scipy.signal.detrend(signal),
    )
    (
        scipy.signal.lfilter([1.0], [1.0, -0.9], signal),
        scipy.signal.savgol_filter(signal.real, 11, 3),
        scipy.signal.spectrogram(signal.real),
        scipy.signal.csd(signal, signal[::-1]),
    )
signal = random.random(20_000)
for _ in range(3):
    (
        scipy.signal.find_peaks(signal, prominence=0.5, width=1, distance=3),
        scipy.signal.peak_widths(signal, scipy.signal.find_peaks(signal)[0]),
        scipy.signal.argrelmax(signal),
    )
(
    scipy.signal.medfilt(signal[:3000], 5),
    scipy.signal.medfilt2d(signal[:2500].reshape(50, 50)),
    scipy.signal.wiener(signal[:3000]),
    scipy.signal.firwin(51, 0.3),
    scipy.signal.remez(31, [0, 0.1, 0.2, 0.5], [1, 0]),
)
(
    scipy.signal.lsim(([1], [1, 2, 3]), signal[:300], np.arange(300)),
    scipy.signal.cspline1d(signal[:999]),
    scipy.signal.max_len_seq(10),
    scipy.signal.find_peaks_cwt(signal[:400], [3, 5]),
    scipy.signal.lombscargle(np.arange(99.0), signal[:99], [0.5, 1.0]),
)
(
    scipy.signal.symiirorder1(signal[:500], 0.5, 0.5),
    scipy.signal.sepfir2d(signal[:2500].reshape(50, 50), [1, 2, 1], [1, 2, 1]),
    scipy.signal.ellip(5, 1, 40, 0.3),
)

# Interpolation.
grid, wanted = np.linspace(0, 1, 1000), random.random(20_000)
values = np.sin(9 * grid)
for make in (
    scipy.interpolate.CubicSpline,
    scipy.interpolate.PchipInterpolator,
    scipy.interpolate.Akima1DInterpolator,
    scipy.interpolate.make_interp_spline,
    scipy.interpolate.InterpolatedUnivariateSpline,
):
    for _ in range(3):
        make(grid, values)(wanted)
    make(grid[::9], values[::9])(wanted)
(
    scipy.interpolate.interp1d(grid, values, "cubic")(wanted),
    scipy.interpolate.interp1d(grid, values)(wanted),
    scipy.interpolate.splev(wanted, scipy.interpolate.splrep(grid, values, s=0.01)),
    scipy.interpolate.UnivariateSpline(grid, values, s=0.1).integral(0, 1),
)
(
    scipy.interpolate.make_smoothing_spline(grid[::5], values[::5])(wanted),
    scipy.interpolate.make_lsq_spline(grid, values, [0] * 4 + [0.5] + [1] * 4)(wanted),
    scipy.interpolate.BarycentricInterpolator(grid[::100], values[::100])(wanted),
)
side, points = np.linspace(0, 1, 30), random.random((10_000, 3))
for method in ("linear", "nearest", "cubic"):
    scipy.interpolate.RegularGridInterpolator((side, side, side), random.random((30, 30, 30)), method=method)(
        points[:3000]
    )
(
    scipy.interpolate.RectBivariateSpline(side, side, random.random((30, 30)))(
        wanted[:2000], wanted[:2000], grid=False
    ),
    scipy.interpolate.NdPPoly,
)
flat = random.random((800, 2))
for make in (
    scipy.interpolate.LinearNDInterpolator,
    scipy.interpolate.CloughTocher2DInterpolator,
    scipy.interpolate.NearestNDInterpolator,
    scipy.interpolate.RBFInterpolator,
):
    make(flat[:300], flat[:300, 0])(0.2 + 0.6 * points[:3000, :2])
(
    scipy.interpolate.SmoothBivariateSpline(flat[:, 0], flat[:, 1], flat[:, 0] * flat[:, 1])(side, side),
    scipy.interpolate.splprep([values, grid], s=0),
    scipy.interpolate.BSpline.design_matrix(wanted[:500], [0] * 4 + [0.5] + [1] * 4, 3),
)

# Optimization.
start = np.full(8, 1.3)
rosen, gradient, hessian = scipy.optimize.rosen, scipy.optimize.rosen_der, scipy.optimize.rosen_hess
for method in (
    "L-BFGS-B",
    "BFGS",
    "Nelder-Mead",
    "SLSQP",
    "TNC",
    "CG",
    "COBYLA",
    "Powell",
    "trust-constr",
    "trust-krylov",
):
    smooth = (
        {}
        if method in {"Nelder-Mead", "COBYLA", "Powell"}
        else {"jac": gradient} | ({"hess": hessian} if "trust" in method else {})
    )
    scipy.optimize.minimize(rosen, start, method=method, options={"maxiter": 200}, **smooth)
scipy.optimize.minimize(
    rosen,
    start,
    jac=gradient,
    method="SLSQP",
    bounds=[(-2, 1)] * 8,
    constraints={"type": "ineq", "fun": lambda p: 9 - p.sum()},
)
for _ in range(5):
    for size in (60, 200):
        scipy.optimize.linear_sum_assignment(random.random((size, size)))
for rows, columns in ((20, 40), (60, 120), (100, 150)):
    a, b, cost = random.random((rows, columns)), np.full(rows, 30.0), -1 - random.random(columns)
    for method in ("highs", "highs-ds", "highs-ipm"):
        scipy.optimize.linprog(cost, A_ub=a, b_ub=b, method=method)
    scipy.optimize.linprog(cost, A_ub=scipy.sparse.csr_array(np.where(a > 0.7, a, 0)), b_ub=b)
(
    scipy.optimize.linprog(cost, A_eq=a[:20], b_eq=b[:20], bounds=(0, 3)),
    scipy.optimize.linprog([1.0], A_ub=[[1.0]], b_ub=[-1.0]),
)
a, cost = random.integers(1, 20, (8, 30)), -random.integers(1, 30, 30)
scipy.optimize.milp(
    cost,
    constraints=scipy.optimize.LinearConstraint(a, ub=np.full(8, 90)),
    integrality=np.ones(30),
    bounds=scipy.optimize.Bounds(0, 1),
)
t = np.linspace(0, 4, 400)
data = 2.5 * np.exp(-1.3 * t) + 0.5 + 0.01 * random.random(400)
for method in ("lm", "trf", "dogbox"):
    scipy.optimize.curve_fit(lambda x, p, q, r: p * np.exp(-q * x) + r, t, data, method=method)
(
    scipy.optimize.nnls(abs(square), vector[:60]),
    scipy.optimize.lsq_linear(square, vector[:60]),
    scipy.optimize.isotonic_regression(data),
)
(
    scipy.optimize.fsolve(lambda p: [p[0] ** 2 + p[1] - 3, p[0] - p[1]], [1, 1]),
    scipy.optimize.root(lambda p: [p[0] ** 2 + p[1] - 3, p[0] - p[1]], [1, 1], method="krylov"),
)
for solve in (
    scipy.optimize.brentq,
    scipy.optimize.bisect,
    scipy.optimize.ridder,
    scipy.optimize.brenth,
    scipy.optimize.toms748,
):
    [solve(lambda v, k=k: v**3 - k, 0, 9) for k in range(1, 50)]
(
    scipy.optimize.differential_evolution(rosen, [(-2, 2)] * 3, maxiter=20, rng=1),
    scipy.optimize.dual_annealing(rosen, [(-2, 2)] * 3, maxiter=30, rng=1),
    scipy.optimize.shgo(rosen, [(-2, 2)] * 2),
    scipy.optimize.direct(rosen, [(-2, 2)] * 2),
)
scipy.optimize.quadratic_assignment(random.random((12, 12)), random.random((12, 12)))

# Integration.
for method in ("RK45", "RK23", "DOP853", "Radau", "BDF", "LSODA"):
    scipy.integrate.solve_ivp(
        lambda _, y: [y[1], 5 * (1 - y[0] ** 2) * y[1] - y[0]], (0, 5), [2.0, 0.0], method=method, rtol=1e-6
    )
(
    scipy.integrate.odeint(lambda y, _: [y[1], -y[0]], [1.0, 0.0], np.linspace(0, 9, 200)),
    [scipy.integrate.quad(np.cos, 0, each) for each in range(1, 40)],
    scipy.integrate.quad(lambda v: np.exp(-v * v), -np.inf, np.inf),
)
for name in ("vode", "zvode", "lsoda", "dopri5", "dop853"):
    solver = (
        scipy.integrate.ode(lambda _, y: [-y[0]])
        .set_integrator(name)
        .set_initial_value([1.0 + (0j if name == "zvode" else 0)])
    )
    [solver.integrate(each) for each in range(1, 5)]
(
    scipy.integrate.simpson(data, x=t),
    scipy.integrate.trapezoid(data, t),
    scipy.integrate.cumulative_trapezoid(data, t),
    scipy.integrate.dblquad(lambda p, q: p * q, 0, 1, 0, 1),
    scipy.integrate.quad_vec(np.cos, 0, 9),
)
(
    scipy.integrate.solve_bvp(
        lambda _, y: np.vstack([y[1], -y[0]]),
        lambda p, q: np.array([p[0], q[0] - 1]),
        np.linspace(0, 1, 9),
        np.zeros((2, 9)),
    ),
    scipy.integrate.tanhsinh(np.cos, 0, 1),
)

# Statistics.
sample, more = random.random(5000), random.random(5000)
for law in (
    scipy.stats.norm,
    scipy.stats.t(5),
    scipy.stats.gamma(2),
    scipy.stats.beta(2, 3),
    scipy.stats.expon,
    scipy.stats.chi2(3),
    scipy.stats.f(3, 4),
    scipy.stats.lognorm(1),
    scipy.stats.weibull_min(2),
    scipy.stats.uniform,
):
    (
        law.pdf(sample),
        law.cdf(sample),
        law.ppf(sample),
        law.sf(sample),
        law.rvs(500, random_state=1),
        law.stats(),
        law.logpdf(sample),
    )
for law in (
    scipy.stats.binom(20, 0.3),
    scipy.stats.poisson(3),
    scipy.stats.nbinom(3, 0.4),
    scipy.stats.hypergeom(30, 9, 8),
    scipy.stats.geom(0.3),
):
    law.pmf(n), law.cdf(n), law.sf(n), law.ppf(sample[:500]), law.rvs(100, random_state=1)
(
    scipy.stats.norm.fit(sample),
    scipy.stats.gamma.fit(sample[:200]),
    scipy.stats.multivariate_normal(np.zeros(2), np.eye(2)).cdf(flat[:50]),
    scipy.stats.levy_stable.pdf(sample[:20], 1.5, 0.5),
    scipy.stats.genhyperbolic.pdf(sample[:20], 1, 1, 0.5),
)
for test in (
    scipy.stats.ttest_ind,
    scipy.stats.mannwhitneyu,
    scipy.stats.ks_2samp,
    scipy.stats.pearsonr,
    scipy.stats.spearmanr,
    scipy.stats.kendalltau,
    scipy.stats.wilcoxon,
    scipy.stats.linregress,
    scipy.stats.weightedtau,
    scipy.stats.theilslopes,
    scipy.stats.cramervonmises_2samp,
    scipy.stats.energy_distance,
    scipy.stats.wasserstein_distance,
):
    test(sample[:400], more[:400])
(
    scipy.stats.shapiro(sample[:500]),
    scipy.stats.anderson(sample[:500]),
    scipy.stats.kruskal(sample, more),
    scipy.stats.f_oneway(sample, more),
    scipy.stats.chi2_contingency([[9, 3], [4, 8]]),
    scipy.stats.fisher_exact([[9, 3], [4, 8]]),
    scipy.stats.barnard_exact([[5, 3], [4, 6]]),
)
for ties in ("average", "min", "dense", "ordinal"):
    scipy.stats.rankdata(random.integers(0, 500, 20_000), ties), scipy.stats.rankdata(sample, ties)
for _ in range(2):
    scipy.stats.gaussian_kde(sample[:800])(more[:400]), scipy.stats.gaussian_kde(flat[:300].T)(flat[:200].T)
(
    scipy.stats.binned_statistic(sample, more, "mean", 20),
    scipy.stats.binned_statistic_dd(flat, flat[:, 0], "mean", 9),
    scipy.stats.mode(n),
    scipy.stats.describe(sample),
    scipy.stats.zscore(sample),
    scipy.stats.iqr(sample),
    scipy.stats.trim_mean(sample, 0.1),
    scipy.stats.entropy(sample),
    scipy.stats.skew(sample),
    scipy.stats.kurtosis(sample),
)
for engine in (
    scipy.stats.qmc.Sobol(4, rng=1),
    scipy.stats.qmc.Halton(4, rng=1),
    scipy.stats.qmc.LatinHypercube(4, rng=1),
):
    scipy.stats.qmc.discrepancy(engine.random(256))
(
    scipy.stats.bootstrap((sample[:100],), np.mean, n_resamples=200, rng=1),
    scipy.stats.permutation_test(
        (sample[:50], more[:50]), lambda p, q: np.mean(p) - np.mean(q), n_resamples=100, rng=1
    ),
    scipy.stats.multiscale_graphcorr(sample[:30], more[:30], reps=3, random_state=1),
)
scipy.stats.sampling.NumericalInverseHermite(scipy.stats.norm(), random_state=1).rvs(200)
(
    scipy.stats.random_table([9, 9], [8, 10]).rvs(9, random_state=1),
    scipy.stats.nchypergeom_wallenius(30, 9, 8, 0.5).pmf(n[:100]),
    scipy.stats.false_discovery_control(sample),
    scipy.stats.ecdf(sample),
    scipy.stats.siegelslopes(sample[:200]),
    scipy.stats.boxcox(sample + 1),
    scipy.stats.yeojohnson(sample),
)

# Space.
for dimensions in (2, 3, 8):
    cloud, wanted = random.random((4000, dimensions)), random.random((1500, dimensions))
    tree = scipy.spatial.cKDTree(cloud)
    for _ in range(4):
        tree.query(wanted, k=3), tree.query(wanted, k=3), tree.query(wanted, k=1, p=1)
        tree.query_ball_point(wanted[:300], 0.2)
    (
        tree.query_pairs(0.02),
        tree.count_neighbors(tree, 0.1),
        tree.sparse_distance_matrix(tree, 0.02),
        scipy.spatial.KDTree(cloud, balanced_tree=False),
    )
for metric in (
    "euclidean",
    "cityblock",
    "cosine",
    "chebyshev",
    "correlation",
    "sqeuclidean",
    "minkowski",
    "canberra",
    "braycurtis",
    "jensenshannon",
    "seuclidean",
    "mahalanobis",
):
    scipy.spatial.distance.pdist(cloud[:300], metric), scipy.spatial.distance.cdist(cloud[:300], cloud[300:500], metric)
for metric in ("hamming", "jaccard", "dice", "rogerstanimoto", "yule"):
    scipy.spatial.distance.pdist(cloud[:200] > 0.5, metric)
for _ in range(3):
    scipy.spatial.Delaunay(random.random((3000, 2))), scipy.spatial.ConvexHull(cloud[:500, :3])
(
    scipy.spatial.Voronoi(flat),
    scipy.spatial.Delaunay(flat).find_simplex(flat),
    scipy.spatial.distance.directed_hausdorff(flat, flat[::-1]),
    scipy.spatial.SphericalVoronoi(
        cloud[:50, :3] / np.linalg.norm(cloud[:50, :3], axis=1)[:, None]
    ).sort_vertices_of_regions(),
    scipy.spatial.procrustes(flat, flat[::-1]),
)
turn = scipy.spatial.transform.Rotation.from_euler("xyz", random.random((3000, 3)))
for _ in range(2):
    (
        turn.apply(random.random((3000, 3))),
        (turn * turn).as_matrix(),
        turn.as_euler("zyx"),
        turn.as_rotvec(),
        turn.inv().as_quat(),
        scipy.spatial.transform.Rotation.from_matrix(turn.as_matrix()),
        turn.mean(),
        turn.magnitude(),
    )
(
    scipy.spatial.transform.Slerp(np.arange(3000), turn)(x[:900]),
    scipy.spatial.transform.Rotation.align_vectors(cloud[:50, :3], cloud[50:100, :3]),
    scipy.spatial.transform.RotationSpline(np.arange(50), turn[:50])(x[:50]),
    scipy.spatial.transform.RigidTransform.from_rotation(turn),
)

# Clusters.
cloud = random.random((400, 5))
for method in ("average", "single", "complete", "ward", "centroid", "weighted"):
    links = scipy.cluster.hierarchy.linkage(cloud, method)
(
    scipy.cluster.hierarchy.fcluster(links, 5, "maxclust"),
    scipy.cluster.hierarchy.cophenet(links),
    scipy.cluster.hierarchy.leaves_list(links),
    scipy.cluster.hierarchy.optimal_leaf_ordering(scipy.cluster.hierarchy.linkage(cloud[:60]), cloud[:60]),
    scipy.cluster.hierarchy.dendrogram(links, no_plot=True),
)
(
    scipy.cluster.vq.kmeans2(cloud, 5, rng=1),
    scipy.cluster.vq.vq(cloud, cloud[:9]),
    scipy.cluster.vq.kmeans(cloud.astype(np.float32), 4, rng=1),
)

# Files.
file = io.BytesIO()
scipy.io.mmwrite(file, poisson), file.seek(0), scipy.io.mmread(file)
file = io.BytesIO()
scipy.io.mmwrite(file, square), file.seek(0), scipy.io.mmread(file)
file = io.BytesIO()
(
    scipy.io.savemat(file, {"a": square, "b": poisson.tocsc(), "c": {"d": "text", "e": [1, 2, 3]}}),
    file.seek(0),
    scipy.io.loadmat(file),
)
file = io.BytesIO()
scipy.io.wavfile.write(file, 8000, (1000 * sample).astype(np.int16)), file.seek(0), scipy.io.wavfile.read(file)
scipy.odr.ODR(
    scipy.odr.RealData(t, data), scipy.odr.Model(lambda p, v: p[0] * np.exp(-p[1] * v) + p[2]), beta0=[1.0, 1.0, 0.0]
).run()
