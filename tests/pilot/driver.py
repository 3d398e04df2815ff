"""Driving the real app on a real home: open it, press keys, read the painted screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from textual._context import visible_screen_stack
from textual.pilot import Pilot

from unlearn_tui.runs.directory import RunDir
from unlearn_tui.tui.app import UnlearnApp

COVERED: set[tuple[str, str]] = set()
"""(view, key) of every key that some test presses."""
F = TypeVar("F", bound=Callable[..., Any])


def presses(view: str, *names: str) -> Callable[[F], F]:
    """Mark a test as the one of these keys of the registry; a key that no test is marked with fails the suite."""

    def mark(test: F) -> F:
        COVERED.update((view, name) for name in names)
        return test

    return mark


@asynccontextmanager
async def opened(
    home: Path,
    size: tuple[int, int] = (80, 24),
    view: str = "models",
    run: RunDir | None = None,
    ascii: bool = False,
    theme: str = "",
) -> AsyncIterator[tuple[UnlearnApp, Pilot[int]]]:
    """The app in a terminal of this size, `run` opened and read to its end as it stands."""
    app = UnlearnApp(home, ascii=ascii, first=view, run=run, theme_name=theme)
    async with app.run_test(size=size) as pilot:
        if run is not None:
            await until(pilot, lambda: app.opened is not None and app.opened.state.seq >= 0 and not app.opened.reading)
        await pilot.pause()
        yield app, pilot


async def until(pilot: Pilot[int], holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until something holds; fails with the painted screen where it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError("never came to hold:\n" + "\n".join(screen(pilot.app)))
        await asyncio.sleep(0.02)
    await pilot.pause()


def screen(app: Any) -> list[str]:
    """The rows of the screen as painted, without trailing spaces."""
    # a screen that one can see through asks for what lies behind it, and keeps the answer
    visible_screen_stack.set(app._background_screens)
    strips = app.screen._compositor.render_strips(app.size)
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def shows(app: Any, *texts: str) -> bool:
    """Whether all of `texts` are on the painted screen."""
    painted = "\n".join(screen(app))
    return all(text in painted for text in texts)
