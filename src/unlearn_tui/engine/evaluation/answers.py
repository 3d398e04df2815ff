"""Answers: one record a prompt, what every view and every mean is made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from unlearn_tui.engine.evaluation.generation import Generator, Stop
from unlearn_tui.engine.evaluation.rouge import rouge_l
from unlearn_tui.engine.evaluation.sampling import Sampling
from unlearn_tui.runs.directory import write_atomic


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One prompt's answer. recall, precision, f1: ROUGE-L, 0-1; tokens: generated; score: the metric's own, 0-1, where
    its mean is not made of F1; columns: whatever else was measured, by name.
    """

    index: int
    prompt: str
    gold: str
    answer: str
    recall: float
    precision: float
    f1: float
    exact: int
    tokens: int
    score: float | None = None
    columns: dict[str, float] = {}


class Question(msgspec.Struct, kw_only=True):
    """What a metric asks: the text shown to people, the token ids asked, the gold text scored against."""

    shown: str
    ids: list[int]
    gold: str


Heard = Callable[[int, list[Answer]], None]
"""Told how many answers there are so far, and the newest of them."""


def unheard(done: int, batch: list[Answer]) -> None:
    """For whoever does not listen."""


def ask(
    generator: Generator,
    questions: list[Question],
    max_new_tokens: int,
    stop: Stop | None,
    cut: Callable[[str], str],
    on_answers: Heard = unheard,
    stem: bool = False,
    sampling: Sampling | None = None,
) -> list[Answer]:
    """Answer every question, greedily or by `sampling`, and score it (`stem`: see rouge_l); `on_answers(done, batch)` after
    each batch. In the order of `questions`.
    """
    found: dict[int, Answer] = {}
    for part, rows in generator.answers([q.ids for q in questions], max_new_tokens, stop, sampling=sampling):
        for i, tokens in zip(part, rows, strict=True):
            text = cut(generator.tokenizer.decode(tokens, skip_special_tokens=True))
            r = rouge_l(questions[i].gold, text, stem)
            found[i] = Answer(
                index=i, prompt=questions[i].shown, gold=questions[i].gold, answer=text, recall=r.recall,
                precision=r.precision, f1=r.f1, exact=r.exact, tokens=len(tokens),
            )  # fmt: skip
        on_answers(len(found), [found[i] for i in part])
    return [found[i] for i in range(len(questions))]


def scored(index: int, prompt: str, gold: str, answer: str, score: float, tokens: int = 0, **columns: float) -> Answer:
    """An answer of a metric that has a score of its own, which stands in ROUGE's place too."""
    return Answer(
        index=index, prompt=prompt, gold=gold, answer=answer, recall=score, precision=score, f1=score, exact=0,
        tokens=tokens, score=score, columns=columns,
    )  # fmt: skip


def save_answers(path: Path, answers: list[Answer]) -> None:
    """Write one JSON line an answer, whole or not at all."""
    path.parent.mkdir(exist_ok=True)  # without parents: a run that was removed must not come back in pieces
    write_atomic(path, b"".join(msgspec.json.encode(a) + b"\n" for a in answers))


def load_answers(path: Path) -> list[Answer]:
    """Read what save_answers wrote. Raises OSError or msgspec.DecodeError."""
    decode: Any = msgspec.json.Decoder(Answer).decode
    return [decode(line) for line in path.read_bytes().splitlines()]
