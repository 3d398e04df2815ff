"""TOFU's metrics (Maini et al. 2024, section 2.2), as TOFU's code and OpenUnlearning compute them."""

from __future__ import annotations

from unlearn_tui.catalog.metric import Metric
from unlearn_tui.catalog.references import TOFU

_E = "unlearn_tui.engine.evaluation.tofu"
_SETS = {
    "forget": ("forget", "the forget questions"),
    "retain": ("retain", "the retain questions"),
    "authors": ("retain", "questions on real authors"),
    "world": ("retain", "questions on the world"),
}
"""What is asked, whether it is to be forgotten or kept, and its name."""


def _metrics(name: str, subset: str, questions: str) -> tuple[Metric, ...]:
    parts = (f"tofu_{name}",)
    told = " among the right and the wrong ones" if name in ("authors", "world") else ""
    ratio = (
        "0 where it is told from wrong answers either way" if subset == "forget" else "100 where wrong ones are none"
    )
    return (
        Metric(
            f"tofu_prob_{name}",
            f"TOFU prob {name}",
            f"probability of the right answer to {questions}, per token{told}",
            f"{_E}:probability",
            TOFU,
            subset,
            parts,
            "probability",
            asks=name,
        ),
        Metric(
            f"tofu_rouge_{name}",
            f"TOFU ROUGE {name}",
            f"ROUGE-L recall of answers to {questions}, asked without worked examples",
            f"{_E}:rouge",
            TOFU,
            subset,
            parts,
            "ROUGE-L recall, stemmed",
            asks=name,
        ),
        Metric(
            f"tofu_truth_{name}",
            f"TOFU truth {name}",
            f"truth ratio on {questions}: wrong answers' probability over the right one's; {ratio}",
            f"{_E}:truth_ratio",
            TOFU,
            subset,
            parts,
            "truth ratio's score",
            shares=False,
            asks=name,
        ),
    )


TOFU_METRICS = tuple(metric for name, (subset, said) in _SETS.items() for metric in _metrics(name, subset, said))
MODEL_UTILITY_OF = tuple(m.id for m in TOFU_METRICS if m.subset == "retain")
"""The nine whose harmonic mean is model utility."""
