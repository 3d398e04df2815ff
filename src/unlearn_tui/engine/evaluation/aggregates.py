"""Scores made of other scores: pooled means, TOFU's model utility and forget quality."""

from __future__ import annotations

import numpy as np

from unlearn_tui.engine.evaluation.intervals import Floats, percentiles, resamples
from unlearn_tui.engine.evaluation.ks import ks_test


def pooled(arrays: list[Floats], seed: int, harmonic: bool = False) -> tuple[float, float, float]:
    """Mean (or harmonic mean) of the means of several metrics, with its 95 % interval; each is resampled on its own.

    A harmonic mean is 0 where one of them is (TOFU's model utility: a model that lost one ability is useless).
    """
    draws = np.array([a[resamples(a.size, seed + i)].mean(1) for i, a in enumerate(arrays)])
    means = np.array([[a.mean()] for a in arrays])
    combine = _harmonic if harmonic else _mean
    return float(combine(means)[0]), *percentiles(combine(draws))


def forget_quality(model: Floats, retrained: Floats) -> float:
    """p that the truth ratios of a model on the forget set are those of one that never saw it (TOFU, section 2.2.2)."""
    return ks_test(model, retrained)[1]


def _mean(values: Floats) -> Floats:
    found: Floats = values.mean(0)
    return found


def _harmonic(values: Floats) -> Floats:
    """(k, draws) → (draws,)."""
    with np.errstate(divide="ignore"):
        found: Floats = values.shape[0] / (1 / values).sum(0)
    return np.where((values <= 0).any(0), 0.0, found)
