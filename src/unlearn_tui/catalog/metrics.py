"""What answers are scored by."""

from __future__ import annotations

from dataclasses import dataclass

from unlearn_tui.catalog.references import MUSE

_E = "unlearn_tui.engine.evaluation"


@dataclass(frozen=True)
class Metric:
    """A score from 0 to 100 as a mean over prompts."""

    id: str
    label: str
    summary: str
    implementation: str
    source: str
    subset: str
    """forget or retain."""


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
        ),
        Metric(
            "knowmem_retain",
            "KnowMem retain",
            "answers to the retain questions: the model's utility",
            f"{_E}.knowmem:score",
            f"{MUSE}, section 3.2",
            "retain",
        ),
        Metric(
            "verbmem_forget",
            "VerbMem forget",
            "continuations of passages of the forget documents",
            f"{_E}.verbmem:score",
            f"{MUSE}, section 3.1",
            "forget",
        ),
    )
}
MEMORIZATION = "memorization"
"""VerbMem forget and KnowMem forget pooled with equal weight, as in the paper's 21 % → 83 %."""
