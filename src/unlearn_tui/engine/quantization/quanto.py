"""optimum-quanto: qint8 and qint4 weights through the library's own QLinear. The first qint4 on a CPU may compile once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unlearn_tui.catalog import Precision
from unlearn_tui.engine.quantization.prepare import Matrix, cast_rest, full_dtype, linears
from unlearn_tui.errors import Refused


def prepare(model: Any, record: Precision, device: torch.device) -> tuple[str, str]:
    """Every linear layer but the output embedding becomes a frozen QLinear."""
    from optimum import quanto

    compute = full_dtype(device, torch.float16)
    names = [name for name, _ in linears(model)]
    cast_rest(model, compute, device, set())
    try:
        quanto.quantize(model, weights=getattr(quanto, record.options["weights"]), include=names)
        quanto.freeze(model)
    except (RuntimeError, OSError) as error:
        if "compil" in str(error).lower() or "ninja" in str(error).lower():
            raise Refused(
                f"{record.id} needs a C++ compiler once, and none worked here: install g++ and ninja, or leave it out",
                "precision",
            ) from error
        raise
    return str(compute).removeprefix("torch."), ""


def matrix(weight: Tensor, record: Precision) -> Matrix:
    """Quantize one matrix as the module would. The bin that zero is in is a scale wide: half of it either side of zero,
    or, where the levels reach from the least weight to the largest (qint4), of the level nearest to zero.
    """
    from optimum import quanto

    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight = nn.Parameter(weight.cpu(), requires_grad=False)
    box = nn.Sequential(linear)
    quanto.quantize(box, weights=getattr(quanto, record.options["weights"]))
    quanto.freeze(box)
    stored = box[0].weight
    scale = stored._scale.detach().float().flatten()
    values = stored.dequantize().detach().float().to(weight.device)
    level = torch.zeros_like(scale)
    if hasattr(stored, "_shift"):  # a value is scale · code − shift, with codes from 0
        shift = stored._shift.detach().float().flatten()
        level = (shift / scale).round().clamp(min=0) * scale - shift
    low, high = (level - scale / 2).clamp(max=0), (level + scale / 2).clamp(min=0)
    return Matrix(values, low, high, weight.numel() // scale.numel())
