"""The record of a metric."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A score from 0 to 100: a mean over prompts, or with `against` the AUC between two groups of texts."""

    id: str
    label: str
    summary: str
    implementation: str
    source: str
    subset: str
    """forget or retain: whether the score should fall or stay."""
    parts: tuple[str, ...]
    """Parts of a corpus (sources.corpus.Corpus) that it reads, all of them needed; each item is one prompt."""
    own: str = ""
    """What Answer.score is called, 0-1, where the mean is made of that; "" where it is made of ROUGE-L F1."""
    shares: bool = True
    """Whether unlearned / target means something: shares, deltas and verdicts are made of it."""
    asks: str = ""
    """What its function is told to ask, where that is not the subset."""
    groups: bool = False
    """Whether texts of its second part are told from those of its first: no single text has a share in such a score, so
    that it has no place in tables of answers."""
    seeded: bool = False
    """Whether what is answered depends on the run's seed."""
