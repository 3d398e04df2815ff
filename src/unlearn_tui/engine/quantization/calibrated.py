"""GPTQ and AWQ: quantizers that read text, by gptqmodel, in a process of its own (gptq_worker.py).

The worker quantizes the model from a folder, writes it in the library's format, reads that with transformers as anyone
would, and hands back the weights that the library's own layers multiply by. AWQ scales some rows and takes the scales out
of the layers before, so every tensor comes back. Here the model is scored with these weights in full-precision arithmetic.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unlearn_tui.catalog import Precision
from unlearn_tui.engine.checkpoints import save_model
from unlearn_tui.engine.quantization.prepare import cast_rest, full_dtype, linears
from unlearn_tui.engine.unlearning.data import chunk_text
from unlearn_tui.engine.unlearning.whp import Pair
from unlearn_tui.errors import Refused
from unlearn_tui.sources.calibration import calibration_text
from unlearn_tui.sources.corpus import Corpus

WORKER = "unlearn_tui.engine.quantization.gptq_worker"
WORKERS = 2
"""Threads of gptqmodel's pool for a CPU; with the number that it takes itself it fails on two cores."""
LOOK = 0.2
"""Seconds between two looks at whether anyone wants the worker to stop."""


def _nothing(*_: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Calibration:
    """What a calibrated quantizer reads. `say` hears what it is doing; `heed` is called often, and raises to stop it."""

    tokenizer: Any
    corpus: Corpus
    say: Callable[[str], object] = _nothing
    heed: Callable[[], object] = _nothing


def pieces(calibration: Calibration, record: Precision, limit: int | None = None) -> list[list[int]]:
    """Token ids of the pieces of text that are read, spread evenly over the corpus's; `limit`: the model's positions."""
    options = record.options
    text = calibration_text(calibration.corpus, record)
    length = min(options["length"], limit or options["length"])
    found = chunk_text(calibration.tokenizer, text, length, "calibration")
    count = min(options["samples"], len(found))
    return [found[i * len(found) // count].ids for i in range(count)]


def dequantized(model: Any, record: Precision, calibration: Calibration, device: torch.device) -> Any:
    """A copy of the model on the CPU with the weights that the quantized one multiplies by, float32.

    A pair of models comes back as a pair, each quantized by itself. Raises Refused where the library cannot quantize it,
    RuntimeError where its process ends without a word, and what `calibration.heed` raises.
    """
    if isinstance(model, Pair):
        base, reinforced = (dequantized(part, record, calibration, device) for part in (model.base, model.reinforced))
        return Pair(base, reinforced, model.alpha)
    from safetensors.torch import load_file

    with quantized(model, record, calibration, device) as work:
        found = load_file(work / "weights.safetensors")
    twin = copy.deepcopy(model).float()
    # GPT-2's Conv1D
    flipped = {f"{name}.weight" for name, module in linears(twin) if not isinstance(module, nn.Linear)}
    for name, tensor in twin.state_dict(keep_vars=True).items():
        if name in found:
            tensor.data.copy_(found[name].T if name in flipped else found[name])
    return twin


def prepare(model: Any, record: Precision, device: torch.device) -> tuple[str, str]:
    """The dequantized model in the arithmetic of a full precision."""
    compute = full_dtype(device, torch.float16)
    cast_rest(model, compute, device, set())
    options = record.options
    text = f"{options['samples']} pieces of {options['calibration']} text of at most {options['length']} tokens"
    return str(compute).removeprefix("torch."), (
        f"quantized by gptqmodel from bfloat16 weights after reading up to {text}; scored with the dequantized weights"
    )


def write(model: Any, tokenizer: Any, record: Precision, calibration: Calibration, path: Path) -> None:
    """The quantized model in the library's format in `path`, an empty or missing folder. Raises as `dequantized` does."""
    with quantized(model, record, calibration, torch.device("cpu")) as work:
        shutil.copytree(work / "quantized", path, dirs_exist_ok=True)
    (path / "quant_log.csv").unlink(missing_ok=True)
    config = json.loads((path / "config.json").read_text())
    config["dtype"] = "float32"  # what the answers that we score are computed in, on a CPU
    (path / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    tokenizer.save_pretrained(path)
    model.generation_config.save_pretrained(path)  # the library writes do_sample into it


@contextlib.contextmanager
def quantized(model: Any, record: Precision, calibration: Calibration, device: torch.device) -> Iterator[Path]:
    """A folder with `quantized`, the library's format, and `weights.safetensors`, what its layers multiply by."""
    limit = getattr(model.config, "max_position_embeddings", None)
    texts = pieces(calibration, record, limit)
    calibration.say(f"{record.id}: gptqmodel reads {len(texts)} pieces of {record.options['calibration']} text")
    with tempfile.TemporaryDirectory(prefix="unlearn-tui-") as folder:
        work = Path(folder)
        save_model(model, calibration.tokenizer, work / "model", torch.bfloat16)  # AWQ in float32 ends the process
        asked = {"options": dict(record.options), "texts": texts, "device": device.type}
        (work / "asked.json").write_text(json.dumps(asked))
        _run(work, record, calibration)
        yield work


def _run(work: Path, record: Precision, calibration: Calibration) -> None:
    """Let the worker work in this folder, and stop it where nobody wants it any more."""
    command = [sys.executable, "-P", "-m", WORKER, str(work), str(torch.get_num_threads())]
    surroundings = os.environ | {"GPTQMODEL_CPU_WORKERS": str(WORKERS), "TOKENIZERS_PARALLELISM": "false"}
    with (work / "log").open("wb") as log:
        # the worker ends when this pipe does, so that it does not outlive an engine that is killed; AWQ leaves a folder of
        # logs wherever it works
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=surroundings, cwd=work
        )
    last: dict[str, Any] = {}

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            last.update(json.loads(line))
            if "doing" in last:
                calibration.say(f"{record.id}: {last.pop('doing')}")

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    try:
        while process.poll() is None:
            calibration.heed()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK)
    finally:
        process.kill()
        process.wait()
        listening.join()
    if "refused" in last:
        raise Refused(f"{record.id} cannot be made of this model: gptqmodel says {last['refused']}", "precision")
    if process.returncode or not last.get("done"):
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"exit {process.returncode}"
        said = (work / "log").read_bytes()[-4096:].decode(errors="replace").replace("\r", "\n").split("\n")
        line = next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")
        raise RuntimeError(f"{record.id}: gptqmodel's process ended ({how}): {line}")
