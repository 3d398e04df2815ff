"""Round to nearest, per row or per group: the textbook quantizer and the paper's equation.

Weights are replaced by their dequantized values; the arithmetic is that of a full precision. Ties go to even.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unlearn_tui.catalog import Precision
from unlearn_tui.engine.quantization.prepare import Matrix, cast_rest, full_dtype, linears


def quantize(
    weight: Tensor, levels: int, group: int, asymmetric: bool = False, one_more_below: bool = False
) -> tuple[Tensor, Tensor]:
    """Codes and scales. weight (out, in) float32; scale = absmax/levels per row (group 0) or per `group` inputs.

    Codes lie in −levels…levels, or −levels…levels−1 with `one_more_below` (the paper's Δ = max|w|/2^(N−1), codes −8…7).
    `asymmetric`: 2·levels+2 levels from the least weight to the largest, one of them zero (GPTQ's grid: min ≤ 0 ≤ max,
    scale = (max − min)/(2·levels + 1), zero point rounded); codes are counted from that zero.
    Returns codes (out, groups, size) and scales (out, groups, 1); a row that is no multiple of the group ends in a
    shorter group, padded with zeros.
    """
    size = group or weight.shape[1]
    short = -weight.shape[1] % size
    grouped = nn.functional.pad(weight, (0, short)).reshape(weight.shape[0], -1, size)
    if asymmetric:
        least, most = grouped.amin(-1, keepdim=True).clamp(max=0), grouped.amax(-1, keepdim=True).clamp(min=0)
        scale = (most - least) / (2 * levels + 1)
        below = _over(least, scale).round()
        return _over(grouped, scale).round().clamp(below, below + 2 * levels + 1), scale
    scale = grouped.abs().amax(-1, keepdim=True) / levels
    return _over(grouped, scale).round().clamp(-levels, levels - int(one_more_below)), scale


def _over(weight: Tensor, scale: Tensor) -> Tensor:
    """weight/scale, 0 where the scale is."""
    return torch.where(scale > 0, weight / scale.clamp(min=torch.finfo(torch.float32).tiny), 0.0)


def prepare(model: Any, record: Precision, device: torch.device) -> tuple[str, str]:
    """Every linear layer keeps its type and gets the dequantized weights."""
    for _, module in list(linears(model)):
        module.weight = nn.Parameter(matrix(module.weight.detach().float(), record).values, requires_grad=False)
    compute = full_dtype(device, torch.float16)
    cast_rest(model, compute, device, set())
    return str(compute).removeprefix("torch."), "simulated: dequantized weights in full-precision arithmetic"


def matrix(weight: Tensor, record: Precision) -> Matrix:
    """Dequantized values and the zero bin ±scale/2 of every row or group."""
    codes, scale = quantize(weight, **record.options)
    values = (codes * scale).reshape(weight.shape[0], -1)[:, : weight.shape[1]]
    edge, size = scale / 2, codes.shape[-1]
    if weight.shape[1] % size:  # a short last group in every row: one bin a weight, so that bins tile the matrix
        edge, size = edge.expand_as(codes).reshape(weight.shape[0], -1)[:, : weight.shape[1]], 1
    return Matrix(values.contiguous(), -edge.flatten(), edge.flatten(), size)
