"""What lists of runs say of each: its spec, how it stands, its result, and where its log ends. Cheap to ask again."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.files import open_regular
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.store import RunInfo, info, run_dirs
from unlearn_tui.state.models import Score, four_bit
from unlearn_tui.state.runs import Run

TAIL = 1 << 16
"""Bytes at the end of a log that are read for the progress of a run."""
UNSETTLED = ("running", "new")
"""How a run stands that may change without a change of its files: an engine can die in silence."""
FORGET, RETAIN = "knowmem_forget", "knowmem_retain"


@dataclass(frozen=True)
class Tail:
    """Where a run stands by the end of its log; 0, "" and None where that end does not say."""

    stage: str = ""
    done: int = 0
    total: int = 0
    left: float | None = None
    step: int = 0


@dataclass(frozen=True)
class Overview:
    """Everything that lists say of one run. `spec` and `result` are None where they are missing or damaged."""

    info: RunInfo
    spec: RunSpec | None
    result: Result | None
    tail: Tail


class Overviews:
    """Reads all runs of a home; again only those whose files changed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._kept: dict[str, tuple[object, Overview]] = {}

    def read(self) -> list[Overview]:
        """Every run, newest first."""
        kept: dict[str, tuple[object, Overview]] = {}
        for rundir in run_dirs(self.home):
            stamp = _stamp(rundir)
            old = self._kept.get(rundir.id)
            if old is None or old[0] != stamp or old[1].info.status in UNSETTLED:
                old = (stamp, overview(rundir))
            kept[rundir.id] = old
        self._kept = kept
        return [found for _, found in kept.values()]


def overview(rundir: RunDir) -> Overview:
    """One run as it stands. Raises nothing for damage inside it: `info.reason` says what is wrong."""
    spec = result = None
    with contextlib.suppress(Refused):
        spec = rundir.spec()
    with contextlib.suppress(Refused):
        result = rundir.result()
    return Overview(info(rundir), spec, result, tail(rundir.events_path))


def tail(events: Path) -> Tail:
    """What the last TAIL bytes of a log say."""
    try:
        with open_regular(events) as file:
            start = max(0, file.seek(0, os.SEEK_END) - TAIL)
            file.seek(start)
            lines = file.read(TAIL).split(b"\n")[1 if start else 0 : -1]
    except OSError:
        return Tail()
    stage, done, total, left, step = "", 0, 0, None, 0
    for line in lines:
        try:
            event = ev.decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue
        match event:
            case ev.StageStarted():
                stage, done, total, left = event.stage, 0, event.total, None
            case ev.Progress():
                stage, done, total, left = event.stage, event.done, event.total, event.left
            case ev.Step():
                step = done = event.step
                total, left = event.total, event.left
            case ev.Resumed() if event.from_step:
                step = event.from_step
            case _:
                pass
    return Tail(stage, done, total, left, step)


def scores(result: Result, model: str) -> tuple[Score, ...]:
    """KnowMem of one model of a result at every precision, the full ones first; verdicts for the unlearned model."""
    by_metric = {(row.precision, row.metric): row.value for row in result.scores if row.model == model}
    verdicts = {row.precision: row.verdict for row in result.recovery if row.metric == FORGET}
    found = dict.fromkeys(precision for precision, _ in by_metric)
    order = sorted(found, key=lambda p: (p != result.full_precision, not catalog.is_full(p)))
    return tuple(
        Score(
            precision,
            by_metric.get((precision, FORGET)),
            by_metric.get((precision, RETAIN)),
            verdicts.get(precision, "") if model == "unlearned" and precision != result.full_precision else "",
        )
        for precision in order
    )


def row(found: Overview) -> Run:
    """One line of the runs screen."""
    info, spec, result, tail = found.info, found.spec or RunSpec(), found.result, found.tail
    made = Run(
        id=info.id,
        path=str(info.path),
        status=info.status,
        reason=info.reason,
        name=info.name,
        task=spec.task,
        method=info.method,
        weights=spec.weights if spec.task != "check" else "",
        model=info.model,
        corpus=info.corpus,
        created=info.created,
        size=info.size,
        stage=tail.stage,
        done=tail.done,
        total=tail.total,
        left=tail.left,
    )
    if result is None or info.status != "finished":
        return made
    unlearned = scores(result, "unlearned")
    four = four_bit(unlearned)
    return replace(
        made,
        full=result.full_precision,
        target=at(scores(result, "target"), result.full_precision).forget,
        forget=at(unlearned, result.full_precision).forget,
        four=four.precision if four else "",
        back=four.forget if four else None,
        verdict=four.verdict if four else "",
        explanation=result.explanation,
        peak=result.peak_memory,
        seconds=result.seconds,
    )


def at(column: tuple[Score, ...], precision: str) -> Score:
    """The score at this precision; an empty one where there is none."""
    return next((score for score in column if score.precision == precision), Score(precision))


def _stamp(rundir: RunDir) -> object:
    marks = []
    for path in (rundir.spec_path, rundir.events_path, rundir.result_path, rundir.checkpoints):
        try:
            stat = path.stat()
            marks.append((stat.st_mtime_ns, stat.st_size))
        except OSError:
            marks.append((0, -1))
    return tuple(marks)


def log_lines(rundir: RunDir, lines: int = 400) -> list[str]:
    """The last lines that the engine printed, untrusted text; empty where it printed nothing or the log has gone."""
    try:
        with open_regular(rundir.log_path) as file:
            start = max(0, file.seek(0, os.SEEK_END) - TAIL)
            file.seek(start)
            found = file.read(TAIL).decode(errors="replace").splitlines()
    except OSError:
        return []
    return found[1 if start else 0 :][-lines:]
