"""numexpr computes, with several threads."""

import numexpr
import numpy as np

a = np.linspace(0, 1, 200_000)
b = a[::-1].copy()
numexpr.set_num_threads(2)
assert np.allclose(numexpr.evaluate("sin(a) ** 2 + cos(a) ** 2"), 1)
assert np.allclose(numexpr.evaluate("2 * a + 3 * b"), 2 * a + 3 * b)
assert numexpr.evaluate("sum(where(a < 0.5, 1, 0))") == 100_000
