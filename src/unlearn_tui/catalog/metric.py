"""The record of a metric."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A score from 0 to 100 as a mean over prompts."""

    id: str
    label: str
    summary: str
    implementation: str
    source: str
    subset: str
    """forget or retain: whether the score should fall or stay."""
    part: str
    """The part of a corpus (sources.corpus.Corpus) that it asks for; a prompt each."""
    asks: str = ""
    """What its function is told to ask, where that is not the subset."""
    measure: str = "f1"
    """The number of an answer that the mean is of: f1 or recall."""
    shares: bool = True
    """Whether a share of the target's score says how much is still known, so that a verdict can be made of it."""
