"""Follow a run to its end on this terminal; Ctrl-C asks its engine to stop, leaving the view never does."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from unlearn_tui.commands.console import say, write
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.commands import Stop
from unlearn_tui.protocol.events import AnyEvent, encode
from unlearn_tui.report.text import duration, safe, safe_json
from unlearn_tui.state.run import RunFold, RunState

if TYPE_CHECKING:
    from rich.console import RenderableType

    from unlearn_tui.runs.directory import RunDir

Drawn = Callable[[RunState, str, int], "RenderableType"]
"""A run's state, a title and the width of the terminal, drawn."""
LEFT = 130
REDRAWS = 4
"""Per second."""


@dataclass(frozen=True)
class Output:
    """How a command speaks: --plain, --json, --events, --detach; `brief` leaves weights and verdict tables out."""

    plain: bool = False
    json: bool = False
    events: bool = False
    detach: bool = False
    brief: bool = False

    def __post_init__(self) -> None:
        if self.json and self.events:
            raise Refused("--json and --events both given: stdout holds one of them, choose", "json")


class Interrupts:
    """Counts Ctrl-C and notes SIGTERM, from `with` on; raising in a handler could get lost in whatever it interrupts."""

    def __init__(self) -> None:
        self.count = 0
        self.handled = 0
        self.terminated = False

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            self.count += 1
        else:
            self.terminated = True

    def __enter__(self) -> Interrupts:
        self._before = [(n, signal.signal(n, self._note)) for n in (signal.SIGINT, signal.SIGTERM)]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def tell(self, run: RunDir) -> None:
        """Pass new presses on to the run: first stop after this step, then now, then leave it alone; SIGTERM leaves."""
        from unlearn_tui.runs.control import send

        if self.terminated:
            raise SystemExit(128 + signal.SIGTERM)
        while self.handled < self.count:
            self.handled += 1
            if self.handled > 2:
                say(f"left: run {run.id} is still stopping, unlearn-tui attach {run.id} shows it")
                raise SystemExit(LEFT)
            now = self.handled == 2
            say("stopping now …" if now else "stopping after this step … (Ctrl-C again: now)")
            try:
                reply = send(run, Stop(now=now))
                if not reply.ok:
                    say(reply.text)
            except Refused as error:
                # it may have ended by itself just now: the log says how
                say(str(error))


def start(run: RunDir, output: Output, interrupts: Interrupts) -> None:
    """Launch the run's engine and wait until it has accepted. Raises Refused, or SystemExit(1) if it died at birth."""
    from unlearn_tui.runs.launch import launch, wait_accepted

    launch(run)
    try:
        wait_accepted(run)
    except RuntimeError as error:
        say(f"error: run {run.id}: {error}")
        raise SystemExit(1) from None
    if output.detach:
        say(f"run {run.id} goes on by itself: unlearn-tui attach {run.id}, or stop {run.id}")
    elif not interrupts.count:
        say(f"run {run.id} · Ctrl-C stops it after a step; it survives the loss of this terminal")


def watch(run: RunDir, output: Output, interrupts: Interrupts, since: int = 0, view: Drawn | None = None) -> RunState:
    """Show the run until it ends and return its last state; plain lines tell of events from seq `since` on.

    `view` draws the state on a terminal; else it is that of the run alone.

    Raises SystemExit(130) when told to leave a run that is slow to stop, and SystemExit(143) at SIGTERM.
    """
    from unlearn_tui.runs.follow import follow

    fold = RunFold()
    with display(title(run), output, view) as tell:
        for event in run.events():
            fold.feed((event,))
            if event.seq >= since:
                tell(event, fold.snapshot())
            if output.events:
                write(line(event))
        state = fold.snapshot()
        tell(None, state)
        if state.ended:
            return state
        try:
            for fresh in follow(run, from_seq=state.seq + 1):
                if fresh is not None:
                    state = fold.feed((fresh,)).snapshot()
                    if output.events:
                        write(line(fresh))
                tell(fresh, state)
                interrupts.tell(run)
        except SystemExit as leaving:
            if leaving.code != LEFT:
                say(f"left: run {run.id} goes on, unlearn-tui attach {run.id} shows it")
            raise
    settle(run)
    return state


def settle(run: RunDir, seconds: float = 15.0) -> None:
    """Wait until an engine that has said its last word is gone: it still holds the lock, and memory."""
    from unlearn_tui.protocol.events import TERMINAL
    from unlearn_tui.runs.lock import is_alive
    from unlearn_tui.runs.log import last_event

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and is_alive(run) and isinstance(last_event(run.events_path), TERMINAL):
        time.sleep(0.05)


def farewell(run: RunDir, state: RunState) -> None:
    """One line on stderr: how the run ended, and what can be done next."""
    if state.status == "finished":
        say(f"run {run.id} finished in {duration(state.seconds)}: unlearn-tui show {run.id} --answers 20 shows more")
    elif state.status == "stopped":
        say(f"run {run.id} {state.reason}: unlearn-tui resume {run.id} goes on")
    else:
        say(f"error: run {run.id} failed ({state.failure}): {state.reason}")


def line(event: AnyEvent) -> str:
    """The event's line of the log, fit for a terminal."""
    return safe_json(encode(event).decode().rstrip("\n")) + "\n"


@contextmanager
def display(
    title: str, output: Output, view: Drawn | None = None
) -> Iterator[Callable[[AnyEvent | None, RunState], None]]:
    """A function to tell of every event (None: nothing new): a live view on a terminal, else plain lines, else silence."""
    if output.events:
        yield lambda _event, _state: None
    elif sys.stderr.isatty() and not output.plain and os.environ.get("TERM") not in ("dumb", "unknown"):
        with _live(title, view) as tell:
            yield tell
    else:
        from unlearn_tui.report.live import Lines

        lines = Lines()

        def narrate(event: AnyEvent | None, state: RunState) -> None:
            text = lines.line(event, state) if event is not None else None
            if text:
                say(text)

        yield narrate


@contextmanager
def _live(title: str, view: Drawn | None) -> Iterator[Callable[[AnyEvent | None, RunState], None]]:
    from rich.console import Console
    from rich.live import Live

    from unlearn_tui.report import live as report

    drawing = view or report.view

    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    drawn = 0.0
    # what is said meanwhile (say) goes above the view: Live redirects stderr
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def draw(_event: Any, state: RunState) -> None:
            nonlocal drawn
            now = time.monotonic()
            if now - drawn >= 1 / REDRAWS:
                drawn = now
                live.update(drawing(state, title, console.width), refresh=True)

        yield draw


def title(run: RunDir) -> str:
    """The run and what it does, in one safe line."""
    spec = run.spec()
    what = f"check {spec.unlearned}" if spec.task == "check" else f"{spec.method} · {spec.weights}"
    return safe(f"{run.id} · {what} · {spec.model} · {spec.corpus}")


def code(state: RunState, interrupts: Interrupts) -> int:
    """The exit code of a watched run: 0 finished or stopped as asked, 1 failed, 2 refused by the engine, 130 by Ctrl-C."""
    if state.status == "failed":
        return 2 if state.failure == "refused" else 1
    return 130 if state.status == "stopped" and interrupts.count else 0
