"""Rounding-aware: an edit that a quantizer's zero bin swallows is carried across the bin's edge, seldom and unbiased.

t = target, u = unlearned, e = u − t. Of weights inside Q's zero bin, Q(u) − Q(t) is zero whatever e is: that is where pure
bf16 training leaves its edit. Each such weight stays as it is or, with probability

    p = |r| / |L − Q(u)|,   r = e − (Q(u) − Q(t)),

is put just past the bin's edge on the side of r, where Q makes L of it, its next level. So E[Q(u')] = Q(t) + e: stochastic
rounding (Gupta et al. 2015, arXiv 1502.02551, section 3) between the quantizer's levels in place of bfloat16's.
The price is noise: a few weights move by half of the way to L, at full precision too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unlearn_tui.engine.quantization.prepare import linears, matrix, oriented
from unlearn_tui.engine.weights import inside_bins

PAST = 1 + 2.0**-7
"""Times an edge is past it, also after rounding to bfloat16, whose numbers are at most 2^-7 of themselves apart."""


class Carried(NamedTuple):
    """What became of a model: weights put past an edge, weights inside a zero bin, all weights of its matrices."""

    pushed: int
    inside: int
    weights: int


def carried(target: Tensor, unlearned: Tensor, precision: str, generator: torch.Generator) -> tuple[Tensor, Carried]:
    """One matrix, (out, in) float32, with its edit carried across the edges of `precision`'s zero bins.

    A weight that is put past an edge is a bfloat16 number, and every other one keeps its bits.
    """
    before, after = matrix(target, precision), matrix(unlearned, precision)
    inside = inside_bins(unlearned, after)
    left = (unlearned - target) - (after.values - before.values)
    edge = torch.where(left > 0, _each(after.high, after.size, left), _each(after.low, after.size, left))
    past = (edge * PAST).bfloat16().float()
    # no largest weight of a block is inside its zero bin, so blocks scale as before
    level = matrix(torch.where(inside, past, unlearned), precision).values
    gap = (level - after.values).abs()
    chance = torch.rand(left.shape, device=left.device, generator=generator) * gap
    push = inside & (chance < left.abs()) & (gap > 0)
    return torch.where(push, past, unlearned), Carried(int(push.sum()), int(inside.sum()), push.numel())


def _each(bins: Tensor, size: int, like: Tensor) -> Tensor:
    """A number a block as a number a weight."""
    return bins.repeat_interleave(size)[: like.numel()].reshape(like.shape)


@torch.no_grad()
def resist(target: Any, unlearned: Any, precision: str, seed: int) -> Carried:
    """Carry the edit across the edges in every matrix that a quantizer takes, in place on `unlearned`.

    The same models and seed give the same weights.
    """
    before, total = dict(linears(target)), Carried(0, 0, 0)
    for number, (name, module) in enumerate(linears(unlearned)):
        u = oriented(module).float()
        t = oriented(before[name]).to(u.device).float()
        generator = torch.Generator(u.device).manual_seed((seed * 1_000_003 + number) % 2**63)
        made, found = carried(t, u, precision, generator)
        module.weight.copy_(made if isinstance(module, nn.Linear) else made.T)
        total = Carried(*(a + b for a, b in zip(total, found, strict=True)))
    return total
