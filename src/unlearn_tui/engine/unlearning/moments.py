"""How Adam's moments are kept between steps: as float32 or bfloat16, in 8 bits, or in the machine's memory.

8 bits are bitsandbytes' (Dettmers et al. 2022, arXiv 2110.02861): blocks of 256, each by its own largest value, in the
dynamic map with a sign for the first moment and without for the second; tensors of fewer than 4,096 stay float32. Its own
quantize and dequantize are called, so that a step is that of its AdamW8bit (tested), and yet every update mode and SURE's
mask work, which its optimizer knows nothing of.

"paged" keeps float32 where a GPU reads it slice by slice. bitsandbytes' paged tensors, in unified memory, are open to its
own kernels only, which round to nearest and know no mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

BLOCK = 256
SMALLEST = 4096
"""Elements from which on a tensor's moments are kept in 8 bits."""


class Moment(Protocol):
    """One moment of n weights, laid end to end."""

    def split(self, size: int | list[int]) -> Sequence[Moment]:
        """Parts of it, that share its memory."""

    def load(self) -> Tensor:
        """(n,) float32 where the weights are; may be what is stored itself."""

    def store(self, value: Tensor) -> None:
        """Keep (n,) float32, which `load` gave and which may have been changed in place."""

    def tensors(self) -> dict[str, Tensor]:
        """Everything that is kept, by what to add to a name: to be saved, and filled again."""


@dataclass
class Floats:
    """Kept as floats, (n,), wherever `stored` lies; read on `device`."""

    stored: Tensor
    device: torch.device

    def split(self, size: int | list[int]) -> Sequence[Moment]:
        """Views."""
        return [Floats(part, self.device) for part in self.stored.split(size)]

    def load(self) -> Tensor:
        """What is stored itself, where it is float32 on the device."""
        return self.stored.to(self.device, torch.float32)

    def store(self, value: Tensor) -> None:
        """Rounds, where stored more narrowly."""
        if value is not self.stored:
            self.stored.copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """The one tensor."""
        return {"": self.stored}


@dataclass
class Blocks:
    """Kept in 8 bits: codes (n,) uint8, and each block's largest value, (⌈n / 256⌉,) float32."""

    codes: Tensor
    largest: Tensor
    levels: Tensor

    def split(self, size: int | list[int]) -> Sequence[Moment]:
        """Views; `size` is a multiple of a block."""
        assert isinstance(size, int)
        assert size % BLOCK == 0
        pairs = zip(self.codes.split(size), self.largest.split(size // BLOCK), strict=True)
        return [Blocks(codes, largest, self.levels) for codes, largest in pairs]

    def load(self) -> Tensor:
        """Dequantized."""
        from bitsandbytes.functional import dequantize_blockwise

        found: Tensor = dequantize_blockwise(self.codes, absmax=self.largest, code=self.levels, blocksize=BLOCK)
        return found

    def store(self, value: Tensor) -> None:
        """Quantized."""
        from bitsandbytes.functional import quantize_blockwise

        codes, state = quantize_blockwise(value, code=self.levels, blocksize=BLOCK)
        self.codes.copy_(codes)
        self.largest.copy_(state.absmax)

    def tensors(self) -> dict[str, Tensor]:
        """Codes and scales."""
        return {"": self.codes, ".largest": self.largest}


def zeros(kind: str, count: int, device: torch.device, signed: bool) -> Moment:
    """A moment of `count` weights on `device`, all zero; kind is one of catalog.MOMENTS."""
    if kind == "8bit" and count >= SMALLEST:
        from bitsandbytes.functional import create_dynamic_map

        blocks = -(-count // BLOCK)
        levels = create_dynamic_map(signed=signed).to(device)
        codes = torch.zeros(count, dtype=torch.uint8, device=device)
        return Blocks(codes, torch.zeros(blocks, dtype=torch.float32, device=device), levels)
    place = torch.device("cpu") if kind == "paged" else device
    dtype = torch.bfloat16 if kind == "bf16" else torch.float32
    return Floats(torch.zeros(count, dtype=dtype, device=place), device)
