"""Scores made of scores: which rows a result has, and of what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unlearn_tui import catalog
from unlearn_tui.engine import conclude
from unlearn_tui.engine.evaluation.ks import ks_test
from unlearn_tui.protocol.result import ScoreRow
from unlearn_tui.protocol.spec import RunSpec


def book(spec: RunSpec, models: tuple[str, ...]) -> Any:
    """What a scorebook has after scoring: random scores of ten prompts."""
    rng = np.random.default_rng(0)
    made = SimpleNamespace(scores={}, per_prompt={}, ratios={}, notes=[])
    for model in models:
        for precision in spec.precision:
            for metric in spec.metric:
                key = (model, precision, metric)
                made.per_prompt[key] = values = rng.uniform(20, 80, 10)
                made.scores[key] = ScoreRow(
                    model=model, precision=precision, metric=metric, value=values.mean(), ci_low=0, ci_high=100,
                    n=10, exact=0.0,
                )  # fmt: skip
                if metric == "tofu_truth_forget":
                    made.ratios[key] = rng.uniform(0, 2, 10)
    return made


def test_model_utility_and_forget_quality_stand_beside_the_scores_they_are_made_of() -> None:
    spec = RunSpec(metric=list(catalog.METRIC_SETS["tofu"]), precision=["fp16", "bnb-fp4"], retrain="r")
    made = book(spec, ("target", "unlearned", "retrain"))
    rows = {(r.model, r.precision, r.metric): r for r in conclude.pooled_rows(spec, made)}
    nine = [m for m in spec.metric if not m.endswith("forget")]
    assert len(nine) == 9
    for model in ("target", "unlearned", "retrain"):
        row = rows[model, "bnb-fp4", "model_utility"]
        means = [made.per_prompt[model, "bnb-fp4", m].mean() for m in nine]
        assert row.value == pytest.approx(9 / sum(1 / v for v in means))
        assert row.ci_low is not None
        assert row.ci_high is not None
        assert row.ci_low < row.value < row.ci_high
        assert row.n == 90
    for model, precision in (("target", "fp16"), ("unlearned", "bnb-fp4")):
        row = rows[model, precision, "forget_quality"]
        key = "tofu_truth_forget"
        p = ks_test(made.ratios[model, precision, key], made.ratios["retrain", "fp16", key])[1]
        assert (row.value, row.ci_low, row.n) == (pytest.approx(100 * p), None, 10)
        assert f"TOFU forget quality, {model} at {precision}: p = {p:.3g}" in made.notes
    assert not any(model == "retrain" and metric == "forget_quality" for model, _, metric in rows)


def test_without_all_its_parts_or_a_retrained_model_there_is_no_aggregate() -> None:
    spec = RunSpec(metric=["tofu_truth_forget", "tofu_prob_retain"], precision=["fp16"])
    assert conclude.pooled_rows(spec, book(spec, ("target", "unlearned"))) == []


def test_a_truth_ratio_is_no_share_of_the_targets_and_gets_no_verdict() -> None:
    spec = RunSpec(metric=["tofu_truth_forget", "tofu_prob_forget", "tofu_prob_retain"], precision=["fp16", "bnb-fp4"])
    assert conclude.forget_metrics(spec) == {"tofu_prob_forget": ["tofu_prob_forget"]}
