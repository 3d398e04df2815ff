"""The machine in words: of a GPU too, from what torch and NVIDIA's library tell; and where neither tells anything."""

from __future__ import annotations

import inspect
import sys
from types import SimpleNamespace

import pytest
import torch

from unlearn_tui import processor
from unlearn_tui.engine.hardware import hardware


def gpu(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    about = SimpleNamespace(name="NVIDIA H200", total_memory=150_000_000_000, major=9, minor=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: about)
    assert "including_emulation" in inspect.signature(torch.cuda.is_bf16_supported).parameters
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    monkeypatch.setattr(torch.version, "cuda", "13.0")


@pytest.mark.parametrize(("native", "said"), [(True, "native"), (False, "emulated")])
def test_of_a_gpu_its_name_memory_driver_and_cuda_are_told(monkeypatch, native, said):
    gpu(monkeypatch, native)
    nvml = SimpleNamespace(nvmlInit=lambda: None, nvmlShutdown=lambda: None, nvmlSystemGetDriverVersion=lambda: "580.1")
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    found = hardware(torch.device("cuda", 0))
    assert {name: found[name] for name in ("device", "gpu memory", "compute capability", "driver", "cuda", "bf16")} == {
        "device": "NVIDIA H200", "gpu memory": "150.0 GB", "compute capability": "9.0", "driver": "580.1", "cuda": "13.0",
        "bf16": said,
    }  # fmt: skip
    assert found["cpu"] == hardware(torch.device("cpu"))["cpu"]


def test_a_driver_that_does_not_answer_fails_nothing(monkeypatch):
    def fails() -> None:
        raise OSError("no driver")

    gpu(monkeypatch, True)
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(nvmlInit=fails))
    monkeypatch.setattr(torch.version, "cuda", None)
    found = hardware(torch.device("cuda", 0))
    assert (found["driver"], found["cuda"]) == ("unknown", "unknown")


@pytest.mark.parametrize(
    ("text", "name", "flags", "native"),
    [
        (
            "model name\t: Some CPU @ 2.0GHz\nflags\t\t: fpu avx2 amx_bf16\n\nmodel name\t: Other",
            "Some CPU @ 2.0GHz",
            3,
            True,
        ),
        ("processor : 0\nFeatures\t: fp asimd bf16\n", "", 3, True),
        ("flags : fpu avx2\n", "", 2, False),
        ("", "", 0, False),
        (None, "", 0, False),
    ],
)
def test_a_processor_is_read_from_cpuinfo(monkeypatch, tmp_path, text, name, flags, native):
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    processor._lines.cache_clear()
    try:
        assert processor.name() == name or (not name and processor.name())
        assert len(processor.flags()) == flags
        assert processor.native_bf16() == native
    finally:
        processor._lines.cache_clear()
