"""bitsandbytes: LLM.int8 and the two 4-bit code books, through the library's own modules and functions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unlearn_tui.catalog import Precision
from unlearn_tui.engine.quantization.prepare import Matrix, cast_rest, full_dtype, linears

# (low, high) × absmax: inputs between the outermost edges of the levels nearest zero. FP4's levels are 0, ±0.0052 and
# then ±0.1667, so its centre reaches to their midpoint ±0.0859; NF4's zero has its neighbours at −0.0911 and 0.0796.
ZERO_BIN = {"fp4": (-0.0859375, 0.0859375), "nf4": (-0.045525, 0.03979015)}


def prepare_int8(model: Any, record: Precision, device: torch.device) -> tuple[str, str]:
    """Every linear layer becomes a Linear8bitLt: int8 weights and activations, columns with outliers in 16 bits."""
    import bitsandbytes as bnb

    names = []
    for name, module in list(linears(model)):
        weight = module.weight.detach().float().cpu()  # quantized on the way from CPU to device
        linear = bnb.nn.Linear8bitLt(
            weight.shape[1],
            weight.shape[0],
            module.bias is not None,
            has_fp16_weights=False,
            threshold=record.options["threshold"],
            device="meta",
        )
        linear.weight = bnb.nn.Int8Params(weight, requires_grad=False, has_fp16_weights=False).to(device)
        names.append(_place(model, name, linear, module, device))
    dtype = full_dtype(device, torch.float16)
    cast_rest(model, dtype, device, set(names))
    return "int8", "activations are cast to float16 and quantized to int8 by the library"


def prepare_4bit(model: Any, record: Precision, device: torch.device) -> tuple[str, str]:
    """Every linear layer becomes a Linear4bit: 4-bit codes, one float32 absmax a block, dequantized for each product."""
    import bitsandbytes as bnb

    names = []
    for name, module in list(linears(model)):
        weight = module.weight.detach()
        # float32 holds every bf16 and fp16 value; from_pretrained(dtype=…) hands the same numbers over
        weight = weight.to(full_dtype(device, weight.dtype))
        linear = bnb.nn.Linear4bit(
            weight.shape[1],
            weight.shape[0],
            module.bias is not None,
            compute_dtype=torch.float32,
            compress_statistics=record.options["double"],
            quant_type=record.options["quant_type"],
            device="meta",
        )
        linear.weight = bnb.nn.Params4bit(
            weight,
            requires_grad=False,
            quant_type=record.options["quant_type"],
            blocksize=record.options["block"],
            compress_statistics=record.options["double"],
            module=linear,
        ).to(device)
        if straddles(weight, record):
            linear.support_avx512bf16_for_cpu = False
        names.append(_place(model, name, linear, module, device))
    dtype = full_dtype(device, torch.float16)
    cast_rest(model, dtype, device, set(names))
    kernel = any(getattr(m, "support_avx512bf16_for_cpu", False) for m in model.modules())
    if device.type == "cpu" and kernel:
        return "bfloat16", "bitsandbytes' AVX-512 bf16 kernel multiplies on this CPU"
    return "float32", ""


def straddles(weight: Tensor, record: Precision) -> bool:
    """Whether the library's repacking for CPUs with AVX-512 BF16 fails on a matrix of this shape, in 4 bits."""
    return bool(weight.shape[0] % 32 or weight.shape[1] % record.options["block"])


def _place(model: Any, name: str, linear: nn.Module, old: nn.Module, device: torch.device) -> str:
    if old.bias is not None:
        linear.bias = nn.Parameter(old.bias.detach().to(device, full_dtype(device, torch.float16)), requires_grad=False)
    model.set_submodule(name, linear)
    return name


def matrix_int8(weight: Tensor, record: Precision) -> Matrix:
    """LLM.int8's weights: float16 first, then absmax/127 per row. Activations are not part of this."""
    from bitsandbytes import functional as bnb

    codes, absmax, _ = bnb.int8_vectorwise_quant(weight.half())
    edge = absmax.float() / 254
    return Matrix(codes.float() * (absmax.float() / 127)[:, None], -edge, edge, weight.shape[1])


def matrix_4bit(weight: Tensor, record: Precision) -> Matrix:
    """The library's own quantize and dequantize; the zero bin is a fixed share of each block's absmax."""
    from bitsandbytes import functional as bnb

    kind, block = record.options["quant_type"], record.options["block"]
    double = record.options["double"]
    codes, state = bnb.quantize_4bit(weight, blocksize=block, quant_type=kind, compress_statistics=double)
    values = bnb.dequantize_4bit(codes, state).reshape(weight.shape)
    # double quantization rounds the scales after the codes were chosen: the bin is that of the scales before
    absmax = bnb.quantize_4bit(weight, blocksize=block, quant_type=kind)[1].absmax if double else state.absmax
    low, high = ZERO_BIN[kind]
    return Matrix(values.float(), absmax.float() * low, absmax.float() * high, block)
