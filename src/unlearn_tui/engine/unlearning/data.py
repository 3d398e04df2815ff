"""What unlearning reads: items of token ids with a loss mask, paired by seed.

`raw` is MUSE's way: the whole text without BOS in pieces of max_length − 1 tokens, BOS in front, the last piece wrapped
round with the start of the first, loss on every token. `qa` is TOFU's: one question and answer in KnowMem's format or
the chat template, loss on the answer tokens alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unlearn_tui.engine.prompting import prompt_text, taught
from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpora import QA


class Item(NamedTuple):
    """One training example: ids (BOS first) and, for each id, whether its prediction counts in the loss."""

    id: str
    ids: list[int]
    counts: list[bool]


class Batch(NamedTuple):
    """Right-padded items: ids (B, T), attention (B, T), mask (B, T-1) over next-token predictions; items in order."""

    items: list[Item]
    ids: Tensor
    attention: Tensor
    mask: Tensor


def chunk_text(tokenizer: Any, text: str, max_length: int, prefix: str) -> list[Item]:
    """MUSE's chunking of a raw text (facts in the reference's baselines/dataset.py); a short text is one short chunk."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    bos = [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None else []
    size = max_length - len(bos)
    pieces = [ids[i : i + size] for i in range(0, len(ids), size)]
    if len(pieces) > 1 and len(pieces[-1]) < size:
        pieces[-1] = pieces[-1] + ids[: size - len(pieces[-1])]
    return [Item(f"{prefix}:{i}", bos + piece, [True] * (len(bos) + len(piece))) for i, piece in enumerate(pieces)]


def qa_items(
    tokenizer: Any, pairs: tuple[QA, ...], max_length: int, prefix: str, template: str = "muse", end: str = ""
) -> list[Item]:
    """One item a pair; `end` is put behind every answer, whose tokens count."""
    items = []
    for i, (question, answer) in enumerate(pairs):
        text = prompt_text(tokenizer, template, question)
        whole, shared = taught(tokenizer, template, text, answer + end)
        if len(whole) > max_length:
            raise Refused(
                f"{prefix} question {i} is {len(whole)} tokens long, over --max-length {max_length}: raise it",
                "max_length",
            )
        items.append(Item(f"{prefix}:{i}", whole, [k >= shared for k in range(len(whole))]))
    return items


def collate(items: list[Item], pad: int, device: torch.device) -> Batch:
    """Right-pad; causal attention keeps padding from touching any token that counts."""
    longest = max(len(item.ids) for item in items)
    ids = torch.full((len(items), longest), pad)
    attention = torch.zeros((len(items), longest), dtype=torch.long)
    mask = torch.zeros((len(items), longest), dtype=torch.bool)
    for row, item in enumerate(items):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        attention[row, : len(item.ids)] = 1
        mask[row, : len(item.ids)] = torch.tensor(item.counts)
    return Batch(items, ids.to(device), attention.to(device), mask[:, 1:].to(device))


def passes(items: list[Item], seed: int, start: int = 0) -> Iterator[Item]:
    """Items for ever, each pass shuffled by its own seeded generator; `start` skips that many draws (for resuming)."""
    number, offset = divmod(start, len(items))
    while True:
        order = list(range(len(items)))
        random.Random(f"{seed}:{number}").shuffle(order)
        for i in order[offset:]:
            yield items[i]
        number, offset = number + 1, 0
