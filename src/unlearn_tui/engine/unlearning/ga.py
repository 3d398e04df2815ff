"""Gradient ascent: the forget term is minus the cross-entropy of the forget tokens (MUSE, arXiv 2407.06460, section 2)."""

from __future__ import annotations

from torch import Tensor

from unlearn_tui.engine.unlearning.terms import Term, masked_sum


def forget_loss(logp: Tensor, mask: Tensor, **_: object) -> Term:
    """−CE = mean over tokens of log p; minimizing it drives log p down without bound.

    Args: logp (B, T-1) token log-probabilities, nats; mask (B, T-1) bool, tokens that count.
    """
    return Term(masked_sum(logp, mask), "token")
