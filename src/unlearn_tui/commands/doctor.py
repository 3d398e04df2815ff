"""doctor: what this machine has, what a run would miss, and what to do about it; without torch."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from typer import Exit

from unlearn_tui import processor
from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused

NEEDED = ("torch", "transformers", "bitsandbytes", "optimum-quanto", "accelerate", "safetensors")
ROOM = 300_000_000
"""Bytes that the demo writes at most."""
FATAL = (*NEEDED, "python", "home", "disk", "shipped models")
"""What a run fails without."""


class Check(NamedTuple):
    """One line: what was looked at, whether it is fine, what was found, and what to do if it is not."""

    what: str
    ok: bool
    found: str
    todo: str = ""


def doctor(home: o.Home = None, plain: o.Plain = False, json: o.Json = False) -> None:
    """Look at this machine: versions, device, memory, disk, terminal. Exits 1 if a run would fail."""
    from unlearn_tui.report.sections import Grid
    from unlearn_tui.report.text import safe

    checks = [*_versions(), _gpu(), *_machine(), *_home(home), *_assets(), _terminal()]
    if json:
        console.show_json([{**c._asdict(), "todo": "" if c.ok else c.todo} for c in checks])
    else:
        rows = [(c.what, "ok" if c.ok else "warn", safe(c.found), "" if c.ok else safe(c.todo)) for c in checks]
        console.show_grids([Grid("", ("", "", "found", "what to do"), rows, left=4)], plain)
    if any(not c.ok and c.what in FATAL for c in checks):
        raise Exit(1)


def _versions() -> Iterator[Check]:
    version = platform.python_version()
    yield Check("python", sys.version_info >= (3, 11), f"{version}, {sys.executable}", "use Python 3.11 or newer")
    for package in NEEDED:
        try:
            yield Check(package, True, metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Check(package, False, "missing", f"pip install {package}")


def _gpu() -> Check:
    from unlearn_tui.sources.wording import size

    try:
        import pynvml

        pynvml.nvmlInit()
        cards = []
        for i in range(pynvml.nvmlDeviceGetCount()):
            card = pynvml.nvmlDeviceGetHandleByIndex(i)
            memory = pynvml.nvmlDeviceGetMemoryInfo(card)
            cards.append(f"{i}: {pynvml.nvmlDeviceGetName(card)}, {size(memory.free)} of {size(memory.total)} free")
        return Check("gpu", True, "; ".join(cards) or "none: runs use the CPU")
    except Exception as error:  # no driver, no library, no permission: each says so in its own class
        return Check("gpu", True, f"none ({error}): runs use the CPU, which is enough for the demo")


def _machine() -> Iterator[Check]:
    import psutil  # type: ignore[import-untyped, unused-ignore]

    from unlearn_tui.runs.directory import usable_cores
    from unlearn_tui.sources.wording import size

    flags = processor.flags()
    units = [
        name for name in ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "bf16") if name in flags
    ]
    yield Check("cpu", True, f"{platform.machine()}, {' '.join(units) or 'no vector units known'}")
    how = "native" if processor.native_bf16() else "emulated: full columns hold rounded weights with fp32 arithmetic"
    yield Check("bf16 on cpu", True, how)
    cores = usable_cores()
    yield Check("cores", cores >= 2, f"{cores} usable of {os.cpu_count()}", "the demo takes about twice as long on one")
    memory = psutil.virtual_memory()
    found = f"{size(memory.available)} of {size(memory.total)} free"
    yield Check("memory", memory.available > 2_000_000_000, found, "close something: the demo needs 2 GB")


def _home(override: Path | None) -> Iterator[Check]:
    from unlearn_tui.runs.home import home
    from unlearn_tui.sources.wording import size

    try:
        base = home(override)
    except Refused as error:
        yield Check("home", False, str(error), "give a writable folder with --home or $UNLEARN_TUI_HOME")
        return
    yield Check("home", True, f"{base}, writable")
    free = shutil.disk_usage(base).free
    yield Check("disk", free > ROOM, f"{size(free)} free", f"free some room: the demo writes up to {size(ROOM)}")


def _assets() -> Iterator[Check]:
    from unlearn_tui import catalog
    from unlearn_tui.sources.assets import asset

    missing = []
    for name in catalog.CHECKPOINTS:
        try:
            asset(*name.split("-", 1))
        except Refused:
            missing.append(name)
    yield Check(
        "shipped models", not missing, ", ".join(missing or catalog.CHECKPOINTS), "not installed: install again"
    )


def _terminal() -> Check:
    width, height = shutil.get_terminal_size()
    tty = sys.stdout.isatty()
    colour = console.stdout_console().color_system or "none"
    encoding = sys.stdout.encoding or "unknown"
    found = f"{width}x{height}, colour {colour}, {encoding}{'' if tty else ', not a terminal'}"
    enough = not tty or (width >= 80 and height >= 24)
    return Check("terminal", enough and encoding.lower().startswith("utf"), found, "80x24 and UTF-8 show everything")
