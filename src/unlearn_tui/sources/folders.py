"""A checkpoint folder as its headers describe it: config.json and safetensors files, or a single GGUF file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from unlearn_tui.errors import Refused
from unlearn_tui.files import read_limited
from unlearn_tui.sources.fingerprints import fingerprint
from unlearn_tui.sources.gguf_header import read_gguf
from unlearn_tui.sources.safetensors_header import TensorInfo, read_header
from unlearn_tui.sources.wording import shown

Source = Literal["shipped", "folder", "cache", "hub", "run"]

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "generation_config.json",  # its eos_token_id decides where answers end
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "spiece.model",
)
_DTYPES = {"BF16": "bf16", "F16": "fp16", "F32": "fp32", "F64": "fp64"}


@dataclass(frozen=True)
class CheckpointInfo:
    """What is known of a checkpoint before torch sees it; zeros and "" where the folder does not say."""

    name: str
    """A shipped name, a folder's name, a hub id or a run's id. Untrusted text."""
    path: Path | None
    """The folder; None for a checkpoint that is still on the hub."""
    source: Source
    home: Path
    """Where hashes are remembered."""
    family: str = ""
    """`model_type` of config.json."""
    parameters: int = 0
    """Elements of all floating-point tensors stored; tied weights count once."""
    dtype: str = ""
    """Of most parameters: bf16, fp16, fp32, or as safetensors or GGUF (q4_1) call it."""
    bytes: int = 0
    """Size of the weight files."""
    layers: int = 0
    hidden: int = 0
    vocab: int = 0
    """`vocab_size` of config.json: rows of the embedding, padding included."""
    shards: int = 0
    quantized: bool = False
    adapter: bool = False

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over weights and config.json; "" on the hub. Reads every byte once, then remembers.

        Raises OSError for a file that is missing or cannot be read.
        """
        if self.path is None:
            return ""
        files = weight_files(self.path)[0]
        return fingerprint(files if is_gguf(files) else [*files, self.path / "config.json"], self.home)

    @cached_property
    def tokenizer_fingerprint(self) -> str:
        """SHA-256 over the tokenizer's files; "" where there are none."""
        if self.path is None:
            return ""
        return fingerprint([f for f in (self.path / name for name in TOKENIZER_FILES) if f.is_file()], self.home)


def describe(name: str, folder: Path, source: Source, home: Path) -> CheckpointInfo:
    """Whatever can be read of a folder. Raises nothing for a broken one: `checks.check` says what is wrong."""
    try:
        config = read_config(folder)
    except Refused:
        config = {}
    try:
        files = [file for file in weight_files(folder)[0] if file.is_file()]
    except Refused:
        files = []
    elements: Counter[str] = Counter()
    for file in files:
        try:
            for tensor in (read_gguf(file).tensors if is_gguf(files) else read_header(file)).values():
                elements[tensor.dtype] += tensor.numel
        except Refused:
            continue
    floats = Counter({dtype: count for dtype, count in elements.items() if "F" in dtype or is_gguf(files)})
    dominant = floats.most_common(1)[0][0] if floats else ""
    family = config.get("model_type")
    return CheckpointInfo(
        name=name,
        path=folder,
        source=source,
        home=home,
        family=family if isinstance(family, str) else "",
        parameters=floats.total(),
        dtype=_DTYPES.get(dominant, dominant.lower()),
        bytes=sum(file.stat().st_size for file in files),
        layers=config_number(config, "num_hidden_layers", "n_layer", "num_layers"),
        hidden=config_number(config, "hidden_size", "n_embd", "d_model"),
        vocab=config_number(config, "vocab_size"),
        shards=len(files),
        quantized=is_quantized(config),
        adapter=(folder / "adapter_config.json").is_file(),
    )


def read_json(path: Path, field: str = "") -> Any:
    """The parsed file. Raises Refused for one that cannot be read or is no JSON, with the line."""
    try:
        return json.loads(read_limited(path).decode("utf-8-sig"))
    except OSError as error:
        raise Refused(f"{shown(path)} cannot be read: {error.strerror or error}", field) from None
    except json.JSONDecodeError as error:
        raise Refused(f"{shown(path)} is no JSON: {error.msg} in line {error.lineno}, copy it again", field) from None
    except (ValueError, RecursionError):
        raise Refused(f"{shown(path)} is no JSON that can be read: copy it again", field) from None


def read_config(folder: Path, field: str = "") -> dict[str, Any]:
    """config.json, or what a GGUF file says in its place. Raises Refused where it is missing, unreadable or no object."""
    path = folder / "config.json"
    packed = gguf_file(folder)
    if packed is not None:
        return read_gguf(packed, field).config
    if not path.is_file():
        raise Refused(
            f"{shown(folder)} is no checkpoint: it has no config.json; give a folder written by save_pretrained", field
        )
    config = read_json(path, field)
    if not isinstance(config, dict):
        raise Refused(f"{shown(path)} does not hold an object: copy it again", field)
    return config


def weight_files(folder: Path, field: str = "") -> tuple[list[Path], dict[str, str]]:
    """The files that `from_pretrained` would read, and the index (tensor to file name; empty for a single file).

    Both empty where there are no weights; files may be missing. Raises Refused for an index that makes no sense.
    """
    if (folder / SINGLE).is_file():
        return [folder / SINGLE], {}
    packed = gguf_file(folder)
    if packed is not None:
        return [packed], {}
    if not (folder / INDEX).is_file():
        return [], {}
    return indexed(folder / INDEX, ".safetensors", field)


def indexed(path: Path, suffix: str, field: str = "") -> tuple[list[Path], dict[str, str]]:
    """The files beside an index, which end in `suffix` and may be missing, and its map from tensors to their names.

    Raises Refused for an index that makes no sense.
    """
    table = read_json(path, field)
    index = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(index, dict) or not all(_is_file_name(name, suffix) for name in index.values()):
        raise Refused(f"{shown(path)} has no weight_map from tensors to files: copy it again", field)
    return [path.with_name(name) for name in sorted(set(index.values()))], index


def _is_file_name(name: Any, suffix: str) -> bool:
    """Whether it names a file in the folder itself: one with a slash could lead out of it, a long one is none at all."""
    if not isinstance(name, str) or not name.isprintable() or name != Path(name).name:
        return False
    return name.endswith(suffix) and len(name.encode()) <= 255


def tensors(folder: Path, field: str = "") -> dict[str, TensorInfo]:
    """Every tensor of a checkpoint by name, from all headers. Raises Refused as `read_header` does."""
    files, index = weight_files(folder, field)
    if is_gguf(files):  # its blocks are unpacked into floats when it is loaded
        return {k: v._replace(dtype="F32") for k, v in read_gguf(files[0], field).tensors.items()}
    found = {}
    for file in files:
        header = read_header(file, field)
        # with an index, only what it assigns to this file is loaded
        found.update({k: v for k, v in header.items() if not index or index.get(k) == file.name})
    return found


def has_chat_template(folder: Path) -> bool:
    """Whether the tokenizer has one, as far as its files say. Raises nothing for a broken one."""
    try:
        packed = gguf_file(folder)
        if packed is not None:
            return read_gguf(packed).chat
        if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
            return True
        settings = read_json(folder / "tokenizer_config.json")
    except (Refused, OSError):
        return False
    return isinstance(settings, dict) and bool(settings.get("chat_template"))


def gguf_file(folder: Path) -> Path | None:
    """The GGUF file of a folder that has one and no config.json; None where there is another checkpoint, none or two."""
    if (folder / "config.json").exists():
        return None
    found = sorted(folder.glob("*.gguf"))
    return found[0] if len(found) == 1 else None


def is_gguf(files: list[Path]) -> bool:
    """Whether weight_files found a GGUF file."""
    return any(file.suffix == ".gguf" for file in files)


def config_number(config: dict[str, Any], *names: str) -> int:
    """The first of `names` that is a number in the config or in its text_config; 0 where none is, or none that counts
    anything: a negative one, one of more than 63 bits.
    """
    nested = config.get("text_config")
    for table in (nested, config) if isinstance(nested, dict) else (config,):
        for name in names:
            value = table.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return value if 0 <= value < 1 << 63 else 0
    return 0


def is_quantized(config: dict[str, Any]) -> bool:
    """True where the stored weights are already quantized."""
    nested = config.get("text_config")
    tables = (config, nested) if isinstance(nested, dict) else (config,)
    return any(table.get(name) for table in tables for name in ("quantization_config", "compression_config"))
