"""Connections to the inspector: a thread reads each client, so that Cancel and Status are heard at once; requests are
answered one after another by whoever calls `serve`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from unlearn_tui.protocol import inspect as ins
from unlearn_tui.protocol.inspect import Ask, Cancel, Reply, Request, Status

Answer = Callable[[Ask, Callable[[Reply], None], Callable[[], bool]], None]
SEND_SECONDS = 30
"""A client that reads nothing for so long is gone."""
FIRST_SECONDS = 30.0
"""Whoever started the process has come by then, or never will."""


@dataclass(eq=False)
class Client:
    """One connection; `cancelled` are the requests that nobody waits for, `gone` all of them."""

    connection: socket.socket
    cancelled: set[int] = field(default_factory=set)
    gone: bool = False
    _sending: threading.Lock = field(default_factory=threading.Lock)

    def say(self, reply: Reply) -> None:
        """One line; to a client that has gone, nothing."""
        with self._sending:
            if self.gone:
                return
            try:
                self.connection.sendall(msgspec.json.encode(reply) + b"\n")
            except OSError:
                self.gone = True


class Server:
    """Listens on a socket until nobody needs it: its last client has gone, or nothing was asked for `idle` seconds."""

    def __init__(self, listening: socket.socket, idle: float, status: Callable[[int], Reply]) -> None:
        self._listening, self._idle, self._status = listening, idle, status
        self._clients: set[Client] = set()
        self._waiting: list[tuple[Client, Ask]] = []
        self._changed = threading.Condition()
        self._busy_until = time.monotonic()
        self._came = False
        self._keep = False
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def serve(self, answer: Answer) -> None:
        """Answer whatever comes, one request at a time; returns when nobody needs it any more."""
        while (turn := self._next()) is not None:
            client, request = turn
            answer(request, client.say, lambda c=client, r=request: c.gone or r.id in c.cancelled)  # type: ignore[misc]
            client.cancelled.discard(request.id)
            self._busy_until = time.monotonic()
        with self._changed:
            for client in self._clients:
                client.gone = True
                _shut(client.connection)

    def _next(self) -> tuple[Client, Ask] | None:
        with self._changed:
            while not self._waiting:
                left = (
                    self._busy_until + (self._idle if self._came else min(self._idle, FIRST_SECONDS)) - time.monotonic()
                )
                if left <= 0 or (self._came and not self._clients and not self._keep):
                    return None
                self._changed.wait(left)
            return self._waiting.pop(0)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.settimeout(None)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
            client = Client(connection)
            with self._changed:
                self._clients.add(client)
                self._came = True
            threading.Thread(target=self._read, args=(client,), name="client", daemon=True).start()

    def _read(self, client: Client) -> None:
        """A client's requests until it leaves or says something that is none."""
        with contextlib.suppress(OSError), client.connection.makefile("rb") as lines:
            while line := lines.readline(ins.LINE_LIMIT + 1):
                if not line.endswith(b"\n"):
                    client.say(ins.Refusal(0, f"a line of more than {ins.LINE_LIMIT >> 20} MB is no request"))
                    break
                try:
                    self._hear(client, msgspec.json.decode(line, type=Request))
                except (msgspec.MsgspecError, ValueError, RecursionError) as error:
                    client.say(ins.Refusal(0, f"not a request: {error}"))
                    break
        with self._changed:
            client.gone = True
            self._clients.discard(client)
            self._waiting = [turn for turn in self._waiting if turn[0] is not client]
            self._changed.notify_all()
        _shut(client.connection)
        client.connection.close()

    def _hear(self, client: Client, request: Request) -> None:
        match request:
            case Ask():
                with self._changed:
                    self._keep |= request.keep
                    self._waiting.append((client, request))
                    self._changed.notify_all()
            case Cancel(id):
                with self._changed:
                    before = len(self._waiting)
                    self._waiting = [t for t in self._waiting if t[0] is not client or t[1].id != id]
                    waited = len(self._waiting) < before
                    client.cancelled.add(id)
                if waited:
                    client.cancelled.discard(id)
                    client.say(ins.Done(id=id, cancelled=True))
            case Status(id):
                client.say(self._status(id))


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def listen(path: str) -> socket.socket:
    """A socket for this user alone. Raises OSError."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108
        before = os.umask(0o177)
        try:
            server.bind(path)
        finally:
            os.umask(before)
        server.listen(16)
    except BaseException:
        server.close()
        raise
    return server
