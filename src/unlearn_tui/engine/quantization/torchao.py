"""torchao weight-only: int8, int4 and float8, through the library's own tensors inside ordinary linear layers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from unlearn_tui.catalog import Precision
from unlearn_tui.engine.quantization.prepare import Matrix, cast_rest, full_dtype, linears

FLOAT8_SMALLEST = 2.0**-9
"""The least positive number of float8_e4m3fn; half of it and less is stored as zero."""


def prepare(model: Any, record: Precision, device: torch.device) -> tuple[str, str]:
    """Every linear layer but the output embedding keeps its type and gets a torchao tensor as its weight."""
    compute = full_dtype(device, torch.bfloat16)
    cast_rest(model, compute, device, set())
    wanted, notes = record.options.get("group", 0), []
    for _, module in linears(model):
        size = quantize(module, record)
        if wanted and size != wanted:
            notes.append(size)
    name = str(compute).removeprefix("torch.")
    sizes = ", ".join(map(str, sorted(set(notes))))
    return name, f"groups of {sizes} where {wanted} does not divide a row" if notes else ""


def quantize(module: nn.Module, record: Precision) -> int:
    """Quantize one linear layer in place; returns how many weights of a row share a scale."""
    from torchao.quantization import quantize_

    weight = module.weight
    assert isinstance(weight, Tensor)
    width = weight.shape[1]
    # a group that a row is no multiple of is refused by the library: the largest part of it that divides the row
    size = math.gcd(record.options.get("group", 0), width) or width
    quantize_(module, config(record, size, width))
    return size


def config(record: Precision, size: int, width: int) -> Any:
    """The library's configuration for rows of `width` weights, `size` of which share a scale.

    Int4WeightOnlyConfig works on no CPU; IntxWeightOnlyConfig gives the same codes without packing two into a byte.
    """
    from torchao import quantization as ao
    from torchao.quantization.quant_primitives import MappingType

    kind = record.options["kind"]
    if kind == "float8":
        return ao.Float8WeightOnlyConfig(set_inductor_config=False)
    if kind == "int8":
        grain = ao.PerRow() if size == width else ao.PerGroup(size)
        return ao.Int8WeightOnlyConfig(granularity=grain, set_inductor_config=False)
    mapping = MappingType.ASYMMETRIC if record.options["asymmetric"] else MappingType.SYMMETRIC
    grain = ao.PerAxis(0) if size == width else ao.PerGroup(size)
    return ao.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=grain, mapping_type=mapping)


def matrix(weight: Tensor, record: Precision) -> Matrix:
    """Quantize one matrix as the layer would; the zero bin is half a step either side, a step being the scale."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    linear.weight = nn.Parameter(weight.clone(), requires_grad=False)
    size = quantize(linear, record)
    stored: Any = linear.weight
    edge = stored.scale.float().flatten() / 2
    if record.options["kind"] == "float8":
        edge = edge * FLOAT8_SMALLEST
    return Matrix(stored.dequantize().float(), -edge, edge, size)
