"""What answers are scored by."""

from __future__ import annotations

from unlearn_tui.catalog.metric import Metric
from unlearn_tui.catalog.references import MUSE
from unlearn_tui.catalog.tofu import MODEL_UTILITY_OF, TOFU_METRICS
from unlearn_tui.catalog.utility import UTILITY_METRICS

_E = "unlearn_tui.engine.evaluation"

METRICS: dict[str, Metric] = {
    m.id: m
    for m in (
        Metric(
            "knowmem_forget",
            "KnowMem forget",
            "answers to the forget questions, ten worked examples before each",
            f"{_E}.knowmem:score",
            f"{MUSE}, section 3.1",
            "forget",
            ("forget_qa",),
        ),
        Metric(
            "knowmem_retain",
            "KnowMem retain",
            "answers to the retain questions: the model's utility",
            f"{_E}.knowmem:score",
            f"{MUSE}, section 3.2",
            "retain",
            ("retain_qa",),
        ),
        Metric(
            "verbmem_forget",
            "VerbMem forget",
            "continuations of passages of the forget documents",
            f"{_E}.verbmem:score",
            f"{MUSE}, section 3.1",
            "forget",
            ("verbmem",),
        ),
        *TOFU_METRICS,
        *UTILITY_METRICS,
    )
}
MUSE_METRICS = ("knowmem_forget", "knowmem_retain", "verbmem_forget")
METRIC_SETS: dict[str, tuple[str, ...]] = {
    "muse": MUSE_METRICS,
    "tofu": tuple(m.id for m in TOFU_METRICS),
    "utility": tuple(m.id for m in UTILITY_METRICS),
}
"""Names that stand for several metrics where metrics are named."""
MEMORIZATION = "memorization"
"""VerbMem forget and KnowMem forget pooled with equal weight, as in the paper's 21 % → 83 %."""
MODEL_UTILITY = "model_utility"
"""Harmonic mean of TOFU's nine scores on what is to be kept."""
FORGET_QUALITY = "forget_quality"
"""p of a Kolmogorov-Smirnov test that a model's truth ratios on the forget set are those of the retrained model, × 100."""
AGGREGATES = {
    MEMORIZATION: "memorization",
    MODEL_UTILITY: "TOFU model utility",
    FORGET_QUALITY: "TOFU forget quality (100 p)",
}
"""Scores made of other scores, with their labels; they have no answers of their own."""
POOLED = {MEMORIZATION: ("verbmem_forget", "knowmem_forget"), MODEL_UTILITY: MODEL_UTILITY_OF}
"""What the means of an aggregate are taken of."""
