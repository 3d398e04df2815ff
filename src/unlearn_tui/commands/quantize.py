"""quantize: a model at one precision, as a folder that transformers loads."""

from __future__ import annotations

import contextlib
import json as js
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Annotated, Any

from typer import Argument, Option

from unlearn_tui import catalog
from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused

PATIENCE = 2.0
"""Seconds between lines that say that it is still at work."""


def quantize(
    model: Annotated[
        str, Argument(metavar="MODEL", help="A folder, a hub id, a shipped name, or a run: what it unlearned.")
    ],
    precision: Annotated[
        str, Argument(metavar="PRECISION", help="As unlearn-tui precisions lists them, options included.")
    ],
    path: Annotated[Path, Argument(metavar="DIR", help="A new folder.")],
    corpus: Annotated[
        str, Option(help="What GPTQ and AWQ read: a corpus by name or path, of which the half that their option names.")
    ] = "pocket",
    offline: o.Offline = None,
    home: o.Home = None,
    json: o.Json = False,
) -> None:
    """Write a model quantized, as a folder that AutoModelForCausalLM.from_pretrained loads; RTN as dequantized weights."""
    from unlearn_tui.report.text import safe, size
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.home import reason
    from unlearn_tui.sources import checkpoints, fits
    from unlearn_tui.validate import check_installed, check_saved

    record = catalog.precision(precision)
    check_saved(record)
    check_installed([record.id])
    read = _read(record, corpus, bool(offline)) if record.calibrated else []
    base = home_of(home)
    with contextlib.suppress(RuntimeError):  # ~nobody is a name like any other
        path = path.expanduser()
    path = path.absolute()
    _free(path)
    info = checkpoints.resolve(model, base, bool(offline))
    if info.path is None:
        info = checkpoints.download(model, base, _Download())
    checkpoints.check(info)
    assert info.path is not None
    checkpoints.free_space(path.parent, fits.to_hold(fits.sizes_of(info), record.id, gpu=False), "the model", "path")
    began = time.monotonic()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = _engine([str(info.path.resolve()), record.id, str(path), *read])
    except OSError as error:
        raise Refused(f"{str(path)!r} cannot be written: {reason(error)}; give another place", "path") from None
    if json:
        seconds = round(time.monotonic() - began, 1)
        console.show_json({"path": str(path), "precision": record.id, "bytes": written, "seconds": seconds})
        return
    console.say(f"{info.name} at {record.id}, {size(written)}: AutoModelForCausalLM.from_pretrained reads it")
    console.write(f"{safe(path)}\n")


def _read(record: catalog.Precision, corpus: str, offline: bool) -> list[str]:
    """The corpus as the engine finds it from anywhere. Raises Refused where it has no text for this precision."""
    from unlearn_tui.sources import corpora
    from unlearn_tui.sources.calibration import check_calibration

    corpora.fetch(corpus, offline)
    check_calibration([record.id], corpora.load(corpus))
    return [corpus if corpora.is_name(corpus) else str(Path(corpus).expanduser().absolute())]


def _free(path: Path) -> None:
    """Raise Refused where something is at `path` already."""
    from unlearn_tui.runs.home import reason

    try:
        taken = path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir())))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Refused(f"{str(path)!r} cannot be written: {reason(error)}; give another place", "path") from None
    if taken:
        raise Refused(f"{str(path)!r} exists already: give a new folder", "path")


class _Download:
    """Says how far a download is, now and then."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._last > PATIENCE:
            self._last = time.monotonic()
            console.say(f"download: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")


def _engine(arguments: list[str]) -> int:
    """Run engine.quantize and say what it is doing; returns the bytes written. Raises Refused; SystemExit(1) if it fails."""
    command = [sys.executable, "-P", "-m", "unlearn_tui.engine.quantize", *arguments]
    last: dict[str, Any] = {}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            for line in _lines(process, last):
                console.say(line)
        except BaseException:  # Ctrl-C, or nobody listens: nothing half done stays behind
            process.terminate()
            process.wait()
            raise
        process.wait()
        if "refused" in last:
            raise Refused(last["refused"], last.get("field", ""))
        if process.returncode or "bytes" not in last:
            how = f"signal {-process.returncode}" if process.returncode < 0 else f"exit {process.returncode}"
            console.say(f"error: quantizing failed ({how}): {_last_line(log) or 'it said nothing'}")
            raise SystemExit(1)
    return int(last["bytes"])


def _lines(process: subprocess.Popen[str], last: dict[str, Any]) -> Any:
    """What it is doing, and every other PATIENCE that it still does; `last` is filled with the newest message."""
    began, doing, stop = time.monotonic(), ["start"], threading.Event()

    def wait() -> None:
        while not stop.wait(PATIENCE):
            console.say(f"{doing[0]} … {time.monotonic() - began:.0f} s")

    patient = threading.Thread(target=wait, daemon=True)
    patient.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            last.clear()
            last.update(js.loads(line))
            if "doing" in last:
                doing[0] = str(last["doing"])
                yield doing[0]
    finally:
        stop.set()
        patient.join()


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read()[-4096:].decode(errors="replace").replace("\r", "\n").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
