"""Starting an engine that outlives whoever starts it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from unlearn_tui.errors import Refused
from unlearn_tui.files import open_regular
from unlearn_tui.protocol.events import Failed
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.home import reason
from unlearn_tui.runs.lock import is_busy, taken
from unlearn_tui.runs.log import last_event

NICE = 10


@dataclass
class _Launched:
    process: subprocess.Popen[bytes]
    attempt: int
    """The last attempt in the log before this engine's own."""
    log_start: int
    """Bytes of engine.log before this engine's own."""


_launched: dict[Path, _Launched] = {}


def launch(rundir: RunDir, module: str = "unlearn_tui.engine") -> int:
    """Start `python -m module RUN_DIR` in a session of its own and return its pid at once; see wait_accepted.

    It has this environment and working directory, no stdin, and engine.log as stdout and stderr. Works under a running
    Textual app, whose sys.stdout is no real file. Raises Refused if the run has an engine or none can be started.
    """
    if is_busy(rundir):
        raise taken(rundir)
    previous = last_event(rundir.events_path)
    try:
        with rundir.log_path.open("ab") as log:
            process = spawn(module, rundir.path.absolute(), log)
            log_start = log.tell()
    except OSError as error:
        raise Refused(f"no engine can be started for run {rundir.id}: {reason(error)}") from error
    _step_back(process.pid)
    _launched[rundir.path] = _Launched(process, previous.attempt if previous else 0, log_start)
    return process.pid


def spawn(
    module: str, argument: Path | str, log: IO[bytes], env: Mapping[str, str] = os.environ, more: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """`python -m module argument more…` in a session of its own, so that it outlives the terminal; it writes to `log`.

    Raises OSError.
    """
    return subprocess.Popen(
        # -P: a file of the working directory must not pose as a module
        [sys.executable, "-P", "-m", module, str(argument), *more],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        close_fds=True,
        start_new_session=True,
        env={**env, "PYTHONUNBUFFERED": "1"},
    )


def reap() -> None:
    """Let engines that were launched here and have ended leave the process table."""
    for launched in list(_launched.values()):
        launched.process.poll()


def _step_back(pid: int) -> None:
    """Let interfaces go first. A session is a scheduler group of its own, among which plain nice means nothing."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE))
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(NICE), encoding="ascii")


def wait_accepted(rundir: RunDir, timeout: float = 120.0) -> None:
    """Wait until the engine launched here holds the lock and has written `started`.

    Raises Refused (it exited with 2, or its log says that it refuses) or RuntimeError (anything else, or `timeout`
    seconds passed) with the last line that the engine printed or logged; that line is untrusted text. An engine that
    is only slow is left running.
    """
    launched = _launched[rundir.path]  # KeyError: launch() was not called here
    deadline = time.monotonic() + timeout
    while True:
        code = launched.process.poll()
        last = last_event(rundir.events_path)
        if last and last.attempt > launched.attempt:
            # it found no such device, or a checkpoint that torch cannot load
            if isinstance(last, Failed) and last.kind == "refused" and last.stage in ("", "load"):
                raise Refused(last.message)
            return
        if code is not None:
            line = last_line(rundir.log_path, launched.log_start)
            if code == 2 and line:
                raise Refused(line.removeprefix("error: "))
            how = f"signal {-code}" if code < 0 else f"exit {code}"
            raise RuntimeError(f"the engine ended before it began ({how}): {line or 'it said nothing'}")
        if time.monotonic() > deadline:
            line = last_line(rundir.log_path, launched.log_start) or f"see {rundir.log_path}"
            raise RuntimeError(f"the engine has not begun after {timeout:g} s, it may be slow to load: {line}")
        time.sleep(0.05)


def last_line(path: Path, start: int = 0) -> str:
    """The last line with anything in it of a text file, from byte `start` on; "" if there is none."""
    with contextlib.suppress(OSError), open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - 4096))
        lines = [line.strip() for line in file.read().decode(errors="replace").split("\n")]
        return next((line for line in reversed(lines) if line), "")
    return ""
