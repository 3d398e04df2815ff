"""A real engine without a model: `python -m runs_dummy_engine RUN_DIR`. What it does is in $DUMMY (see main)."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.commands import AnyCommand, Reply, Stop
from unlearn_tui.protocol.events import Finished, Progress, Resumed, Started, Stopped
from unlearn_tui.runs.control import ControlServer
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.runs.writer import EventWriter


def main(rundir: RunDir, mode: str) -> None:
    if mode == "crash":
        raise RuntimeError("no such library")
    if mode == "slow":
        time.sleep(60)
    stop = threading.Event()

    def handle(command: AnyCommand) -> Reply:
        if isinstance(command, Stop):
            stop.set()
            return Reply(True, "stopping")
        return Reply(True, f"here is {os.getpid()}")

    with RunLock(rundir), EventWriter(rundir) as writer, ControlServer(rundir, handle):
        writer.write(
            Started(run=rundir.id, pid=os.getpid(), host="h", device="cpu", threads=1, stages=["unlearn"], versions={})
        )
        if writer.attempt > 1:
            writer.write(Resumed(stage="unlearn"))
        for done in range(5 if mode == "finish" else 10**9):
            writer.write(Progress(stage="unlearn", done=done, total=0))
            if stop.wait(0.02):
                writer.write(Stopped(stage="unlearn", step=done))
                return
        writer.write(Finished(seconds=0.1))


if __name__ == "__main__":
    print("dummy engine for", os.environ.get("DUMMY_TOKEN", "nobody"), "reads", repr(sys.stdin.read()))
    try:
        main(RunDir(Path(sys.argv[1])), os.environ.get("DUMMY", ""))
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
