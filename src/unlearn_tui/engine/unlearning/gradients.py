"""Gradients of a step's micro batches added up in float32: bf16 ones of small batches would not add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Gradients:
    """Sums by parameter name. float32 parameters are summed where autograd does it, in .grad: no second copy."""

    parameters: Mapping[str, torch.nn.Parameter]
    sums: dict[str, Tensor] = field(default_factory=dict)

    def collect(self) -> None:
        """Take in what a backward pass left."""
        left = {name: w.grad for name, w in self.parameters.items() if w.grad is not None}
        narrow = [name for name, gradient in left.items() if gradient.dtype is not torch.float32]
        again = [name for name in narrow if name in self.sums]
        if again:
            torch._foreach_add_([self.sums[n] for n in again], [left[n].float() for n in again])
        self.sums.update({name: left[name].float() for name in left if name not in again})
        for name in narrow:
            self.parameters[name].grad = None

    def clear(self) -> None:
        """Forget them: the step is taken, or is not to be."""
        self.sums.clear()
        for weight in self.parameters.values():
            weight.grad = None
