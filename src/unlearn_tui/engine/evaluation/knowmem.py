"""KnowMem as MUSE computes it (arXiv 2407.06460, section 3.1; its metrics/knowmem.py): questions after ten worked examples.

Prompt: ten pairs "Question: …", newline, "Answer: …", blank line, then the question, ending in "Answer: " with the
space; BOS; greedy; 32 new tokens; the output cut at the first blank line, then at newline + "Question", then at
"Question:"; ROUGE-L F1 without stemming, mean over the questions, ×100.

Template "chat" is ours, for chat models: the same pairs as turns of the tokenizer's chat template, all else equal.
"""

from __future__ import annotations

from typing import Any

from unlearn_tui.engine.evaluation.answers import Answer, Heard, Question, ask, unheard
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.prompting import prompt_ids, prompt_text
from unlearn_tui.sources.corpora import QA, Corpus

MAX_NEW_TOKENS = 32
EXAMPLES = 10


def cut(text: str) -> str:
    """MUSE's three cuts, one after the other."""
    return text.split("\n\n")[0].split("\nQuestion")[0].split("Question:")[0]


def finished(text: str) -> bool:
    """True once nothing that follows can survive the cuts: generation may stop early."""
    return "\n\n" in text or "\nQuestion" in text or "Question:" in text


def asked(tokenizer: Any, template: str, question: str, examples: tuple[QA, ...]) -> str:
    """The whole prompt of a question, worked examples before it."""
    return prompt_text(tokenizer, template, question, examples[:EXAMPLES])


def questions(
    tokenizer: Any, pairs: tuple[QA, ...], examples: tuple[QA, ...], template: str = "muse"
) -> list[Question]:
    """Every pair as asked."""
    texts = [asked(tokenizer, template, pair.question, examples) for pair in pairs]
    return [
        Question(shown=pair.question, ids=prompt_ids(tokenizer, template, text), gold=pair.answer)
        for pair, text in zip(pairs, texts, strict=True)
    ]


def pairs_of(corpus: Corpus, subset: str) -> tuple[tuple[QA, ...], tuple[QA, ...]]:
    """Questions and worked examples of "forget" or "retain"."""
    if subset == "forget":
        return corpus.forget_qa, corpus.forget_icl
    return corpus.retain_qa, corpus.retain_icl


def score(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """Answers to all questions of a subset; their mean f1 × 100 is KnowMem."""
    prompts = questions(generator.tokenizer, *pairs_of(corpus, subset), template)
    return ask(generator, prompts, MAX_NEW_TOKENS, finished, cut, on_answers)
