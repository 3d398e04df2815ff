"""Read the general-utility questions of RWKU (Jin et al. 2024, arXiv 2406.10890) as the paper's repository keeps them.

    utility/retain_mmlu.json   [{"task", "examples": [...], "question", "choices" (four), "answer" (0-3)}]
    utility/truthful.json      [{"question", "mc1_targets": {"choices", "labels"}, "mc2_targets": {…}}], 1 is right
    utility/triviaqa.json      [{"question", "answers"}]
    utility/fluency.json       [{"instruction"}]

The folder may stand in any corpus folder, whatever its layout; each file may be absent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from unlearn_tui.sources.corpus import MMLU, Corpus, Exam, Trivia, Truthful
from unlearn_tui.sources.reading import Reader, Row, kind, pick, texts_of

FILES = {
    "mmlu": "utility/retain_mmlu.json",
    "truthful": "utility/truthful.json",
    "trivia": "utility/triviaqa.json",
    "fluency": "utility/fluency.json",
}


def with_utility(corpus: Corpus, reader: Reader) -> Corpus:
    """`corpus` with whichever of the files are there."""
    if not any(reader.has(name) for name in FILES.values()):
        return corpus
    found = {part: reader.items(name) for part, name in FILES.items()}
    trivia = []
    for row in found["trivia"]:
        question = reader.entry(FILES["trivia"], row, ("question",))
        answers = texts_of(reader, FILES["trivia"], row, "answers") if question else None
        trivia.append(Trivia(question[0], answers) if question and answers else None)
    instructions = [reader.entry(FILES["fluency"], row, ("instruction",)) for row in found["fluency"]]
    made = replace(
        corpus,
        utility_mmlu=pick([_mmlu(reader, row) for row in found["mmlu"]]),
        utility_truthful=pick([_truthful(reader, row) for row in found["truthful"]]),
        utility_trivia=pick(trivia),
        utility_fluency=tuple(entry[0] for entry in pick(instructions)),
    )
    return replace(made, files=tuple(reader.files))


def _mmlu(reader: Reader, row: Row) -> MMLU | None:
    task, exam = reader.entry(FILES["mmlu"], row, ("task",)), _exam(reader, row, row.value)
    if task is None or exam is None:
        return None
    examples = row.value.get("examples")
    if not isinstance(examples, list):
        reader.bad(FILES["mmlu"], row, f": examples is {kind(examples)}, expected a list: correct or remove the item")
        return None
    made = [_exam(reader, row, example) for example in examples]
    return MMLU(task[0], exam, pick(made)) if None not in made else None


def _exam(reader: Reader, row: Row, value: Any) -> Exam | None:
    name, part = FILES["mmlu"], Row(row.where, row.number, value)
    question = reader.entry(name, part, ("question",))
    choices = texts_of(reader, name, part, "choices") if question else None
    if question is None or choices is None:
        return None
    answer = value.get("answer")
    if len(choices) != 4 or not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < 4:
        reader.bad(name, row, ": four choices and an answer from 0 to 3 are expected: correct or remove the item")
        return None
    return Exam(question[0], choices, answer)


def _truthful(reader: Reader, row: Row) -> Truthful | None:
    name = FILES["truthful"]
    question = reader.entry(name, row, ("question",))
    if question is None:
        return None
    sides = []
    for key in ("mc1_targets", "mc2_targets"):
        part = Row(row.where, row.number, row.value.get(key))
        choices = texts_of(reader, name, part, "choices")
        if choices is None:
            return None
        labels = part.value.get("labels")
        known = isinstance(labels, list) and len(labels) == len(choices) and all(n in (0, 1) for n in labels)
        if not known or not 0 < sum(labels) < len(labels):
            reader.bad(name, row, f": {key} needs a label 1 or 0 for each choice, and both: correct or remove the item")
            return None
        sides.append(tuple(tuple(c for c, n in zip(choices, labels, strict=True) if n == wanted) for wanted in (1, 0)))
    return Truthful(question[0], sides[0][0][0], sides[0][1], *sides[1])
