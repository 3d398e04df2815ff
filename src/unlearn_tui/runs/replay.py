"""Reading a finished run, or what there is of one, as a tape that can be played (state/replay.py)."""

from __future__ import annotations

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.events import TERMINAL, AnyEvent
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.follow import end
from unlearn_tui.runs.lock import is_alive
from unlearn_tui.runs.log import LogReader
from unlearn_tui.state.replay import Tape, tape


def load(rundir: RunDir) -> Tape:
    """The whole log of a run as a tape; its sound part where it is damaged, which `ending` then says.

    Raises Refused where there is nothing to play.
    """
    alive = is_alive(rundir)
    reader = LogReader(rundir.events_path)
    events: list[AnyEvent] = []
    while batch := reader.read():
        events += batch
    if not events:
        why = reader.fault or ("its first line is damaged" if reader.damaged else "nothing was recorded")
        raise Refused(f"run {rundir.id} cannot be replayed: the log {rundir.events_path.name}: {why}", "run")
    why = reader.fault or (f"damaged after event {events[-1].seq}" if reader.damaged else "")
    if not why and isinstance(events[-1], TERMINAL):
        return tape(events)
    if not why and alive:
        return tape(events, "the run is still going on: the replay ends with what it has said so far")
    last = end(rundir, reader)
    last.time, last.mono = events[-1].time, events[-1].mono
    ending = f"the log is {why}: the replay ends there" if why else "the log has no end: the engine died without a word"
    return tape([*events, last], ending)
