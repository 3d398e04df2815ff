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
    part: str
    """The part of a corpus (sources.corpus.Corpus) that it asks for; a prompt each."""
    against: str = ""
    """A second part, of texts that those of the first are told from: no single text has a share in such a score, so that
    it has no place in tables of answers."""
    asks: str = ""
    """What its function is told to ask, where that is not the subset."""
    measure: str = "f1"
    """The number of an answer that the mean is of: f1 or recall."""
    shares: bool = True
    """Whether a share of the target's score says how much is still known, so that a verdict can be made of it."""
    own: str = ""
    """What an answer's number is called where it compares no words; "" for ROUGE-L."""
    seeded: bool = False
    """Whether what is answered depends on the run's seed."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts of a corpus that it reads, all of them needed."""
        return (self.part, self.against) if self.against else (self.part,)
