"""The machine that a result was made on, as far as it can matter to numbers and times; no name of it or of anybody."""

from __future__ import annotations

import contextlib
import os
import platform

import psutil  # type: ignore[import-untyped, unused-ignore]
import torch

from unlearn_tui import processor
from unlearn_tui.runs.directory import usable_cores
from unlearn_tui.sources.wording import size


def hardware(device: torch.device) -> dict[str, str]:
    """Words by part: os, cpu, cores, threads, kernels (the instruction set that torch's CPU kernels use), memory (all of
    the machine's), device, bf16; of a GPU also gpu memory, compute capability, driver and CUDA.
    """
    libc = " ".join(platform.libc_ver())
    found = {
        "os": ", ".join(filter(None, (f"{platform.system()} {platform.release()}", libc))),
        "cpu": processor.name(),
        "architecture": platform.machine(),
        "cores": f"{usable_cores()} usable of {os.cpu_count()}",
        "threads": str(torch.get_num_threads()),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "memory": size(psutil.virtual_memory().total),
    }
    if device.type != "cuda":
        return {**found, "device": "cpu", "bf16": "native" if processor.native_bf16() else "emulated"}
    about = torch.cuda.get_device_properties(device)
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return {
        **found,
        "device": about.name,
        "gpu memory": size(about.total_memory),
        "compute capability": f"{about.major}.{about.minor}",
        "driver": _driver(),
        "cuda": torch.version.cuda or "unknown",
        "bf16": "native" if native else "emulated",
    }


def _driver() -> str:
    """The GPU driver's version; unknown where NVIDIA's library does not tell."""
    with contextlib.suppress(Exception):  # no driver, no library, no permission: each says so in its own class
        import pynvml

        pynvml.nvmlInit()
        try:
            return str(pynvml.nvmlSystemGetDriverVersion())
        finally:
            pynvml.nvmlShutdown()
    return "unknown"
