"""How an update reaches the stored weight: where pure-bf16 training loses most of what it learns.

bfloat16 has 8 bits of significand: between 2^k and 2^(k+1) its values are 2^(k-7) apart, so a round-to-nearest update
smaller than half of that is dropped whole. With steps of size lr, weights above 2^(⌊log2 lr⌋ + 9) stand still.
Each function takes the exact float32 result of an optimizer step and returns the value to store, float32.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def nearest_bf16(exact: Tensor, generator: torch.Generator) -> Tensor:
    """Round to the nearest bfloat16, ties to even: what a pure-bf16 optimizer stores."""
    return exact.to(torch.bfloat16).to(torch.float32)


def stochastic_bf16(exact: Tensor, generator: torch.Generator) -> Tensor:
    """Round to one of the two neighbouring bfloat16 values, up with probability equal to the distance: unbiased.

    Adds 16 uniform bits below the kept ones and cuts them off (Gupta et al. 2015, arXiv 1502.02551). Finite inputs only.
    """
    bits = exact.contiguous().view(torch.int32)
    noise = torch.randint(0, 1 << 16, bits.shape, dtype=torch.int32, device=exact.device, generator=generator)
    return ((bits + noise) & -65536).view(torch.float32)


def keep_fp32(exact: Tensor, generator: torch.Generator) -> Tensor:
    """Keep the float32 result: fp32 master weights."""
    return exact


def freeze_line(lr: float) -> float:
    """2^(⌊log2 lr⌋ + 9): the |w| from which a bf16 step of size lr no longer moves the weight (facts: half a spacing)."""
    return 2.0 ** (math.floor(math.log2(lr)) + 9)
