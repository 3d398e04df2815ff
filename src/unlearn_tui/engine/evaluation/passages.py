"""Passages under teacher forcing: which token a model finds likeliest at each place of the true continuation."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from unlearn_tui.engine.evaluation.answers import Answer, Heard
from unlearn_tui.engine.evaluation.forced import forced
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.prompting import taught
from unlearn_tui.engine.unlearning.data import Item
from unlearn_tui.sources.corpora import Corpus


def compare(
    generator: Generator, corpus: Corpus, measure: Callable[[Tensor], float], on_answers: Heard
) -> list[Answer]:
    """One record a passage of VerbMem: `measure` of its hits, (n,) bools, one for each token of the whole continuation
    that is the likeliest given all true tokens before it. `answer` are the likeliest tokens; 0-1.
    """
    tokenizer = generator.tokenizer
    rows = [taught(tokenizer, "muse", prompt, gt) for prompt, gt in corpus.verbmem]
    items = [Item(str(i), ids, [k >= start for k in range(len(ids))]) for i, (ids, start) in enumerate(rows)]
    answers: dict[int, Answer] = {}
    for part, found in forced(generator, items):
        for i, one in zip(part, found, strict=True):
            ids, start = rows[i]
            hits = one.likeliest == one.likeliest.new_tensor(ids[start:])
            value = measure(hits)
            answers[i] = Answer(
                index=i, prompt=corpus.verbmem[i].prompt, gold=tokenizer.decode(ids[start:], skip_special_tokens=True),
                answer=tokenizer.decode(one.likeliest.tolist(), skip_special_tokens=True), recall=value, precision=value,
                f1=value, score=value, exact=int(hits.all()), tokens=len(hits),
            )  # fmt: skip
        on_answers(len(answers), [answers[i] for i in part])
    return [answers[i] for i in range(len(items))]
