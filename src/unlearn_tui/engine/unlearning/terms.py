"""What every loss term is made of: token log-probabilities and a sum with its divisor."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Term(NamedTuple):
    """A loss term of one micro batch as a sum, so that accumulated micro batches equal the large batch.

    The training loop divides `total` by the number of such units (tokens or sequences) in the whole step.
    """

    total: Tensor
    """Scalar, differentiable."""
    per: str
    """What the divisor counts: "token", "sequence", or "pair" of sequences."""
    weight: Tensor | None = None
    """Scalar sum of the weights that NPO, SimNPO or DPO give their sequences' gradients, detached; None for other terms."""


def token_logprobs(logits: Tensor, ids: Tensor) -> Tensor:
    """log p(ids[:, t+1] | ids[:, :t+1]) in float32.

    Args: logits (B, T, V) of any float dtype; ids (B, T).
    Returns: (B, T-1), nats.
    """
    shifted = logits[:, :-1].float()
    chosen = shifted.gather(-1, ids[:, 1:, None]).squeeze(-1)
    return chosen - shifted.logsumexp(-1)


def count(mask: Tensor, per: str) -> int:
    """Units of a (B, T-1) loss mask: its true tokens, the sequences that have any, or half of these."""
    if per == "token":
        return int(mask.sum())
    return int(mask.any(1).sum()) // (2 if per == "pair" else 1)


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Sum of values where mask holds; a masked-out NaN or infinity does not leak in."""
    return torch.where(mask, values, 0.0).sum()
