"""From one copy of the weights in memory to a model at one precision; one such model is resident at a time."""

from __future__ import annotations

import copy
import gc
import importlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from unlearn_tui import catalog
from unlearn_tui.catalog import Precision
from unlearn_tui.errors import Refused
from unlearn_tui.validate import check_installed

if TYPE_CHECKING:
    from unlearn_tui.engine.quantization.calibrated import Calibration


class Matrix(NamedTuple):
    """One weight matrix after a quantizer: its dequantized values, and its zero bin per block or row.

    values: (out, in) float32. low, high: (blocks,) float32 ≤ 0 ≤: every w in (low, high) is stored as zero, or, in FP4,
    as one of the three levels that lie within 0.0052 × absmax of it, or, where no level is at zero (qint4), as the one
    nearest to it. size: weights that share a bin, along the flattened matrix; the last block may be shorter.
    """

    values: Tensor
    low: Tensor
    high: Tensor
    size: int


@dataclass
class Prepared:
    """A model ready to be scored, and what to know about its arithmetic. `memory` is bytes of its tensors."""

    model: Any
    precision: Precision
    compute: str
    note: str
    memory: int
    seconds: float


def implementation(reference: str) -> Any:
    """The object behind 'module:function'."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def linears(model: Any) -> Iterator[tuple[str, nn.Module]]:
    """Modules whose weight a quantizer takes: every linear layer but the output embedding, in model order."""
    from transformers.pytorch_utils import Conv1D

    heads = model.output_layers() if hasattr(model, "output_layers") else [_head(model)]
    for name, module in model.named_modules():
        if type(module) in (nn.Linear, Conv1D) and not any(module is h for h in heads) and not name.endswith("lm_head"):
            yield name, module


def _head(model: Any) -> Any:
    return model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None


def oriented(module: nn.Module) -> Tensor:
    """A linear module's weight as (out, in); GPT-2's Conv1D stores it the other way round."""
    weight = module.weight.detach()
    assert isinstance(weight, Tensor)
    return weight if isinstance(module, nn.Linear) else weight.T.contiguous()


def structural_copy(model: Any) -> Any:
    """Modules copied, tensors shared: replacing a module or a parameter in the copy leaves the base alone."""
    memo = {id(t): t for t in [*model.parameters(), *model.buffers()]}
    twin = copy.deepcopy(model, memo)
    for name, module in list(linears(twin)):
        if not isinstance(module, nn.Linear):  # Conv1D: same numbers in a Linear, which every quantizer understands
            linear = nn.Linear(module.weight.shape[0], module.weight.shape[1], device="meta")
            linear.weight = nn.Parameter(oriented(module), requires_grad=False)
            linear.bias = nn.Parameter(module.bias.detach(), requires_grad=False) if module.bias is not None else None
            twin.set_submodule(name, linear)
    return twin.eval()


def full_dtype(device: torch.device, wanted: torch.dtype) -> torch.dtype:
    """Arithmetic dtype: as asked on a GPU; float32 on a CPU, whose 16-bit arithmetic is slow or absent."""
    return torch.float32 if device.type == "cpu" else wanted


def cast_rest(model: Any, dtype: torch.dtype, device: torch.device, skip: set[str]) -> None:
    """Give every tensor outside the modules in `skip` a copy of its own in `dtype` on `device`; ties stay tied."""
    done: dict[int, nn.Parameter] = {}
    for name, module in model.named_modules():
        if name in skip:
            continue
        for key, value in list(module._parameters.items()):
            if value is not None:
                if id(value) not in done:
                    done[id(value)] = nn.Parameter(value.detach().to(device, dtype, copy=True), requires_grad=False)
                module._parameters[key] = done[id(value)]
        for key, buffer in list(module._buffers.items()):
            if buffer is not None:
                module._buffers[key] = buffer.to(device)


def prepare(model: Any, precision: str, device: torch.device, calibration: Calibration | None = None) -> Prepared:
    """The base model at a precision, on `device`. The base's tensors are read, never changed.

    Raises Refused where its library is missing, and for a calibrated precision without a `calibration`.
    """
    record = catalog.precision(precision)
    check_installed([precision])
    began = time.monotonic()
    for noisy in ("bitsandbytes.autograd._functions", "bitsandbytes.nn.modules"):
        logging.getLogger(noisy).setLevel(logging.ERROR)  # one cast warning per forward pass floods the log
    if record.calibrated:
        model = _calibrated(model, record, device, calibration)
    twin = structural_copy(model)
    compute, note = implementation(record.implementation)(twin, record, device)
    twin.eval()  # LLM.int8 quantizes activations only in eval()
    return Prepared(twin, record, compute, note, tensor_bytes(twin), time.monotonic() - began)


def _calibrated(model: Any, record: Precision, device: torch.device, calibration: Calibration | None) -> Any:
    from unlearn_tui.engine.quantization.calibrated import dequantized

    if calibration is None:
        raise Refused(f"{record.id} reads text to quantize by, and there is no corpus here: name another", "precision")
    return dequantized(model, record, calibration, device)


HELD = ("_data", "_scale", "_shift", "SCB", "qdata", "scale", "zero_point")
"""Where quanto's, bitsandbytes' and torchao's tensors keep theirs."""


def tensor_bytes(model: Any) -> int:
    """Bytes of a model's distinct tensors, a quantizer's packed codes and scales included."""
    seen: dict[int, int] = {}
    for tensor in [*model.parameters(), *model.buffers()]:
        inner = [getattr(tensor, part, None) for part in HELD]
        state = getattr(tensor, "quant_state", None)
        parts = [t for t in inner if isinstance(t, Tensor)] or [tensor.data]
        if state is not None:
            parts = [tensor.data, state.absmax, *([state.state2.absmax] if state.nested else [])]
        elif getattr(tensor, "SCB", None) is not None:
            parts = [tensor.data, tensor.SCB]
        for part in parts:
            part = getattr(part, "_data", part)  # quanto's packed codes are in a wrapper without memory of its own
            seen[part.data_ptr()] = part.numel() * part.element_size()
    return sum(seen.values())


def release(prepared: Prepared) -> None:
    """Let a scored model go before the next one comes."""
    prepared.model = None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def matrix(weight: Tensor, precision: str) -> Matrix:
    """What a quantizer makes of one (out, in) matrix; float32 in, on the device of `weight`."""
    record = catalog.precision(precision)
    module, _, name = record.implementation.partition(":")
    name = {"prepare": "matrix", "prepare_int8": "matrix_int8", "prepare_4bit": "matrix_4bit"}[name]
    found: Matrix = implementation(f"{module}:{name}")(weight.float().contiguous(), record)
    return found
