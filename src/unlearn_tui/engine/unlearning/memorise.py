"""Maximum likelihood on all that a corpus holds: how a target comes to know it (MUSE, arXiv 2407.06460, section 4)."""

from __future__ import annotations

from torch import Tensor

from unlearn_tui.engine.unlearning.terms import Term, masked_sum


def loss(logp: Tensor, mask: Tensor, **_: object) -> Term:
    """Cross-entropy of the counted tokens. Args: logp (B, T-1) nats; mask (B, T-1) bool."""
    return Term(-masked_sum(logp, mask), "token")
