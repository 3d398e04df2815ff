"""Exact memorization (Tirumala et al. 2022, arXiv 2205.10770), as OpenUnlearning computes it: the share of a passage's
tokens that the model finds likeliest, given all true tokens before them.

A model that never saw the passage scores too: the common words of a language can be guessed. Compare with a retrained one.
"""

from __future__ import annotations

from torch import Tensor

from unlearn_tui.engine.evaluation.answers import Answer, Heard, unheard
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.passages import compare
from unlearn_tui.sources.corpora import Corpus


def memorization(hits: Tensor) -> float:
    """EM of (n,) bools, whether each token is the likeliest; 0-1."""
    return float(hits.double().mean())


def score(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """Of every passage of VerbMem; the mean × 100 is the score. Passages are read as they are, whatever the template."""
    return compare(generator, corpus, memorization, on_answers)
