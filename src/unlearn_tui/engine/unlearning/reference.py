"""The frozen target: what NPO and KLR compare with. Every log-probability is computed once and kept while it fits."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from unlearn_tui.engine.checkpoints import round_parameters
from unlearn_tui.engine.unlearning.data import Batch, Item, collate
from unlearn_tui.engine.unlearning.npo import sequence_logprobs
from unlearn_tui.engine.unlearning.terms import token_logprobs

CACHE_BYTES = 256 * 2**20


class Reference:
    """A frozen copy of the target with a cache of its retain distributions, keyed by item."""

    def __init__(self, target: Any, device: torch.device, dtype: torch.dtype, cache_bytes: int = CACHE_BYTES) -> None:
        self.model = copy.deepcopy(target).to(device).eval().requires_grad_(False)
        round_parameters(self.model, dtype)
        self.device = device
        self.room = cache_bytes
        self.kept: dict[str, Tensor] = {}

    @torch.no_grad()
    def sequence(self, items: list[Item], length: str, batch: int, pad: int, device: torch.device) -> dict[str, float]:
        """NPO's reference: log-probability of each item's counted tokens, by item id, computed once before training."""
        found: dict[str, float] = {}
        for start in range(0, len(items), batch):
            part = collate(items[start : start + batch], pad, device)
            logits = self._logits(part)
            sums = sequence_logprobs(token_logprobs(logits, part.ids), part.mask, length)
            found.update({item.id: float(s) for item, s in zip(part.items, sums, strict=True)})
        return found

    def _logits(self, batch: Batch) -> Tensor:
        # the same arithmetic as the model in training: at the start their difference must be zero
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            logits: Tensor = self.model(input_ids=batch.ids, attention_mask=batch.attention, use_cache=False).logits
        return logits

    @torch.no_grad()
    def distributions(self, batch: Batch, pad: int) -> Tensor:
        """KLR's reference: (N, V) float32 log-probabilities at the N counted positions of the batch, row-major.

        Each item is computed alone, so that its value does not depend on the batch it is first seen in: a resumed run
        would differ from an unbroken one.
        """
        return torch.cat([self._distribution(item, pad) for item in batch.items])

    def _distribution(self, item: Item, pad: int) -> Tensor:
        if item.id in self.kept:
            return self.kept[item.id]
        alone = collate([item], pad, self.device)
        rows = torch.log_softmax(self._logits(alone)[:, :-1][alone.mask].float(), dim=-1)
        size = rows.numel() * rows.element_size()
        if size <= self.room:
            self.kept[item.id] = rows
            self.room -= size
        return rows
