"""Where the edit is in the weights, and what each quantizer keeps of it.

t = target, u = unlearned, both float32; e = u − t, the edit; Q(w) = what a quantizer makes of w, dequantized.

    kept   = ⟨Q(u) − Q(t), e⟩ / ‖e‖²      how much of the edit survives along its own direction; 1 = all, 0 = none
    cosine = ⟨Q(u) − Q(t), e⟩ / (‖Q(u) − Q(t)‖ ‖e‖)
    same_value = share of weights with Q(u) = Q(t), ±0 being one value

Matrices are streamed one at a time; sums are float64. The share of equal codes says little: NF4 and FP4 look alike by
it, while one keeps the edit and the other does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlearn_tui import catalog
from unlearn_tui.engine.quantization.prepare import Matrix, linears, matrix, oriented
from unlearn_tui.engine.unlearning.rounding import freeze_line
from unlearn_tui.protocol.result import Edit, OctaveRow, WeightsRow

CPU = torch.device("cpu")
SMALLEST_OCTAVE = -24
"""Weights below 2^-24, zeros included, are counted in this octave."""
ZERO_BIN_SAMPLE = 4096
"""Zero bins kept per matrix for the overall percentiles, evenly spread."""


@dataclass
class Sums:
    """Running sums for one quantizer over the matrices seen so far."""

    n: int = 0
    same: int = 0
    dot: float = 0.0
    quantized_norm2: float = 0.0
    edit_norm2: float = 0.0
    half_widths: list[Tensor] = field(default_factory=list)

    def add(self, target: Tensor, unlearned: Tensor, precision: str) -> dict[str, float | None]:
        """One matrix; returns its own row (same_value, cosine, kept, zero_bin_median)."""
        before, after = matrix(target, precision), matrix(unlearned, precision)
        edit = (unlearned - target).double()
        moved = (after.values - before.values).double()
        dot, moved2, edit2 = float((moved * edit).sum()), float(moved.square().sum()), float(edit.square().sum())
        same = int((after.values == before.values).sum())
        half = ((before.high - before.low) / 2).flatten().cpu()
        self.n += target.numel()
        self.same += same
        self.dot += dot
        self.quantized_norm2 += moved2
        self.edit_norm2 += edit2
        self.half_widths.append(half[:: max(1, half.numel() // ZERO_BIN_SAMPLE)])
        return {
            "same_value": same / target.numel(),
            "cosine": ratio(dot, math.sqrt(moved2 * edit2)),
            "kept": ratio(dot, edit2),
            **dict(zip(ZERO_BIN, percentiles(half), strict=True)),
        }

    def row(self, precision: str) -> WeightsRow:
        """The quantizer's summary over all matrices."""
        p10, median, p90 = percentiles(torch.cat(self.half_widths))
        return WeightsRow(
            precision=precision,
            same_value=self.same / self.n,
            cosine=ratio(self.dot, math.sqrt(self.quantized_norm2 * self.edit_norm2)),
            kept=ratio(self.dot, self.edit_norm2),
            zero_bin_p10=p10,
            zero_bin_median=median,
            zero_bin_p90=p90,
        )


ZERO_BIN = ("zero_bin_p10", "zero_bin_median", "zero_bin_p90")


def percentiles(half_widths: Tensor) -> tuple[float, float, float]:
    """10th, 50th and 90th percentile of zero bins' half widths."""
    p10, median, p90 = np.percentile(half_widths.double().numpy(), [10, 50, 90])
    return float(p10), float(median), float(p90)


def ratio(above: float, below: float) -> float | None:
    """above/below, None where there is nothing to divide by (no edit at all)."""
    return above / below if below > 0 else None


@dataclass
class Analysis:
    """The whole comparison; `matrices` holds a row a matrix, in model order."""

    edit: Edit
    rows: list[WeightsRow]
    matrices: list[dict[str, Any]]


def pairs(target: Any, unlearned: Any, device: torch.device) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(name, t, u) of every matrix that quantizers take, (out, in) float32 on `device`."""
    theirs = dict(linears(unlearned))
    for name, module in linears(target):
        yield name, oriented(module).to(device).float(), oriented(theirs[name]).to(device).float()


def octaves(target: Tensor, changed: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and changed weights per octave of |w|, exponents SMALLEST_OCTAVE … 8 (33 bins), int64."""
    _, exponent = torch.frexp(target)  # w = m · 2^e with ½ ≤ |m| < 1, so the octave is e − 1
    octave = torch.where(target == 0, SMALLEST_OCTAVE, exponent.to(torch.int64) - 1)
    bins = octave.clamp(SMALLEST_OCTAVE, 8).flatten() - SMALLEST_OCTAVE
    size = 8 - SMALLEST_OCTAVE + 1
    return torch.bincount(bins, minlength=size), torch.bincount(bins[changed.flatten()], minlength=size)


def analyse(
    target: Any,
    unlearned: Any,
    precisions: list[str],
    lr: float | None,
    on_matrix: Callable[[int, dict[str, Any]], None] = lambda done, row: None,
    device: torch.device = CPU,
) -> Analysis:
    """Compare two models of the same shape matrix by matrix.

    `lr` gives the nominal freeze line of a pure-bf16 run, None where the update mode has none or is unknown.
    """
    sums = {p: Sums() for p in precisions}
    size = 8 - SMALLEST_OCTAVE + 1
    all_weights, all_changed = torch.zeros(size, dtype=torch.int64), torch.zeros(size, dtype=torch.int64)
    rows: list[dict[str, Any]] = []
    quantized_edit2 = 0.0
    for name, t, u in pairs(target, unlearned, device):
        changed = t != u
        n_octave, n_changed = octaves(t, changed)
        all_weights += n_octave.cpu()
        all_changed += n_changed.cpu()
        quantized_edit2 += float((u - t).double().square().sum())
        row: dict[str, Any] = {
            "tensor": name,
            "shape": list(t.shape),
            "changed": float(changed.float().mean()),
            "edit_norm": float((u - t).double().norm()),
            "target_norm": float(t.double().norm()),
            "octaves": octave_rows(n_octave, n_changed),
            "precisions": {p: sums[p].add(t, u, p) for p in precisions},
        }
        rows.append(row)
        on_matrix(len(rows), row)
    total_edit2 = whole_edit2(target, unlearned)
    found = octave_rows(all_weights, all_changed)
    edit = Edit(
        changed=float(all_changed.sum()) / max(1, int(all_weights.sum())),
        octaves=[OctaveRow(**o) for o in found],
        freeze_line_nominal=freeze_line(lr) if lr else None,
        freeze_line_effective=effective_line(found),
        unquantized_share=ratio(max(0.0, total_edit2 - quantized_edit2), total_edit2) or 0.0,
    )
    return Analysis(edit, [sums[p].row(p) for p in precisions], rows)


def octave_rows(weights: Tensor, changed: Tensor) -> list[dict[str, Any]]:
    """Rows {exponent, n, changed} for every octave that has weights."""
    return [
        {"exponent": i + SMALLEST_OCTAVE, "n": int(n), "changed": int(c) / int(n)}
        for i, (n, c) in enumerate(zip(weights.tolist(), changed.tolist(), strict=True))
        if n
    ]


def effective_line(found: list[dict[str, Any]]) -> float | None:
    """Upper end of the highest octave of which at least half the weights changed; None if there is none."""
    enough = 1e-4 * sum(o["n"] for o in found)  # a handful of outliers draws no line
    moved = [o["exponent"] for o in found if o["changed"] >= 0.5 and o["n"] >= enough]
    return 2.0 ** (max(moved) + 1) if moved else None


def whole_edit2(target: Any, unlearned: Any) -> float:
    """‖u − t‖² over every distinct tensor, the ones that no quantizer takes included."""
    theirs = dict(unlearned.named_parameters(remove_duplicate=False))
    return sum(float((theirs[n].float() - p.float()).double().square().sum()) for n, p in target.named_parameters())


def restrict(target: Any, unlearned: Any, precision: str, inside: bool) -> None:
    """Ablation, in place on `unlearned`: keep the edit only where t lies inside (or outside) the quantizer's zero bin.

    Tensors that are not quantized keep their edit in both halves.
    """
    catalog.precision(precision)
    theirs = dict(linears(unlearned))
    for name, module in linears(target):
        t, u = oriented(module).float(), oriented(theirs[name]).float()
        bins = matrix(t, precision)
        keep = inside_bins(t, bins) == inside
        mixed = torch.where(keep, u, t)
        weight = theirs[name].weight
        weight.data.copy_(mixed if isinstance(theirs[name], torch.nn.Linear) else mixed.T)


def inside_bins(weight: Tensor, bins: Matrix) -> Tensor:
    """Which weights lie strictly inside their block's or row's zero bin."""
    blocks = bins.low.numel()
    flat = torch.nn.functional.pad(weight.flatten(), (0, blocks * bins.size - weight.numel()))
    grouped = flat.reshape(blocks, bins.size)
    found = (grouped > bins.low[:, None]) & (grouped < bins.high[:, None])
    return found.flatten()[: weight.numel()].reshape(weight.shape)
