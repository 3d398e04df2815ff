"""VerbMem as MUSE computes it (arXiv 2407.06460, section 3.1; its metrics/verbmem.py): continue a passage word for word.

Prompt with BOS, no template; reference cut to 128 tokens with BOS (127 of text); 128 new tokens, greedy; ROUGE-L F1
without stemming, mean over the passages, ×100.

The paper on quantization samples instead, at temperature 0.9 and without a seed (its metrics/verbmem.py; of the 50 likeliest
tokens, which is what its version of transformers does where nothing is said). `sampled` is that with a seed.
"""

from __future__ import annotations

from typing import Any

from unlearn_tui.engine.evaluation.answers import Answer, Heard, Question, ask, unheard
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.sampling import Sampling
from unlearn_tui.engine.tokenizing import encode_prompt
from unlearn_tui.sources.corpora import Corpus, Passage

MAX_NEW_TOKENS = 128
TEMPERATURE, TOP_K = 0.9, 50
"""Of the sampled continuations."""


def questions(tokenizer: Any, passages: tuple[Passage, ...]) -> list[Question]:
    """Every passage as asked; the gold text is what its first 128 tokens decode to."""
    return [
        Question(
            shown=prompt,
            ids=encode_prompt(tokenizer, prompt),
            gold=tokenizer.decode(encode_prompt(tokenizer, gt)[:MAX_NEW_TOKENS], skip_special_tokens=True),
        )
        for prompt, gt in passages
    ]


def score(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """Continuations of all passages; their mean f1 × 100 is VerbMem. Only the forget subset has passages.

    `template` means nothing here: a passage is continued as it is.
    """
    asked = questions(generator.tokenizer, corpus.verbmem)
    return ask(generator, asked, MAX_NEW_TOKENS, None, lambda text: text, on_answers)


def sampled(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """As `score`, one sampled continuation a passage; what is drawn depends on the generator's seed."""
    asked = questions(generator.tokenizer, corpus.verbmem)
    draw = Sampling(TEMPERATURE, generator.seed, TOP_K)
    return ask(generator, asked, MAX_NEW_TOKENS, None, lambda text: text, on_answers, sampling=draw)
