"""Two-sample Kolmogorov-Smirnov test, two-sided, exact: the p of TOFU's forget quality."""

from __future__ import annotations

import numpy as np

from unlearn_tui.engine.evaluation.intervals import Floats


def ks_test(a: Floats, b: Floats) -> tuple[float, float]:
    """D = sup |F_a − F_b| and the probability of at least that D for samples of one continuous distribution.

    Exact (Hodges 1958): of all orders of n and m values, the share whose path comes at least D away from the diagonal,
    by recursion over the lattice with additions of positive terms alone, so that p keeps its digits down to 1e-300.
    Raises ValueError for an empty sample.
    """
    n, m = a.size, b.size
    if not n or not m:
        raise ValueError("a test of no values")
    points = np.concatenate([a, b])
    above = (
        np.searchsorted(np.sort(a), points, side="right") * m - np.searchsorted(np.sort(b), points, side="right") * n
    )
    reach = int(np.abs(above).max())  # D·n·m, a whole number
    if reach == 0:
        return 0.0, 1.0
    # far[j]: the share of orders of i values of a and j of b that were at least D away on their way; row by row in i
    j = np.arange(m + 1)
    far = (j * n >= reach).astype(float)
    far = np.maximum.accumulate(far)
    for i in range(1, n + 1):
        outside = np.abs(i * m - j * n) >= reach
        row = np.empty(m + 1)
        row[0] = 1.0 if outside[0] else far[0]
        for k in range(1, m + 1):
            row[k] = 1.0 if outside[k] else (far[k] * i + row[k - 1] * k) / (i + k)
        far = row
    return reach / (n * m), float(far[m])
