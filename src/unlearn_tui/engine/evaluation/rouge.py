"""ROUGE-L through rouge-score, without stemming as MUSE computes it or with it as TOFU does, and exact match."""

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
def _scorer(stem: bool) -> Any:
    from rouge_score import rouge_scorer

    return rouge_scorer.RougeScorer(["rougeL"], use_stemmer=stem)


def rouge_l(gold: str, answer: str, stem: bool = False) -> Rouge:
    """Longest common subsequence of lower-cased alphanumeric words (Lin 2004); rouge-score drops all but a-z and 0-9.

    `stem`: words of more than three letters are cut to their stems (Porter), as TOFU does.
    """
    found = _scorer(stem).score(gold, answer)["rougeL"]
    return Rouge(found.recall, found.precision, found.fmeasure, int(gold.strip() == answer.strip()))
