"""Negative preference optimization (Zhang et al. 2024, arXiv 2404.05868, eq. 3; open-unlearning's form).

    L = (2/β) · mean over sequences of −logσ(−β (log p_θ(y|x) − log p_ref(y|x)))

with log p summed over the sequence's tokens. Its gradient is GA's, each sequence weighted by 2σ(β (log p − log p_ref)):
1 at the start, towards 0 as the sequence is forgotten. On long sequences the sum saturates that weight within a few
steps, which is why the mean weight is shown live; `length="mean"` divides log p by the token count (non-standard).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn_tui.engine.unlearning.terms import Term


def sequence_logprobs(logp: Tensor, mask: Tensor, length: str) -> Tensor:
    """(B, T-1) token log-probabilities to (B,): their "sum" or "mean" over the masked tokens."""
    sums = torch.where(mask, logp, 0.0).sum(1)
    return sums if length == "sum" else sums / mask.sum(1).clamp(min=1)


def forget_loss(
    logp: Tensor, mask: Tensor, *, reference: Tensor, beta: float, length: str = "sum", **_: object
) -> Term:
    """NPO's forget term.

    Args: logp (B, T-1) nats; mask (B, T-1) bool; reference (B,) the target's sequence log-probabilities, same `length`;
    beta > 0. Returns a sum over sequences.
    """
    log_ratio = sequence_logprobs(logp, mask, length) - reference
    total = -(2 / beta) * F.logsigmoid(-beta * log_ratio).sum()
    return Term(total, "sequence", 2 * torch.sigmoid(beta * log_ratio.detach()).sum())
