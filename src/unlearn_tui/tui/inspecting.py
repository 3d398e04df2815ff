"""The app's line to the inspector: requests go out after consent, replies come in from a thread and are handed on the
event loop, many at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.inspect import Ask, Reply

if TYPE_CHECKING:
    from unlearn_tui.runs.inspecting import Inspector
    from unlearn_tui.tui.app import UnlearnApp
    from unlearn_tui.tui.pane import Pane

INTERVAL = 0.1
"""Seconds between two paintings of tokens as they come; the first one is painted at once."""


class Asking:
    """`heard` is told replies in order, on the loop. The inspector is sought with the first question."""

    def __init__(self, pane: Pane, heard: Callable[[list[Reply]], object]) -> None:
        self._pane, self._heard = pane, heard
        self._client: Inspector | None = None
        self._allowed: set[str] = set()
        """Live runs that may be slowed down."""
        self._lock = threading.Lock()
        self._inbox: list[Reply] = []
        self._told = 0.0

    @property
    def _app(self) -> UnlearnApp:
        return self._pane.app

    @property
    def used(self) -> bool:
        """Whether anything was asked."""
        return self._client is not None

    def when_allowed(self, then: Callable[[], object]) -> None:
        """Call `then` at once, or after a yes where a live run would be slowed down."""
        from unlearn_tui.runs import inspecting

        app = self._app

        def look(live: list[str]) -> None:
            new = [id for id in live if id not in self._allowed]

            def allowed() -> None:
                self._allowed.update(new)
                then()

            if new:
                question = f"{', '.join(new)} is going on: a question takes memory and time from it. Ask now?"
                app.confirm(question, allowed, "ask")
            else:
                then()

        app.work(lambda: inspecting.training(app.home), look, group="inspect ask")

    def next_id(self) -> int:
        """A number for a request."""
        return self._connected().next_id()

    def ask(self, request: Ask) -> bool:
        """Whether it is on its way; why not is said in the footer."""
        try:
            self._connected().ask(request)
        except Refused as refused:
            self._app.say(str(refused), "bad")
            return False
        return True

    def cancel(self, ids: list[int]) -> None:
        """Stop these before their next token."""
        for id in ids:
            if self._client is not None:
                self._client.cancel(id)

    def status(self) -> None:
        """Ask what is in memory: heard as Resident."""
        try:
            self._connected().status()
        except Refused as refused:
            self._app.say(str(refused), "bad")

    def close(self) -> None:
        """Nobody listens any more."""
        if self._client is not None:
            self._client.close()

    def _connected(self) -> Inspector:
        if self._client is None:
            from unlearn_tui.runs import inspecting

            self._client = inspecting.Inspector(self._app.home, self._hearing(asyncio.get_running_loop()))
        return self._client

    def _hearing(self, loop: asyncio.AbstractEventLoop) -> Callable[[Reply], None]:
        def heard(reply: Reply) -> None:
            with self._lock:
                self._inbox.append(reply)
                first = len(self._inbox) == 1
            if first:
                with contextlib.suppress(RuntimeError):  # the app has ended
                    loop.call_soon_threadsafe(soon)

        def soon() -> None:
            wait = self._told + INTERVAL - time.monotonic()
            if wait > 0:
                loop.call_later(wait, self._take)
            else:
                self._take()

        return heard

    def _take(self) -> None:
        with self._lock:
            replies, self._inbox = self._inbox, []
        if self._pane.is_attached and self._app.is_running:
            self._told = time.monotonic()
            self._app.in_context(self._heard, replies)
