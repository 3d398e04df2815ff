"""Watching one run from a thread: its log folded, the newest state told to the app a few times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.events import TERMINAL
from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.follow import batches
from unlearn_tui.runs.lock import is_alive
from unlearn_tui.runs.log import LogReader
from unlearn_tui.runs.store import NEWBORN_SECONDS
from unlearn_tui.state.replay import Playing
from unlearn_tui.state.run import RunFold, RunState

INTERVAL = 0.5
"""Seconds between two tellings: a terminal at the end of a slow line gets no more."""
PATIENCE = 1.0
"""Seconds between two looks at a run that has ended: somebody may resume it."""


@dataclass(frozen=True)
class Opened:
    """The run in view, as of its newest event that was told."""

    rundir: RunDir
    spec: RunSpec
    state: RunState
    result: Result | None = None
    """result.json where the run has ended with one, else what the log says so far."""
    reading: bool = False
    """The log is still being read from its beginning."""
    replay: Playing | None = None
    """Where a replay of it stands; None for the run itself."""

    @property
    def live(self) -> bool:
        """True until the run has ended; never for a replay."""
        return not self.state.ended and self.replay is None


class Watcher(threading.Thread):
    """Calls `tell` from its thread with an Opened, at most every INTERVAL seconds, until `leave`."""

    def __init__(self, rundir: RunDir, spec: RunSpec, tell: Callable[[Opened], None]) -> None:
        super().__init__(daemon=True, name=f"watch {rundir.id}")
        self._opened = Opened(rundir, spec, RunState(), reading=True)
        self._tell = tell
        self._left = threading.Event()

    def leave(self) -> None:
        """Stop watching; the run goes on."""
        self._left.set()

    def run(self) -> None:
        """Read, fold, tell; wait for more."""
        rundir, fold = self._opened.rundir, RunFold()
        reader = LogReader(rundir.events_path)
        if _is_newborn(rundir):
            self._say(fold.snapshot())  # there is nothing to read: its engine is still loading torch
        while _is_newborn(rundir) and not self._left.wait(INTERVAL):
            pass
        while not self._left.is_set():
            said, told, reading = 0.0, -2, True
            for batch in batches(reader, rundir, INTERVAL, self._left.wait):
                if self._left.is_set():
                    return
                fold.feed(batch)
                caught_up = not batch
                first, reading = reading and caught_up, reading and not caught_up
                if first or ((caught_up or time.monotonic() - said >= INTERVAL) and fold.seq != told):
                    said, told = time.monotonic(), fold.seq
                    self._say(fold.snapshot(), reading=reading)
                if not caught_up:
                    time.sleep(0)  # let the interface have its turn
            self._say(fold.snapshot(), ended=True)
            size = _size(rundir)
            while not self._left.wait(PATIENCE):
                if _size(rundir) != size or (not isinstance(reader.last, TERMINAL) and is_alive(rundir)):
                    break  # somebody resumed it

    def _say(self, state: RunState, reading: bool = False, ended: bool = False, replay: Playing | None = None) -> None:
        from unlearn_tui.report.outcome import of_state

        opened = self._opened
        result: Result | None = None
        if ended and state.status in ("finished", "stopped", "failed"):
            try:
                result = opened.rundir.result()
            except Refused:
                result = None
            if result is not None and result.status != state.status:
                result = None
        if result is None and (state.scores or state.ended):
            result = of_state(opened.rundir.id, opened.spec, state)
        self._opened = replace(opened, state=state, result=result, reading=reading, replay=replay)
        if not self._left.is_set():
            self._tell(self._opened)


def _size(rundir: RunDir) -> int:
    try:
        return rundir.events_path.stat().st_size
    except OSError:
        return -1


def _is_newborn(rundir: RunDir) -> bool:
    """A run without a first event, so young that an engine may be on its way."""
    try:
        age = time.time() - rundir.spec_path.stat().st_mtime
    except OSError:
        return False
    return _size(rundir) <= 0 and age < NEWBORN_SECONDS
