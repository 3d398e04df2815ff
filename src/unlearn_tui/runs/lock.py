"""One engine per run: an flock on engine.lock, held for the engine's whole life; the kernel frees it at any death."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path

import msgspec

from unlearn_tui.errors import Refused
from unlearn_tui.files import SMALL, read_limited
from unlearn_tui.protocol.events import TERMINAL
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.log import last_event


class EngineInfo(msgspec.Struct, frozen=True):
    """engine.json: who runs this run, or ran it last. `start` is the process's start, seconds since the epoch.

    `socket` is the path of its control socket, "" before it listens.
    """

    pid: int
    host: str
    start: float
    socket: str = ""


def read_engine(rundir: RunDir) -> EngineInfo | None:
    """engine.json, or None if there is none that can be read. Says nothing about being alive."""
    try:
        return msgspec.json.decode(read_limited(rundir.engine_json, SMALL), type=EngineInfo)
    except (OSError, ValueError, RecursionError):
        return None


def write_engine(rundir: RunDir, socket_path: str = "") -> None:
    """Name this process in engine.json. Raises OSError."""
    import psutil  # type: ignore[import-untyped, unused-ignore]

    info = EngineInfo(os.getpid(), socket.gethostname(), psutil.Process().create_time(), socket_path)
    write_atomic(rundir.engine_json, msgspec.json.encode(info))


class RunLock:
    """The run's lock, for its engine: `with RunLock(rundir):` or acquire() and release()."""

    def __init__(self, rundir: RunDir) -> None:
        self._rundir = rundir
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock and name this process in engine.json. Raises Refused if another engine has it, OSError else."""
        fd = os.open(self._rundir.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _try_lock(fd, self._rundir):
                raise taken(self._rundir)
            write_engine(self._rundir)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; engine.json stays as the record of who ran last."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _try_lock(fd: int, rundir: RunDir) -> bool:
    # is_alive() of a viewer holds the lock for microseconds, so one failure proves nothing
    for _ in range(10):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:
            return not _named_process_lives(rundir)
        else:
            return True
    return False


def taken(rundir: RunDir) -> Refused:
    """What to raise where a live engine is in the way."""
    info = read_engine(rundir)
    who = f", pid {info.pid} on {info.host}" if info else ""
    return Refused(
        f"run {rundir.id} already has an engine{who}: attach to it, or stop it first (unlearn-tui stop {rundir.id})",
        "run",
    )


def is_alive(rundir: RunDir) -> bool:
    """True while an engine holds the run's lock. On file systems without locks: while the named process lives."""
    try:
        return is_held(rundir.lock_path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return _named_process_lives(rundir)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of this file. Raises OSError where that cannot be told."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def is_busy(rundir: RunDir, patience: float = 5.0) -> bool:
    """is_alive, but an engine that has written its terminal event gets `patience` seconds to leave first."""
    leaving = isinstance(last_event(rundir.events_path), TERMINAL)
    deadline = time.monotonic() + (patience if leaving else 0.0)
    while is_alive(rundir):
        if time.monotonic() >= deadline:
            return True
        time.sleep(0.05)
    return False


def _named_process_lives(rundir: RunDir) -> bool:
    """Is the process of engine.json there, the same one? One on another host cannot be asked and counts as alive."""
    import psutil

    info = read_engine(rundir)
    if info is None:
        return False
    if info.host != socket.gethostname():
        return True
    try:
        process = psutil.Process(info.pid)
        # a pid is used again; the start is exact to a clock tick but moves when the clock is set
        return bool(process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - info.start) < 2)
    except psutil.Error:
        return False
