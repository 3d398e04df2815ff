"""What the finished runs of a home teach about time and memory, and which scores they leave for later ones."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.files import SMALL, open_regular, read_limited, toml
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.spec import RunSpec, from_table
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.log import last_event
from unlearn_tui.runs.store import run_dirs
from unlearn_tui.state.plan import Kept, Record

NEWEST = 20
"""Runs that are learnt from."""
LARGEST = 1 << 26
"""Bytes of a log; larger ones are passed over."""
_KINDS = ("started", "resumed", "stage_finished", "loaded", "scored", "finished")
_HEADS = tuple(f'{{"event":"{kind}"'.encode() for kind in _KINDS)
_STEP, _PACE = b'{"event":"step"', b'{"event":"progress","stage":"unlearn"'
_known: dict[tuple[Path, int], Record | None] = {}


class _Peak(msgspec.Struct):
    peak_memory: int = 0


def records(home: Path, newest: int = NEWEST) -> list[Record]:
    """What the `newest` finished runs teach, newest first; damaged ones are passed over. A log is read once."""
    found: list[Record] = []
    for rundir in run_dirs(home):
        if len(found) == newest:
            break
        with contextlib.suppress(OSError, Refused):
            size = rundir.events_path.stat().st_size
            key = (rundir.path, size)
            if key not in _known:
                finished = size <= LARGEST and isinstance(last_event(rundir.events_path), ev.Finished)
                _known[key] = _record(rundir) if finished else None
            record = _known[key]
            if record is not None:
                found.append(record)
    return found


def kept(home: Path) -> list[Kept]:
    """Every score that is kept for later runs and whose run is still there."""
    specs: dict[str, tuple[RunSpec, dict[str, str]] | None] = {}
    found = []
    for path in (home / "cache" / "answers").glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            about = msgspec.json.decode(read_limited(path, SMALL), type=dict[str, str])
            run = about["run"]
            if run not in specs:
                specs[run] = _asked(RunDir(home / "runs" / Path(run).name))
            spec = specs[run]
            if spec is not None and path.with_suffix(".jsonl").exists():
                found.append(Kept(about["model"], about["precision"], about["metric"], *spec))
    return found


def _asked(rundir: RunDir) -> tuple[RunSpec, dict[str, str]] | None:
    """The spec and the versions that a run was created with."""
    try:
        table = toml(read_limited(rundir.spec_path, SMALL))
        versions = table.get("versions", {})
        return from_table(table), {str(k): str(v) for k, v in versions.items()}
    except (OSError, ValueError, RecursionError, AttributeError):
        return None


def _record(rundir: RunDir) -> Record | None:
    spec = rundir.spec()
    if spec.task == "memorise":  # it lacks the stages that a plan asks for
        return None
    events, pace = _read(rundir)
    started = next((e for e in events if isinstance(e, ev.Started)), None)
    if started is None:
        return None
    stages = {e.stage: e.seconds for e in events if isinstance(e, ev.StageFinished)}
    if any(e.attempt > 1 for e in events):
        # what an earlier attempt had done took no time in the last one
        stages.pop("unlearn", None)
    scores = {
        (e.model, e.precision, e.metric): (e.seconds, e.n)
        for e in events
        if isinstance(e, ev.Scored) and e.seconds > 0 and not e.reused
    }
    step, tokens = pace
    return Record(
        spec=spec,
        device=started.device,
        threads=started.threads,
        parameters=_parameters(events, started.device),
        stages={k: v for k, v in stages.items() if v > 0},
        scores=scores,
        steps=step if "unlearn" in stages else 0,
        tokens=tokens,
        memory=_peak(rundir),
        seconds=next((e.seconds for e in reversed(events) if isinstance(e, ev.Finished)), 0.0),
        run=rundir.id,
    )


def _read(rundir: RunDir) -> tuple[list[ev.AnyEvent], tuple[int, float]]:
    """The few events that tell of time, and the last step with its tokens; most lines are not even parsed."""
    events: list[ev.AnyEvent] = []
    step = pace = b""
    with open_regular(rundir.events_path) as file:
        for line in file:
            if line.startswith(_STEP):
                step = line
            elif line.startswith(_PACE):
                pace = line
            elif line.startswith(_HEADS):
                with contextlib.suppress(ValueError, RecursionError):
                    events.append(ev.decode(line))
    with contextlib.suppress(ValueError, RecursionError):
        last, rate = ev.decode(step), ev.decode(pace)
        if isinstance(last, ev.Step) and isinstance(rate, ev.Progress):
            return events, (last.total, last.tokens_per_second / rate.rate if rate.rate else 0.0)
    return events, (0, 0.0)


def _parameters(events: list[ev.AnyEvent], device: str) -> int:
    """Of the models, from the memory of one at a full precision: on a CPU all of them lie there as float32."""
    for e in events:
        if isinstance(e, ev.Loaded) and catalog.is_full(e.precision):
            return e.memory // (4 if device == "cpu" or e.precision == "fp32" else 2)
    return 0


def _peak(rundir: RunDir) -> int:
    try:
        return msgspec.json.decode(read_limited(rundir.result_path), type=_Peak).peak_memory
    except (OSError, ValueError, RecursionError):
        return 0
