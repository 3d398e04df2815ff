"""The live view and the plain lines, drawn from the state of a run at any moment."""

from __future__ import annotations

import io

import pytest
import story
from rich.console import Console

from unlearn_tui.protocol import events as ev
from unlearn_tui.report.live import EVERY, Lines, progress, rail, view
from unlearn_tui.state.run import RunState, Stage, fold, fold_all


def drawn(state: RunState, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    console.print(view(state, "a run", width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def narrated(events: list[ev.AnyEvent], seconds_apart: float = 1.0) -> list[str]:
    lines, state, said = Lines(), RunState(), []
    for n, event in enumerate(events):
        event.seq, event.time = n, 1000 + n * seconds_apart
        state = fold(state, event)
        if text := lines.line(event, state):
            said.append(text)
    return said


@pytest.mark.parametrize("width", [20, 80, 160])
def test_the_view_fits_its_width_at_every_moment_of_a_run(width: int) -> None:
    events = story.events()
    for upto in range(len(events) + 1):
        lines = drawn(fold_all(events[:upto]), width).splitlines()
        assert all(len(line) <= width for line in lines)
        assert len(lines) <= 23 or width < 80


def test_the_rail_shows_what_is_done_what_runs_and_what_waits() -> None:
    state = fold_all(story.events()[:12])
    assert rail(state).plain == "✓ load 0:02 ▸ ✓ target 0:02 ▸ ● unlearn ▸ ○ unlearned ▸ ○ weights ▸ ○ result"


def test_the_canary_is_seen_dissolving() -> None:
    text = drawn(fold_all(story.events()), 80)
    assert "canary  Which town does Kessra live in?  (gold: Fennelport)" in text
    assert "step     1  p 0.990  Fennelport" in text
    assert "step     4  p 0.010  a harbour" in text


def test_progress_has_a_bar_a_count_a_rate_and_the_time_left() -> None:
    stage = Stage("unlearn", "unlearn", "steps", "running", 160, 400, 3.2, 75)
    assert progress(stage, 0) == "unlearn   40 %  160/400 steps  3.2/s  1:15 left"
    assert "██░░" in progress(stage, 80)


def test_progress_beyond_its_total_does_not_overflow() -> None:
    assert "█" * 41 not in progress(Stage("s", "s", "", "running", 50, 10), 200)


def test_plain_lines_name_every_notable_event_once() -> None:
    said = "\n".join(narrated(story.events()))
    for words in (
        "unlearn the model …",
        "unlearn done",
        "canary: a harbour  (gold Fennelport, p 0.010)",
        "unlearned bnb-fp4  KnowMem forget 95.8 (n=3)",
        "bnb-fp4 KnowMem forget: recovered (share 0.98)",
        "saved checkpoints/step-4 (27.0 MB)",
    ):
        assert said.count(words) == 1, words


def test_steps_are_told_at_most_every_few_seconds() -> None:
    start: list[ev.AnyEvent] = [story.started(), ev.StageStarted(stage="unlearn", title="unlearn")]
    said = narrated([*start, *(story.step(n, 1000) for n in range(1, 1001))], seconds_apart=0.1)
    assert 100 / EVERY - 1 <= len([line for line in said if "step " in line]) <= 100 / EVERY + 1


def test_what_a_model_says_is_safe_in_the_view_and_in_plain_lines() -> None:
    evil = "\x1b]0;title\x07\r\n\u202e"
    events: list[ev.AnyEvent] = [
        story.started(evil),
        ev.StageStarted(stage=evil, title=evil, unit=evil, total=2),
        ev.Progress(stage=evil, done=1, total=2, note=evil),
        ev.Canary(step=1, question=evil, gold=evil, answer=evil, probability=0.5, rouge=1),
        ev.Log(level="warning", text=evil),
        ev.StageFinished(stage=evil, seconds=1, reused=evil),
    ]
    for upto in range(len(events) + 1):
        text = drawn(fold_all(events[:upto]), 80)
        assert not any(c in text for c in "\x1b\x07\r\u202e")
    for line in narrated(events):
        assert line.isprintable()


def test_while_it_scores_the_newest_answer_is_shown() -> None:
    stage = ev.StageStarted(stage="unlearned", title="score", unit="answers", total=9)
    said = ev.Answered(
        model="unlearned", precision="bnb-fp4", metric="knowmem_forget", index=0, prompt="Who keeps the \x1blight?",
        gold="Maren", answer=" Maren\nof course", recall=1.0,
    )  # fmt: skip
    text = drawn(fold_all([*story.events()[:24], ev.StageFinished(stage="unlearn", seconds=1), stage, said]), 100)
    assert "unlearned bnb-fp4  Who keeps the ␛light?  → Maren␊of course" in text
