"""fp32, bf16, fp16: weights rounded to the named dtype; on a CPU the arithmetic on them is float32."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unlearn_tui.catalog import Precision
from unlearn_tui.engine.quantization.prepare import Matrix, cast_rest, full_dtype

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def prepare(model: Any, record: Precision, device: torch.device) -> tuple[str, str]:
    """Round every weight to the dtype and compute in it (GPU) or in float32 (CPU)."""
    dtype = DTYPES[record.id]
    compute = full_dtype(device, dtype)
    cast_rest(model, dtype, device, set())
    if compute is not dtype:
        cast_rest(model, compute, device, set())
    note = "" if compute is dtype else f"{record.label} weights, float32 arithmetic (CPU)"
    return str(compute).removeprefix("torch."), note


def matrix(weight: Tensor, record: Precision) -> Matrix:
    """Weights as the dtype holds them; the zero bin of a float is negligible and given as 0."""
    nothing = torch.zeros(1, device=weight.device)
    return Matrix(weight.to(DTYPES[record.id]).float(), nothing, nothing, weight.numel())
