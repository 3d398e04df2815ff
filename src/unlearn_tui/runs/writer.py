"""Appending to a run's log. Only the engine that holds the run's lock may."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time

from unlearn_tui.protocol.events import AnyEvent, decode, encode
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.log import LogReader


class EventWriter:
    """Appends events, each in the kernel's hands when write() returns, so that they survive the engine's death.

    Opening cuts whatever follows the last whole event (a torn line), goes on with its seq, and starts the next
    attempt unless `attempt` is given. Safe to call from several threads.
    """

    def __init__(self, rundir: RunDir, attempt: int | None = None) -> None:
        reader = LogReader(rundir.events_path)
        while reader.read():
            pass
        last = reader.last
        self.seq = last.seq + 1 if last else 0
        self.attempt = attempt or (last.attempt + 1 if last else 1)
        self._size = reader.offset
        self._path = rundir.events_path
        self._lock = threading.Lock()
        self._fd = os.open(rundir.events_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._fd, self._size)

    def write(self, event: AnyEvent) -> None:
        """Fill in seq, attempt, time and mono, and append.

        Raises OSError (a full disk; a log that was removed) with the log as it was before; ValueError for an event that
        no reader could decode (a NaN where the protocol wants a number), since readers stop at such a line.
        """
        with self._lock:
            event.seq, event.attempt = self.seq, self.attempt
            event.time, event.mono = time.time(), time.monotonic()
            if not os.fstat(self._fd).st_nlink:  # nobody would ever read it
                raise FileNotFoundError(errno.ENOENT, "the run was removed while it ran", str(self._path))
            line = encode(event)
            decode(line[:-1])
            rest = memoryview(line)
            try:
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, self._size)
                raise
            self._size += len(line)
            self.seq += 1

    def sync(self) -> None:
        """Wait until everything written is on the disk. Raises OSError."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Sync and close."""
        try:
            self.sync()
        finally:
            os.close(self._fd)

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
