"""Weights that PyTorch pickled, as safetensors: read as data alone (weights_only), written once, then loaded as usual."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]
import torch

from unlearn_tui.engine.checkpoints import first_line, whole
from unlearn_tui.engine.numerics import is_out_of_memory
from unlearn_tui.errors import Refused
from unlearn_tui.sources.folders import INDEX, SINGLE, CheckpointInfo, read_config
from unlearn_tui.sources.foreign import PICKLE, PICKLE_INDEX, as_safetensors, bytes_of, pickle_files, unpickled
from unlearn_tui.sources.wording import plain, shown

_HEADS = ("lm_head.weight", "embed_out.weight")


def unpickle(info: CheckpointInfo, field: str = "model") -> CheckpointInfo:
    """The checkpoint with weights in safetensors, made in home/cache where it has none; itself where it needs none.

    Raises Refused where a pickle holds anything but tensors; OSError (a full disk).
    """
    found = unpickled(info, field)
    if info.path is None or found is not info:
        return found
    files, folder = pickle_files(info.path, field), info.path
    if not files:
        return info
    tied = read_config(folder).get("tie_word_embeddings") is not False

    def write(building: Path) -> None:
        building.mkdir()
        weight_map: dict[str, str] = {}
        for number, file in enumerate(files, 1):
            name = SINGLE if len(files) == 1 else f"model-{number:05d}-of-{len(files):05d}.safetensors"
            weight_map |= dict.fromkeys(_write(file, building / name, tied, field), name)
        if len(files) > 1:
            (building / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
        for file in folder.iterdir():
            if file.is_file() and file.suffix != ".bin" and file.name not in (PICKLE, PICKLE_INDEX):
                shutil.copyfile(file, building / file.name)

    place = as_safetensors(info)
    for folder_of in (place.parent.parent, place.parent):  # home/cache, of a home that is still there
        folder_of.mkdir(mode=0o700, exist_ok=True)
    _sweep(place)
    whole(place, write, bytes_of(files))
    return unpickled(info, field)


def _sweep(place: Path) -> None:
    """Remove what engines that were killed had begun to write for `place`."""
    for left in place.parent.glob(f".{place.name}.*.tmp"):
        pid = left.name.split(".")[-2]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _write(file: Path, to: Path, tied: bool, field: str) -> list[str]:
    """The tensors of one pickle into one safetensors file; returns their names. A head that is the embedding is left out
    where the model ties the two; other tensors that share memory become copies, since safetensors knows no sharing.
    """
    from safetensors.torch import save_file

    try:
        table: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        if is_out_of_memory(error) or isinstance(error, OSError):
            raise
        named = re.search(r"GLOBAL ([\w.]+)", str(error))  # the rest of torch's words say how to read it all the same
        found = f"it names {plain(named[1], 80)}" if named else first_line(error).partition(". In PyTorch")[0]
        raise Refused(
            f"{shown(file.name)} holds more than tensors, or is damaged, and was not read ({found}): load it where it was "
            "made and save_pretrained it",
            field,
        ) from error
    if not isinstance(table, dict) or not all(isinstance(k, str) and _plain(v) for k, v in table.items()):
        raise Refused(f"{shown(file.name)} holds no table of tensors by name: save_pretrained the model anew", field)
    seen: set[int] = set()
    tensors = {}
    # the heads last, so that of two that are one the embedding stays
    for name in sorted(table, key=lambda n: (n.endswith(_HEADS), n)):
        tensor = table[name]
        place = tensor.untyped_storage().data_ptr()
        if place in seen and tied and name.endswith(_HEADS):
            continue
        tensors[name] = tensor.clone() if place in seen else tensor.contiguous()
        seen.add(place)
    save_file(tensors, to, metadata={"format": "pt"})
    return list(tensors)


def _plain(value: object) -> bool:
    """Whether it is a tensor of numbers as they stand in memory."""
    if not isinstance(value, torch.Tensor) or value.is_quantized or value.device.type != "cpu":
        return False
    return value.layout is torch.strided and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
