"""`python -m unlearn_tui.engine RUN_DIR`: take the run's lock, do its stages, write its log. Started by runs.launch."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import torch

from unlearn_tui.engine import memory, room
from unlearn_tui.engine.numerics import NotFinite, is_out_of_memory
from unlearn_tui.engine.pipeline import Pipeline, stages_of
from unlearn_tui.engine.reporter import Reporter, StopAsked
from unlearn_tui.errors import Refused
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.commands import AnyCommand, Reply
from unlearn_tui.runs.control import ControlServer
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.runs.writer import EventWriter
from unlearn_tui.versions import versions


def device_of(name: str) -> torch.device:
    """ "auto" is the first GPU, else the CPU. Raises Refused for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise Refused(f"--device {name!r} is no device: use auto, cpu, cuda or cuda:N", "device") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise Refused(f"--device {name}: torch sees no GPU here; use --device cpu, or install a CUDA build", "device")
    if device.type not in ("cpu", "cuda"):
        raise Refused(f"--device {name} is not supported: use auto, cpu or cuda", "device")
    return device


def main(path: str) -> int:
    """Run or resume; returns the process's exit code (the log says more)."""
    began = time.monotonic()
    room.speak()
    rundir = RunDir(Path(path))
    spec = rundir.spec()
    with RunLock(rundir), EventWriter(rundir) as writer:
        room.sweep(rundir)
        room.load_ballast(rundir)
        reporter = Reporter(writer)
        pipeline, device = None, torch.device("cpu")
        for name in ("SIGHUP", "SIGINT"):  # a closed terminal or a Ctrl-C meant for a viewer
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: _stop_now(reporter))
        torch.set_num_threads(spec.threads or os.cpu_count() or 1)
        try:
            device = device_of(spec.device)
            reporter.say(
                ev.Started(
                    run=rundir.id,
                    pid=os.getpid(),
                    host=socket.gethostname(),
                    device=device_name(device),
                    threads=torch.get_num_threads(),
                    stages=stages_of(spec),
                    versions=versions(),
                )
            )
            writer.sync()
            with ControlServer(rundir, lambda command: _handle(reporter, command)), memory.limited(spec, device):
                pipeline = Pipeline(rundir, spec, rundir.home, versions(), device, reporter)
                try:
                    pipeline.run()
                except Exception as error:  # in here, while what was held is held still
                    if is_out_of_memory(error):
                        short = memory.shortage(error, rundir, spec, reporter.stage, device, reporter.stepping)
                        raise memory.Short(short) from error
                    raise
            reporter.say(ev.Finished(seconds=time.monotonic() - began))
            return 0
        except StopAsked as stop:
            reporter.say(ev.Stopped(stage=reporter.stage, now=stop.now))
            return 0
        except Refused as refused:
            return _fail(reporter, "refused", str(refused), 2)
        except NotFinite as error:
            return _fail(reporter, "nan", str(error), 1)
        except memory.Short as error:
            _trace()
            return _fail(reporter, "memory", str(error), 1)
        except Exception as error:  # the log must say how it ended, whatever it was
            room.drop_ballast(rundir)
            _trace()
            if room.is_gone(rundir):
                return _fail(reporter, "disk", f"{rundir.path}: the run was removed while it ran", 1)
            fault = error if isinstance(error, OSError) else room.as_os_error(error, rundir.path)
            if fault is not None and room.of_disk(fault):
                return _fail(reporter, "disk", room.said(fault, rundir, pipeline.room() if pipeline else 0), 1)
            return _fail(reporter, "error", f"{type(error).__name__}: {error}; {rundir.log_path} has the details", 1)
        finally:
            room.drop_ballast(rundir)


def device_name(device: torch.device) -> str:
    """cpu, or the GPU's own name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _trace() -> None:
    """The traceback, into engine.log alone; a full disk may refuse it."""
    with contextlib.suppress(OSError):
        traceback.print_exc()


def _handle(reporter: Reporter, command: AnyCommand) -> Reply:
    reply = reporter.handle(command)
    if reporter.interrupt.is_set():
        os.kill(os.getpid(), signal.SIGTERM)  # wakes the main thread between two torch calls
    return reply


def _stop_now(reporter: Reporter) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    reporter.interrupt.set()
    raise StopAsked(now=True)


def _fail(reporter: Reporter, kind: str, message: str, code: int) -> int:
    with contextlib.suppress(OSError):  # a full disk may refuse this too; followers then see a dead engine
        reporter.say(ev.Failed(kind=kind, message=" ".join(message.split()), stage=reporter.stage))
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        sys.exit(2)
