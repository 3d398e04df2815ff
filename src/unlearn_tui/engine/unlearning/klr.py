"""KL to the target on the retain set: KL(p_ref ‖ p_θ) over the vocabulary, per token (open-unlearning's form).

The reference code feeds raw logits to `kl_div`, which is no divergence and has no lower bound; here both sides are
log-softmaxed and the result is averaged over tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unlearn_tui.engine.unlearning.terms import Term


def divergence(logits: Tensor, reference: Tensor) -> Tensor:
    """Σ over rows of Σ_v p_ref (log p_ref − log p_θ), nats ≥ 0. Args: both (N, V) logits, float32 or wider."""
    theirs = torch.log_softmax(reference, dim=-1)
    ours = torch.log_softmax(logits, dim=-1)
    return (theirs.exp() * (theirs - ours)).sum()


def retain_loss(logp: Tensor | None, mask: Tensor, *, divergence: Tensor, **_: object) -> Term:
    """`divergence`: the sum above over the counted positions; logp and mask are unused."""
    return Term(divergence, "token")
