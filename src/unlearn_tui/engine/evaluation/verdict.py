"""Did quantization bring back what was unlearned? Shares of the target's score, their difference, and a verdict.

share_p = mean(unlearned, p) / mean(target, p): the target is measured at the same precision (the paper's 21 % → 83 %).
delta = share_p − share_full. One resample of prompts serves all four means. With a retrain model,
gap_share = (u_p − u_full) / (t_p − u_full): how much of what unlearning took, quantization gave back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unlearn_tui.engine.evaluation.intervals import Floats, percentiles, resamples

UNDEFINED_BELOW = 10.0
NOT_UNLEARNED = 0.7
RECOVERED = 0.8
PARTLY = 0.05
NO = 0.10


@dataclass(frozen=True)
class Scores:
    """Per-prompt scores, 0-100, of one metric: target and unlearned, at full precision and at p; or of several, pooled.

    Each list holds one array a metric; pooling adds the metrics' means, as the paper's average does.
    """

    target_full: list[Floats]
    unlearned_full: list[Floats]
    target: list[Floats]
    unlearned: list[Floats]


@dataclass(frozen=True)
class Recovered:
    """The answer for one precision; None where undefined. Shares are 0-1 and may pass 1."""

    share_full: float | None
    share: float | None
    delta: float | None
    ci_low: float | None
    ci_high: float | None
    gap_share: float | None
    verdict: str


def recovery(scores: Scores, seed: int, retrained: bool = False) -> Recovered:
    """Shares, delta with its bootstrap interval, verdict; `retrained` also asks for gap_share.

    The scale of pooled metrics is their sum, so "target < 10" is asked of their average.
    """
    metrics = len(scores.target)
    t_full, u_full, t, u = (
        sum(float(a.mean()) for a in arrays) / metrics
        for arrays in (scores.target_full, scores.unlearned_full, scores.target, scores.unlearned)
    )
    gap = (u - u_full) / (t - u_full) if retrained and t - u_full >= UNDEFINED_BELOW else None
    if min(t_full, t) < UNDEFINED_BELOW:
        return Recovered(None, None, None, None, None, gap, "undefined")
    drawn = [np.zeros(0)] * 4
    for index, arrays in enumerate((scores.target_full, scores.unlearned_full, scores.target, scores.unlearned)):
        drawn[index] = sum(
            (a[resamples(a.size, seed + metric)].mean(1) for metric, a in enumerate(arrays)), np.zeros(1)
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        deltas = drawn[3] / drawn[2] - drawn[1] / drawn[0]
    low, high = percentiles(deltas)
    share_full, share = u_full / t_full, u / t
    return Recovered(
        share_full, share, share - share_full, _known(low), _known(high), gap, verdict(share_full, share, low, high)
    )


def verdict(share_full: float, share: float, ci_low: float, ci_high: float) -> str:
    """The first rule that holds."""
    if share_full >= NOT_UNLEARNED:
        return "not_unlearned"
    if ci_low > 0 and share >= RECOVERED:
        return "recovered"
    if ci_low > PARTLY:
        return "partly"
    if ci_high < NO:
        return "no"
    return "inconclusive"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
