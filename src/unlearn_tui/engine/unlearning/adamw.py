"""AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2) with a choice of moment dtype and update rounding.

torch's own AdamW keeps its moments in the weights' dtype and rounds to nearest; this one separates the two, because
the difference is what the program is about. In fp32 it equals torch.optim.AdamW (tested).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Rounding = Callable[[Tensor, torch.Generator], Tensor]
SAMPLE = 1 << 17
"""Weights looked at for the 99th percentile of |step|, spread evenly over all of them."""


@dataclass
class AdamW:
    """Optimizer state over named parameters; `step()` takes their gradients and writes rounded weights."""

    parameters: dict[str, torch.nn.Parameter]
    lr: float
    rounding: Rounding
    weight_decay: float = 0.0
    moments_dtype: torch.dtype = torch.float32
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    steps: int = 0
    moments: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with zero moments."""
        for name, weight in self.parameters.items():
            zeros = torch.zeros_like(weight, dtype=self.moments_dtype)
            self.moments[name] = (zeros, zeros.clone())

    @torch.no_grad()
    def step(
        self, gradients: dict[str, Tensor], generator: torch.Generator, percentile: bool = False
    ) -> tuple[float, float | None]:
        """One update in place from gradients by name; parameters without one stand still.

        Returns the largest |step| before rounding and, with `percentile`, its 99th percentile over an even sample (else
        None), both in weight units.
        """
        self.steps += 1
        beta1, beta2 = self.betas
        correct1, correct2 = 1 - beta1**self.steps, 1 - beta2**self.steps
        total = sum(w.numel() for w in self.parameters.values())
        stride = max(1, total // SAMPLE)
        largest: list[Tensor] = []
        sample: list[Tensor] = []
        for name, weight in self.parameters.items():
            if name not in gradients:
                continue
            grad = gradients[name].float()
            first, second = self.moments[name]
            if self.moments_dtype is torch.float32:
                first.lerp_(grad, 1 - beta1)
                second.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                m, v = first, second
            else:
                m = first.float().lerp_(grad, 1 - beta1)
                v = second.float().mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                first.copy_(m)
                second.copy_(v)
            denominator = (v / correct2).sqrt_().add_(self.eps)
            move = (m / denominator).mul_(-self.lr / correct1)
            old = weight.float()
            if self.weight_decay:
                move.sub_(old, alpha=self.lr * self.weight_decay)
            weight.copy_(self.rounding(old + move, generator))
            largest.append(torch.stack(move.aminmax()).abs().max())
            if percentile:
                sample.append(move.flatten()[::stride].abs())
        top = float(torch.stack(largest).max()) if largest else 0.0
        p99 = float(torch.quantile(torch.cat(sample), 0.99)) if sample else None
        return top, p99
