"""The header of a GGUF file: what it says of its model, and names, types and shapes of its tensors.

Format (docs/gguf.md of ggml-org/ggml, versions 2 and 3, little endian): "GGUF", version, number of tensors, number of
key-value pairs; the pairs (key, type, value); for every tensor its name, number of dimensions, dimensions (the fastest
first, the reverse of ours), type and offset; the data, aligned. Names are turned into those of transformers' Llama.
"""

from __future__ import annotations

import functools
import math
import mmap
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

from unlearn_tui.errors import Refused
from unlearn_tui.files import open_regular
from unlearn_tui.sources.safetensors_header import TensorInfo
from unlearn_tui.sources.wording import shown

FAMILIES = ("llama",)
"""Architectures whose names we can translate."""
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# ggml's types: name, elements of a block, bytes of a block
_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 30: ("BF16", 1, 2),
    2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210),
}  # fmt: skip
_MOST = 1_000_000
"""Entries, characters or elements beyond which a count is taken for damage."""
_LONGEST = 1 << 28
"""Bytes of a header."""
_DEEPEST = 4
"""Arrays in arrays."""
_PARTS = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
}  # fmt: skip
_OUTER = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


class Gguf(NamedTuple):
    """A header: `config` as config.json would have it, tensors under transformers' names, the type of most weights."""

    config: dict[str, Any]
    tensors: dict[str, TensorInfo]
    dtype: str
    """Of most elements, such as q4_1."""
    tokenizer: bool
    """It carries a vocabulary."""
    chat: bool
    """It carries a chat template."""


def read_gguf(path: Path, field: str = "") -> Gguf:
    """The header of `path`. Raises Refused for a file that cannot be opened, is cut short, or makes no sense."""
    try:
        stat = path.stat()
        return _read(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise Refused(
            f"{shown(path)} cannot be read: {error.strerror or error}; check its permissions", field
        ) from None
    except _Damaged as error:
        raise Refused(f"{shown(path)} {error}: copy or download it again", field) from None


class _Damaged(Exception):
    """What is wrong with a file."""


class _Cursor:
    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def take(self, code: str) -> Any:
        try:
            value = struct.unpack_from(f"<{code}", self.data, self.at)[0]
        except struct.error:
            raise _Damaged("is cut short: it ends inside its header") from None
        self.at += struct.calcsize(f"<{code}")
        return value

    def count(self) -> int:
        value: int = self.take("Q")
        if value > _MOST:
            raise _Damaged("is damaged: its header counts too much")
        return value

    def text(self) -> str:
        length = self.count()
        if self.at > _LONGEST:
            raise _Damaged("is damaged: its header does not end")
        raw = self.data[self.at : self.at + length]
        if len(raw) < length:
            raise _Damaged("is cut short: it ends inside its header")
        self.at += length
        return raw.decode(errors="replace")

    def value(self, kind: int, depth: int = 0) -> Any:
        """A value; of an array its length."""
        if kind in _SCALARS:
            return self.take(_SCALARS[kind])
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY or depth > _DEEPEST:
            raise _Damaged("is damaged: its header has a value of no known type")
        inner, length = self.take("I"), self.count()
        if self.at > _LONGEST:
            raise _Damaged("is damaged: its header does not end")
        if inner in _SCALARS:
            self.at += length * struct.calcsize(f"<{_SCALARS[inner]}")
        else:
            for _ in range(length):
                self.value(inner, depth + 1)
        return length


@functools.lru_cache(maxsize=64)
def _read(path: Path, size: int, changed: int) -> Gguf:
    """`size` and `changed` are there for the cache: another file is read again."""
    if size < 24:
        raise _Damaged("is cut short: it has no GGUF header")
    with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        cursor = _Cursor(data)
        if data[:4] != b"GGUF" or data[4] not in (2, 3):
            raise _Damaged("is no GGUF file of version 2 or 3")
        cursor.at = 8
        tensors, pairs = cursor.count(), cursor.count()
        table = {}
        for _ in range(pairs):
            key = cursor.text()
            table[key] = cursor.value(cursor.take("I"))
        entries = [_tensor(cursor) for _ in range(tensors)]
        start = -(-cursor.at // _number(table, "general.alignment", 32)) * _number(table, "general.alignment", 32)
    if any(start + entry.end > size for _, entry in entries):
        raise _Damaged("is cut short: it ends inside its weights")
    found = dict(entries)
    weights: dict[str, int] = {}
    for tensor in found.values():
        weights[tensor.dtype] = weights.get(tensor.dtype, 0) + tensor.numel
    dtype = max(weights, key=lambda name: weights[name]).lower() if weights else ""
    return Gguf(
        _config(table, found), found, dtype, "tokenizer.ggml.tokens" in table, "tokenizer.chat_template" in table
    )


def _tensor(cursor: _Cursor) -> tuple[str, TensorInfo]:
    name, dimensions = cursor.text(), cursor.take("I")
    if dimensions > 8:
        raise _Damaged("is damaged: a tensor of its header has too many dimensions")
    shape = tuple(reversed([cursor.take("Q") for _ in range(dimensions)]))
    kind, begin = cursor.take("I"), cursor.take("Q")
    if kind not in _TYPES:
        raise _Damaged(f"holds weights of a type that is not known here (ggml type {kind})")
    label, block, width = _TYPES[kind]
    return _renamed(name), TensorInfo(label, shape, begin, begin + math.prod(shape) // block * width)


def _renamed(name: str) -> str:
    match = re.fullmatch(r"blk\.(\d{1,6})\.(\w+)\.(weight|bias)", name)
    if match and match[2] in _PARTS:
        return f"model.layers.{match[1]}.{_PARTS[match[2]]}.{match[3]}"
    stem, _, kind = name.rpartition(".")
    return f"{_OUTER[stem]}.{kind}" if stem in _OUTER else name


def _config(table: dict[str, Any], tensors: dict[str, TensorInfo]) -> dict[str, Any]:
    family = table.get("general.architecture")
    family = family if isinstance(family, str) else ""
    words = tensors.get("model.embed_tokens.weight")
    return {
        "model_type": family,
        "num_hidden_layers": _number(table, f"{family}.block_count"),
        "hidden_size": _number(table, f"{family}.embedding_length"),
        "vocab_size": words.shape[0] if words and words.shape else _number(table, f"{family}.vocab_size"),
        "max_position_embeddings": _number(table, f"{family}.context_length"),
        "tie_word_embeddings": "lm_head.weight" not in tensors,
    }


def _number(table: dict[str, Any], key: str, otherwise: int = 0) -> int:
    value = table.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else otherwise
