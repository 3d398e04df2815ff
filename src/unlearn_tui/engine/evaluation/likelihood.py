"""How likely a model finds given answers: log-probabilities under teacher forcing, batched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from unlearn_tui.engine.evaluation.generation import Generator, left_pad
from unlearn_tui.engine.numerics import is_out_of_memory


class Taught(NamedTuple):
    """Ids of a prompt with an answer behind it, and where the answer begins."""

    ids: list[int]
    start: int


class Likelihood(NamedTuple):
    """Of one answer: the sum of its tokens' natural log-probabilities, and how many tokens they are."""

    log_prob: float
    tokens: int

    @property
    def mean(self) -> float:
        """Log of the probability per token, p(a|q)^(1/|a|)."""
        return self.log_prob / self.tokens


def likelihoods(generator: Generator, taught: list[Taught]) -> Iterator[tuple[list[int], list[Likelihood]]]:
    """(indices, likelihoods) a batch at a time, longest first; the batch is halved where memory runs out.

    Log-softmax in float64, of the answer's positions alone.
    """
    generator.check_length(max((len(t.ids) for t in taught), default=0))
    order = sorted(range(len(taught)), key=lambda i: (-len(taught[i].ids), i))
    start = 0
    while start < len(order):
        part = order[start : start + generator.batch]
        try:
            found = _batch(generator, [taught[i] for i in part])
        except (RuntimeError, MemoryError) as error:
            if generator.batch == 1 or not is_out_of_memory(error):
                raise
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            generator.batch, generator.halved = max(1, generator.batch // 2), True
            continue
        yield part, found
        start += len(part)


@torch.no_grad()
def _batch(generator: Generator, rows: list[Taught]) -> list[Likelihood]:
    """Left padding puts every answer at the end, so that logits are asked for only there."""
    ids, attention = left_pad([row.ids for row in rows], generator.pad(), generator.device)
    positions = (attention.cumsum(1) - 1).clamp(min=0)
    keep = max(len(row.ids) - row.start for row in rows) + 1
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": attention, "position_ids": positions}
    logits = generator.forward(keep=keep, **inputs, use_cache=False).logits
    found = []
    for i, row in enumerate(rows):
        count = len(row.ids) - row.start
        answer = torch.tensor(row.ids[row.start :], device=logits.device)
        logs = logits[i, -count - 1 : -1].double().log_softmax(-1).gather(1, answer[:, None])
        found.append(Likelihood(float(logs.sum()), count))
    return found
