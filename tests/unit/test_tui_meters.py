"""Meters: what an engine takes of its machine, and None wherever that cannot be known."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from unlearn_tui.runs.directory import usable_cores
from unlearn_tui.tui.meters import Meters

HERE = socket.gethostname()


def test_a_process_of_this_machine_is_measured_with_its_children() -> None:
    grow = "import time; held = bytearray(60_000_000); print(1, flush=True); time.sleep(60)"
    meters = Meters()
    alone = meters.sample(os.getpid(), HERE, time.time(), "cpu").memory
    with subprocess.Popen([sys.executable, "-c", grow], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        together = meters.sample(os.getpid(), HERE, time.time(), "cpu").memory
        child.kill()
    assert alone is not None
    assert together is not None
    assert together - alone > 50_000_000
    assert abs(alone - psutil.Process().memory_info().rss) < 60_000_000


def test_processor_time_is_a_share_of_the_usable_cores_since_the_look_before() -> None:
    meters = Meters()
    assert meters.sample(os.getpid(), HERE, time.time(), "cpu").cpu is None, "there was no look before"
    began = time.process_time(), time.monotonic()
    while time.monotonic() - began[1] < 0.5:
        pass
    spent = (time.process_time() - began[0]) / (time.monotonic() - began[1])
    cpu = meters.sample(os.getpid(), HERE, time.time(), "cpu").cpu
    assert cpu == pytest.approx(100 * spent / usable_cores(), abs=15)


def test_main_memory_is_known_without_the_engine() -> None:
    sample = Meters().sample(os.getpid(), "elsewhere", 0.0, "cpu")
    assert (sample.memory, sample.cpu, sample.gpu) == (None, None, None)
    assert sample.total is not None
    assert 0 < (sample.free or 0) <= sample.total


def test_a_dead_engine_and_a_pid_that_is_used_again_have_no_meters() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
        assert Meters().sample(gone.pid, HERE, time.time(), "cpu").memory is None
    an_hour_before_this_process = psutil.Process().create_time() - 3600
    assert Meters().sample(os.getpid(), HERE, an_hour_before_this_process, "cpu").memory is None


def test_without_a_driver_there_is_no_gpu_and_it_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def init() -> None:
        asked.append(1)
        raise RuntimeError("NVML Shared Library Not Found")

    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(nvmlInit=init))
    meters = Meters()
    for _ in range(3):
        sample = meters.sample(os.getpid(), HERE, time.time(), "cuda:0")
        assert sample.gpu is None
        assert sample.memory
    assert asked == [1]


def fake_nvml(pids: dict[int, list[int]], **missing: bool) -> SimpleNamespace:
    """Two GPUs, told apart by their number."""

    def refuse(*_: object) -> None:
        raise RuntimeError("Not Supported")

    made = SimpleNamespace(
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(pids),
        nvmlDeviceGetHandleByIndex=lambda i: i,
        nvmlDeviceGetComputeRunningProcesses=lambda h: [SimpleNamespace(pid=pid) for pid in pids[h]],
        nvmlDeviceGetMemoryInfo=lambda h: SimpleNamespace(used=10 + h, total=100),
        nvmlDeviceGetName=lambda h: f"GPU {h}".encode(),
        nvmlDeviceGetUtilizationRates=lambda h: SimpleNamespace(gpu=97),
        nvmlDeviceGetTemperature=lambda h, kind: 71,
        nvmlDeviceGetPowerUsage=lambda h: 612_000,
    )
    for name in missing:
        setattr(made, name, refuse)
    return made


def test_the_gpu_shown_is_the_one_that_the_engine_computes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml({0: [1], 1: [os.getpid()]}))
    gpu = Meters().sample(os.getpid(), HERE, time.time(), "cuda:0").gpu
    assert gpu is not None
    assert (gpu.name, gpu.used, gpu.total) == ("GPU 1", 11, 100)
    assert (gpu.load, gpu.temperature, gpu.watts) == (97.0, 71.0, 612.0)
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml({0: [], 1: []}))
    by_number = Meters().sample(os.getpid(), HERE, time.time(), "cuda:1").gpu
    assert by_number is not None
    assert by_number.name == "GPU 1"


def test_what_a_driver_does_not_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = fake_nvml({0: []}, nvmlDeviceGetPowerUsage=True, nvmlDeviceGetUtilizationRates=True)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    gpu = Meters().sample(os.getpid(), HERE, time.time(), "cuda").gpu
    assert gpu is not None
    assert (gpu.load, gpu.temperature, gpu.watts) == (None, 71.0, None)
    broken = fake_nvml({0: []}, nvmlDeviceGetMemoryInfo=True)
    monkeypatch.setitem(sys.modules, "pynvml", broken)
    assert Meters().sample(os.getpid(), HERE, time.time(), "cuda").gpu is None


def test_a_run_on_the_cpu_asks_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml({0: []}))
    assert Meters().sample(os.getpid(), HERE, time.time(), "cpu").gpu is None
