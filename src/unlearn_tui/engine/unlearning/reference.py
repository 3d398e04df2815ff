"""The frozen target: what NPO and KLR compare with. Every log-probability is computed once and kept while it fits."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from unlearn_tui.engine.unlearning.data import Batch, Item, collate
from unlearn_tui.engine.unlearning.npo import sequence_logprobs
from unlearn_tui.engine.unlearning.terms import token_logprobs

CACHE_BYTES = 256 * 2**20


class Reference:
    """A frozen copy of the target with a cache of its retain distributions, keyed by item."""

    def __init__(self, target: Any, device: torch.device, dtype: torch.dtype, cache_bytes: int = CACHE_BYTES) -> None:
        self.model = copy.deepcopy(target).to(device, dtype).eval().requires_grad_(False)
        self.room = cache_bytes
        self.kept: dict[str, Tensor] = {}

    @torch.no_grad()
    def sequence(self, items: list[Item], length: str, batch: int, pad: int, device: torch.device) -> dict[str, float]:
        """NPO's reference: log-probability of each item's counted tokens, by item id, computed once before training."""
        found: dict[str, float] = {}
        for start in range(0, len(items), batch):
            part = collate(items[start : start + batch], pad, device)
            logits = self.model(input_ids=part.ids, attention_mask=part.attention).logits
            sums = sequence_logprobs(token_logprobs(logits, part.ids), part.mask, length)
            found.update({item.id: float(s) for item, s in zip(part.items, sums, strict=True)})
        return found

    @torch.no_grad()
    def distributions(self, batch: Batch) -> Tensor:
        """KLR's reference: (N, V) float32 log-probabilities at the N counted positions of the batch, row-major."""
        if not all(item.id in self.kept for item in batch.items):
            logits = self.model(input_ids=batch.ids, attention_mask=batch.attention).logits
            rows = torch.log_softmax(logits[:, :-1][batch.mask].float(), dim=-1)
            for item, part in zip(batch.items, rows.split(batch.mask.sum(1).tolist()), strict=True):
                size = part.numel() * part.element_size()
                if item.id not in self.kept and size <= self.room:
                    self.kept[item.id] = part.clone()
                    self.room -= size
            return rows
        return torch.cat([self.kept[item.id] for item in batch.items])
