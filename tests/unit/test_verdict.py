"""Shares, intervals and verdicts against hand-made cases and an independent bootstrap."""

from __future__ import annotations

import random

import numpy as np
import pytest

from unlearn_tui.engine.evaluation.intervals import mean_interval, resamples
from unlearn_tui.engine.evaluation.verdict import Scores, recovery, verdict


def scores(t_full, u_full, t, u) -> Scores:
    return Scores(*([np.array(a, dtype=float)] for a in (t_full, u_full, t, u)))


def test_shares_are_ratios_of_means_at_the_same_precision():
    found = recovery(scores([100] * 40, [20] * 40, [80] * 40, [72] * 40), 0)
    assert (found.share_full, found.share, found.delta) == pytest.approx((0.2, 0.9, 0.7))
    assert (found.ci_low, found.ci_high) == pytest.approx((0.7, 0.7))
    assert found.verdict == "recovered"
    assert found.gap_share is None


def test_gap_share_needs_a_retrained_model_and_a_gap_of_ten():
    case = scores([100] * 9, [20] * 9, [80] * 9, [50] * 9)
    assert recovery(case, 0, retrained=True).gap_share == pytest.approx((50 - 20) / (80 - 20))
    assert recovery(scores([100] * 9, [20] * 9, [29] * 9, [25] * 9), 0, retrained=True).gap_share is None


@pytest.mark.parametrize(
    ("share_full", "share", "low", "high", "expected"),
    [
        (0.70, 1.0, 0.2, 0.4, "not_unlearned"),
        (0.2, 0.80, 0.001, 0.9, "recovered"),
        (0.2, 0.79, 0.06, 0.9, "partly"),
        (0.2, 0.9, 0.0, 0.9, "inconclusive"),
        (0.2, 0.25, -0.1, 0.099, "no"),
        (0.2, 0.25, 0.04, 0.10, "inconclusive"),
        (0.69, 0.1, -0.7, -0.5, "no"),
    ],
)
def test_the_first_rule_that_holds_gives_the_verdict(share_full, share, low, high, expected):
    assert verdict(share_full, share, low, high) == expected


def test_a_target_that_knows_nothing_is_undefined():
    found = recovery(scores([9.9] * 5, [0] * 5, [50] * 5, [0] * 5), 0)
    assert found.verdict == "undefined"
    assert found.share is None


def test_pooled_metrics_add_their_means_as_the_papers_average_does():
    """Means 60 + 40 of 100 + 80, whatever the numbers of prompts."""
    pooled = Scores(
        [np.full(24, 100.0), np.full(46, 80.0)],
        [np.full(24, 10.0), np.full(46, 8.0)],
        [np.full(24, 100.0), np.full(46, 80.0)],
        [np.full(24, 60.0), np.full(46, 40.0)],
    )
    found = recovery(pooled, 0)
    assert found.share == pytest.approx(100 / 180)
    assert found.share_full == pytest.approx(18 / 180)


def test_the_delta_interval_agrees_with_a_bootstrap_written_with_loops():
    rng = random.Random(1)
    n = 30
    t_full, t = [100.0] * n, [rng.choice([60, 100]) for _ in range(n)]
    u_full, u = [rng.choice([0, 0, 50]) for _ in range(n)], [rng.choice([0, 50, 100]) for _ in range(n)]
    found = recovery(scores(t_full, u_full, t, u), 0)
    deltas = []
    for _ in range(4000):
        pick = [rng.randrange(n) for _ in range(n)]
        mean = [sum(a[i] for i in pick) / n for a in (t_full, u_full, t, u)]
        deltas.append(mean[3] / mean[2] - mean[1] / mean[0])
    deltas.sort()
    assert found.ci_low == pytest.approx(deltas[100], abs=0.05)
    assert found.ci_high == pytest.approx(deltas[3900], abs=0.05)


def test_one_resample_of_prompts_serves_all_four_means():
    """Identical models give a delta of exactly zero in every draw, however noisy the prompts."""
    noisy = list(np.random.default_rng(0).uniform(10, 100, 25))
    found = recovery(scores(noisy, noisy, noisy, noisy), 0)
    assert (found.ci_low, found.ci_high) == (0.0, 0.0)


def test_intervals_are_seeded_and_hold_the_mean():
    values = np.random.default_rng(0).uniform(0, 100, 50)
    assert mean_interval(values, 1) == mean_interval(values, 1)
    mean, low, high = mean_interval(values, 1)
    assert low < mean < high
    assert resamples(5, 0).shape == (2000, 5)
    with pytest.raises(ValueError, match="no prompts"):
        mean_interval(np.zeros(0), 0)
