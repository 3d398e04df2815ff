"""Refuse a checkpoint that cannot be used, before any work; from config.json, headers and tokenizer files alone."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any

from unlearn_tui.errors import Refused
from unlearn_tui.files import LARGE
from unlearn_tui.sources.folders import (
    INDEX,
    SINGLE,
    CheckpointInfo,
    config_number,
    gguf_file,
    is_quantized,
    read_config,
    read_json,
    tensors,
    weight_files,
)
from unlearn_tui.sources.foreign import check_links, check_pickles, code_files, pickle_files, said_of_pickles
from unlearn_tui.sources.gguf_header import FAMILIES, read_gguf
from unlearn_tui.sources.safetensors_header import read_header
from unlearn_tui.sources.wording import shown, size

_EMBEDDINGS = (
    "model.embed_tokens.weight",
    "model.language_model.embed_tokens.weight",
    "transformer.wte.weight",
    "gpt_neox.embed_in.weight",
)
_COUNTS = ("num_hidden_layers", "n_layer", "num_layers")
_DIMENSIONS = (
    *(
        "vocab_size",
        "hidden_size",
        "n_embd",
        "d_model",
        "intermediate_size",
        "moe_intermediate_size",
        "n_inner",
        "ffn_dim",
    ),
    *("head_dim", "num_attention_heads", "num_key_value_heads", "n_head", "n_positions", "word_embed_proj_dim"),
    *("num_experts", "num_local_experts", "n_routed_experts"),
)
_LAYER = re.compile(r"(?:model|model\.language_model|transformer|gpt_neox)\.(?:layers|h)\.(\d{1,6})\.")


def check(info: CheckpointInfo, field: str = "model", pickles: bool = False, code: bool = False) -> None:
    """Raise Refused, in one line, for the first thing that keeps this checkpoint from being used.

    A checkpoint that is still on the hub passes: there is nothing to look at yet. With `pickles`, weights that PyTorch
    pickled will do; with `code`, the checkpoint's own code is to be run.
    """
    if info.path is None:
        return
    check_links(info.path, field)
    _check_adapter(info.path, field)
    packed = gguf_file(info.path)
    if packed is not None:
        _check_gguf(packed, field)
        return
    config = read_config(info.path, field)
    _check_config(info.path, config, field)
    if code:
        code_files(info.path, field)
    pickled = pickle_files(info.path, field)
    if pickled and not pickles:
        raise Refused(said_of_pickles(info.path, pickled), field)
    if pickled:
        check_pickles(pickled, field)
    else:
        _check_weights(info.path, field)
        _check_sizes(info.path, config, field)
    _check_tokenizer(info.path, config_number(config, "vocab_size"), field)


def _check_adapter(folder: Path, field: str) -> None:
    path = folder / "adapter_config.json"
    if not path.is_file():
        return
    if weight_files(folder, field)[0]:
        # with peft installed, from_pretrained would follow the adapter to another base model
        raise Refused(
            f"{shown(folder)} holds a full model and an adapter: which one is meant is not clear, move "
            "adapter_config.json away to use the full model",
            field,
        )
    table = read_json(path, field)
    base = table.get("base_model_name_or_path") if isinstance(table, dict) else None
    raise Refused(
        f"{shown(folder)} is an adapter without its base model{f' {shown(base)}' if base else ''}: merge the two "
        "(peft: merge_and_unload, then save_pretrained) and give the merged folder",
        field,
    )


def _check_gguf(file: Path, field: str) -> None:
    """A GGUF file carries config, weights and tokenizer; whether they fit each other shows when it is loaded."""
    header = read_gguf(file, field)
    family = header.config["model_type"]
    if family not in FAMILIES:
        raise Refused(
            f"{shown(file)} is of the architecture {shown(family)}: of GGUF files only {', '.join(FAMILIES)} is read, "
            "give the model in safetensors",
            field,
        )
    if not header.tokenizer or not header.tensors:
        lacking = "tokenizer" if header.tensors else "weights"
        raise Refused(f"{shown(file)} has no {lacking}: give a whole model, or one in safetensors", field)
    if importlib.util.find_spec("gguf") is None:
        raise Refused(f"{shown(file)} cannot be read without the gguf package: pip install gguf", field)
    _check_sizes(file.parent, header.config, field)


def _check_config(folder: Path, config: dict[str, Any], field: str) -> None:
    if not isinstance(config.get("model_type"), str):
        raise Refused(f"{shown(folder / 'config.json')} names no model_type: give a transformers checkpoint", field)
    if not re.fullmatch(r"[\w.-]{1,64}", config["model_type"], re.ASCII):
        raise Refused(
            f"{shown(folder / 'config.json')} names the model_type {shown(config['model_type'], 40)}, which no library has: "
            "copy it again",
            field,
        )
    if is_quantized(config):
        raise Refused(
            f"{shown(folder)} is already quantized: quantizing is what is measured here, give the full-precision "
            "checkpoint it was made from",
            field,
        )
    if config.get("is_encoder_decoder"):
        raise Refused(f"{shown(folder)} is an encoder-decoder: give a decoder-only language model", field)


def _check_weights(folder: Path, field: str) -> None:
    files, index = weight_files(folder, field)
    if not files:
        raise Refused(_no_weights(folder), field)
    for file in files:
        if not file.is_file():
            raise Refused(
                f"{shown(folder)} lacks {shown(file.name)}, a shard that {INDEX} names: download or copy it", field
            )
        header = read_header(file, field)
        absent = next((name for name, shard in index.items() if shard == file.name and name not in header), None)
        if absent is not None:
            raise Refused(f"{shown(file)} lacks tensor {shown(absent)} that {INDEX} puts there: copy it again", field)
        if not header:
            raise Refused(f"{shown(file)} holds no tensors: copy or download it again", field)


def _check_sizes(folder: Path, config: dict[str, Any], field: str) -> None:
    """config.json and the weights must speak of one model, as far as well-known names tell."""
    said = config_number(config, "vocab_size"), config_number(config, "hidden_size", "n_embd", "d_model")
    layers = config_number(config, *_COUNTS)
    there = tensors(folder, field)
    head = f"the weights of {shown(folder)} do not match its config.json:"
    todo = "copy both from one checkpoint"
    for name in _EMBEDDINGS:
        if name in there and all(said) and there[name].shape != said:
            raise Refused(f"{head} the embedding is {_shape(there[name].shape)}, not {_shape(said)}; {todo}", field)
    numbers = [int(match[1]) for match in map(_LAYER.match, there) if match]
    # more than the config names is fine: some models store a layer for drafting
    if numbers and max(numbers) + 1 < layers:
        raise Refused(f"{head} they hold {max(numbers) + 1} layers, not {layers}; {todo}", field)
    elements = sum(tensor.numel for tensor in there.values())
    # experts are tensors of their own, or rows of one
    parts = max([len(there), *(max(tensor.shape, default=0) for tensor in there.values())])
    nested = config.get("text_config")
    for table in (config, nested) if isinstance(nested, dict) else (config,):
        for name in _DIMENSIONS + _COUNTS:
            value = table.get(name)
            most = len(there) if name in _COUNTS else parts if "experts" in name else elements
            # building such a model would take all memory before its weights were looked at
            if isinstance(value, int) and not -1 <= value <= most:
                size_of = f"{value:,}" if abs(value) < 1 << 63 else "a number of more than 63 bits"
                raise Refused(
                    f"{head} they have {len(there)} tensors of {elements:,} elements, {name} is {size_of}; {todo}",
                    field,
                )


def _no_weights(folder: Path) -> str:
    head = f"{shown(folder)} has no weights in safetensors"
    if (folder / SINGLE).is_symlink():
        return f"{head}: {SINGLE} is a link to nothing, copy the file itself"
    if any(folder.glob("model-*-of-*.safetensors")):
        return f"{head}: its shards have no {INDEX}, copy or download that file too"
    other = next((file for file in folder.glob("*.safetensors") if file.is_file()), None)
    if other is not None:
        return f"{head} under the name {SINGLE}: rename {shown(other.name)} if it is the model"
    if any(folder.glob("*.bin")) or any(folder.glob("*.pth")):
        return f"{head}, only pickles under other names than transformers': load it, save_pretrained it and give that folder"
    if any(folder.glob("*.gguf")):
        return f"{head}, only in GGUF: give the full-precision checkpoint it was made from"
    return f"{head}: copy or download {SINGLE} (or its shards and {INDEX}) too"


def _check_tokenizer(folder: Path, vocab: int, field: str) -> None:
    """`vocab` is the model's vocab_size, 0 where config.json does not say; a model may have rows to spare."""
    for name in ("tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "added_tokens.json"):
        settings = folder / name
        if settings.is_file() and not isinstance(read_json(settings, field), dict):
            raise Refused(f"{shown(settings)} does not hold an object: copy it again", field)
    for name in ("tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "merges.txt", "chat_template.jinja"):
        if (folder / name).is_file() and (folder / name).stat().st_size > LARGE:
            raise Refused(f"{shown(folder / name)} is larger than {LARGE >> 20} MB: copy it again", field)
    fast = folder / "tokenizer.json"
    if fast.is_file():
        largest = _largest_id(read_json(fast, field))
        if largest is None:
            raise Refused(f"{shown(fast)} has no vocabulary that can be read: copy it again", field)
        if vocab and largest >= vocab:
            raise Refused(
                f"the tokenizer of {shown(folder)} does not match its model: ids reach {largest}, the model has "
                f"{vocab} rows (0 to {vocab - 1}); copy the tokenizer that the model was trained with",
                field,
            )
    elif not any((folder / name).is_file() for name in ("tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")):
        raise Refused(
            f"{shown(folder)} has no tokenizer: copy tokenizer.json and tokenizer_config.json of its base model "
            "into the folder",
            field,
        )


def _largest_id(tokenizer: Any) -> int | None:
    """The largest id of a parsed tokenizer.json; None where it has no vocabulary or ids that are no numbers."""
    model = tokenizer.get("model") if isinstance(tokenizer, dict) else None
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocab, dict | list) or not vocab:
        return None
    # BPE, WordPiece and WordLevel map tokens to ids; Unigram lists tokens in the order of their ids
    ids = list(vocab.values()) if isinstance(vocab, dict) else [len(vocab) - 1]
    added = tokenizer.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
        return None
    ids += [token.get("id") for token in added]
    return max(ids) if all(type(i) is int and i >= 0 for i in ids) else None


def shapes(info: CheckpointInfo) -> dict[str, tuple[int, ...]]:
    """Shape of every stored tensor by name; empty on the hub. Raises Refused for an unreadable header."""
    if info.path is None:
        return {}
    return {name: tensor.shape for name, tensor in tensors(info.path).items()}


def same_shape(target: CheckpointInfo, unlearned: CheckpointInfo, field: str = "unlearned") -> None:
    """Raise Refused where the two are not two states of one model: the first difference of vocabulary, names, shapes.

    A head that one of them stores and the other ties to its embedding is no difference. Passes what is on the hub, and what
    is pickled: that shows its shapes when an engine reads it.
    """
    if target.path is None or unlearned.path is None:
        return
    head = f"{shown(unlearned.name)} is no edit of {shown(target.name)}"
    if target.vocab != unlearned.vocab:
        raise Refused(
            f"{head}: {unlearned.vocab} tokens against {target.vocab}; give the target that was unlearned", field
        )
    if not (target.parameters and unlearned.parameters):
        return
    ours, theirs = _weights(target), _weights(unlearned)
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs or name not in ours:
            having = target if name in ours else unlearned
            if name == "lm_head.weight" and _may_tie(target) and _may_tie(unlearned):
                continue
            raise Refused(
                f"{head}: only {shown(having.name)} has a tensor {shown(name)}; give the target that was unlearned",
                field,
            )
        if ours[name] != theirs[name]:
            raise Refused(
                f"{head}: {shown(name)} has shape {_shape(theirs[name])}, not {_shape(ours[name])}; give the target "
                "that was unlearned",
                field,
            )


def _weights(info: CheckpointInfo) -> dict[str, tuple[int, ...]]:
    # older versions of transformers stored this buffer, newer ones compute it
    return {name: shape for name, shape in shapes(info).items() if not name.endswith("rotary_emb.inv_freq")}


def _may_tie(info: CheckpointInfo) -> bool:
    return info.path is not None and read_config(info.path).get("tie_word_embeddings") is not False


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def free_space(path: Path, need_bytes: int, what: str, field: str = "home") -> None:
    """Raise Refused where the disk of `path` (which need not exist yet) has fewer than `need_bytes` bytes free."""
    there = next((folder for folder in (path, *path.absolute().parents) if folder.exists()), Path("/"))
    free = shutil.disk_usage(there).free
    if free < need_bytes:
        other = "another --home" if field == "home" else "another place"
        raise Refused(
            f"the disk of {shown(path)} has {size(free)} free, {what} needs {size(need_bytes)}: free some room or "
            f"choose {other}",
            field,
        )
