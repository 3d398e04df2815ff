"""Work away from the event loop: a thread a job, its result told on the loop, a fault as one line."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from unlearn_tui.commands import unforeseen
from unlearn_tui.errors import Refused
from unlearn_tui.report.text import brief

if TYPE_CHECKING:
    from unlearn_tui.tui.app import UnlearnApp

T = TypeVar("T")


class Jobs:
    """Threads of the app. They are daemons: quitting waits for none of them."""

    def __init__(self, app: UnlearnApp) -> None:
        self._app = app
        self._newest: dict[str, int] = {}

    def start(
        self,
        job: Callable[[], T],
        done: Callable[[T], object] | None,
        failed: Callable[[str], object] | None,
        group: str,
    ) -> None:
        """See UnlearnApp.work."""
        app, loop = self._app, asyncio.get_running_loop()
        ticket = self._newest.get(group, 0) + 1
        self._newest[group] = ticket

        def complain(text: str) -> None:
            app.say(text, "bad")

        def finish(call: Callable[[Any], object] | None, value: Any) -> None:
            if app.is_running and call is not None and (not group or self._newest[group] == ticket):
                app.in_context(call, value)

        def run() -> None:
            call: Callable[[Any], object] | None = done
            try:
                value: Any = job()
            except (Refused, OSError, RuntimeError) as error:
                call, value = failed or complain, brief(_line(error))
            except Exception as error:
                path = unforeseen.keep(error, app.home)
                call, value = failed or complain, f"{unforeseen.name(error)}{f'; see {path}' if path else ''}"
            with contextlib.suppress(RuntimeError):  # the loop is closed: the app has ended
                loop.call_soon_threadsafe(finish, call, value)

        threading.Thread(target=run, daemon=True, name=group or "work").start()


def _line(error: Exception) -> str:
    """One line for a fault: what and where."""
    if isinstance(error, OSError) and error.strerror:
        where = f"{str(error.filename)!r}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return str(error)
