"""AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2) with a choice of how moments are kept and updates rounded.

torch's own AdamW keeps its moments in the weights' dtype and rounds to nearest; this one separates the two, because
the difference is what the program is about. In fp32 it equals torch.optim.AdamW (tested).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unlearn_tui.engine.unlearning.moments import Moment, zeros

Rounding = Callable[[Tensor, torch.Generator], Tensor]
SAMPLE = 1 << 17
"""Weights looked at for the 99th percentile of |step|, spread evenly over all of them."""
BUCKETS = {"cuda": 1 << 24}
"""Weights in a bucket by kind of device: tensors are stepped together up to so many, since a GPU's time goes into kernel
launches. A CPU takes them one by one, which keeps them in its caches."""
SLICE = 1 << 20
"""Weights of one tensor that are stepped at a time: what a step needs besides stays small."""


@dataclass
class Bucket:
    """Parameters that are stepped together, and their moments laid end to end."""

    names: list[str]
    first: Moment
    second: Moment


@dataclass
class AdamW:
    """Optimizer state over named parameters; `step()` takes their gradients and writes rounded weights."""

    parameters: dict[str, torch.nn.Parameter]
    lr: float
    rounding: Rounding
    weight_decay: float = 0.0
    kept: str = "fp32"
    """How moments are kept: one of catalog.MOMENTS."""
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    steps: int = 0
    moments: dict[str, tuple[Moment, Moment]] = field(default_factory=dict)
    """By parameter name: views of the buckets' moments."""
    buckets: list[Bucket] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start with zero moments."""
        group: list[str] = []
        for name, weight in self.parameters.items():
            most = BUCKETS.get(weight.device.type, 0) if self.kept in ("fp32", "bf16") else 0
            if group and sum(self.parameters[n].numel() for n in group) + weight.numel() > most:
                self._bucket(group)
                group = []
            group.append(name)
        if group:
            self._bucket(group)

    def _bucket(self, names: list[str]) -> None:
        sizes = [self.parameters[n].numel() for n in names]
        device = self.parameters[names[0]].device
        first, second = (zeros(self.kept, sum(sizes), device, signed) for signed in (True, False))
        self.buckets.append(Bucket(names, first, second))
        whole = len(names) == 1
        for i, name in enumerate(names):
            pair = (first, second) if whole else (first.split(sizes)[i], second.split(sizes)[i])
            self.moments[name] = pair

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the moments as it lies in memory, by name: to be saved, and filled again."""
        return {
            f"{kind}.{name}{part}": tensor
            for name, pair in self.moments.items()
            for kind, moment in zip(("first", "second"), pair, strict=True)
            for part, tensor in moment.tensors().items()
        }

    @torch.no_grad()
    def step(
        self,
        gradients: dict[str, Tensor],
        generator: torch.Generator,
        percentile: bool = False,
        mask: Mapping[str, Tensor] | None = None,
    ) -> tuple[float, float | None]:
        """One update in place from gradients by name; parameters without one stand still.

        `mask`: bools that broadcast over the parameters; where they are false a weight keeps its bits, whatever its
        moments and weight decay would do.

        Returns the largest |step| before rounding and, with `percentile`, its 99th percentile over an even sample (else
        None), both in weight units.
        """
        self.steps += 1
        total = sum(w.numel() for w in self.parameters.values())
        stride = max(1, total // SAMPLE)
        largest: list[Tensor] = []
        sample: list[Tensor] = []

        def looked(move: Tensor) -> None:
            largest.append(torch.stack(move.aminmax()).abs().max())
            if percentile:
                sample.append(move[::stride].abs())

        for names, first, second in self._parts(gradients):
            weights = [self.parameters[n] for n in names]
            grads = [gradients[n] for n in names]
            free = _free(names, weights, mask)
            if len(names) == 1 and weights[0].is_contiguous():
                flat = [weights[0].view(-1), grads[0].reshape(-1)]
                whole: list[Any] = [*flat, first, second, *([] if free is None else [free])]
                for old, grad, m, v, *may in zip(*(t.split(SLICE) for t in whole), strict=True):
                    move = self._move(old.float(), grad.float(), m, v)
                    old.copy_(self._moved(old.float(), move, generator, *may))
                    looked(move)
                continue
            old = torch.cat([w.reshape(-1) for w in weights]).float()
            move = self._move(old, torch.cat([g.reshape(-1) for g in grads]).float(), first, second)
            parts = self._moved(old, move, generator, free).split([w.numel() for w in weights])
            torch._foreach_copy_(weights, [part.view(w.shape) for part, w in zip(parts, weights, strict=True)])
            looked(move)
        top = float(torch.stack(largest).max()) if largest else 0.0
        p99 = float(torch.quantile(torch.cat(sample), 0.99)) if sample else None
        return top, p99

    def _parts(self, gradients: dict[str, Tensor]) -> Iterator[tuple[list[str], Moment, Moment]]:
        """Names with their moments: whole buckets, or single parameters where some of a bucket have no gradient."""
        for bucket in self.buckets:
            if all(name in gradients for name in bucket.names):
                yield bucket.names, bucket.first, bucket.second
            else:
                for name in bucket.names:
                    if name in gradients:
                        yield [name], *self.moments[name]

    def _move(self, old: Tensor, grad: Tensor, first: Moment, second: Moment) -> Tensor:
        """What is to be added to weights `old`, (n,), by their gradients and moments, which are brought up to date."""
        beta1, beta2 = self.betas
        correct1, correct2 = 1 - beta1**self.steps, 1 - beta2**self.steps
        m = first.load().lerp_(grad, 1 - beta1)
        v = second.load().mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        denominator = (v / correct2).sqrt_().add_(self.eps)
        move = (m / denominator).mul_(-self.lr / correct1)
        first.store(m)
        second.store(v)
        if self.weight_decay:
            move.sub_(old, alpha=self.lr * self.weight_decay)
        return move

    def _moved(self, old: Tensor, move: Tensor, generator: torch.Generator, free: Tensor | None = None) -> Tensor:
        """What to store, (n,): rounded where weights are `free`, to the bit what was there where they are not. There
        `move` becomes zero."""
        new = self.rounding(old + move, generator)
        if free is None:
            return new
        move.mul_(free)
        return torch.where(free, new, old)


def _free(names: list[str], weights: list[torch.nn.Parameter], mask: Mapping[str, Tensor] | None) -> Tensor | None:
    """Which of these weights, end to end, may move, (n,); None: all."""
    if mask is None:
        return None
    none = torch.zeros((), dtype=torch.bool, device=weights[0].device)
    return torch.cat([mask.get(name, none).expand(w.shape).reshape(-1) for name, w in zip(names, weights, strict=True)])
