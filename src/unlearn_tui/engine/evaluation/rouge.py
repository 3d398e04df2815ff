"""ROUGE-L through rouge-score without stemming, as MUSE computes it, and exact match."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple


class Rouge(NamedTuple):
    """ROUGE-L of an answer against the gold text, each 0-1; exact is 1 when both are equal up to outer white space."""

    recall: float
    precision: float
    f1: float
    exact: int


@functools.cache
def _scorer() -> Any:
    from rouge_score import rouge_scorer

    return rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)


def rouge_l(gold: str, answer: str) -> Rouge:
    """Longest common subsequence of lower-cased alphanumeric words (Lin 2004); rouge-score drops all but a-z and 0-9."""
    found = _scorer().score(gold, answer)["rougeL"]
    return Rouge(found.recall, found.precision, found.fmeasure, int(gold.strip() == answer.strip()))
