"""RunState: what a run's log says so far, as a pure fold; every view of a run is drawn from it.

Tracked: the stages with their progress, training steps, probes, canary answers, loaded models, scores, verdicts,
weights, the newest answers and log lines and how the run stands. Not tracked: all answers (side files) and the rows of
weights.jsonl. Memory is bounded: a series is thinned evenly beyond POINTS points, the log keeps its last LINES lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.events import AnyEvent
from unlearn_tui.state.series import POINTS, Growing, add, cut

LINES = 500
ANSWERS = 12

Status = Literal["new", "running", "finished", "stopped", "failed"]


NOTABLE = frozenset(
    (
        *(ev.Started, ev.Resumed, ev.StageStarted, ev.StageFinished, ev.Saved, ev.Loaded, ev.Scored, ev.Log, ev.Epoch),
        *(ev.Finished, ev.Stopped, ev.Failed),
    )
)
"""Events that come seldom enough to be read one by one."""


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
    epochs: tuple[ev.Epoch, ...] = ()
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
    predictions: dict[str, ev.Predicted] = field(default_factory=dict)
    privleak: dict[tuple[str, str], ev.PrivLeak] = field(default_factory=dict)
    """By model and precision."""
    matrices: dict[str, ev.WeightsMatrix] = field(default_factory=dict)
    explanation: str = ""
    log: tuple[ev.Log, ...] = ()
    notable: tuple[AnyEvent, ...] = ()
    """The last LINES events worth a line to read, those of `log` among them."""
    answered: tuple[ev.Answered, ...] = ()
    """The last ANSWERS answers that scoring spoke of."""

    @property
    def stage(self) -> Stage | None:
        """The stage at work, or None between stages and after the end."""
        return next((s for s in self.stages if s.status == "running"), None)

    @property
    def ended(self) -> bool:
        """True once the last attempt finished, stopped or failed."""
        return self.status in ("finished", "stopped", "failed")


class RunFold:
    """A fold under way: `feed` it events in order, take a `snapshot` whenever a view wants one.

    Feeding costs a few µs an event however long the log is. A snapshot is never changed by what is fed later, and what
    has not changed since the one before is the same object in both.
    """

    def __init__(self, state: RunState | None = None) -> None:
        state = state or RunState()
        self._rest = state
        """Everything that seldom changes, replaced as a whole."""
        self.seq = state.seq
        self._attempt, self._now = state.attempt, state.now
        self._memory, self._training = state.memory, state.training
        self._stages = Growing(state.stages)
        self._steps = Growing(state.steps)
        self._probes = Growing(state.probes)
        self._epochs = Growing(state.epochs)
        self._canary = Growing(state.canary)
        self._void = Growing(state.void)
        self._log = Growing(state.log)
        self._notable = Growing(state.notable)
        self._answered = Growing(state.answered)

    def feed(self, events: Iterable[AnyEvent]) -> RunFold:
        """Take `events` in, in order; returns itself."""
        takes = _TAKES
        for event in events:
            if event.seq > self.seq:
                self.seq = event.seq
            if event.attempt > self._attempt:
                self._attempt = event.attempt
            self._now = event.time or self._now
            kind = type(event)
            takes[kind](self, event)
            if kind in NOTABLE:
                self._notable.push(event, LINES)
        return self

    def snapshot(self) -> RunState:
        """The state now."""
        self._rest = replace(
            self._rest,
            seq=self.seq,
            attempt=self._attempt,
            now=self._now,
            memory=self._memory,
            training=self._training,
            stages=self._stages.frozen(),
            steps=self._steps.frozen(),
            probes=self._probes.frozen(),
            epochs=self._epochs.frozen(),
            canary=self._canary.frozen(),
            void=self._void.frozen(),
            log=self._log.frozen(),
            notable=self._notable.frozen(),
            answered=self._answered.frozen(),
        )
        return self._rest

    def _set(self, **values: Any) -> None:
        self._rest = replace(self._rest, **values)

    def _running(self) -> str:
        """The id of the stage at work, "" between stages."""
        for stage in self._stages.items:
            if stage.status == "running":
                return stage.id
        return ""

    def _place(self, id: str) -> tuple[list[Stage], int]:
        """The stages, to be changed, and where in them the one of this id is: at their end if it was not announced."""
        stages = self._stages.changing()
        for i, stage in enumerate(stages):
            if stage.id == id:
                return stages, i
        stages.append(Stage(id))
        return stages, len(stages) - 1

    def _idle(self) -> None:
        stages = self._stages.changing()
        stages[:] = [_idle(s) for s in stages]

    def _started(self, event: ev.Started) -> None:
        known = {s.id: s for s in self._stages.items}
        # a stage that a dead engine left half done is not running any more
        self._stages.changing()[:] = [_idle(known.get(id, Stage(id))) for id in event.stages]
        self._answered.changing().clear()
        self._set(
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
        )

    def _resumed(self, event: ev.Resumed) -> None:
        """Set aside what the new attempt does again: later stages whole, and the steps after `from_step`."""
        stages = self._stages.changing()
        order = [s.id for s in stages]
        at = _index(order, event.stage)
        stages[:] = [
            Stage(s.id, s.title, s.unit) if i >= at and s.status != "running" else s for i, s in enumerate(stages)
        ]
        if self._training and _index(order, self._training) >= at:
            self._set_aside(cut(self._steps.changing(), event.from_step + 1))
            cut(self._probes.changing(), event.from_step + 1)
            cut(self._epochs.changing(), event.from_step + 1)
            cut(self._canary.changing(), event.from_step + 1)
        rest = self._rest
        scores = {k: v for k, v in rest.scores.items() if _index(order, rest.scored_in[k]) <= at}
        if len(scores) < len(rest.scores):  # a score that is void takes the verdicts made from it along
            self._set(scores=scores, recovery={}, privleak={}, weights={}, matrices={}, explanation="")

    def _set_aside(self, steps: list[ev.Step]) -> None:
        if steps:
            void = self._void.changing()
            void += steps
            del void[:-POINTS]

    def _stage_started(self, event: ev.StageStarted) -> None:
        stages, i = self._place(event.stage)
        stages[i] = Stage(event.stage, event.title, event.unit, "running", total=event.total)

    def _progress(self, event: ev.Progress) -> None:
        stages, i = self._place(event.stage)
        old = stages[i]
        now = (event.done, event.total, event.rate, event.left, event.note)
        stages[i] = Stage(old.id, old.title, old.unit, "running", *now, old.seconds, old.reused)

    def _stage_finished(self, event: ev.StageFinished) -> None:
        stages, i = self._place(event.stage)
        done = stages[i].total or stages[i].done
        stages[i] = replace(stages[i], status="done", done=done, left=None, seconds=event.seconds, reused=event.reused)

    def _step(self, event: ev.Step) -> None:
        steps = self._steps.changing()
        if steps and steps[-1].step >= event.step:
            self._set_aside(cut(steps, event.step))
        add(steps, event)
        self._training = self._running() or self._training
        self._memory = max(self._memory, event.memory)

    def _probe(self, event: ev.Probe) -> None:
        probes = self._probes.changing()
        # two probes, of forget and of retain, share a step
        add(probes, event, [p for p in cut(probes, event.step) if p.step == event.step and _other(p, event)])

    def _epoch(self, event: ev.Epoch) -> None:
        epochs = self._epochs.changing()
        cut(epochs, event.step)
        add(epochs, event)

    def _asked(self, event: ev.Canary) -> None:
        canary = self._canary.changing()
        cut(canary, event.step)
        add(canary, event)

    def _loaded(self, event: ev.Loaded) -> None:
        self._memory = max(self._memory, event.memory)
        self._set(loaded={**self._rest.loaded, (event.model, event.precision): event})

    def _scored(self, event: ev.Scored) -> None:
        key = (event.model, event.precision, event.metric)
        rest = self._rest
        self._set(scores={**rest.scores, key: event}, scored_in={**rest.scored_in, key: self._running()})

    def _ended(self, status: Status, **values: Any) -> None:
        self._idle()
        self._set(status=status, **values)

    def _stopped(self, event: ev.Stopped) -> None:
        after = f" after step {event.step}" if event.step else ""
        self._ended("stopped", reason=f"stopped in stage {event.stage.replace('_', ' ')}{after}")


_TAKES: dict[type, Callable[[RunFold, Any], None]] = {
    ev.Started: RunFold._started,
    ev.Resumed: RunFold._resumed,
    ev.StageStarted: RunFold._stage_started,
    ev.Progress: RunFold._progress,
    ev.StageFinished: RunFold._stage_finished,
    ev.Step: RunFold._step,
    ev.Probe: RunFold._probe,
    ev.Epoch: RunFold._epoch,
    ev.Canary: RunFold._asked,
    ev.Saved: lambda fold, event: fold._set(saved=event),
    ev.Loaded: RunFold._loaded,
    ev.Scored: RunFold._scored,
    ev.Answered: lambda fold, event: fold._answered.push(event, ANSWERS),
    ev.Recovery: lambda fold, e: fold._set(recovery={**fold._rest.recovery, (e.precision, e.metric): e}),
    ev.PrivLeak: lambda fold, e: fold._set(privleak={**fold._rest.privleak, (e.model, e.precision): e}),
    ev.Predicted: lambda fold, e: fold._set(predictions={**fold._rest.predictions, e.precision: e}),
    ev.WeightsMatrix: lambda fold, e: fold._set(matrices={**fold._rest.matrices, e.tensor: e}),
    ev.WeightsSummary: lambda fold, e: fold._set(weights={**fold._rest.weights, e.precision: e}),
    ev.Explained: lambda fold, event: fold._set(explanation=event.text),
    ev.Log: lambda fold, event: fold._log.push(event, LINES),
    ev.Finished: lambda fold, event: fold._ended("finished", seconds=event.seconds),
    ev.Stopped: RunFold._stopped,
    ev.Failed: lambda fold, event: fold._ended("failed", reason=event.message, failure=event.kind),
}


def fold_all(events: Iterable[AnyEvent], state: RunState | None = None) -> RunState:
    """`state` (or a new one) after all of `events`, in order."""
    return RunFold(state).feed(events).snapshot()


def fold(state: RunState, event: AnyEvent) -> RunState:
    """The state after `event`; `state` itself is left as it is. For many events, RunFold is faster."""
    return RunFold(state).feed((event,)).snapshot()


def _index(order: list[str], id: str) -> int:
    return order.index(id) if id in order else -1


def _idle(stage: Stage) -> Stage:
    return replace(stage, status="waiting", left=None) if stage.status == "running" else stage


def _other(old: ev.Probe, new: ev.Probe) -> bool:
    """Whether both are of one attempt and speak of different metrics."""
    return old.attempt == new.attempt and old.metric != new.metric
