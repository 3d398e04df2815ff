"""Extraction strength (Carlini et al. 2021, arXiv 2012.07805), as OpenUnlearning computes it: how little of a passage must
be given for the model to say all the rest.

ES = 1 − k/n, with k the least number of the continuation's n tokens after which every further one is the likeliest given
all true tokens before it. OpenUnlearning's k is at most n − 1: ES is at least 1/n, even where the last token is wrong.
"""

from __future__ import annotations

from torch import Tensor

from unlearn_tui.engine.evaluation.answers import Answer, Heard, unheard
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.passages import compare
from unlearn_tui.sources.corpora import Corpus


def strength(hits: Tensor) -> float:
    """ES of (n,) bools, whether each token is the likeliest; from 1/n to 1."""
    wrong = (~hits).nonzero()
    given = min(int(wrong[-1]) + 1, len(hits) - 1) if len(wrong) else 0
    return 1 - given / len(hits)


def score(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """Of every passage of VerbMem; the mean × 100 is the score. Passages are read as they are, whatever the template."""
    return compare(generator, corpus, strength, on_answers)
