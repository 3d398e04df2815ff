"""What the stages say and hear: events into the log at a bearable rate, and requests to stop."""

from __future__ import annotations

import contextlib
import resource
import sys
import threading
import time
from collections.abc import Iterator

import torch

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.commands import AnyCommand, Reply, SaveNow, Stop
from unlearn_tui.runs.writer import EventWriter
from unlearn_tui.validate import TRAINS

INTERVAL = 0.25
"""Seconds between two events of one kind: at most a few a second reach the log."""


class StopAsked(Exception):
    """Someone asked the run to stop; `now` tells whether work in progress was given up."""

    def __init__(self, now: bool) -> None:
        super().__init__("stopped")
        self.now = now


class Reporter:
    """Writes events, times stages, and carries the stop and save requests that arrive on the control thread."""

    def __init__(self, writer: EventWriter) -> None:
        self.writer = writer
        self.stage = ""
        self.stepping = False
        """Whether the training stage is taking its steps: not before, when it loads, and not behind them, when it saves."""
        self.stop_after_step = threading.Event()
        self.save_asked = threading.Event()
        self.interrupt = threading.Event()
        self._last: dict[str, float] = {}
        self._began = 0.0
        self._total = 0
        self.done = 0
        """Units of the current stage that are done; `_reused` of them took no time."""
        self._reused = 0

    def say(self, event: ev.AnyEvent) -> None:
        """Write an event as it is."""
        self.writer.write(event)

    def log(self, text: str, level: str = "info") -> None:
        """A line for whoever watches."""
        self.say(ev.Log(level=level, text=text))

    def due(self, kind: str, always: bool = False) -> bool:
        """Whether an event of this kind may be written now; True starts the next interval."""
        now = time.monotonic()
        if not always and now - self._last.get(kind, 0.0) < INTERVAL:
            return False
        self._last[kind] = now
        return True

    @contextlib.contextmanager
    def running(self, stage: str, title: str, unit: str = "", total: int = 0) -> Iterator[None]:
        """A stage from its first to its last event; the log is on disk when it ends."""
        self.stage, self._total, self._began = stage, total, time.monotonic()
        self.done = self._reused = 0
        self.say(ev.StageStarted(stage=stage, title=title, unit=unit, total=total))
        yield
        self.say(ev.StageFinished(stage=stage, seconds=time.monotonic() - self._began))
        self.writer.sync()

    def progress(self, done: int, note: str = "", always: bool = False, reused: int = 0) -> None:
        """Units done in the current stage, with rate and time left; also the place where a wish to stop is heard.
        `reused`: how many more of them were there already, and say nothing about the rate.
        """
        self.done, self._reused = done, self._reused + reused
        self.heed()
        if not self.due("progress", always or done == self._total):
            return
        passed = time.monotonic() - self._began
        rate = (done - self._reused) / passed if passed > 0 and done > self._reused else None
        left = (self._total - done) / rate if rate and self._total else None
        self.say(ev.Progress(stage=self.stage, done=done, total=self._total, rate=rate, left=left, note=note))

    def heed(self) -> None:
        """Raise StopAsked if someone asked."""
        if self.interrupt.is_set():
            raise StopAsked(now=True)
        if self.stop_after_step.is_set():
            raise StopAsked(now=False)

    def handle(self, command: AnyCommand) -> Reply:
        """Called on the control thread."""
        if isinstance(command, Stop):
            if command.now:
                self.interrupt.set()
                return Reply(ok=True, text="stopping now")
            self.stop_after_step.set()
            return Reply(ok=True, text="stopping after this step")
        if isinstance(command, SaveNow):
            if self.stage not in TRAINS:
                return Reply(ok=False, text="nothing to save: the run is not training")
            self.save_asked.set()
            return Reply(ok=True, text="saving after this step")
        return Reply(ok=True, text="alive")


def peak_memory(device: torch.device) -> int:
    """Bytes: the most this process held on its GPU, or in main memory on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
