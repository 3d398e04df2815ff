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
    """Quantize one matrix as the module would; the zero bin is half a scale either side of zero."""
    from optimum import quanto

    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight = nn.Parameter(weight.cpu(), requires_grad=False)
    box = nn.Sequential(linear)
    quanto.quantize(box, weights=getattr(quanto, record.options["weights"]))
    quanto.freeze(box)
    stored = box[0].weight
    edge = stored._scale.detach().float().flatten() / 2
    values = stored.dequantize().detach().float().to(weight.device)
    return Matrix(values, -edge, edge, weight.numel() // edge.numel())
