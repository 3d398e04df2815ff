"""Seeded bootstrap intervals over prompts (Efron's percentile method)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 2000


def resamples(n: int, seed: int, draws: int = DRAWS) -> NDArray[np.int64]:
    """(draws, n) indices of prompts, drawn with replacement; the same for every array of the same n and seed."""
    return np.random.default_rng(seed).integers(0, n, size=(draws, n))


def percentiles(values: Floats) -> tuple[float, float]:
    """2.5th and 97.5th percentile, NaN draws left out; (NaN, NaN) if none is left."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def mean_interval(values: Floats, seed: int) -> tuple[float, float, float]:
    """Mean of per-prompt scores with its 95 % interval. Raises ValueError for no prompts."""
    if values.size == 0:
        raise ValueError("a mean of no prompts")
    return float(values.mean()), *percentiles(values[resamples(values.size, seed)].mean(1))
