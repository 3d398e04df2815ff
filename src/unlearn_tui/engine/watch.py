"""Looking at the model while it unlearns: the canary question and a small fixed KnowMem probe."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.evaluation.answers import Question, ask
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.rouge import rouge_l
from unlearn_tui.engine.prompting import prompt_ids
from unlearn_tui.engine.tokenizing import common
from unlearn_tui.engine.unlearning.terms import token_logprobs
from unlearn_tui.protocol import events as ev
from unlearn_tui.sources.corpora import QA, Corpus

PROBE = 16
"""Questions of each subset in the probe: the first of the corpus."""


@dataclass
class Watch:
    """Asks the model in training the same things again and again, in KnowMem's format or in its chat template.

    A canary that is no question of the corpus has no gold answer: the first answer, the target's, becomes it.
    """

    generator: Generator
    corpus: Corpus
    canary: str
    gold: str = ""
    template: str = "muse"
    question: str = field(init=False)

    def __post_init__(self) -> None:
        """Find the canary's gold answer, unless an earlier attempt has it."""
        known = {q.question: q.answer for q in (*self.corpus.forget_qa, *self.corpus.retain_qa)}
        if self.canary.strip().lstrip("-").isdigit():
            picked = self.corpus.forget_qa[int(self.canary)] if self.corpus.forget_qa else QA("", "")
            self.question, self.gold = picked
        else:
            self.question, self.gold = self.canary, known.get(self.canary, self.gold)

    def ask_canary(self, step: int) -> ev.Canary | None:
        """Greedy answer and the probability of the gold answer, ∏ p(token | before); None without a question."""
        if not self.question:
            return None
        tokenizer = self.generator.tokenizer
        pair = QA(self.question, self.gold)
        item = knowmem.questions(tokenizer, (pair,), self.corpus.forget_icl, self.template)[0]
        answer = ask(self.generator, [item], knowmem.MAX_NEW_TOKENS, knowmem.finished, knowmem.cut)[0]
        self.gold = self.gold or answer.answer
        return ev.Canary(
            step=step,
            question=self.question,
            gold=self.gold,
            answer=answer.answer,
            probability=self.probability(item),
            rouge=rouge_l(self.gold, answer.answer).recall,
        )

    @torch.no_grad()
    def probability(self, item: Question) -> float:
        """p(gold | prompt) under teacher forcing, 0-1."""
        tokenizer: Any = self.generator.tokenizer
        before = knowmem.asked(tokenizer, self.template, self.question, self.corpus.forget_icl)
        whole = prompt_ids(tokenizer, self.template, before + self.gold)
        start = common(item.ids, whole)
        if start >= len(whole):
            return 0.0
        ids = torch.tensor([whole], device=self.generator.device)
        logp = token_logprobs(self.generator.model(input_ids=ids).logits, ids)
        return math.exp(float(logp[0, start - 1 :].sum()))

    def probe(self, step: int) -> list[ev.Probe]:
        """KnowMem of the first questions of both subsets, 0-100."""
        found = []
        for subset in ("forget", "retain"):
            pairs, examples = knowmem.pairs_of(self.corpus, subset)
            if not pairs:
                continue
            asked = knowmem.questions(self.generator.tokenizer, pairs[:PROBE], examples, self.template)
            answers = ask(self.generator, asked, knowmem.MAX_NEW_TOKENS, knowmem.finished, knowmem.cut)
            value = 100 * sum(a.f1 for a in answers) / len(answers)
            found.append(ev.Probe(step=step, metric=f"knowmem_{subset}", value=value, n=len(answers)))
        return found
