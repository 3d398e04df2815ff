"""RunState as a pure fold: what a log says so far, over resumes, deaths and long trainings."""

from __future__ import annotations

import story

from unlearn_tui.protocol import events as ev
from unlearn_tui.state.run import LINES, POINTS, RunState, fold, fold_all


def numbered(events: list[ev.AnyEvent], attempt: int = 1, start: int = 0) -> list[ev.AnyEvent]:
    for seq, event in enumerate(events, start):
        event.seq, event.attempt, event.time = seq, attempt, 1000.0 + seq
    return events


def trained(steps: range) -> list[ev.AnyEvent]:
    stage = ev.StageStarted(stage="unlearn", title="unlearn", unit="steps", total=len(steps))
    return [story.started(), stage, *(story.step(n, len(steps)) for n in steps)]


def test_a_whole_run_folds_to_every_number_that_its_log_holds() -> None:
    events = numbered(story.events())
    state = fold_all(events)
    assert (state.status, state.seconds, state.seq, state.run) == ("finished", 9.0, len(events) - 1, "story")
    assert [s.status for s in state.stages] == ["done"] * 5 + ["waiting"]
    assert [s.step for s in state.steps] == [1, 2, 3, 4]
    assert [c.answer for c in state.canary] == ["Fennelport", "Fennelport", "Fenn", "a harbour"]
    assert {k[:2]: s.value for k, s in state.scores.items()} == story.VALUES
    assert state.recovery["bnb-fp4", "knowmem_forget"].verdict == "recovered"
    assert state.weights["bnb-fp4"].kept == 0.18
    assert state.training == "unlearn"
    assert state.memory == 900_000_000
    assert state.explanation.startswith("FP4 keeps")
    assert state.saved is not None
    assert state.ended


def test_folding_leaves_the_state_before_as_it_was() -> None:
    before = fold_all(numbered(story.events())[:10])
    copy = fold_all(numbered(story.events())[:10])
    for event in numbered(story.events()):
        fold(before, event)
    assert before == copy


def test_a_log_folded_in_two_parts_gives_the_same_state() -> None:
    events = numbered(story.events())
    for cut in range(len(events)):
        assert fold_all(events[cut:], fold_all(events[:cut])) == fold_all(events)


def test_the_stage_at_work_has_its_progress_and_the_time_left() -> None:
    progress = ev.Progress(stage="unlearn", done=3, total=8, rate=2.0, left=2.5, note="a note")
    stage = fold_all([*trained(range(1, 3)), progress]).stage
    assert stage is not None
    assert (stage.id, stage.done, stage.total, stage.rate, stage.left, stage.unit) == (
        "unlearn",
        3,
        8,
        2.0,
        2.5,
        "steps",
    )


def test_a_resume_sets_the_later_steps_of_the_earlier_attempt_aside() -> None:
    first = trained(range(1, 11))
    first.insert(5, ev.Canary(step=3, question="q", gold="g", answer="a", probability=0.5, rouge=1))
    first.insert(10, ev.Canary(step=7, question="q", gold="g", answer="b", probability=0.4, rouge=1))
    first.append(ev.Probe(step=8, metric="knowmem_forget", value=50.0, n=16))
    state = fold_all([*first, story.started(), ev.Resumed(stage="unlearn", from_step=5), story.step(6)])
    assert [s.step for s in state.steps] == [1, 2, 3, 4, 5, 6]
    assert [s.step for s in state.void] == [6, 7, 8, 9, 10]
    assert [c.step for c in state.canary] == [3]
    assert state.probes == ()


def test_steps_done_again_without_a_save_replace_those_of_the_dead_attempt() -> None:
    again = [story.started(), ev.StageStarted(stage="unlearn", title="", unit="steps", total=10), story.step(1)]
    state = fold_all([*trained(range(1, 11)), *again])
    assert [s.step for s in state.steps] == [1]
    assert len(state.void) == 10


def test_a_resume_in_a_later_stage_keeps_the_training() -> None:
    events = story.events()
    state = fold_all([*events[:-8], story.started(), ev.Resumed(stage="weights")])
    assert len(state.steps) == 4
    assert len(state.scores) == 6


def test_a_resume_in_an_earlier_stage_takes_later_scores_and_verdicts_back() -> None:
    state = fold_all([*story.events(), story.started(), ev.Resumed(stage="unlearn", from_step=2)])
    assert {model for model, *_ in state.scores} == {"target"}
    assert not state.recovery
    assert not state.weights
    assert not state.explanation
    assert state.status == "running"
    assert [s.status for s in state.stages] == ["done", "done", "waiting", "waiting", "waiting", "waiting"]


def test_a_new_attempt_forgets_how_the_last_one_ended() -> None:
    failed = fold_all([*trained(range(1, 4)), ev.Failed(kind="nan", message="loss is NaN", stage="unlearn")])
    assert (failed.status, failed.failure, failed.reason, failed.stage) == ("failed", "nan", "loss is NaN", None)
    running = fold(failed, story.started())
    assert (running.status, running.failure, running.reason) == ("running", "", "")


def test_a_stopped_run_says_where_it_stands() -> None:
    state = fold_all([*trained(range(1, 4)), ev.Stopped(stage="unlearn", step=3)])
    assert (state.status, state.reason) == ("stopped", "stopped in stage unlearn after step 3")


def test_a_long_training_is_thinned_evenly_and_keeps_its_newest_step() -> None:
    state = RunState()
    for n in range(1, 20_001):
        state = fold(state, story.step(n))
        assert state.steps[-1].step == n
        assert len(state.steps) <= POINTS
    gaps = [b.step - a.step for a, b in zip(state.steps[:-2], state.steps[1:-1], strict=True)]
    assert min(gaps) * 2.1 >= max(gaps), "no stretch is much coarser than another"
    assert len(state.steps) > POINTS // 4


def test_the_log_keeps_only_its_last_lines() -> None:
    state = fold_all(ev.Log(level="info", text=str(n)) for n in range(LINES + 7))
    assert len(state.log) == LINES
    assert state.log[-1].text == str(LINES + 6)


def test_an_event_of_an_unannounced_stage_finds_its_place() -> None:
    state = fold_all([story.started(), ev.Progress(stage="extra", done=1, total=2)])
    assert state.stages[-1].id == "extra"


def test_probes_of_both_subsets_share_a_step_and_both_stay():
    events = [
        ev.Probe(attempt=1, step=step, metric=f"knowmem_{subset}", value=50.0, n=16)
        for step in (0, 50)
        for subset in ("forget", "retain")
    ]
    state = fold_all(events)
    assert [(p.step, p.metric) for p in state.probes] == [
        (0, "knowmem_forget"),
        (0, "knowmem_retain"),
        (50, "knowmem_forget"),
        (50, "knowmem_retain"),
    ]
    again = fold_all([ev.Probe(attempt=2, step=50, metric="knowmem_forget", value=1.0, n=16)], state)
    assert [p.value for p in again.probes if p.step == 50] == [1.0]


def test_epochs_are_kept_in_order_and_those_after_a_resume_are_set_aside():
    def epoch(n: int, **more) -> ev.Epoch:
        return ev.Epoch(epoch=n, step=5 * n, metric="knowmem_forget", value=100.0 - n, n=46, line=33.0, **more)

    stage = ev.StageStarted(stage="unlearn", title="unlearn", unit="steps", total=20)
    step = ev.Step(
        step=1, total=20, loss=1.0, forget_loss=1.0, grad_norm=1.0, lr=1e-5, adam_max=1e-5,
    )  # fmt: skip
    started = ev.Started(run="r", stages=["load", "unlearn"], pid=1, host="h", device="cpu", threads=1, versions={})
    state = fold_all([started, stage, step, epoch(1), epoch(2), epoch(3)])
    assert [e.epoch for e in state.epochs] == [1, 2, 3]
    again = fold_all([ev.Resumed(stage="unlearn", from_step=7), epoch(2, chosen=True)], state)
    assert [(e.epoch, e.chosen) for e in again.epochs] == [(1, False), (2, True)]
