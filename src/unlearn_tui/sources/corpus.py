"""What a corpus holds once it is read, whatever its layout."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import NamedTuple


class QA(NamedTuple):
    """A KnowMem question and its gold answer."""

    question: str
    answer: str


class Passage(NamedTuple):
    """A VerbMem prompt and the gold continuation; the prompt's trailing space is part of it."""

    prompt: str
    gt: str


class Perturbed(NamedTuple):
    """A question of TOFU's perturbed sets: its answer, the answer in other words, and wrong answers of the same form.

    Real authors and world facts have no paraphrase; the answer itself then stands there (TOFU's evaluation does so).
    """

    question: str
    answer: str
    paraphrase: str
    wrong: tuple[str, ...]


class Exam(NamedTuple):
    """A question of four choices; `answer` counts from 0."""

    question: str
    choices: tuple[str, ...]
    answer: int


class MMLU(NamedTuple):
    """A question of MMLU with worked examples of its task."""

    task: str
    exam: Exam
    examples: tuple[Exam, ...]


class Truthful(NamedTuple):
    """A question of TruthfulQA: one right answer among wrong ones (MC1), and all right and wrong ones (MC2)."""

    question: str
    best: str
    wrong: tuple[str, ...]
    all_right: tuple[str, ...]
    all_wrong: tuple[str, ...]


class Trivia(NamedTuple):
    """A question of TriviaQA and every answer that counts as right."""

    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Corpus:
    """The parsed content of a corpus; an absent part is empty."""

    name: str
    path: Path
    """The folder or file it was read from."""
    layout: str = "muse"
    """muse, lines or tofu: the module of sources that read it."""
    notes: tuple[str, ...] = ()
    """What was decided while reading, for people."""
    files: tuple[Path, ...] = ()
    """Every file that was read."""
    forget_docs: tuple[str, ...] = ()
    forget_text: str = ""
    """raw/forget.txt as it is: MUSE cuts its training chunks from the whole text."""
    retain_docs: tuple[str, ...] = ()
    """raw/retain1: what GDR and KLR may read."""
    retain_text: str = ""
    retain2_docs: tuple[str, ...] = ()
    holdout_docs: tuple[str, ...] = ()
    forget_qa: tuple[QA, ...] = ()
    forget_icl: tuple[QA, ...] = ()
    retain_qa: tuple[QA, ...] = ()
    """The retain questions that are scored."""
    retain_icl: tuple[QA, ...] = ()
    retain_more: tuple[QA, ...] = ()
    """Retain questions that are trained on and not scored."""
    verbmem: tuple[Passage, ...] = ()
    privleak_forget: tuple[str, ...] = ()
    privleak_retain: tuple[str, ...] = ()
    privleak_holdout: tuple[str, ...] = ()
    privleak_retrain: tuple[tuple[str, float], ...] = ()
    """AUC of a retrained model by column ("Min-40%"), forget against holdout, 0-1, where the corpus tells it."""
    tofu_forget: tuple[Perturbed, ...] = ()
    tofu_retain: tuple[Perturbed, ...] = ()
    tofu_authors: tuple[Perturbed, ...] = ()
    tofu_world: tuple[Perturbed, ...] = ()
    utility_mmlu: tuple[MMLU, ...] = ()
    utility_truthful: tuple[Truthful, ...] = ()
    utility_trivia: tuple[Trivia, ...] = ()
    utility_fluency: tuple[str, ...] = ()
    """Instructions to write something."""

    @property
    def retain_pairs(self) -> tuple[QA, ...]:
        """Every retain question, as GDR, KLR and memorising read them."""
        return self.retain_qa + self.retain_more

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the parsed content; name, place and layout do not count."""
        content = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _ABOUT}
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


_ABOUT = ("name", "path", "layout", "notes", "files")
