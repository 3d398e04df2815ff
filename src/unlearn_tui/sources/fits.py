"""What fits: bytes that a model's weights need at each precision and for unlearning, from its headers; and what is free.

"Fits" means that there is room to hold the weights as the engine holds them, beside what it keeps meanwhile.
Activations, the attention cache and the libraries themselves come on top.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.sources.folders import CheckpointInfo, read_config, tensors

WIDTH = {"fp64": 8, "fp32": 4, "fp16": 2, "bf16": 2}
"""Bytes of an element."""
QUANTO_GROUP = 128
"""Weights that share a scale and a zero point in optimum-quanto's qint4."""
_BLOCK = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks)\.\d+\.")
# transformers keeps experts in one tensor for all of them and routers as bare parameters: no linear layers
_NOT_LINEAR = re.compile(r"\.experts\.|\.gate\.weight$|router|norm|embed")
_HEADS = ("lm_head.weight", "embed_out.weight")


@dataclass(frozen=True)
class Sizes:
    """A model as far as memory goes: shapes (out, in) of the matrices that a quantizer takes, elements of the rest."""

    matrices: tuple[tuple[int, ...], ...]
    rest: int

    @property
    def parameters(self) -> int:
        """Elements of all weights; tied ones count once."""
        return sum(map(math.prod, self.matrices)) + self.rest


@dataclass(frozen=True)
class Room:
    """Free memory where an engine would work: of the first GPU, or main memory. In bytes."""

    free: int
    total: int
    gpu: bool
    name: str
    """What the memory belongs to: a GPU's name, or "main memory"."""


def sizes(shapes: Mapping[str, tuple[int, ...]], tied: bool = False) -> Sizes:
    """From the shape of every stored tensor by name; `tied`: a stored output embedding is the input embedding again.

    The matrices of the transformer blocks are quantized; embeddings, norms, biases and the output embedding are not
    (engine/quantization/prepare.py, `linears`).
    """
    matrices, rest = [], 0
    for name, shape in shapes.items():
        if name.endswith("rotary_emb.inv_freq") or (tied and name in _HEADS):
            continue
        if len(shape) == 2 and name.endswith(".weight") and _BLOCK.search(name) and not _NOT_LINEAR.search(name):
            matrices.append(shape)
        else:
            rest += math.prod(shape)
    return Sizes(tuple(matrices), rest)


def sizes_of(info: CheckpointInfo) -> Sizes:
    """Sizes of a checkpoint on this machine. Raises Refused where its headers or its config cannot be read."""
    if info.path is None:
        raise Refused(f"{info.name} is still on the hub: nothing of it can be measured before it is downloaded")
    tied = read_config(info.path).get("tie_word_embeddings") is True
    return sizes({name: t.shape for name, t in tensors(info.path).items() if "F" in t.dtype}, tied)


def to_hold(model: Sizes, precision: str, gpu: bool) -> int:
    """Bytes of the weights at a precision: what `Loaded.memory` says, but for buffers of a few hundred bytes."""
    record = catalog.precision(precision)
    rest = 2 if gpu else 4  # a CPU computes in float32 and holds the unquantized part so (prepare.full_dtype)
    module, _, function = record.implementation.rpartition(".")[2].partition(":")
    if module == "full":
        return model.parameters * (WIDTH[record.id] if gpu else 4)
    if module in ("rtn", "calibrated"):  # simulated: dequantized weights
        return model.parameters * rest
    return model.rest * rest + sum(_packed(shape, function, record.options, rest) for shape in model.matrices)


def _packed(shape: tuple[int, ...], function: str, options: Mapping[str, Any], rest: int) -> int:
    """Bytes of one matrix: its codes, and scales of float32 (bitsandbytes) or of the rest's width."""
    count, rows = math.prod(shape), shape[0]
    if function == "prepare_int8":
        return count + 4 * rows
    if function == "prepare_4bit":
        blocks = -(-count // options["block"])
        # scales of float32, or of one byte with a float32 scale for 256 of them
        scales: int = blocks + 4 * -(-blocks // 256) if options["double"] else 4 * blocks
        return -(-count // 2) + scales
    if "kind" in options:  # torchao: codes in bytes, scales of the rest's width, zero points in bytes
        groups = count // (math.gcd(options.get("group", 0), shape[1]) or shape[1])
        return count + (rest if options["kind"] == "float8" else rest + 1) * groups
    ranges = 8  # scales of activations, unused but there
    if options["weights"] == "qint8":
        return count + rest * rows + ranges
    return -(-count // 2) + 2 * rest * -(-count // QUANTO_GROUP) + ranges


def to_unlearn(
    model: Sizes, mode: str, gpu: bool, method: str = "ga_klr", optimizer_state: str = "fp32", grad_accum: int = 1
) -> int:
    """Bytes that unlearning holds in an update mode: weights, gradients and their float32 sums, Adam's two moments, and
    the frozen target that KLR compares with. NPO needs that one only before there are gradients, in their place.
    """
    record = catalog.method(method)
    stored = 2 if gpu and mode != "fp32" else 4  # engine/unlearning/training.py, stored_dtype
    kept = catalog.MOMENTS[optimizer_state]
    moments = kept.held if gpu else kept.saved
    # bfloat16 gradients of a second pass stand beside the float32 sums of the first; float32 ones are summed in place
    gradients = 4 + (stored if stored < 4 and (record.retain or grad_accum > 1) else 0)
    reference = stored if record.kl else 0
    return int(model.parameters * (stored + moments + gradients + reference))


@dataclass(frozen=True)
class Needs:
    """Bytes by precision and by update mode (of the default method), and those that stand beside in the same memory."""

    holding: dict[str, int]
    unlearning: dict[str, int]
    beside: int
    """On a CPU the checkpoint as it was read stays; 0 on a GPU, where it stays in main memory."""


def needs(info: CheckpointInfo, gpu: bool) -> Needs:
    """What a checkpoint needs at every precision and in every update mode. Raises Refused as `sizes_of`."""
    model = sizes_of(info)
    return Needs(
        {p: to_hold(model, p, gpu) for p in catalog.PRECISIONS},
        {m: to_unlearn(model, m, gpu) for m in catalog.UPDATE_MODES},
        0 if gpu else model.parameters * WIDTH.get(info.dtype, 2),
    )


def room(device: str = "auto") -> Room:
    """Free memory of the GPU that `--device auto` takes, else (and for "cpu") of this machine. Without a driver there
    is no GPU.
    """
    return (None if device == "cpu" else _gpu()) or main_memory()


def _gpu() -> Room | None:
    from importlib import metadata

    try:
        if "+cpu" in metadata.version("torch"):  # built without CUDA: it would not use one
            return None
        import pynvml

        pynvml.nvmlInit()
        try:
            # CUDA counts only the devices named there, from 0
            first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
            if first.isdigit():
                card = pynvml.nvmlDeviceGetHandleByIndex(int(first))
            elif first.startswith(("GPU-", "MIG-")):
                card = pynvml.nvmlDeviceGetHandleByUUID(first)
            else:
                return None
            memory = pynvml.nvmlDeviceGetMemoryInfo(card)
            return Room(int(memory.free), int(memory.total), True, str(pynvml.nvmlDeviceGetName(card)))
        finally:
            pynvml.nvmlShutdown()
    except Exception:  # no driver, no library, no permission: each says so in its own class
        return None


def main_memory() -> Room:
    """Of this machine, or of the container that this process is in."""
    import psutil  # type: ignore[import-untyped, unused-ignore]

    memory = psutil.virtual_memory()
    free, total = int(memory.available), int(memory.total)
    # a container's limit (cgroup v2); file pages that it can drop count as free
    with contextlib.suppress(OSError, ValueError, KeyError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        stat = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
        free, total = min(free, limit - used + int(stat["inactive_file"])), min(total, limit)
    return Room(max(free, 0), total, False, "main memory")
