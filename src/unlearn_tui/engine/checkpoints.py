"""The only place that reads and writes weights: models and tokenizers in Hugging Face format."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from unlearn_tui.engine.numerics import is_out_of_memory
from unlearn_tui.engine.reporter import StopAsked
from unlearn_tui.engine.room import SMALL_FILES, as_os_error, check_room, is_full
from unlearn_tui.errors import Refused
from unlearn_tui.sources.folders import describe, gguf_file
from unlearn_tui.sources.foreign import code_files
from unlearn_tui.sources.wording import plain, shown

_LOCAL = {"local_files_only": True, "trust_remote_code": False}
"""No network, and no code that comes with a checkpoint; transformers would ask on the terminal. Of
weights, safetensors: what PyTorch pickled is read by unpickle.py alone."""


def trust_code(trusted: bool) -> None:
    """Whether this process runs the code that checkpoints bring along: an engine, where its run was asked to."""
    _LOCAL["trust_remote_code"] = trusted


def load_tokenizer(path: Path) -> Any:
    """The checkpoint's tokenizer, padding on the left. Raises Refused when transformers cannot read or use it."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left", **_LOCAL, **_packed(path))
        if tokenizer.pad_token_id is None and tokenizer.eos_token is not None:
            tokenizer.pad_token = tokenizer.eos_token
        # a setting of the wrong kind shows when it is used
        tokenizer.decode(tokenizer.encode("a word"), skip_special_tokens=True)
    except StopAsked:
        raise
    except Exception as error:  # whatever transformers raises, the user needs one line
        if is_out_of_memory(error) or is_full(error):
            raise
        raise _refused(path, error, f"the tokenizer in {shown(path.name)} cannot be read") from error
    return tokenizer


DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


def load_model(path: Path) -> Any:
    """The causal language model in `path` on the CPU, in eval mode, in the dtype of most of its stored weights.

    config.json may name another dtype, which would narrow the weights before anything is measured: the files decide.
    The blocks of a GGUF file are unpacked into float32.

    Raises Refused when transformers cannot build it, or finds weights that it does not use or lacks; memory that ends is
    no fault of the checkpoint's, and stays what it was.
    """
    from transformers import AutoModelForCausalLM

    packed, about = _packed(path), describe(path.name, path, "folder", path)
    dtype: Any = DTYPES.get(about.dtype, torch.float32 if packed else "auto")
    try:
        _compare(path, packed, about.parameters)
        safe = {} if packed else {"use_safetensors": True}
        model, found = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, output_loading_info=True, **safe, **_LOCAL, **packed
        )
    except (StopAsked, Refused):
        raise
    except Exception as error:
        if is_out_of_memory(error) or is_full(error):
            raise
        raise _refused(path, error, f"the model in {shown(path.name)} cannot be loaded") from error
    lacking = sorted(found.get("missing_keys", ()))
    if lacking:
        more = f" and {len(lacking) - 1} more tensors" if len(lacking) > 1 else ""
        raise Refused(f"the checkpoint {shown(path.name)} lacks {lacking[0]}{more}: copy all its files again", "model")
    if packed:
        _unmark(model)
    return model.eval().requires_grad_(False)


def _compare(path: Path, packed: dict[str, str], stored: int) -> None:
    """Build the model without memory and refuse one that is far larger than its weights: transformers makes room for what
    config.json says before it sees that the weights do not fit.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(path, **_LOCAL, **packed)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=_LOCAL["trust_remote_code"])
    said = sum(p.numel() for p in model.parameters())
    if said > 2 * stored:  # a head that is tied to the embedding may be counted beside it
        raise Refused(
            f"the model in {shown(path.name)} cannot be loaded: config.json makes it {said:,} parameters, its weights are "
            f"{stored:,}; copy both from one checkpoint",
            "model",
        )


def _refused(path: Path, error: Exception, said: str) -> Refused:
    """What to raise for what transformers raised: that the checkpoint needs code of its own, or what was `said` and why."""
    if _LOCAL["trust_remote_code"] or "trust_remote_code" not in str(error):
        return Refused(f"{said}: {first_line(error)}", "model")
    names = ", ".join(plain(file.name, 60) for file in code_files(path)[:4]) or "which is not in its folder"
    return Refused(
        f"the checkpoint {shown(path.name)} needs code of its own ({names}), which may do all that you may: read it, "
        "then start a run with --trust-remote-code",
        "model",
    )


def _unmark(model: Any) -> None:
    """Take off a model what calls it quantized: the weights of a GGUF file are floats now, and can be saved."""
    model.hf_quantizer = None
    for owner, name in ((model, "is_quantized"), (model, "quantization_method"), (model.config, "quantization_config")):
        if name in vars(owner):
            delattr(owner, name)


def _packed(path: Path) -> dict[str, str]:
    """What from_pretrained must be told of a folder that holds a GGUF file."""
    file = gguf_file(path)
    return {} if file is None else {"gguf_file": file.name}


def save_model(
    model: Any,
    tokenizer: Any,
    path: Path,
    dtype: torch.dtype,
    extra: Callable[[Path], None] | None = None,
    extra_bytes: int = 0,
) -> int:
    """Write a checkpoint whole or not at all: a temporary folder, fsynced, then renamed. Returns its bytes.

    `extra(folder)` adds files of its own before that, of `extra_bytes`. An existing folder at `path` is replaced. Raises
    OSError (disk full, read-only), before anything is written where there is no room for it.
    """
    tied = set(getattr(model, "all_tied_weights_keys", None) or ()) if model.config.tie_word_embeddings else set()

    def write(building: Path) -> None:
        state = {n: t.detach().to("cpu", dtype) for n, t in model.state_dict().items() if n not in tied}
        model.save_pretrained(building, state_dict=state, safe_serialization=True)
        # save_pretrained names the dtype in memory, which on a CPU is float32
        config = json.loads((building / "config.json").read_text())
        config["dtype"] = str(dtype).removeprefix("torch.")
        (building / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        if tokenizer is not None:
            tokenizer.save_pretrained(building)
        if extra is not None:
            extra(building)

    weights = sum(t.numel() for n, t in model.state_dict().items() if n not in tied) * dtype.itemsize
    return whole(path, write, weights + extra_bytes)


def save_adapter(
    adapted: Any, path: Path, base: str, extra: Callable[[Path], None] | None = None, extra_bytes: int = 0
) -> int:
    """Write peft's `adapted` model's adapter as `PeftModel.from_pretrained(base model, path)` loads it, like save_model.

    `base`: the name of the base model that stands in adapter_config.json.
    """

    def write(building: Path) -> None:
        for config in adapted.peft_config.values():
            config.base_model_name_or_path = base
        adapted.save_pretrained(building, save_embedding_layers=False)  # "auto" would ask the hub
        if extra is not None:
            extra(building)

    weights = sum(w.numel() * w.element_size() for w in adapted.parameters() if w.requires_grad)
    return whole(path, write, weights + extra_bytes)


def load_adapter(path: Path) -> dict[str, torch.Tensor]:
    """A saved adapter's tensors under the parameters' names in the base model that carries it."""
    from safetensors.torch import load_file

    # peft leaves the adapter's name out of the file: …q_proj.lora_A.weight is the parameter …q_proj.lora_A.default.weight
    return {
        f"{name.removesuffix('.weight')}.default.weight".removeprefix("base_model.model."): tensor
        for name, tensor in load_file(path / "adapter_model.safetensors").items()
    }


def whole(path: Path, write: Callable[[Path], None], needed: int = 0) -> int:
    """Let `write` fill a temporary folder, then publish it as `path`; leaves nothing where it fails. Returns its bytes.

    `needed`: bytes of its large files. Raises OSError before anything is written where there is no room for them, or where
    the folder of path's folder is gone.
    """
    building = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(exist_ok=True)  # without parents: a run that was removed must not come back in pieces
    check_room(path, needed + SMALL_FILES)
    shutil.rmtree(building, ignore_errors=True)
    try:
        write(building)
        return publish(building, path)
    except BaseException as error:
        shutil.rmtree(building, ignore_errors=True)
        fault = as_os_error(error, path)
        if fault is not None:
            raise fault from error
        raise


def publish(building: Path, path: Path) -> int:
    """fsync every file of a finished folder and rename it to `path`, replacing what stood there. Returns its bytes."""
    total = 0
    for file in (f for f in building.rglob("*") if f.is_file()):
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
        total += file.stat().st_size
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    building.rename(path)
    shutil.rmtree(old, ignore_errors=True)
    return total


def first_line(error: Exception) -> str:
    """The first line of an exception's text, fit for a terminal, or its kind."""
    text = str(error).strip().splitlines()
    return plain(text[0], 300) if text else type(error).__name__


def round_parameters(model: Any, dtype: torch.dtype) -> None:
    """Store every parameter in `dtype`; buffers, such as rotary frequencies, stay as they are."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
