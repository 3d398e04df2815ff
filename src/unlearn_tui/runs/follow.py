"""Watching a run, live or long over, from its log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from unlearn_tui.protocol.events import TERMINAL, AnyEvent, Failed
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import is_alive
from unlearn_tui.runs.log import LogReader


def follow(
    rundir: RunDir, poll: float = 0.1, from_seq: int = 0, idle: Callable[[float], object] | None = None
) -> Iterator[AnyEvent | None]:
    """Every event from `from_seq` on as it appears; None about every `poll` seconds while there is nothing new.

    Ends after the terminal event of the last attempt. If there is none and no engine is alive, one is made up:
    Failed(kind="died"), or Failed(kind="torn") if a damaged line hides what follows. After launch(), call
    wait_accepted() first: before it, the run looks dead. `idle` replaces time.sleep (threading.Event.wait, say).
    """
    for batch in batches(LogReader(rundir.events_path), rundir, poll, idle):
        yield from (event for event in batch if event.seq >= from_seq)
        if not batch:
            yield None


def batches(
    reader: LogReader, rundir: RunDir, poll: float = 0.1, idle: Callable[[float], object] | None = None
) -> Iterator[list[AnyEvent]]:
    """As follow, many events at a time from where `reader` stands; an empty list while there is nothing new."""
    while True:
        # asked before reading: an engine that ends in between has said all it had to say
        alive = is_alive(rundir)
        batch = reader.read()
        if batch:
            yield batch
            continue
        if isinstance(reader.last, TERMINAL):
            return
        if not alive:
            yield [end(rundir, reader)]
            return
        yield []
        (idle or time.sleep)(poll)


def end(rundir: RunDir, reader: LogReader) -> Failed:
    """The last event of a log that has none, where `reader` has read all that is sound of it and no engine is alive."""
    last = reader.last
    if reader.fault:
        kind, message = "torn", f"the log {rundir.events_path.name} cannot be read: {reader.fault}"
    elif reader.damaged:
        kind = "torn"
        after = f"after event {last.seq}" if last else "from its first line on"
        message = f"the log is damaged {after}, the rest cannot be read: unlearn-tui resume {rundir.id} cuts it there"
    elif last is None:
        kind = "died"
        message = f"no engine has begun this run yet: unlearn-tui resume {rundir.id} starts it"
    else:
        kind = "died"
        message = (
            "the engine ended without a word (killed or out of memory): "
            f"unlearn-tui resume {rundir.id} {_how_it_goes_on(rundir)}"
        )
    seq, attempt = (last.seq + 1, last.attempt) if last else (0, 1)
    return Failed(seq=seq, attempt=attempt, time=time.time(), mono=time.monotonic(), kind=kind, message=message)


def _how_it_goes_on(rundir: RunDir) -> str:
    saved = any(not path.name.startswith(".") for path in rundir.checkpoints.glob("*"))
    return "goes on from the last save" if saved else "begins it again: nothing was saved"
