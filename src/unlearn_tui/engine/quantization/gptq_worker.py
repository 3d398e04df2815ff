"""`python -m unlearn_tui.engine.quantization.gptq_worker FOLDER THREADS`: gptqmodel at work; started by calibrated.py.

FOLDER holds `model`, a checkpoint, and asked.json: options, token ids of the texts, device. It gets `quantized`, the
library's format, and weights.safetensors: every tensor, float32, as the layers that transformers loads multiply by it. Says
on stdout what it is doing, a JSON object a line: {"doing": …}, at last {"done": true} or {"refused": …}. It ends when its
standard input does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

EYE = 1024
"""Columns of the unit matrix that a layer is given at once."""
BATCH = 4
"""Pieces of text that a layer is given at once."""


def main(work: Path, threads: int) -> int:
    """Quantize and export; returns the exit code."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no part of it
    threading.Thread(target=_watch, daemon=True).start()
    torch.set_num_threads(threads)

    def say(**what: object) -> None:
        print(json.dumps(what), file=out, flush=True)

    asked = json.loads((work / "asked.json").read_text())
    try:
        quantize(work, asked["options"], asked["texts"], asked["device"], lambda text: say(doing=text))
        say(doing="read it as transformers does")
        export(work)
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines()
        say(refused=lines[0][:300] if lines else type(error).__name__)
        return 2
    say(done=True)
    return 0


def _watch() -> None:
    """Whoever started this has gone: nobody wants the model any more."""
    os.read(0, 1)
    os._exit(1)


def quantize(work: Path, options: dict[str, Any], texts: list[list[int]], device: str, say: Any) -> None:
    """gptqmodel's own quantization, from `model` to `quantized`."""
    from gptqmodel import GPTQModel
    from gptqmodel.quantization.config import AWQConfig, GPTQConfig

    group = options["group"] or -1
    # packing as the library first did it: the other way compiles a C++ extension, which takes minutes
    common: dict[str, Any] = {"bits": 4, "group_size": group, "pack_impl": "original"}
    if options["method"] == "awq":
        config = AWQConfig(sym=options["symmetric"], **common)
    else:
        config = GPTQConfig(sym=not options["asymmetric"], **common)
    model = GPTQModel.load(str(work / "model"), config, dtype=torch.bfloat16, device=device, trust_remote_code=False)
    layers = model.model.config.get_text_config().num_hidden_layers
    done: set[int] = set()

    def layer_complete(layer_idx: int, submodule_finalized: bool) -> None:
        if layer_idx not in done:
            done.add(layer_idx)
            say(f"layer {len(done)} of {layers}")

    model.layer_callback = layer_complete
    rows = [{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in texts]
    model.quantize(rows, batch_size=BATCH, calibration_data_min_length=1)
    model.save(str(work / "quantized"))


def export(work: Path) -> None:
    """Write weights.safetensors: what each tensor of the quantized folder comes to in the layers that it is loaded into."""
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(work / "quantized", dtype=torch.float32, device_map="cpu")
    packed = {name: module for name, module in model.named_modules() if hasattr(module, "qweight")}
    if not packed:
        raise ValueError("no layer was quantized")
    found = {
        name: t.float().contiguous() for name, t in model.state_dict().items() if name.rpartition(".")[0] not in packed
    }
    for name, module in packed.items():
        found[f"{name}.weight"] = weight(module)
        if getattr(module, "bias", None) is not None:
            found[f"{name}.bias"] = module.bias.detach().float()
    for name in getattr(model, "all_tied_weights_keys", None) or ():
        found.pop(name, None)
    save_file({name: tensor.clone() for name, tensor in found.items()}, work / "weights.safetensors")


@torch.no_grad()
def weight(module: Any) -> Tensor:
    """The (out, in) float32 matrix that a layer multiplies by, whatever its kernel: its answers to the unit vectors."""
    size = module.in_features
    bias = module.bias.float() if getattr(module, "bias", None) is not None else 0.0
    columns = [
        module(torch.eye(size)[start : start + EYE].unsqueeze(0)).squeeze(0).float() - bias
        for start in range(0, size, EYE)
    ]
    return torch.cat(columns).T.contiguous()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
