"""SimNPO (Fan et al. 2024, arXiv 2410.07163, eq. 4; open-unlearning's form): NPO without a reference, by length.

    L = (2/β) · mean over sequences of −logσ(−β (log p_θ(y|x) / |y| + δ))

Its gradient weights each sequence by 2σ(β (log p / |y| + δ)) / |y|: a sequence that the model already finds unlikely is
pushed less, whatever the target said of it. The paper's margin γ is β·δ here; open-unlearning's γ, which weights the whole
forget term, is RunSpec's gamma.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn_tui.engine.unlearning.npo import sequence_logprobs
from unlearn_tui.engine.unlearning.terms import Term


def forget_loss(logp: Tensor, mask: Tensor, *, beta: float, delta: float = 0.0, **_: object) -> Term:
    """SimNPO's forget term, a sum over sequences.

    Args: logp (B, T-1) nats; mask (B, T-1) bool; beta > 0; delta the margin, nats a token.
    """
    mean = sequence_logprobs(logp, mask, "mean") + delta
    total = -(2 / beta) * F.logsigmoid(-beta * mean).sum()
    return Term(total, "sequence", 2 * torch.sigmoid(beta * mean.detach()).sum())
