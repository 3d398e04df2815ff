"""SURE: only the parts of a model that matter most to what is forgotten may move (Zhang et al., ICLR 2025, eq. 4-6).

    s_i = ‖∂L_forget/∂θ_i‖,   m_i = [s_i ≥ γ],   θ ← θ + m ⊙ Δθ

i counts units: whole tensors ("module", as in the paper) or the rows of matrices ("row", as in the released code; a tensor
without rows is one unit). γ is a percentile of all s. The mask is taken once, at the original weights over all of the
forget set (the paper), or at every step from that step's forget gradient (the released code).

Masked is the update, not the gradient: under Adam a weight whose gradient is zero still moves by momentum and by weight
decay, which in the released code it does. The forget gradient counts once; there it counts twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

SAMPLE = 1 << 20
"""Units looked at for the percentile: torch.quantile takes no more than 2^24."""


class Selection(NamedTuple):
    """Which units may move: a bool tensor by parameter name, (rows, 1, …) or (1, …), that broadcasts over the parameter."""

    mask: dict[str, Tensor]
    units: int
    selected: int
    weights: float
    """Share of all weights in selected units, 0-1."""


def saliency(gradient: Tensor, unit: str) -> Tensor:
    """Norms of a gradient's units: (rows, 1, …) for "row" where it has rows, else (1, …) for the whole."""
    whole = gradient.float()
    dims = tuple(range(1, whole.dim())) if unit == "row" and whole.dim() > 1 else tuple(range(whole.dim()))
    return torch.linalg.vector_norm(whole, dim=dims, keepdim=True)


def select(gradients: Mapping[str, Tensor], unit: str, percentile: float) -> Selection:
    """The units whose saliency is at or above the percentile, 0-100, of all units' saliencies.

    Args: gradients of the forget loss by parameter name; unit "module" or "row". Everything stays on their device.
    """
    norms = {name: saliency(gradient, unit) for name, gradient in gradients.items()}
    every = torch.cat([norm.flatten() for norm in norms.values()])
    looked = every if len(every) <= SAMPLE else every[:: -(-len(every) // SAMPLE)]
    line = torch.quantile(looked, percentile / 100)
    mask = {name: norm >= line for name, norm in norms.items()}
    moving = sum(int(m.sum()) * (gradients[name].numel() // m.numel()) for name, m in mask.items())
    total = sum(gradient.numel() for gradient in gradients.values())
    return Selection(mask, len(every), int((every >= line).sum()), moving / total)
