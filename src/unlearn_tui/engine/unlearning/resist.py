"""Rounding-aware: an edit that a quantizer's zero bin swallows is carried across the bin's edge, seldom and unbiased.

t = target, u = unlearned, e = u − t. Of weights inside Q's zero bin, Q(u) − Q(t) is zero whatever e is: that is where pure
bf16 training leaves its edit. Of them

1. each is taken back to t with probability past / L: u₁ (past: the nearest number beyond the bin's edge, which Q makes L of,
   its next level),
2. each is put at past with probability |r| / |L − Q(u₁)|, r = e − (Q(u₁) − Q(t)), on the side of r.

By 2 E[Q(u')] = Q(t) + e: stochastic rounding (Gupta et al. 2015, arXiv 1502.02551, section 3) between the quantizer's levels
in place of bfloat16's. By 1 E[u'] is t + e, but for what little of e Q held already; without it the full precisions would
hold the edit one and a half times. The price is noise: a few weights move half of the way to L.
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
    """What became of a model: weights put past an edge, weights taken back, weights inside a zero bin, all weights of its
    matrices."""

    pushed: int
    back: int
    inside: int
    weights: int


def carried(target: Tensor, unlearned: Tensor, precision: str, generator: torch.Generator) -> tuple[Tensor, Carried]:
    """One matrix, (out, in) float32, with its edit carried across the edges of `precision`'s zero bins.

    A weight that is put past an edge becomes a bfloat16 number; every other one keeps the target's or the unlearned
    model's bits.
    """
    before, after = matrix(target, precision), matrix(unlearned, precision)
    inside, edit = inside_bins(unlearned, after), unlearned - target

    def beyond(side: Tensor, from_: Tensor) -> tuple[Tensor, Tensor]:
        """The number past the edge on a side, and the level that it gets there."""
        edge = torch.where(side > 0, _each(after.high, after.size, side), _each(after.low, after.size, side))
        past = (edge * PAST).bfloat16().float()
        # no largest weight of a block is inside its zero bin, so blocks scale as before
        return past, matrix(torch.where(inside, past, from_), precision).values

    def drawn() -> Tensor:
        return torch.rand(edit.shape, device=edit.device, generator=generator)

    past, level = beyond(edit, unlearned)
    back = inside & inside_bins(target, before) & (drawn() * level.abs() < past.abs()) & (edit != 0)
    thinned = torch.where(back, target, unlearned)
    held = matrix(thinned, precision).values
    left = edit - (held - before.values)
    past, level = beyond(left, thinned)
    gap = (level - held).abs()
    push = inside & (drawn() * gap < left.abs()) & (gap > 0)
    found = Carried(int(push.sum()), int((back & ~push).sum()), int(inside.sum()), push.numel())
    return torch.where(push, past, thinned), found


def _each(bins: Tensor, size: int, like: Tensor) -> Tensor:
    """A number a block as a number a weight."""
    return bins.repeat_interleave(size)[: like.numel()].reshape(like.shape)


@torch.no_grad()
def resist(target: Any, unlearned: Any, precision: str, seed: int) -> Carried:
    """Carry the edit across the edges in every matrix that a quantizer takes, in place on `unlearned`.

    The same models and seed give the same weights.
    """
    before, total = dict(linears(target)), Carried(0, 0, 0, 0)
    for number, (name, module) in enumerate(linears(unlearned)):
        u = oriented(module).float()
        t = oriented(before[name]).to(u.device).float()
        generator = torch.Generator(u.device).manual_seed((seed * 1_000_003 + number) % 2**63)
        made, found = carried(t, u, precision, generator)
        module.weight.copy_(made if isinstance(module, nn.Linear) else made.T)
        total = Carried(*(a + b for a, b in zip(total, found, strict=True)))
    return total
