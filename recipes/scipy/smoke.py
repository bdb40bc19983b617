"""scipy computes: each of the compiled corners once."""

import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
from scipy import fft, integrate, interpolate, linalg, ndimage, odr, optimize, signal, sparse, spatial, special, stats
from scipy.sparse.linalg import eigsh, splu

generator = np.random.default_rng(42)
matrix = generator.standard_normal((50, 50))

assert np.allclose(linalg.inv(matrix) @ matrix, np.eye(50))
assert np.allclose(linalg.expm(np.zeros((3, 3))), np.eye(3))
assert np.isclose(integrate.quad(np.exp, 0, 1)[0], np.e - 1)
assert np.isclose(special.gamma(5), 24)
assert np.isclose(special.jv(0, 2.404825557695773), 0, atol=1e-9)
assert optimize.minimize(lambda x: (x[0] - 3) ** 2, [0.0]).success
assert np.isclose(interpolate.CubicSpline([0, 1, 2], [0, 1, 8])(1), 1)
assert np.allclose(fft.ifft(fft.fft(matrix)), matrix)
assert ndimage.label(np.eye(3))[1] == 3
line = generator.standard_normal(700)
for weights in ([1, 2, 3, 2, 1], [-1, 0, 1], [1, 2, 4], [3]):  # symmetric, antisymmetric, neither, one
    filtered = ndimage.correlate1d(line, weights, mode="constant")
    assert np.allclose(filtered, np.correlate(line, weights, mode="same"))
steps = np.cumsum(generator.random(300))
points = generator.uniform(steps[0], steps[-1], 1000)
assert np.allclose(interpolate.PPoly(np.arange(299.0)[None], steps)(points), np.searchsorted(steps, points, "right") - 1)
assert np.allclose(signal.upfirdn([1, 2, 3], line, up=2), np.convolve(np.stack([line, 0 * line], 1).ravel()[:-1], [1, 2, 3]))
assert signal.butter(4, 0.2)[0].shape == (5,)
assert spatial.cKDTree(matrix).query(matrix[7])[1] == 7
assert len(spatial.ConvexHull(generator.standard_normal((30, 2))).vertices) >= 3
assert np.isclose(stats.norm.cdf(0), 0.5)

laplacian = sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(200, 200)).tocsc()
assert np.allclose(laplacian @ splu(laplacian).solve(np.ones(200)), 1)
assert eigsh(laplacian, k=2, return_eigenvectors=False).min() > 0

# The report names the first and the last observation, which are one; its path has more bytes than libf2c takes.
with tempfile.TemporaryDirectory() as directory:
    below = Path(directory, *["d" * 100] * 3)
    below.mkdir(parents=True)
    for report, refusal in ((Path(directory, "report"), ()), (below / "report", ValueError)):
        fit = odr.ODR(odr.Data([1.0], [2.0]), odr.Model(lambda b, x: b[0] * x), beta0=[1.0], iprint=2000, rptfile=str(report))
        with suppress(refusal):
            assert np.isclose(fit.run().beta[0], 2)
            assert "ODRPACK" in report.read_text()
