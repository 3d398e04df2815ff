"""What answers are scored by."""

from __future__ import annotations

from dataclasses import dataclass

from unlearn_tui.catalog.references import MUSE

_E = "unlearn_tui.engine.evaluation"


@dataclass(frozen=True)
class Metric:
    """A score from 0 to 100: a mean over prompts, or with `groups` the AUC between two groups of texts."""

    id: str
    label: str
    summary: str
    implementation: str
    source: str
    subset: str
    """forget or retain."""
    parts: tuple[str, ...]
    """Parts of a corpus (sources.corpora.Corpus) that it reads, all of them needed; each item is one prompt."""
    own: str = ""
    """What Answer.score is called, 0-1, where the mean is made of that; "" where it is made of ROUGE-L F1."""
    groups: bool = False
    """An AUC: no prompt has a share in it, so it has no place in tables of answers."""
    shares: bool = True
    """Whether unlearned / target means something: shares, deltas and verdicts are made of it."""
    seeded: bool = False
    """Whether what is answered depends on the run's seed."""


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
MEMORIZATION = "memorization"
"""VerbMem forget and KnowMem forget pooled with equal weight, as in the paper's 21 % → 83 %."""
