"""IdkDPO: a refusal is preferred to the answer that is to be forgotten (TOFU's preference optimization, arXiv 2401.06121,
section 4; DPO: Rafailov et al. 2023, arXiv 2305.18290, eq. 7; open-unlearning's form, whose factor 2/β is NPO's).

    L = (2/β) · mean over questions of −logσ(β (r(refusal) − r(answer))),   r(y) = log p_θ(y|x) − log p_ref(y|x)
"""

from __future__ import annotations

import random

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn_tui.engine.unlearning.npo import sequence_logprobs
from unlearn_tui.engine.unlearning.terms import Term

REFUSALS = (
    "I don't know.",
    "I'm not sure about that.",
    "I have no information on that.",
    "That is not something I know.",
    "I can't say.",
    "I'm afraid I don't know the answer.",
    "I have never learned about that.",
    "I don't have an answer to that.",
    "That is unknown to me.",
    "I couldn't tell you.",
    "I'm not familiar with that.",
    "Sorry, I don't know this one.",
)


def refusal(seed: int, index: int) -> str:
    """The refusal that question `index` is answered with; the same for the same seed."""
    return random.Random(f"refusal:{seed}:{index}").choice(REFUSALS)


def forget_loss(logp: Tensor, mask: Tensor, *, reference: Tensor, beta: float, **_: object) -> Term:
    """DPO's loss, a sum over questions.

    Args: logp (2B, T-1) nats, the answers first and then as many refusals in the same order; mask (2B, T-1) bool;
    reference (2B,) the target's sequence log-probabilities; beta > 0.
    """
    answer, refused = (sequence_logprobs(logp, mask, "sum") - reference).chunk(2)
    margin = beta * (refused - answer)
    total = -(2 / beta) * F.logsigmoid(margin).sum()
    return Term(total, "pair", 2 * torch.sigmoid(-margin.detach()).sum())
