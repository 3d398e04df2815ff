"""Task vectors (Ilharco et al. 2023, arXiv 2212.04089, section 3; MUSE, arXiv 2407.06460, section 4): fine-tune the target
on what is to be forgotten, then go the other way.

    θ_u = θ − α (θ_ft − θ)

θ_ft comes from the usual training loop with cross-entropy on the forget items (memorise.py). MUSE's own outputs are the same
for every α: there it was never applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from unlearn_tui.engine.unlearning.adamw import Rounding


def subtracted(target: Tensor, tuned: Tensor, alpha: float) -> Tensor:
    """θ − α (θ_ft − θ), float32. Args: both of one shape and any float dtype."""
    return target.float() - alpha * (tuned.float() - target.float())


@contextmanager
@torch.no_grad()
def negated(
    weights: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    alpha: float,
    rounding: Rounding,
    noise: torch.Generator,
) -> Iterator[None]:
    """In here fine-tuned `weights` are what subtracting their task vector gives, as the update mode stores it; after it
    they are fine-tuned again, to the bit.
    """
    tuned = {name: weight.detach().clone() for name, weight in weights.items()}
    for name, weight in weights.items():
        weight.copy_(rounding(subtracted(target[name].to(weight.device), weight, alpha), noise))
    try:
        yield
    finally:
        for name, weight in weights.items():
            weight.copy_(tuned[name])
