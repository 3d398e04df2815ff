"""What the operating system tells of this machine's processor, without torch."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Flags of processors that compute in bfloat16 themselves."""


@functools.cache
def _lines() -> tuple[tuple[str, str], ...]:
    """Lower-case keys and values of /proc/cpuinfo; none where there is no such file."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    parts = (line.partition(":") for line in text.splitlines())
    return tuple((key.strip().lower(), value.strip()) for key, _, value in parts)


def name() -> str:
    """The processor's model, or its architecture where the system tells no more."""
    return next((v for k, v in _lines() if k == "model name" and v), platform.processor() or platform.machine())


def flags() -> frozenset[str]:
    """Names of its vector units and other extensions; empty where the system does not tell."""
    return frozenset(next((v for k, v in _lines() if k in ("flags", "features")), "").split())


def native_bf16() -> bool:
    """Whether it has bfloat16 arithmetic of its own."""
    return bool(BF16 & flags())
