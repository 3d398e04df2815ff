"""How likely a model finds given answers: log-probabilities under teacher forcing, batched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from unlearn_tui.engine.evaluation.generation import Generator, left_pad

T = TypeVar("T")


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
    yield from _in_batches(
        generator, [t.ids for t in taught], lambda part: _taught(generator, [taught[i] for i in part])
    )


def next_logprobs(
    generator: Generator, prompts: list[list[int]], candidates: list[int]
) -> Iterator[tuple[list[int], list[list[float]]]]:
    """(indices, log-probability of each candidate as the token that follows each prompt) a batch at a time."""

    def of(part: list[int]) -> list[list[float]]:
        logits = _last_logits(generator, [prompts[i] for i in part], 1)[:, -1].double().log_softmax(-1)
        found: list[list[float]] = logits[:, candidates].tolist()
        return found

    yield from _in_batches(generator, prompts, of)


def _in_batches(
    generator: Generator, rows: list[list[int]], run: Callable[[list[int]], list[T]]
) -> Iterator[tuple[list[int], list[T]]]:
    generator.check_length(max((len(row) for row in rows), default=0))
    yield from generator.in_batches(rows, run)


@torch.no_grad()
def _last_logits(generator: Generator, rows: list[list[int]], keep: int) -> Tensor:
    """(B, keep, V) logits of the last positions: left padding puts every row's end there."""
    ids, attention = left_pad(rows, generator.pad(), generator.device)
    positions = (attention.cumsum(1) - 1).clamp(min=0)
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": attention, "position_ids": positions}
    logits: Tensor = generator.forward(keep=keep, **inputs, use_cache=False).logits
    return logits


def _taught(generator: Generator, rows: list[Taught]) -> list[Likelihood]:
    keep = max(len(row.ids) - row.start for row in rows) + 1
    logits = _last_logits(generator, [row.ids for row in rows], keep)
    found = []
    for i, row in enumerate(rows):
        count = len(row.ids) - row.start
        answer = torch.tensor(row.ids[row.start :], device=logits.device)
        logs = logits[i, -count - 1 : -1].double().log_softmax(-1).gather(1, answer[:, None])
        found.append(Likelihood(float(logs.sum()), count))
    return found
