"""Gen: MMLU as RWKU and the paper's code ask it (Hendrycks et al. 2021, arXiv 2009.03300).

Worked examples of the task, a sentence that asks to follow them, the question with its choices A to D, and "Answer:"; of the
tokens " A" to " D" the likeliest is the answer. In a chat everything before "Answer:" is the user's turn.
"""

from __future__ import annotations

from unlearn_tui.engine.evaluation.answers import Answer, Heard, scored, unheard
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.likelihood import next_logprobs
from unlearn_tui.engine.prompting import instruction_text, prompt_ids
from unlearn_tui.sources.corpora import Corpus
from unlearn_tui.sources.corpus import MMLU, Exam

LETTERS = "ABCD"


def score(
    generator: Generator, corpus: Corpus, subset: str, on_answers: Heard = unheard, template: str = "muse"
) -> list[Answer]:
    """1 for every question whose right letter is the likeliest, else 0; their mean × 100 is the accuracy."""
    tokenizer, items = generator.tokenizer, corpus.utility_mmlu
    letters = [tokenizer.encode(f" {letter}", add_special_tokens=False)[-1] for letter in LETTERS]
    texts = [
        instruction_text(tokenizer, template, prompt(item) + "\n" * (template == "muse"), "Answer:") for item in items
    ]
    found: dict[int, Answer] = {}
    for part, rows in next_logprobs(generator, [prompt_ids(tokenizer, template, text) for text in texts], letters):
        for i, row in zip(part, rows, strict=True):
            chosen, exam = row.index(max(row)), items[i].exam
            found[i] = scored(
                i, exam.question, _choice(exam, exam.answer), _choice(exam, chosen), float(chosen == exam.answer)
            )
        on_answers(len(found), [found[i] for i in part])
    return [found[i] for i in range(len(items))]


def prompt(item: MMLU) -> str:
    """Everything before "Answer:"."""
    task = item.task.replace("_", " ")
    head = f"The following are multiple choice questions (with answers) about {task}.\n\n"
    shown = "".join(f"{_exam(example)}\nAnswer: {LETTERS[example.answer]}\n\n" for example in item.examples)
    return f"{head}{shown}Please following the previous examples and answer the given question.\n{_exam(item.exam)}"


def _exam(exam: Exam) -> str:
    return f"Question: {exam.question}" + "".join(f"\n{n}. {c}" for n, c in zip(LETTERS, exam.choices, strict=True))


def _choice(exam: Exam, index: int) -> str:
    return f"{LETTERS[index]}. {exam.choices[index]}"
