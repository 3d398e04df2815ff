"""A quantized model as a folder that `AutoModelForCausalLM.from_pretrained` loads, with the answers that it is scored by.

bitsandbytes and torchao are written in their own formats, codes and scales, beside the other tensors in float32; GPTQ and
AWQ as gptqmodel writes them; RTN as its dequantized weights in float32, for which there is no other format; full precisions
in their own dtype. Quantizing is done on the CPU, as when it is scored on one.
"""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from unlearn_tui import catalog
from unlearn_tui.catalog import Precision
from unlearn_tui.engine.checkpoints import DTYPES, save_model, whole
from unlearn_tui.engine.quantization.prepare import linears, matrix, prepare
from unlearn_tui.errors import Refused
from unlearn_tui.validate import check_saved

if TYPE_CHECKING:
    from unlearn_tui.engine.quantization.calibrated import Calibration

CPU = torch.device("cpu")


def save(model: Any, tokenizer: Any, precision: str, path: Path, calibration: Calibration | None = None) -> int:
    """Write the model at a precision to `path`, whole or not at all; returns its bytes. Raises Refused, OSError."""
    record = catalog.precision(precision)
    check_saved(record)
    if record.full:
        return save_model(model, tokenizer, path, DTYPES[record.id])
    if record.family_of == "rtn":
        return save_model(dequantized(model, precision), tokenizer, path, torch.float32)
    if record.calibrated:
        return whole(path, partial(_calibrated, model, tokenizer, record, calibration))
    if any(not isinstance(module, nn.Linear) for _, module in linears(model)):
        raise Refused(
            f"{record.id} cannot be written for this model: transformers has no such format for GPT-2's transposed "
            "layers; rtn-int8 and rtn-int4 are written as dequantized weights",
            "precision",
        )
    kept = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and n not in dict(linears(model))]
    twin = prepare(model, precision, CPU).model
    mark(twin, configuration(record, kept))
    twin.config.dtype = torch.float32

    def write_all(building: Path) -> None:
        twin.save_pretrained(building)
        tokenizer.save_pretrained(building)

    return whole(path, write_all)


def _calibrated(model: Any, tokenizer: Any, record: Precision, calibration: Calibration | None, building: Path) -> None:
    from unlearn_tui.engine.quantization.calibrated import write

    if calibration is None:
        raise Refused(f"{record.id} reads text to quantize by: name a corpus (--corpus)", "corpus")
    write(model, tokenizer, record, calibration, building)


def dequantized(model: Any, precision: str) -> Any:
    """A copy of the model whose quantized matrices hold dequantized values; every tensor float32."""
    twin = copy.deepcopy(model).float()
    for _, module in linears(twin):
        weight = module.weight.data
        plain = isinstance(module, nn.Linear)
        values = matrix(weight if plain else weight.T, precision).values
        weight.copy_(values if plain else values.T)
    return twin


def configuration(record: Precision, kept: list[str]) -> Any:
    """What transformers is told of the format; `kept` names the linear layers that stay full."""
    from transformers import BitsAndBytesConfig, TorchAoConfig

    options = record.options
    if record.family_of == "torchao":
        from unlearn_tui.engine.quantization.torchao import config

        # the tensors in the file say how they were grouped; 0 stands for a whole row
        return TorchAoConfig(config(record, options.get("group", 0), 0), modules_to_not_convert=kept)
    if record.bits == 8:
        return BitsAndBytesConfig(
            load_in_8bit=True, llm_int8_threshold=options["threshold"], llm_int8_skip_modules=kept
        )
    # the block size is in the file
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=options["quant_type"],
        bnb_4bit_use_double_quant=options["double"],
        bnb_4bit_compute_dtype=torch.float32,
        llm_int8_skip_modules=kept,
    )


def mark(model: Any, config: Any) -> None:
    """Make a model that we quantized look like one that transformers did, so that it writes the same files."""
    from transformers.quantizers.auto import AutoHfQuantizer

    model.hf_quantizer = AutoHfQuantizer.from_config(config)
    model.config.quantization_config = config
