"""The frozen target: what NPO and KLR compare with. What it says of an item is computed once and kept.

KLR needs its distribution at every counted position. Kept are the hidden states before the output layer (H numbers a
position, not V), in the machine's memory: where those of all items have room there, they are computed before training, and
only the output layer stays. Else they are computed as they come up, and those that have no room, every time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from unlearn_tui.engine.checkpoints import round_parameters
from unlearn_tui.engine.unlearning.data import Batch, Item, collate
from unlearn_tui.engine.unlearning.heads import Head
from unlearn_tui.engine.unlearning.npo import sequence_logprobs
from unlearn_tui.engine.unlearning.rmu import Layer

CACHE_BYTES = 2 * 2**30
"""Of hidden states kept; beyond it they are computed anew."""
Told = Callable[[int, int], object]
"""Hears how many items of how many are known."""


def unheard(done: int, total: int) -> None:
    """Nobody listens."""


class Reference:
    """A frozen copy of the target, and what it said of the retain items.

    `groups`: the items in the groups that it is asked about together. They never depend on the batch in which an item is
    first seen, so that a resumed run hears what an unbroken one heard. `layer`: it is asked about that layer's hidden
    states, instead of those before the output layer.
    """

    def __init__(
        self,
        target: Any,
        device: torch.device,
        dtype: torch.dtype,
        pad: int,
        groups: Iterable[list[Item]] = (),
        layer: int | None = None,
    ) -> None:
        alike = all(p.dtype is dtype and p.device == device for p in target.parameters())
        model = target if alike else copy.deepcopy(target).to(device)
        model.eval().requires_grad_(False)
        if not alike:
            round_parameters(model, dtype)
        self.head: Any = Head(model) if layer is None else Layer(model, layer)
        self.device = device
        self.pad = pad
        self.room = CACHE_BYTES
        self.group = {item.id: group for group in groups for item in group}
        self.kept: dict[str, Tensor] = {}

    @torch.no_grad()
    def sequence(self, items: Sequence[Item], length: str, batch: int) -> dict[str, float]:
        """NPO's reference: log-probability of each item's counted tokens, by item id, computed once before training."""
        found: dict[str, float] = {}
        for start in range(0, len(items), batch):
            part = collate(list(items[start : start + batch]), self.pad, self.device)
            with self._arithmetic():
                logp = self.head.logprobs(self.head.rows(part), part)
            sums = sequence_logprobs(logp, part.mask, length)
            found.update({item.id: float(s) for item, s in zip(part.items, sums, strict=True)})
        return found

    def _arithmetic(self) -> torch.autocast:
        # the same as of the model in training: at the start their difference must be zero
        return torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda")

    def know(self, told: Told = unheard) -> None:
        """Ask about every item now, if there is room for what is said of all of them."""
        positions = {item.id: sum(item.counts[1:]) for group in self.group.values() for item in group}
        for group in {id(group): group for group in self.group.values()}.values():
            self.rows(collate(group[:1], self.pad, self.device))
            each = sum(t.numel() * t.element_size() for t in self.kept.values())
            known = sum(positions[id] for id in self.kept)
            if not self.kept or each * (sum(positions.values()) - known) > known * self.room:
                return
            told(len(self.kept), len(self.group))

    @torch.no_grad()
    def rows(self, batch: Batch) -> Tensor:
        """KLR's reference: rows of `head` at the counted positions of the batch, row-major; `head.logits` reads them."""
        found = torch.cat([self._rows(item) for item in batch.items])
        if len(self.kept) == len(self.group) and self.head.apart:
            self.head.model = None  # all is known: its weights need no room any more
        return found

    def _rows(self, item: Item) -> Tensor:
        if item.id in self.kept:
            return self.kept[item.id].to(self.device)
        part = collate(self.group[item.id], self.pad, self.device)
        with self._arithmetic():
            rows = self.head.rows(part)
        each = dict(zip((i.id for i in part.items), rows.split(part.mask.sum(1).tolist()), strict=True))
        for id, found in each.items():
            size = found.numel() * found.element_size()
            if id not in self.kept and size <= self.room:
                self.kept[id] = found.cpu()
                self.room -= size
        return each[item.id]
