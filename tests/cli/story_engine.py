"""A real engine without a model: takes the lock, listens, and tells a story; $STORY says which."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import msgspec
import story

from unlearn_tui.errors import Refused
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.commands import AnyCommand, Reply, Stop
from unlearn_tui.runs.control import ControlServer
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.runs.writer import EventWriter


def main(run: RunDir, plot: str) -> int:
    if plot == "refuse":
        raise Refused("no such device: use cpu")
    if plot == "crash":
        raise RuntimeError("libcuda is missing")
    asked: list[Stop] = []
    stop = threading.Event()

    def handle(command: AnyCommand) -> Reply:
        if isinstance(command, Stop):
            asked.append(command)
            # the deaf engine hears only the second, stronger word
            if plot != "deaf" or command.now:
                stop.set()
        return Reply(True, "heard")

    with RunLock(run), EventWriter(run) as writer, ControlServer(run, handle):
        if plot == "endless" or plot == "deaf":
            writer.write(story.started(run.id))
            writer.write(ev.StageStarted(stage="unlearn", title="unlearn", unit="steps", total=10**6))
            n = 0
            while not stop.is_set():
                n += 1
                writer.write(story.step(n, 10**6))
                time.sleep(0.02)
            writer.write(ev.Stopped(stage="unlearn", step=n, now=asked[-1].now))
            return 0
        for event in story.events(run.id):
            if isinstance(event, {"refuse-device": ev.Started, "refuse-at-load": ev.Loaded}.get(plot, ())):
                stage = "" if plot == "refuse-device" else "load"
                writer.write(ev.Failed(kind="refused", message="torch knows it not: give another", stage=stage))
                return 2
            if plot in ("nan", "late-refusal") and isinstance(event, ev.Probe):
                kind = "nan" if plot == "nan" else "refused"
                writer.write(ev.Failed(kind=kind, message="loss is NaN at step 4: try a smaller --lr", stage="unlearn"))
                return 1
            if plot == "die" and isinstance(event, ev.Probe):
                os.kill(os.getpid(), 9)
            if isinstance(event, ev.Finished):
                story.write_answers(run)
                write_atomic(run.result_path, msgspec.json.encode(story.result(run.id, run.spec())))
            writer.write(event)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(RunDir(Path(sys.argv[1])), os.environ.get("STORY", "finish")))
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
