"""What an engine takes of its machine: memory and processor of its processes, main memory, its GPU. Never raises."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]

from unlearn_tui.runs.directory import usable_cores
from unlearn_tui.state.machine import Gpu, Sample

LATE = 5.0
"""Seconds that a process may have started after its run's first event and still be taken for its engine."""


class Meters:
    """Looks at one engine again and again; a percentage is that since the look before. For one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[int, Any] = {}
        self._nvml: Any = None

    def sample(self, pid: int, host: str, began: float, device: str) -> Sample:
        """Look at the engine `pid` on `host` that wrote its first event at `began` and computes on `device`."""
        cpu = memory = free = total = None
        with contextlib.suppress(Exception):
            main = psutil.virtual_memory()
            free, total = int(main.available), int(main.total)
        if host == socket.gethostname():
            with contextlib.suppress(Exception):
                cpu, memory = self._processes(pid, began)
        gpu = None
        if device.startswith("cuda") and memory is not None:
            with contextlib.suppress(Exception):
                gpu = self._gpu(pid, device)
        return Sample(time.time(), cpu, memory, free, total, gpu)

    def _processes(self, pid: int, began: float) -> tuple[float | None, int | None]:
        """Percent of the usable cores, and resident bytes, of a process and its children. Raises psutil.Error."""
        engine = self._known.get(pid) or psutil.Process(pid)
        # a pid is used again; is_running compares the start of the process
        if not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE or engine.create_time() > began + LATE:
            self._known = {}
            return None, None
        now = {process.pid: self._known.get(process.pid, process) for process in (engine, *engine.children(True))}
        fresh, self._known = pid not in self._known, now
        percent, memory = 0.0, 0
        for process in now.values():
            with contextlib.suppress(psutil.Error):  # a child that has just ended
                percent += process.cpu_percent()
                memory += process.memory_info().rss
        return (None if fresh else min(percent / usable_cores(), 100.0)), memory

    def _gpu(self, pid: int, device: str) -> Gpu | None:
        """The GPU that the engine's processes compute on, else the one of that number. Raises NVMLError, ImportError."""
        if self._nvml is None:
            import pynvml

            self._nvml = False  # asked once: a driver does not appear under a running engine
            pynvml.nvmlInit()
            self._nvml = pynvml
        nvml = self._nvml
        if not nvml:
            return None
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        if not handles:
            return None
        number = int(device.partition(":")[2] or 0)
        chosen = handles[min(number, len(handles) - 1)]
        for handle in handles:
            with contextlib.suppress(Exception):
                if any(p.pid in self._known for p in nvml.nvmlDeviceGetComputeRunningProcesses(handle)):
                    chosen = handle
        memory = nvml.nvmlDeviceGetMemoryInfo(chosen)
        name = nvml.nvmlDeviceGetName(chosen)

        def told(ask: Any, *arguments: Any) -> float | None:
            try:
                return float(ask(chosen, *arguments))
            except Exception:
                return None

        watts = told(nvml.nvmlDeviceGetPowerUsage)
        return Gpu(
            name=name if isinstance(name, str) else name.decode(errors="replace"),
            used=int(memory.used),
            total=int(memory.total),
            load=told(lambda h: nvml.nvmlDeviceGetUtilizationRates(h).gpu),
            temperature=told(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
            watts=None if watts is None else watts / 1000,
        )
