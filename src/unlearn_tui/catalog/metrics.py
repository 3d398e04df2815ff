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
        Metric(
            "verbmem_forget_sampled",
            "VerbMem sampled",
            "the same continuations drawn at temperature 0.9 with the run's seed, as the paper has them",
            f"{_E}.verbmem:sampled",
            "Zhang et al., ICLR 2025, released code",
            "forget",
            ("verbmem",),
            seeded=True,
        ),
        Metric(
            "extraction_strength",
            "Extraction",
            "how little of a passage must be given for all the rest to be said; at least 100 / tokens",
            f"{_E}.extraction_strength:score",
            "Carlini et al. 2021 (arXiv 2012.07805), as OpenUnlearning computes it",
            "forget",
            ("verbmem",),
            own="extraction strength",
        ),
        Metric(
            "exact_memorization",
            "Exact mem.",
            "tokens of a passage that are the likeliest, given the true ones before; common words count for anybody",
            f"{_E}.exact_memorization:score",
            "Tirumala et al. 2022 (arXiv 2205.10770), as OpenUnlearning computes it",
            "forget",
            ("verbmem",),
            shares=False,
            own="exact memorization",
        ),
        Metric(
            "privleak",
            "MIA AUC",
            "can texts to forget be told from texts never seen? AUC of Min-K %; PrivLeak is made of it",
            f"{_E}.privleak:score",
            f"{MUSE}, section 3.1",
            "forget",
            ("privleak_forget", "privleak_holdout"),
            groups=True,
            shares=False,
        ),
        *TOFU_METRICS,
        *UTILITY_METRICS,
    )
}
MIN_K = (5, 10, 20, 30, 40, 50, 60)
"""Percentages of a text's least likely tokens that MUSE looks at."""
MEMBERSHIP = (*(f"Min-{k}%" for k in MIN_K), "PPL", "PPL/lower", "PPL/zlib")
"""What MUSE tells known texts by."""
AUC_RETRAIN = {"news": 0.4772, "books": 0.5393}
"""Min-40 % of MUSE's retrained models, by corpus: forget against holdout."""
AUC_SOURCE = "Zhang et al., ICLR 2025, released code (constants.py)"
AUC_TEXTS = 100
"""Texts in each group of MUSE's corpora."""
LESS_USUAL = ("verbmem_forget_sampled", "extraction_strength", "exact_memorization", "privleak")
"""Further looks at texts that MUSE_METRICS read: a form offers them where it has the room."""
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
