"""TOFU's scores (Maini et al. 2024, arXiv 2401.06121, section 2.2), as TOFU's code and OpenUnlearning compute them.

Questions are put without worked examples. With p(a|q)^(1/|a|) = exp of the mean log-probability of the answer's tokens:

probability  p(a|q)^(1/|a|); for real authors and world facts divided by its sum over the right and the wrong answers
truth ratio  R = geometric mean over wrong answers of p(â|q)^(1/|â|), over p(ã|q)^(1/|ã|) of the right one in other
             words (equation 1 has the arithmetic mean; both codes have this). Scored: min(R, 1/R) on the forget set,
             max(0, 1 − R) elsewhere
ROUGE        ROUGE-L recall with stemming of a greedy answer of at most 200 tokens; MUSE's cuts end it, so that a base
             model's next question does not count
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.evaluation.answers import Answer, Heard, Question, ask, unheard
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.likelihood import Likelihood, Taught, likelihoods
from unlearn_tui.engine.prompting import prompt_ids, prompt_text, taught
from unlearn_tui.sources.corpora import Corpus, Perturbed

MAX_NEW_TOKENS = 200
RATIO = "truth ratio"
"""The column of an answer that has it."""
_TINY = 1e-10
"""Keeps a division by a probability of 0 finite, as the codes do."""


def probability(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """Probability of every right answer of a set (forget, retain, authors, world), 0-1."""
    items = _items(corpus, subset)
    among = subset in ("authors", "world")
    options = [(item.answer, *(item.wrong if among else ())) for item in items]

    def score(found: list[Likelihood]) -> tuple[float, None]:
        right, *wrong = (math.exp(f.mean) for f in found)
        return (right / (right + sum(wrong) + _TINY) if among else right), None

    return _score(generator, items, options, template, on_answers, score, "probability")


def truth_ratio(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """Score made of every truth ratio of a set, 0-1; the column RATIO has R itself, which forget quality compares."""
    items = _items(corpus, subset)

    def score(found: list[Likelihood]) -> tuple[float, float]:
        right, *wrong = (f.mean for f in found)
        ratio = math.exp(sum(wrong) / len(wrong)) / (math.exp(right) + _TINY)
        return (min(ratio, 1 / (ratio + _TINY)) if subset == "forget" else max(0.0, 1 - ratio)), ratio

    options = [(item.paraphrase, *item.wrong) for item in items]
    return _score(generator, items, options, template, on_answers, score, RATIO)


def rouge(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """Greedy answers to a set's questions; their mean recall × 100 is the score."""
    tokenizer = generator.tokenizer
    asked = []
    for item in _items(corpus, subset):
        text = prompt_text(tokenizer, template, item.question)
        asked.append(Question(shown=item.question, ids=prompt_ids(tokenizer, template, text), gold=item.answer))
    answers = ask(generator, asked, MAX_NEW_TOKENS, knowmem.finished, knowmem.cut, on_answers, stem=True)
    return [msgspec.structs.replace(a, score=a.recall) for a in answers]


def _items(corpus: Corpus, subset: str) -> tuple[Perturbed, ...]:
    found: tuple[Perturbed, ...] = getattr(corpus, f"tofu_{subset}")
    return found


def _score(
    generator: Generator,
    items: tuple[Perturbed, ...],
    options: list[tuple[str, ...]],
    template: str,
    on_answers: Heard,
    score: Callable[[list[Likelihood]], tuple[float, float | None]],
    what: str,
) -> list[Answer]:
    """Answers made from the likelihoods of each item's options, the right one first; `score` gives score and truth ratio."""
    tokenizer = generator.tokenizer
    rows: list[Taught] = []
    owner: list[int] = []
    for i, item in enumerate(items):
        text = prompt_text(tokenizer, template, item.question)
        rows += [Taught(*taught(tokenizer, template, text, option)) for option in options[i]]
        owner += [i] * len(options[i])
    first = [owner.index(i) for i in range(len(items))]
    known: dict[int, Likelihood] = {}
    answers: dict[int, Answer] = {}
    for part, found in likelihoods(generator, rows):
        known.update(zip(part, found, strict=True))
        new = []
        for i in sorted({owner[row] for row in part}):
            mine = range(first[i], first[i] + len(options[i]))
            if not all(row in known for row in mine):
                continue
            value, raw = score([known[row] for row in mine])
            shown = f"{what} {value if raw is None else raw:.4g}"
            new.append(
                Answer(
                    index=i, prompt=items[i].question, gold=options[i][0], answer=shown, recall=value,
                    precision=value, f1=value, exact=0, tokens=known[first[i]].tokens, score=value,
                    columns={} if raw is None else {RATIO: raw},
                )
            )  # fmt: skip
        answers.update((a.index, a) for a in new)
        if new:
            on_answers(len(answers), new)
    return [answers[i] for i in range(len(items))]
