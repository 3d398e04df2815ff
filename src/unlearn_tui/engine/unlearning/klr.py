"""KL to the target on the retain set: KL(p_ref ‖ p_θ) over the vocabulary, per token (open-unlearning's form).

The reference code feeds raw logits to `kl_div`, which is no divergence and has no lower bound; here both sides are
log-softmaxed and the result is averaged over tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unlearn_tui.engine.unlearning.terms import Term


def retain_loss(logits: Tensor, logp: Tensor, mask: Tensor, *, reference: Tensor, **_: object) -> Term:
    """Σ over masked tokens of Σ_v p_ref (log p_ref − log p_θ), nats ≥ 0.

    Args: logits (B, T, V); mask (B, T-1) bool; reference (N, V) the target's float32 log-probabilities at the N true
    positions of mask, in row-major order. logp is unused.
    """
    ours = torch.log_softmax(logits[:, :-1][mask].float(), dim=-1)
    return Term((reference.exp() * (reference - ours)).sum(), "token")
