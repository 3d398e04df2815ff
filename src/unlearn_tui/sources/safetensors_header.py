"""The header of a safetensors file: names, types and shapes of its tensors, read without touching a weight.

Format (README of huggingface/safetensors): 8 bytes, little endian, say how long the header is; the header is JSON,
`{name: {"dtype", "shape", "data_offsets": [begin, end]}}` plus an optional "__metadata__", with offsets counted
from the header's end; the data follow without holes to the end of the file.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from unlearn_tui.errors import Refused
from unlearn_tui.files import open_regular
from unlearn_tui.sources.wording import shown, size

MAX_HEADER = 100_000_000
"""Bytes; the limit of the safetensors library."""
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0"), 8),
}
DIMENSIONS = 8
"""Of a tensor, at most; torch itself has no kernels beyond."""
_Natural = Annotated[int, msgspec.Meta(ge=0)]


class TensorInfo(NamedTuple):
    """One tensor as the header gives it; `begin` and `end` are byte offsets into the data part."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class _Entry(msgspec.Struct):
    dtype: str
    shape: tuple[_Natural, ...]
    data_offsets: tuple[_Natural, _Natural]


def read_header(path: Path, field: str = "") -> dict[str, TensorInfo]:
    """Tensors by name, in the order of the data. Raises Refused for a file that no reader could load.

    Refused are: a file that cannot be opened, a Git LFS pointer, a header that is cut short or no JSON, tensors that
    overlap or leave holes, a tensor whose bytes do not fit its shape, and data shorter or longer than the header says.
    """
    where = shown(path)
    try:
        with open_regular(path) as file:
            total = file.seek(0, 2)
            file.seek(0)
            head = file.read(8)
            length = int.from_bytes(head, "little")
            if head == b"version ":
                raise Refused(f"{where} is a Git LFS pointer, not the weights: fetch them with `git lfs pull`", field)
            if total < 8:
                raise Refused(f"{where} is cut short: it has no safetensors header, copy it again", field)
            if length > MAX_HEADER:
                raise Refused(f"{where} is no safetensors file: its header cannot be read, copy it again", field)
            if 8 + length > total:
                raise Refused(f"{where} is cut short: it ends inside its header, copy or download it again", field)
            raw = file.read(length)
    except OSError as error:
        raise Refused(f"{where} cannot be read: {error.strerror or error}; check its permissions", field) from None
    try:
        table = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        table.pop("__metadata__", None)
        entries = {name: msgspec.json.decode(entry, type=_Entry) for name, entry in table.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Refused(f"{where} is no safetensors file: its header cannot be read, copy it again", field) from None
    tensors = {name: TensorInfo(e.dtype, e.shape, *e.data_offsets) for name, e in entries.items()}
    ordered = dict(sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)))
    _check_layout(ordered, total - 8 - length, where, field)
    return ordered


def _check_layout(tensors: dict[str, TensorInfo], data: int, where: str, field: str) -> None:
    at = 0
    for name, tensor in tensors.items():
        if len(tensor.shape) > DIMENSIONS:
            raise Refused(f"{where} is damaged: tensor {shown(name)} has too many dimensions, copy it again", field)
        bits, there = _BITS.get(tensor.dtype), (tensor.end - tensor.begin) * 8
        # of a type that is not known here, an element takes a bit at least
        wrong_size = there != tensor.numel * bits if bits else there < tensor.numel
        if tensor.begin != at or tensor.end < at or wrong_size:
            raise Refused(f"{where} is damaged: its header misplaces tensor {shown(name)}, copy it again", field)
        at = tensor.end
    if data < at:
        raise Refused(f"{where} is cut short: {size(data)} of {size(at)} are there, copy or download it again", field)
    if data > at:
        raise Refused(f"{where} is damaged: {size(data - at)} too long for its header, copy it again", field)
