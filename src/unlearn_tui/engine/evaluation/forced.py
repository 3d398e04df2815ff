"""Teacher forcing: what a model thinks of tokens that are given, many texts at a time, logits in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.numerics import NotFinite, is_out_of_memory
from unlearn_tui.engine.unlearning.data import Batch, Item, collate
from unlearn_tui.engine.unlearning.heads import CHUNK, Head

TOKENS = 1 << 14
"""In a batch, padding included; a longer text is a batch of its own."""


class Forced(NamedTuple):
    """Of one text, for its n counted tokens: log p of each given those before it, in nats, and the likeliest token."""

    logprobs: Tensor
    likeliest: Tensor


@torch.no_grad()
def forced(generator: Generator, items: list[Item]) -> Iterator[tuple[list[int], list[Forced]]]:
    """Yields (indices of items, what the model thinks of each), a batch at a time, longest first, on the CPU.

    Batches have at most `generator.batch` rows and TOKENS tokens; both are halved when memory runs out. The first token
    of an item never counts: nothing stands before it. Raises Refused for an item longer than a model's learned positions,
    NotFinite for log-probabilities that are not numbers.
    """
    generator.check_length(max((len(item.ids) for item in items), default=0))
    head = Head(generator.model)
    order = sorted(range(len(items)), key=lambda i: (-len(items[i].ids), i))
    start, tokens = 0, TOKENS
    while start < len(order):
        part = order[start : start + max(1, min(generator.batch, tokens // len(items[order[start]].ids)))]
        batch = collate([items[i] for i in part], generator.pad(), generator.device)
        found = None
        try:
            found = _of_batch(head, batch)
        except (RuntimeError, MemoryError) as error:
            if len(part) == 1 or not is_out_of_memory(error):
                raise
        if found is None:  # out of the except block: in there the error holds what did not fit
            tokens //= 2
            generator.halve(len(part))
            continue
        yield part, found
        start += len(part)


def _of_batch(head: Head, batch: Batch) -> list[Forced]:
    rows, ids = head.rows(batch), batch.ids[:, 1:][batch.mask]
    likeliest = torch.empty_like(ids)
    logprobs = torch.empty(ids.shape, device=ids.device)
    size = max(1, CHUNK // head.width)
    for at in range(0, len(ids), size):
        here = slice(at, at + size)
        logits = head.logits(rows[here])
        logprobs[here] = logits.gather(-1, ids[here, None]).squeeze(-1) - logits.logsumexp(-1)
        likeliest[here] = logits.argmax(-1)
    if torch.isnan(logprobs).any():
        raise NotFinite(
            "the model's logits are not numbers: its weights blew up, or overflow at this precision; "
            "try bf16 or fp32 instead of fp16, or a smaller --lr"
        )
    counts = batch.mask.sum(1).tolist()
    return [Forced(*pair) for pair in zip(logprobs.cpu().split(counts), likeliest.cpu().split(counts), strict=True)]
