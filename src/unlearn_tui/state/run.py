"""RunState: what a run's log says so far, as a pure fold; every view of a run is drawn from it.

Tracked: the stages with their progress, training steps, probes, canary answers, loaded models, scores, verdicts,
weights, the last log lines and how the run stands. Not tracked: answers (side files) and rows of weights.jsonl.
Memory is bounded: a series is thinned evenly beyond POINTS points, the log keeps its last LINES lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.events import AnyEvent

POINTS = 2000
LINES = 500

Status = Literal["new", "running", "finished", "stopped", "failed"]
P = TypeVar("P", bound=ev.Step | ev.Probe | ev.Canary)


@dataclass(frozen=True)
class Stage:
    """One stage of a run. `left` and `seconds` in seconds, `rate` in units a second; None when unknown."""

    id: str
    title: str = ""
    unit: str = ""
    status: Literal["waiting", "running", "done"] = "waiting"
    done: int = 0
    total: int = 0
    rate: float | None = None
    left: float | None = None
    note: str = ""
    seconds: float | None = None
    reused: str = ""


@dataclass(frozen=True)
class RunState:
    """Everything a view needs to know about a run after `seq` events' worth of its log."""

    seq: int = -1
    attempt: int = 0
    status: Status = "new"
    reason: str = ""
    """Why a failed or stopped run is no longer running, one line."""
    failure: str = ""
    """Failed's kind, for example nan, memory or died; empty unless the run failed."""
    run: str = ""
    pid: int = 0
    host: str = ""
    device: str = ""
    threads: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    began: float = 0.0
    """Wall-clock time of the last attempt's first event, and `now` of the newest event."""
    now: float = 0.0
    seconds: float | None = None
    stages: tuple[Stage, ...] = ()
    steps: tuple[ev.Step, ...] = ()
    probes: tuple[ev.Probe, ...] = ()
    canary: tuple[ev.Canary, ...] = ()
    void: tuple[ev.Step, ...] = ()
    """Steps of earlier attempts that a resume set aside: shown dimmed, never counted."""
    training: str = ""
    """The stage whose steps these are."""
    saved: ev.Saved | None = None
    memory: int = 0
    """Largest memory any event spoke of, in bytes."""
    loaded: dict[tuple[str, str], ev.Loaded] = field(default_factory=dict)
    scores: dict[tuple[str, str, str], ev.Scored] = field(default_factory=dict)
    scored_in: dict[tuple[str, str, str], str] = field(default_factory=dict)
    recovery: dict[tuple[str, str], ev.Recovery] = field(default_factory=dict)
    weights: dict[str, ev.WeightsSummary] = field(default_factory=dict)
    matrices: dict[str, ev.WeightsMatrix] = field(default_factory=dict)
    explanation: str = ""
    log: tuple[ev.Log, ...] = ()

    @property
    def stage(self) -> Stage | None:
        """The stage at work, or None between stages and after the end."""
        return next((s for s in self.stages if s.status == "running"), None)

    @property
    def ended(self) -> bool:
        """True once the last attempt finished, stopped or failed."""
        return self.status in ("finished", "stopped", "failed")


def fold_all(events: Iterable[AnyEvent], state: RunState | None = None) -> RunState:
    """`state` (or a new one) after all of `events`, in order."""
    state = state or RunState()
    for event in events:
        state = fold(state, event)
    return state


def fold(state: RunState, event: AnyEvent) -> RunState:
    """The state after `event`; `state` itself is left as it is."""
    state = replace(
        state,
        seq=max(state.seq, event.seq),
        attempt=max(state.attempt, event.attempt),
        now=event.time or state.now,
    )
    match event:
        case ev.Started():
            known = {s.id: s for s in state.stages}
            return replace(
                state,
                status="running",
                reason="",
                failure="",
                seconds=None,
                began=event.time,
                run=event.run,
                pid=event.pid,
                host=event.host,
                device=event.device,
                threads=event.threads,
                versions=event.versions,
                # a stage that a dead engine left half done is not running any more
                stages=tuple(_idle(known.get(id, Stage(id))) for id in event.stages),
            )
        case ev.Resumed():
            return _resumed(state, event)
        case ev.StageStarted():
            fresh = Stage(event.stage, event.title, event.unit, "running", total=event.total)
            return replace(state, stages=_put(state.stages, fresh))
        case ev.Progress():
            stage = replace(
                _stage(state, event.stage),
                status="running",
                done=event.done,
                total=event.total,
                rate=event.rate,
                left=event.left,
                note=event.note,
            )
            return replace(state, stages=_put(state.stages, stage))
        case ev.StageFinished():
            old = _stage(state, event.stage)
            stage = replace(
                old, status="done", done=old.total or old.done, left=None, seconds=event.seconds, reused=event.reused
            )
            return replace(state, stages=_put(state.stages, stage))
        case ev.Step():
            at = state.stage
            again = tuple(s for s in state.steps if s.step >= event.step)
            return replace(
                state,
                steps=_add(state.steps, event),
                void=(*state.void, *again)[-POINTS:],
                training=at.id if at else state.training,
                memory=max(state.memory, event.memory),
            )
        case ev.Probe():
            return replace(state, probes=_add(state.probes, event))
        case ev.Canary():
            return replace(state, canary=_add(state.canary, event))
        case ev.Saved():
            return replace(state, saved=event)
        case ev.Loaded():
            loaded = {**state.loaded, (event.model, event.precision): event}
            return replace(state, loaded=loaded, memory=max(state.memory, event.memory))
        case ev.Scored():
            key = (event.model, event.precision, event.metric)
            at = state.stage
            return replace(
                state,
                scores={**state.scores, key: event},
                scored_in={**state.scored_in, key: at.id if at else ""},
            )
        case ev.Recovery():
            return replace(state, recovery={**state.recovery, (event.precision, event.metric): event})
        case ev.WeightsMatrix():
            return replace(state, matrices={**state.matrices, event.tensor: event})
        case ev.WeightsSummary():
            return replace(state, weights={**state.weights, event.precision: event})
        case ev.Explained():
            return replace(state, explanation=event.text)
        case ev.Log():
            return replace(state, log=(*state.log, event)[-LINES:])
        case ev.Finished():
            return replace(state, status="finished", seconds=event.seconds, stages=_all_idle(state.stages))
        case ev.Stopped():
            where = f"stopped in stage {event.stage}" + (f" after step {event.step}" if event.step else "")
            return replace(state, status="stopped", reason=where, stages=_all_idle(state.stages))
        case ev.Failed():
            return replace(
                state, status="failed", reason=event.message, failure=event.kind, stages=_all_idle(state.stages)
            )


def _resumed(state: RunState, event: ev.Resumed) -> RunState:
    """Set aside what the new attempt does again: later stages whole, and the steps after `from_step`."""
    order = [s.id for s in state.stages]
    at = _index(order, event.stage)
    stages = tuple(
        Stage(s.id, s.title, s.unit) if i >= at and s.status != "running" else s for i, s in enumerate(state.stages)
    )
    state = replace(state, stages=stages)
    if state.training and _index(order, state.training) >= at:
        kept = tuple(s for s in state.steps if s.step <= event.from_step)
        state = replace(
            state,
            void=(*state.void, *state.steps[len(kept) :])[-POINTS:],
            steps=kept,
            probes=tuple(p for p in state.probes if p.step <= event.from_step),
            canary=tuple(c for c in state.canary if c.step <= event.from_step),
        )
    scores = {k: v for k, v in state.scores.items() if _index(order, state.scored_in[k]) <= at}
    if len(scores) < len(state.scores):  # a score that is void takes the verdicts made from it along
        state = replace(state, scores=scores, recovery={}, weights={}, matrices={}, explanation="")
    return state


def _index(order: list[str], id: str) -> int:
    return order.index(id) if id in order else -1


def _stage(state: RunState, id: str) -> Stage:
    return next((s for s in state.stages if s.id == id), Stage(id))


def _put(stages: tuple[Stage, ...], stage: Stage) -> tuple[Stage, ...]:
    if any(s.id == stage.id for s in stages):
        return tuple(stage if s.id == stage.id else s for s in stages)
    return (*stages, stage)


def _idle(stage: Stage) -> Stage:
    return replace(stage, status="waiting", left=None) if stage.status == "running" else stage


def _all_idle(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    return tuple(_idle(s) for s in stages)


def _add(series: tuple[P, ...], point: P) -> tuple[P, ...]:
    """`series` with `point` at its end; what an earlier attempt said of this step and later ones goes.

    Beyond POINTS every second point goes, then new ones come as sparsely as the rest stand; the newest is always there.
    """
    if series and series[-1].step >= point.step:
        # two probes, of forget and of retain, share a step
        series = tuple(p for p in series if p.step < point.step or (p.step == point.step and _other(p, point)))
    if len(series) >= POINTS:
        series = series[::2]
    if len(series) > POINTS // 2:
        stride = (series[-2].step - series[0].step) / (len(series) - 2)
        if series[-1].step - series[-2].step < 0.75 * stride:
            series = series[:-1]
    return (*series, point)


def _other(old: P, new: P) -> bool:
    """Whether both are probes of one attempt that speak of different metrics."""
    both = isinstance(old, ev.Probe) and isinstance(new, ev.Probe)
    return both and old.attempt == new.attempt and old.metric != new.metric  # type: ignore[union-attr]
