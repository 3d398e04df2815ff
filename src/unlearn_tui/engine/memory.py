"""Memory: a limit for the engine, and what to say and to offer where there was not enough.

Bytes are written in powers of 1000, as everywhere; torch counts GiB.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import resource
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil  # type: ignore[import-untyped, unused-ignore]
import torch

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec, to_toml
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.sources.wording import size
from unlearn_tui.validate import TRAINS

GB = 10**9
RETRY = "retry.toml"
"""A spec that asks for less, in the directory of a run for which memory did not suffice."""
FIRST_TO_GO = 500
"""Of 1000: how soon Linux ends the engine where the whole machine has no memory left, before a shell or an editor."""
_ALWAYS = (
    *(
        "transformers.modeling_utils",
        "transformers.models.auto.modeling_auto",
        "transformers.models.auto.tokenization_auto",
    ),
    *("transformers.models.llama.modeling_llama", "accelerate", "safetensors.torch", "rouge_score.rouge_scorer"),
)
_LIBRARIES = {"bnb": "bitsandbytes", "quanto": "optimum.quanto", "torchao": "torchao.quantization"}
"""What prepares a family of precisions in this process."""
_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


class Short(Exception):
    """Memory ran out; the message says in which stage, what was asked and free, and what to change."""


def libraries(spec: RunSpec) -> list[str]:
    """Modules that a run of `spec` comes to import."""
    families = {catalog.precision(name).family_of for name in (*spec.precision, *spec.ablate)}
    named = [_LIBRARIES[family] for family in sorted(families) if family in _LIBRARIES]
    if spec.task in TRAINS:
        named += ["peft"] if spec.lora_rank else []
        named += ["bitsandbytes"] if spec.optimizer_state in ("8bit", "paged") else []
    return [*_ALWAYS, *named]


@contextlib.contextmanager
def limited(spec: RunSpec, device: torch.device) -> Iterator[None]:
    """In here the engine holds at most `memory_limit` GB of main memory, and of a GPU's; 0 for no limit.

    Raises Refused where the libraries alone take more.
    """
    with contextlib.suppress(OSError):  # no /proc
        Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO), encoding="ascii")
    if not spec.memory_limit:
        yield
        return
    limit = int(spec.memory_limit * GB)
    # libraries and threads first: half imported, or half begun, they end in words of their own, or none
    for module in libraries(spec):
        with contextlib.suppress(ImportError):  # said better where it is needed
            importlib.import_module(module)
    torch.ones(1 << 20).mul_(2)
    held = _held()
    if held and limit < 1.1 * held:
        raise Refused(
            f"--memory-limit {spec.memory_limit:g} is too small: libraries alone take {size(held)}, give more GB, or 0",
            "memory_limit",
        )
    if device.type == "cuda":
        whole = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / whole), device)
    # what is mapped from files, or only reserved, is not counted: torch and CUDA reserve far more than they use
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with contextlib.suppress(ValueError, OSError):  # a smaller limit stands already
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def asked(error: BaseException) -> int:
    """Bytes that were asked for in vain, 0 where the error does not say."""
    found = re.search(r"(?:allocate|mmap) ([\d.]+) ?(bytes|[KMGT]iB)", str(error))
    return int(float(found[1]) * _UNITS[found[2]]) if found else 0


def free(spec: RunSpec, device: torch.device) -> int:
    """Bytes that could still be had, by the limit and by the machine."""
    limit = int(spec.memory_limit * GB)
    if device.type == "cuda":
        room = torch.cuda.mem_get_info(device)[0]
        return max(min(room, limit - torch.cuda.memory_reserved(device)) if limit else room, 0)
    room = int(psutil.virtual_memory().available)
    return max(min(room, limit - _held()) if limit else room, 0)


def smaller(
    spec: RunSpec, stage: str, device: torch.device, more: int = 0, stepping: bool = True
) -> tuple[RunSpec, str] | None:
    """A spec that takes less memory in `stage`, and in words what is changed; None where nothing is left to change.

    Training keeps its items per step. `stepping`: it was in a step; before and behind these only models are held, and no
    batch makes them smaller. Scoring has halved its own batch down to one prompt by then. A limit is raised by `more` bytes
    only where nothing else would help.
    """
    new: dict[str, Any] = {}
    raised = (
        {"memory_limit": round(spec.memory_limit + 1.2 * more / GB + 0.05, 1)} if spec.memory_limit and more else {}
    )
    if stage not in TRAINS:
        new = {**({"device": "cpu"} if device.type == "cuda" else {}), **raised}
    elif not stepping and raised:
        new = raised
    else:
        new = _training(spec, stepping) or raised
    if not new:
        return None
    told = ", ".join(f"{name} {_word(getattr(spec, name))} → {_word(value)}" for name, value in new.items())
    return msgspec.structs.replace(spec, **new), told


def _training(spec: RunSpec, stepping: bool) -> dict[str, Any]:
    """What makes training smaller: first what changes no number that it should arrive at, then coarser moments."""
    new: dict[str, Any] = {}
    if stepping:
        part = max((d for d in range(1, spec.batch // 2 + 1) if spec.batch % d == 0), default=0)
        if part and catalog.RANGES["grad_accum"].holds(spec.grad_accum * (spec.batch // part)):
            new |= {"batch": part, "grad_accum": spec.grad_accum * (spec.batch // part)}
        if not spec.checkpointing:
            new["checkpointing"] = True
    if not new and spec.optimizer_state in ("fp32", "bf16"):
        new["optimizer_state"] = "bf16" if spec.optimizer_state == "fp32" else "8bit"
    return new


def shortage(
    error: BaseException, rundir: RunDir, spec: RunSpec, stage: str, device: torch.device, stepping: bool
) -> str:
    """What was asked and free and what to change, in one line; the changed spec is left in the run's directory. `stepping`
    as in `smaller`.
    """
    wanted, room = asked(error), free(spec, device)
    where = "the GPU's memory" if device.type == "cuda" else "memory"
    limit = f" under --memory-limit {spec.memory_limit:g}" if spec.memory_limit else ""
    wish = size(wanted) if wanted else "more"
    what = f"{where} ran out in stage {stage or 'load'}: {wish} was asked, {size(room)} was free"
    if 0 < wanted <= room:  # looked at too late: what the failed step held is gone already
        what += " afterwards"
    resource.setrlimit(
        resource.RLIMIT_DATA, (resource.getrlimit(resource.RLIMIT_DATA)[1],) * 2
    )  # what follows needs some
    # a model asks for many small pieces: not for each a limit of its own
    more = max(wanted, GB // 4)
    # the machine must have what a higher limit would allow
    offered = smaller(spec, stage, device, more if psutil.virtual_memory().available > 2 * more else 0, stepping)
    if offered is None:
        raised = "a higher --memory-limit, " if limit else ""
        return f"{what}{limit}: {raised}a smaller model or a machine with more memory is what helps"
    path = rundir.path / RETRY
    try:
        write_atomic(path, to_toml(offered[0]).encode())
    except OSError:
        return f"{what}{limit}: change {offered[1]}"
    command = shlex.join(["unlearn-tui", {"unlearn": "run"}.get(spec.task, spec.task), str(path)])
    return f"{what}{limit}: change {offered[1]}; that is {command}"


def _held() -> int:
    """Bytes of this process that RLIMIT_DATA counts; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
