"""Drawing the next token at a temperature, so that what is drawn depends on seed, prompt and place alone: not on batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """A draw from softmax(logits / temperature) over the `top_k` likeliest tokens (0: over all)."""

    temperature: float
    seed: int
    top_k: int = 0

    def tokens(self, logits: Tensor, prompts: list[int], place: int) -> Tensor:
        """(B,) ids drawn from (B, V) logits. Row i continues prompt `prompts[i]`, `place` is the index of the new token.

        The inverse of the cumulative distribution, likeliest token first, at one uniform number a row: models that think
        alike say the same.
        """
        best = logits.float().topk(min(self.top_k or logits.shape[-1], logits.shape[-1]))
        cumulative = (best.values / self.temperature).double().softmax(-1).cumsum(-1)
        uniform = [np.random.default_rng([self.seed, prompt, place]).random() for prompt in prompts]
        below = cumulative <= torch.tensor(uniform, dtype=torch.float64, device=logits.device)[:, None]
        rank = below.sum(-1).clamp(max=best.indices.shape[-1] - 1)  # a sum of 1 - 1e-16 must not fall off the end
        return best.indices.gather(-1, rank[:, None]).squeeze(-1)
