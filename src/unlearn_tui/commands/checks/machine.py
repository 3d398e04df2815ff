"""Processor, memory, graphics cards and their driver."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from typing import Any

from unlearn_tui import processor
from unlearn_tui.commands.checks import Check

UNITS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "bf16")
ENOUGH = 2_000_000_000
"""Bytes of memory that the demo needs."""


def machine() -> Iterator[Check]:
    """Processor and memory."""
    from unlearn_tui.runs.directory import usable_cores
    from unlearn_tui.sources.fits import main_memory
    from unlearn_tui.sources.wording import size

    flags = processor.flags()
    units = " ".join(name for name in UNITS if name in flags)
    yield Check("cpu", True, f"{processor.name()}, {platform.machine()}, {units or 'no vector units known'}")
    how = "native" if processor.native_bf16() else "emulated: full columns hold rounded weights with fp32 arithmetic"
    yield Check("bf16 on cpu", True, how)
    cores = usable_cores()
    yield Check("cores", cores >= 2, f"{cores} usable of {os.cpu_count()}", "the demo takes about twice as long on one")
    memory = main_memory()
    found = f"{size(memory.free)} of {size(memory.total)} free"
    yield Check("memory", memory.free > ENOUGH, found, "close something: the demo needs 2 GB")


def cards(torch: Check) -> Iterator[Check]:
    """Graphics cards as NVIDIA's own library sees them, and the driver; `torch`, what was found of it, may see none."""
    from unlearn_tui.sources.wording import size

    hidden = ", CUDA_VISIBLE_DEVICES is set" if "CUDA_VISIBLE_DEVICES" in os.environ else ""
    try:
        import pynvml

        pynvml.nvmlInit()
        found = []
        for i in range(pynvml.nvmlDeviceGetCount()):
            card = pynvml.nvmlDeviceGetHandleByIndex(i)
            found.append(f"{i}: {pynvml.nvmlDeviceGetName(card)}")
            with contextlib.suppress(pynvml.NVMLError):  # a card that shares the machine's memory has none of its own
                memory = pynvml.nvmlDeviceGetMemoryInfo(card)
                found[-1] += f", {size(memory.free)} of {size(memory.total)} free"
        driver = _driver(pynvml)
    except Exception as error:  # no driver, no library, no permission: each says so in its own class
        yield Check("gpu", True, f"none ({error}): runs use the CPU, which is enough for the demo{hidden}")
        return
    blind = bool(found) and torch.ok and ("CPU build" in torch.found or "sees no GPU" in torch.found)
    seen = "; torch cannot use it" if blind else ""
    todo = "a torch for this driver's CUDA or older (https://pytorch.org/get-started) would run on it"
    yield Check("gpu", not blind, f"{'; '.join(found) or 'none: runs use the CPU'}{seen}{hidden}", todo)
    yield Check("driver", True, driver)


def _driver(nvml: Any) -> str:
    version = nvml.nvmlSystemGetCudaDriverVersion_v2()
    return f"NVIDIA {nvml.nvmlSystemGetDriverVersion()}, for CUDA {version // 1000}.{version % 1000 // 10} and older"
