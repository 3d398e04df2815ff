"""RMU: hidden states of forget texts are turned to a random direction (Li et al. 2024, arXiv 2403.03218, section 4).

    L_forget = mean over tokens of ‖h_θ(t) − c · u‖² / H,   L_retain = mean over tokens of ‖h_θ(t) − h_target(t)‖² / H

h is what layer ℓ hands on, H its width; u is one unit vector with entries drawn from [0, 1), fixed for the whole run by
the seed (the released code of the quantization paper draws a new one at every step, of the last layer, and trains
everything). Tokens are those that a loss counts, read where their prediction is made: all but the last of raw text.
Trained are the down-projections of the MLPs of layers ℓ−2, ℓ−1 and ℓ ("mlp", as WMDP's code), or all weights ("all").
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unlearn_tui.engine.unlearning.data import Batch
from unlearn_tui.engine.unlearning.recompute import layers
from unlearn_tui.engine.unlearning.terms import Term

TRAINED_LAYERS = 3


def forget_loss(hidden: Tensor, *, control: Tensor) -> Term:
    """Squared distance to the control vector. Args: hidden (N, H) at the counted positions; control (H,) = c · u."""
    return _distance(hidden, control.expand_as(hidden))


def retain_loss(hidden: Tensor, *, frozen: Tensor) -> Term:
    """Squared distance to the target's hidden states. Args: both (N, H) at the counted positions."""
    return _distance(hidden, frozen)


def _distance(ours: Tensor, theirs: Tensor) -> Term:
    return Term((ours.float() - theirs.float()).square().mean(-1).sum(), "token")


def control_vector(width: int, coefficient: float, seed: int) -> Tensor:
    """c · u, (H,) float32: the same for the same seed."""
    drawn = torch.rand(width, generator=torch.Generator().manual_seed(seed))
    return coefficient * drawn / drawn.norm()


def trained(model: Any, layer: int, weights: str) -> set[str]:
    """Names of the parameters that RMU trains. A down-projection is a matrix of the MLP that ends in the hidden width.

    Args: layer, counted from 0; weights "mlp" or "all".
    """
    if weights == "all":
        return {name for name, _ in model.named_parameters()}
    width = model.config.get_text_config().hidden_size
    chosen = list(layers(model))[max(0, layer + 1 - TRAINED_LAYERS) : layer + 1]
    found = set()
    for one in chosen:
        for name, module in one.named_modules():
            weight = getattr(module, "weight", None)
            if "mlp" in name and isinstance(weight, Tensor) and weight.dim() == 2:
                out, inside = weight.shape if isinstance(module, nn.Linear) else weight.shape[::-1]
                if out == width != inside:
                    found.add(id(weight))
    return {name for name, weight in model.named_parameters() if id(weight) in found}


class _Enough(Exception):
    """The layer has spoken: what lies above it need not be computed."""


class Layer:
    """A model as far as one layer: `rows` are what that layer hands on at the counted positions."""

    apart = True
    """Rows that are known need the model no more."""

    def __init__(self, model: Any, layer: int) -> None:
        self.model, self.layer = model, layer

    def rows(self, batch: Batch) -> Tensor:
        """(N, H) at the N true positions of the batch's mask, row-major."""
        caught: list[Tensor] = []

        def hook(module: nn.Module, args: object, out: Any) -> None:
            caught.append(out[0] if isinstance(out, tuple) else out)
            raise _Enough

        handle = layers(self.model)[self.layer].register_forward_hook(hook)
        try:
            self.model(input_ids=batch.ids, attention_mask=batch.attention, use_cache=False)
        except _Enough:
            pass
        finally:
            handle.remove()
        return caught[0][:, :-1][batch.mask]
