"""What may go wrong with numbers and memory, in one place."""

from __future__ import annotations

import torch


class NotFinite(ArithmeticError):
    """A loss, gradient or logit became NaN or infinite; the message says where and what to try."""


WORDS = (
    *("DefaultCPUAllocator", "Cannot allocate memory", "std::bad_alloc", "can't start new thread"),
    *("CUDA out of memory", "CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"),
)
"""What plain RuntimeErrors and OSErrors say where memory is refused."""


def is_out_of_memory(error: BaseException) -> bool:
    """True for a GPU's and a CPU's refusal of memory: torch raises a plain RuntimeError for the latter."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(word in str(error) for word in WORDS)
