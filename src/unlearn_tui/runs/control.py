"""Telling a live engine something: a Unix socket, one JSON line in, one Reply line out."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from unlearn_tui.errors import Refused
from unlearn_tui.protocol import commands
from unlearn_tui.protocol.commands import AnyCommand, Reply
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.home import reason
from unlearn_tui.runs.lock import is_alive, read_engine, write_engine

LINE_LIMIT = 1 << 16
CLIENT_SECONDS = 2.0
WATCH_SECONDS = 0.25


class ControlServer:
    """Answers commands from a thread of the engine, one at a time, until close(); the engine must hold the run's lock.

    `handler` runs on that thread and must be quick (set a flag). What it raises becomes a refusing Reply.
    Raises Refused or OSError if it cannot listen.
    """

    def __init__(self, rundir: RunDir, handler: Callable[[AnyCommand], Reply]) -> None:
        self._rundir = rundir
        self._handler = handler
        self._closing = False
        self._listen()
        sweep_sockets(self.path.parent)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        path = self._rundir.socket_path
        # whoever listened here before is gone: we hold the run's lock
        path.unlink(missing_ok=True)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.bind(str(path))
            path.chmod(0o600)
            server.listen(8)
            server.settimeout(WATCH_SECONDS)
            write_engine(self._rundir, str(path))
        except BaseException:
            server.close()
            raise
        self.path, self._server = path, server

    def _serve(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                # logging out empties $XDG_RUNTIME_DIR under a detached engine: listen again, elsewhere if need be
                with contextlib.suppress(OSError, Refused):
                    if not self.path.exists():
                        self._listen()
            except OSError:  # no file descriptor left
                time.sleep(WATCH_SECONDS)
            else:
                with connection, contextlib.suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        line = _read_line(connection, time.monotonic() + CLIENT_SECONDS)
        if not line:
            return
        try:
            if len(line) >= LINE_LIMIT:
                raise ValueError(f"a command is less than {LINE_LIMIT:,} bytes")
            reply = self._handler(commands.decode(line))
        except Exception as error:  # no command, or a faulty handler, which the thread must outlive
            reply = Reply(False, f"{type(error).__name__}: {error}"[:500])
        connection.settimeout(CLIENT_SECONDS)
        connection.sendall(commands.encode(reply) + b"\n")

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._closing = True
        self._thread.join(timeout=CLIENT_SECONDS + 2 * WATCH_SECONDS)
        self._server.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> ControlServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def send(rundir: RunDir, command: AnyCommand, timeout: float = 5.0) -> Reply:
    """Tell the run's engine something and return its answer, waiting at most about `timeout` seconds.

    Raises Refused if no engine is alive or it does not answer.
    """
    deadline = time.monotonic() + timeout
    problem = "it does not listen yet"
    while is_alive(rundir):
        engine = read_engine(rundir)
        left = deadline - time.monotonic()
        if left <= 0:
            who = f" (pid {engine.pid} on {engine.host})" if engine else ""
            raise Refused(f"the engine of run {rundir.id}{who} does not answer: {problem}; try again, or kill it")
        try:
            if engine and engine.socket:
                return _ask(engine.socket, command, left)
        except (OSError, ValueError) as error:
            problem = reason(error)
        time.sleep(min(0.05, left))
    raise Refused(f"run {rundir.id} has no live engine: it has ended; unlearn-tui show {rundir.id} says how")


def _ask(path: str, command: AnyCommand, timeout: float) -> Reply:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        client.connect(path)
        client.sendall(commands.encode(command) + b"\n")
        return commands.decode_reply(_read_line(client, time.monotonic() + timeout))


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    """Up to a newline, the peer's end or LINE_LIMIT; without the newline. Raises OSError; TimeoutError at the deadline, a
    time.monotonic() that no dribble of bytes moves.
    """
    data = b""
    while b"\n" not in data and len(data) < LINE_LIMIT:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(4096)
        if not piece:
            break
        data += piece
    return data.split(b"\n")[0]


def sweep_sockets(folder: Path, older_than: float = 60.0) -> None:
    """Remove the sockets of killed engines, on which nobody listens. A young one may be about to: it is spared."""
    for path in folder.glob("*.sock"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            if time.time() - path.lstat().st_mtime < older_than:
                continue
            client.settimeout(0.2)
            try:
                client.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
