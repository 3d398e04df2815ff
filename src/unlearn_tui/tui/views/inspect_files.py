"""What Inspect reads for a run or a model, and what it hands to an export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.inspect import ModelRef
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.report.export import Table
from unlearn_tui.report.text import safe
from unlearn_tui.state.asked import Asked, label_of
from unlearn_tui.state.inspect import Prompt


class Subject(NamedTuple):
    """Whom to ask and what: the models, the spec that says how, the questions of its corpus, what is missing."""

    name: str
    models: tuple[ModelRef, ...]
    spec: RunSpec
    prompts: tuple[Prompt, ...] = ()
    note: str = ""


def subject(ref: str, home: Path) -> Subject:
    """A run (its target and its unlearned model) or a model, with the forget questions of its corpus. In a thread.

    A run whose unlearned model is not there stands for its target alone, and the note says so. Raises Refused.
    """
    from unlearn_tui.runs import inspecting
    from unlearn_tui.runs.store import find
    from unlearn_tui.sources import corpora

    name, note = Path(ref).name, ""
    try:
        models, spec = inspecting.subjects(ref, home)
    except Refused as refused:
        try:
            spec = find(home, ref).spec()
        except Refused:
            raise refused from None
        models = [ModelRef("target", m.path) for m in inspecting.subjects(spec.model, home)[0]]
        note = f"only the target is asked: {safe(refused)}"
    pairs = corpora.load(spec.corpus).forget_qa
    prompts = tuple(Prompt(pair.question, pair.answer, index) for index, pair in enumerate(pairs))
    return Subject(name, tuple(models), spec, prompts, note)


def exported(history: Sequence[Asked]) -> dict[str, Table]:
    """Every answer that was given, and every token with its probability, in the order in which they were asked."""
    how = ["request", "question", "gold", "template", "attack", "given", "temperature", "seed", "model", "precision"]
    answers: list[list[object]] = []
    tokens: list[list[object]] = []
    for asked in history:
        ask = asked.request
        for column in asked.columns:
            base: list[object] = [
                ask.id,
                ask.question,
                asked.gold,
                ask.template,
                ask.attack,
                asked.given,
                ask.temperature,
            ]
            base += [ask.seed, *column.key]
            found, taught = column.answered, column.taught
            known = found is not None and found.recall >= 0
            row = [*base, column.text, *([found.recall, found.f1, found.exact] if found and known else [None] * 3)]
            row += [label_of(asked, column), *([taught.product, taught.mean_log] if taught else [None] * 2)]
            row += [*([found.ended, found.seconds] if found else ["", None]), column.failed]
            answers.append(row)
            for part, pieces in (("gold", column.gold), ("said", column.said)):
                tokens += [
                    [ask.id, *column.key, part, i, piece.text, piece.probability, piece.rank]
                    for i, piece in enumerate(pieces)
                ]
    heads = [*how, "answer", "recall", "f1", "exact", "label", "product", "mean_log", "ended", "seconds", "failed"]
    names = ["request", "model", "precision", "part", "position", "token", "probability", "rank"]
    return {"answers": Table(heads, answers), "tokens": Table(names, tokens)}
