"""Gradient descent on the retain set: cross-entropy of the retain tokens (MUSE, arXiv 2407.06460, section 2)."""

from __future__ import annotations

from torch import Tensor

from unlearn_tui.engine.unlearning.terms import Term, masked_sum


def retain_loss(logp: Tensor, mask: Tensor, **_: object) -> Term:
    """CE of the retain tokens. Args: logp (B, T-1) nats; mask (B, T-1) bool."""
    return Term(-masked_sum(logp, mask), "token")
