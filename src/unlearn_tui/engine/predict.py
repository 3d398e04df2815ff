"""Before anything is trained: will a quantizer bring back what this run is going to make the model forget?

Nothing of the corpus or the loss goes in: only the target's weights, the learning rate, the number of steps and how updates
reach the weights. A sample of rows of every matrix is moved as AdamW would move it if every weight had a direction of its
own: each step is lr · |z| that way, z ~ N(0, 1), and is rounded by the update mode as in training. What each quantizer keeps
of that edit (`kept`, engine/weights.py) is what it is expected to keep of the real one.

The assumption about step sizes is a rough one (measured steps reach 2 to 3 times lr where gradients grow), and whether the
run forgets at all is not foreseen: the prediction is what happens if it does.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from unlearn_tui import catalog
from unlearn_tui.engine.quantization.prepare import implementation, linears, matrix, oriented
from unlearn_tui.engine.unlearning.resist import carried
from unlearn_tui.engine.unlearning.task_vector import subtracted
from unlearn_tui.engine.weights import ratio
from unlearn_tui.protocol.result import PredictionRow

SAMPLE = 1 << 18
"""Weights that are moved, spread evenly over the matrices; whole rows, at least one of each."""
MOVES = 256
"""Steps that are simulated; the move of a longer run is that of these, made longer."""
RETURNS, STAYS = 0.35, 0.75
"""`kept` below which knowledge is expected to come back, and above which to stay away. A rule of thumb: of the pocket runs,
edits of which 0.05 to 0.21 was kept came back whole, at 0.58 (171 million parameters, NF4) in part, from 0.99 on not."""


def predict(
    model: Any,
    precisions: list[str],
    lr: float,
    steps: int,
    weights: str,
    seed: int = 0,
    moving: Collection[str] | None = None,
    task_alpha: float | None = None,
    resist: str = "",
) -> list[PredictionRow]:
    """A row for each quantizer of `precisions`; `weights` is the update mode, `moving` names the parameters that are
    trained, None for all; `task_alpha`: how far the edit then goes the other way; `resist`: the quantizer whose zero bin it
    is carried out of, if any. The same arguments give the same rows."""
    rounding = implementation(catalog.update_mode(weights).implementation)
    generator = torch.Generator().manual_seed(seed)
    sums = {p: [0.0, 0.0] for p in precisions}
    found = [m for name, m in linears(model) if moving is None or f"{name}.weight" in moving]
    for module in found:
        whole = oriented(module)
        rows = max(1, min(len(whole), SAMPLE // len(found) // whole.shape[1]))
        before = whole[:: max(1, len(whole) // rows)][:rows].float().cpu()
        if weights != "fp32":
            before = before.bfloat16().float()
        after = moved(before, lr, steps, rounding, generator)
        if task_alpha is not None:
            after = rounding(subtracted(before, after, task_alpha), generator)
        if resist:
            after, _ = carried(before, after, resist, generator)
        edit = (after - before).double()
        for precision, total in sums.items():
            kept = (matrix(after, precision).values - matrix(before, precision).values).double()
            total[0] += float((kept * edit).sum())
            total[1] += float(edit.square().sum())
    return [PredictionRow(precision=p, kept=kept, says=says(kept)) for p, s in sums.items() for kept in (ratio(*s),)]


def moved(before: Tensor, lr: float, steps: int, rounding: Any, generator: torch.Generator) -> Tensor:
    """Weights after so many steps of lr · |z|, each weight in a direction of its own; float32."""
    way = torch.randint(0, 2, before.shape, generator=generator).float() * 2 - 1
    after = before.clone()
    made = min(steps, MOVES)
    for _ in range(made):
        step = torch.randn(before.shape, generator=generator).abs_() * lr
        after = rounding(after + way * step, generator)
    return after if made == steps else rounding(before + (after - before) * (steps / made), generator)


def says(kept: float | None) -> str:
    """returns, stays, or unsure."""
    if kept is None:
        return "unsure"
    return "returns" if kept < RETURNS else "stays" if kept > STAYS else "unsure"
