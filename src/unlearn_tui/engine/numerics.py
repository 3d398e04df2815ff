"""What may go wrong with numbers and memory, in one place."""

from __future__ import annotations

import torch


class NotFinite(ArithmeticError):
    """A loss, gradient or logit became NaN or infinite; the message says where and what to try."""


def is_out_of_memory(error: BaseException) -> bool:
    """True for a GPU's and a CPU's refusal of memory: torch raises a plain RuntimeError for the latter."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)
