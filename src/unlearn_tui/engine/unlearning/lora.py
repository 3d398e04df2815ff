"""LoRA (Hu et al. 2021, arXiv 2106.09685, section 4.1) through peft: what trains is B·A beside frozen weights.

    u = round(t + (α / r) · B · A),   A: (r, in), B: (out, r), B = 0 at the start

Every linear layer that a quantizer takes gets an adapter, found by its type and not by its name; embeddings and output
layer get none. The adapter is float32 whatever the update mode: that mode rounds the sum above, once, when it is merged.
So the edit never passes through the rounding of single steps.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from unlearn_tui.engine.quantization.prepare import linears
from unlearn_tui.engine.unlearning.adamw import Rounding

ADAPTER = "default"
"""peft's name for the only adapter of a model."""


def attach(model: Any, rank: int, alpha: float, seed: int, among: Container[str]) -> Any:
    """Put a fresh adapter on `model`, in place, and return peft's model around it; only the adapter requires gradients.

    `among`: names of the weights that get one, as far as they are matrices of linear layers.
    `model` itself computes with the adapter from now on. A is drawn from `seed` alone (Kaiming-uniform, peft's own).
    """
    from peft import LoraConfig, get_peft_model

    names = [name for name, _ in linears(model) if f"{name}.weight" in among]
    transposed = any(not isinstance(module, nn.Linear) for _, module in linears(model))
    config = LoraConfig(
        task_type="CAUSAL_LM", r=rank, lora_alpha=alpha, target_modules=names, fan_in_fan_out=transposed
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = get_peft_model(model.requires_grad_(False), config)
    return adapted.eval()


def layers(adapted: Any) -> list[Any]:
    """peft's layer of every adapted matrix, in model order."""
    from peft.tuners.lora import LoraLayer

    return [module for module in adapted.modules() if isinstance(module, LoraLayer)]


def sums(adapted: Any, rounding: Rounding, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The frozen weight of every adapted matrix (itself, in its shape and dtype), and what merging stores there, float32.

    Stochastic rounding draws from `seed`: the same adapter and seed give the same weights.
    """
    for number, layer in enumerate(layers(adapted)):
        frozen = layer.get_base_layer().weight.detach()
        generator = torch.Generator(frozen.device).manual_seed((seed * 1_000_003 + number) % 2**63)
        delta = layer.get_delta_weight(ADAPTER).detach().float()
        yield frozen, rounding(frozen.float() + delta, generator)


def merge(adapted: Any, rounding: Rounding, seed: int) -> Any:
    """A model without adapter, to which its product is added and rounded; what is not adapted shares its tensors."""
    from peft.tuners.lora import LoraLayer

    base = adapted.get_base_model()
    twin = copy.deepcopy(base, {id(t): t for t in [*base.parameters(), *base.buffers()]})
    merged = sums(adapted, rounding, seed)
    for name, layer in [(n, m) for n, m in twin.named_modules() if isinstance(m, LoraLayer)]:
        frozen, weight = next(merged)
        linear = layer.get_base_layer()
        linear.weight = nn.Parameter(weight.to(frozen.dtype), requires_grad=False)
        twin.set_submodule(name, linear)
    return twin


@contextmanager
@torch.no_grad()
def scaled(adapted: Any, factor: float) -> Iterator[None]:
    """In here the adapter's product counts `factor` times; after it the adapter is what it was, to the bit."""
    weights = [layer.lora_B[ADAPTER].weight for layer in layers(adapted)]
    kept = [weight.detach().clone() for weight in weights]
    for weight in weights:
        weight.mul_(factor)
    try:
        yield
    finally:
        for weight, old in zip(weights, kept, strict=True):
            weight.copy_(old)


def changed(adapted: Any, rounding: Rounding, seed: int) -> int:
    """How many weights merging would change."""
    return sum(int((merged != frozen.float()).sum()) for frozen, merged in sums(adapted, rounding, seed))
