"""`python -m unlearn_tui.engine.inspector SOCKET`: started by runs.inspecting, ends by itself.

It listens before torch is there, so that whoever started it can speak at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from pathlib import Path

from unlearn_tui.engine.inspector.server import Server, listen
from unlearn_tui.protocol.inspect import Reply, Resident

IDLE_SECONDS = 600.0


def main(path: Path) -> int:
    """0 when nobody needs it any more, or when another inspector has the socket."""
    for name in ("SIGHUP", "SIGINT"):  # a closed terminal or a Ctrl-C meant for a client
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    lock = taken(path.with_suffix(".lock"))
    if lock is None:
        return 0
    pool = None

    def status(id: int) -> Reply:
        if pool is None:
            return Resident(id=id, models=[], used=0, budget=0, free=0, pid=os.getpid())
        from unlearn_tui.engine.inspector.pool import free_bytes

        return Resident(
            id=id,
            models=pool.snapshot,
            used=pool.used,
            budget=pool.budget,
            free=free_bytes(pool.device),
            pid=os.getpid(),
        )

    listening = listen(str(path))
    try:
        server = Server(listening, IDLE_SECONDS, status)
        from unlearn_tui.engine.inspector.answering import Answerer
        from unlearn_tui.engine.inspector.pool import Pool

        pool = Pool()
        answerer = Answerer(pool)
        server.serve(answerer.answer)
        if not answerer.faulted:
            path.with_suffix(".log").unlink(missing_ok=True)
    finally:
        leave(path, listening, lock)
    return 0


def taken(path: Path) -> int | None:
    """The lock of a socket, or None where another inspector has it."""
    for _ in range(4):
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(BlockingIOError):  # or a client that looks whether it is held, for microseconds
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink:  # else its last holder has just left and taken the file along
                return lock
        os.close(lock)
        time.sleep(0.01)
    return None


def leave(path: Path, listening: socket.socket, lock: int) -> None:
    """First the names, then the lock: a newcomer who has the lock makes files of its own."""
    for name in (path, path.with_suffix(".lock")):
        with contextlib.suppress(OSError):
            name.unlink()
    listening.close()
    os.close(lock)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
