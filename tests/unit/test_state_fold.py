"""RunFold against slow definitions of thinning and voiding, over random logs with resumes and repeated steps."""

from __future__ import annotations

from itertools import pairwise
from unittest.mock import patch

import story
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_tui.protocol import events as ev
from unlearn_tui.state import run, series
from unlearn_tui.state.run import ANSWERS, RunFold, RunState, fold, fold_all

FEW = 12
"""Points to thin beyond, so that short logs are thinned."""


def canary(step: int) -> ev.Canary:
    return ev.Canary(step=step, question="q", gold="g", answer="a", probability=0.5, rouge=0.0)


def answered(index: int) -> ev.Answered:
    return ev.Answered(
        model="target",
        precision="fp16",
        metric="knowmem_forget",
        index=index,
        prompt="p",
        gold="g",
        answer="a",
        recall=1,
    )


def told(step: int, kind: str) -> ev.AnyEvent:
    match kind:
        case "step":
            return story.step(step)
        case "forget" | "retain":
            return ev.Probe(step=step, metric=f"knowmem_{kind}", value=50.0, n=16)
        case "canary":
            return canary(step)
        case "progress":
            return ev.Progress(stage="unlearn", done=step, total=99, rate=1.5, left=2.0, note=str(step))
        case "log":
            return ev.Log(level="info", text=str(step))
        case "answered":
            return answered(step)
        case "finish":
            return ev.StageFinished(stage="unlearn", seconds=1.0)
        case "score":
            return story.scored("target", "fp16", value=float(step))
        case "weights":
            return ev.StageStarted(stage="weights", title="", unit="matrices", total=step)
        case _:
            return ev.Stopped(stage="unlearn", step=step)


KINDS = ("step", "step", "step", "step", "forget", "retain", "canary", "progress", "log", "answered", "score")
RARE = ("finish", "weights", "stop")


@st.composite
def logs(draw: st.DrawFn) -> list[ev.AnyEvent]:
    """A few attempts, each going on (or over again) from somewhere, with or without saying that it resumes."""
    events: list[ev.AnyEvent] = []
    seq = step = 0
    for attempt in range(1, draw(st.integers(1, 4)) + 1):
        step = draw(st.integers(0, step))
        head: list[ev.AnyEvent] = [story.started()]
        if draw(st.booleans()):
            head.append(ev.Resumed(stage=draw(st.sampled_from(story.STAGES)), from_step=step))
        head.append(ev.StageStarted(stage="unlearn", title="", unit="steps", total=99))
        for kind in draw(st.lists(st.sampled_from((*KINDS, *KINDS, *RARE)), max_size=60)):
            step += kind == "step"
            head.append(told(step, kind))
        for event in head:
            event.seq, event.attempt, event.time = seq, attempt, 1000.0 + seq
            seq += 1
        events += head
    return events


def thinned(points: list, point) -> list:
    """The definition: what the step said before goes (but for its other probe), then every second point, then gaps."""
    points = [p for p in points if p.step < point.step or (p.step == point.step and beside(p, point))]
    if len(points) >= FEW:
        points = points[::2]
    if len(points) > FEW // 2:
        stride = (points[-2].step - points[0].step) / (len(points) - 2)
        if points[-1].step - points[-2].step < 0.75 * stride:
            points = points[:-1]
    return [*points, point]


def beside(old, new) -> bool:
    return isinstance(old, ev.Probe) and old.attempt == new.attempt and old.metric != new.metric


def slowly(events: list[ev.AnyEvent]) -> dict[str, list]:
    """Steps, void steps, probes and canary by the definition, event by event over plain lists."""
    steps, void, probes, asked = [], [], [], []
    order: list[str] = []
    training, running = "", []
    for event in events:
        match event:
            case ev.Started():
                order, running = event.stages, []
            case ev.StageStarted():
                running = [id for id in order if id in {*running, event.stage}]
            case ev.Progress():
                running = [id for id in order if id in {*running, event.stage}]
            case ev.StageFinished():
                running = [id for id in running if id != event.stage]
            case ev.Stopped():
                running = []
            case ev.Resumed() if training and order.index(training) >= order.index(event.stage):
                void += [s for s in steps if s.step > event.from_step]
                steps = [s for s in steps if s.step <= event.from_step]
                probes = [p for p in probes if p.step <= event.from_step]
                asked = [c for c in asked if c.step <= event.from_step]
            case ev.Step():
                void += [s for s in steps if s.step >= event.step]
                steps = thinned(steps, event)
                training = running[0] if running else training
            case ev.Probe():
                probes = thinned(probes, event)
            case ev.Canary():
                asked = thinned(asked, event)
    return {"steps": steps, "void": void[-FEW:], "probes": probes, "canary": asked}


@settings(max_examples=150, deadline=None)
@given(logs())
def test_series_are_what_the_definition_makes_of_them(events: list[ev.AnyEvent]) -> None:
    with patch.object(series, "POINTS", FEW), patch.object(run, "POINTS", FEW):
        state = fold_all(events)
    expected = slowly(events)
    assert {name: list(getattr(state, name)) for name in expected} == expected


@settings(max_examples=100, deadline=None)
@given(logs(), st.lists(st.integers(0, 250), max_size=6))
def test_a_log_fed_in_any_chunks_gives_the_state_of_one_event_at_a_time(
    events: list[ev.AnyEvent], cuts: list[int]
) -> None:
    with patch.object(series, "POINTS", FEW), patch.object(run, "POINTS", FEW):
        alone = RunState()
        for event in events:
            alone = fold(alone, event)
        chunked = RunFold()
        places = [0, *sorted(min(c, len(events)) for c in cuts), len(events)]
        for a, b in pairwise(places):
            chunked.feed(events[a:b]).snapshot()
        assert chunked.snapshot() == alone == fold_all(events)


@settings(max_examples=50, deadline=None)
@given(logs(), st.integers(0, 100))
def test_a_snapshot_stays_as_it_was_while_more_is_fed(events: list[ev.AnyEvent], cut: int) -> None:
    growing = RunFold().feed(events[:cut])
    before = growing.snapshot()
    growing.feed(events[cut:]).snapshot()
    assert before == fold_all(events[:cut])


def test_what_has_not_changed_is_the_same_object_in_the_next_snapshot() -> None:
    growing = RunFold().feed(story.events())
    before = growing.snapshot()
    after = growing.feed([ev.Log(level="info", text="more")]).snapshot()
    assert after.steps is before.steps
    assert after.scores is before.scores
    assert after.log != before.log


def test_the_last_answers_are_kept_until_a_new_attempt_begins() -> None:
    state = fold_all([story.started(), *(answered(i) for i in range(ANSWERS + 5))])
    assert [a.index for a in state.answered] == list(range(5, ANSWERS + 5))
    assert fold(state, story.started()).answered == ()


def test_a_hundred_thousand_events_never_hold_more_than_a_bounded_number_of_points() -> None:
    growing = RunFold()
    growing.feed([story.started()])
    for start in range(0, 30_000, 5_000):
        growing.feed(e for n in range(start, start + 5_000) for e in (story.step(n), told(n, "log"), canary(n)))
        state = growing.snapshot()
        assert max(len(state.steps), len(state.canary)) <= series.POINTS
        assert len(state.log) <= run.LINES
        assert state.steps[-1].step == start + 4_999
