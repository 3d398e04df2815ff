"""Who's Harry Potter (Eldan & Russinovich 2023, arXiv 2310.02238, eq. 1; MUSE, arXiv 2407.06460, section 4): two models.

    v = v_base − α · ReLU(v_reinforced − v_base)

v are logits; base is the target, reinforced the target fine-tuned on what is to be forgotten: words that fine-tuning made
likelier become less likely. There is no single set of weights: both models answer in step, each with a cache of its own, and
a quantizer quantizes both.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


def unlearned_logits(base: Tensor, reinforced: Tensor, alpha: float) -> Tensor:
    """The formula above, float32. Args: both of one shape, (…, V)."""
    base = base.float()
    return base - alpha * torch.relu(reinforced.float() - base)


@dataclass
class Caches:
    """What both models remember of a prompt."""

    base: Any
    reinforced: Any

    def batch_repeat_interleave(self, repeats: int) -> None:
        """As of a cache: every row so many times."""
        self.base.batch_repeat_interleave(repeats)
        self.reinforced.batch_repeat_interleave(repeats)


@dataclass
class Output:
    """As of a causal language model: logits (B, T, V) and what is remembered."""

    logits: Tensor
    past_key_values: Caches | None


class Pair(nn.Module):
    """Base and reinforced model as one causal language model, for scoring; both are quantized where it is."""

    def __init__(self, base: Any, reinforced: Any, alpha: float) -> None:
        super().__init__()
        self.base, self.reinforced, self.alpha = base, reinforced, alpha
        self.config = base.config
        self.generation_config = base.generation_config

    @property
    def dtype(self) -> torch.dtype:
        """Of the base."""
        found: torch.dtype = self.base.dtype
        return found

    def get_input_embeddings(self) -> Any:
        """Of the base."""
        return self.base.get_input_embeddings()

    def output_layers(self) -> list[Any]:
        """Of both: no quantizer takes them."""
        return [self.base.get_output_embeddings(), self.reinforced.get_output_embeddings()]

    def forward(
        self,
        past_key_values: Caches | None = None,
        position_ids: Tensor | None = None,
        logits_to_keep: int = 0,
        **inputs: Any,
    ) -> Output:
        """Both models on the same input."""
        accepted = inspect.signature(self.base.forward).parameters
        given = {"position_ids": position_ids, "logits_to_keep": logits_to_keep or None}
        inputs |= {name: value for name, value in given.items() if value is not None and name in accepted}
        past = (past_key_values.base, past_key_values.reinforced) if past_key_values else (None, None)
        one = self.base(past_key_values=past[0], **inputs)
        two = self.reinforced(past_key_values=past[1], **inputs)
        caches = Caches(one.past_key_values, two.past_key_values) if one.past_key_values is not None else None
        return Output(unlearned_logits(one.logits, two.logits, self.alpha), caches)
