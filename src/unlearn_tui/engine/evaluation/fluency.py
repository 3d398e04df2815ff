"""Flu: entropy of n-grams of what a model writes to instructions (Zhang et al. 2018, arXiv 1809.05972; RWKU).

"Instruction: …", newline; greedy, 256 new tokens. Of each text the mean of 2/3 × the 2-grams' and 4/3 × the 3-grams'
entropy in bits; the mean over texts × 100 is the paper's Flu. Words are those of NLTK's tokenizer without its
sentence splitter, whose data would have to be downloaded: full stops inside a text stay at their word.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from unlearn_tui.engine.evaluation.answers import Answer, Heard, Question, ask, unheard
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.prompting import instruction_text, prompt_ids
from unlearn_tui.sources.corpora import Corpus

MAX_NEW_TOKENS = 256
WEIGHTS = {2: 2 / 3, 3: 4 / 3}


def score(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """What is written to every instruction, with its weighted entropy in bits as score."""
    tokenizer = generator.tokenizer
    asked = []
    for instruction in corpus.utility_fluency:
        text = instruction_text(tokenizer, template, f"Instruction: {instruction}\n")
        asked.append(Question(shown=instruction, ids=prompt_ids(tokenizer, template, text), gold=""))

    def rated(a: Answer) -> Answer:
        bits = entropy(_tokenizer().tokenize(a.answer))
        return msgspec.structs.replace(a, recall=0.0, precision=0.0, f1=0.0, exact=0, score=bits)

    def heard(done: int, batch: list[Answer]) -> None:
        on_answers(done, [rated(a) for a in batch])

    return [rated(a) for a in ask(generator, asked, MAX_NEW_TOKENS, None, lambda text: text, heard)]


def entropy(words: Sequence[str]) -> float:
    """Mean of the weighted entropies of 2- and 3-grams in bits; 0 for a text too short to have any."""
    total = 0.0
    for n, weight in WEIGHTS.items():
        counts = Counter(zip(*(words[i:] for i in range(n)), strict=False))
        whole = sum(counts.values())
        total += weight * -sum(c / whole * math.log2(c / whole) for c in counts.values())
    return total / len(WEIGHTS)


@functools.cache
def _tokenizer() -> Any:
    from nltk.tokenize import NLTKWordTokenizer  # type: ignore[import-untyped]

    return NLTKWordTokenizer()
