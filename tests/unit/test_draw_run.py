"""The Run screen drawn from the state of a run at any moment, at any size, whatever the texts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import story

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.state.machine import Gpu, Sample
from unlearn_tui.state.run import RunState, fold_all
from unlearn_tui.tui.draw.run import WIDE, draw, in_training, nothing
from unlearn_tui.tui.draw.run_look import Kept, Look, model, what
from unlearn_tui.tui.lines import STYLES, text, width

SIZES = [(40, 10), (80, 22), (120, 30), (160, 46), (200, 60), (64, 40), (160, 12), (20, 3)]
BAD = "\x1b[31mred\x1b[0m\u202eback\u2066 日本語の答え café\u0301 🧑‍🤝‍🧑 [bold]x[/] " * 3


def timed(events: list[ev.AnyEvent]) -> list[ev.AnyEvent]:
    for seq, event in enumerate(events):
        event.seq, event.time = seq, 1_700_000_000.0 + seq
    return events


def foretold(*rows: tuple[str, str]) -> list[ev.AnyEvent]:
    return [ev.Predicted(precision=precision, kept=0.5, says=says) for precision, says in rows]


def answered(answer: str = "Fennelport", gold: str = "Fennelport", index: int = 0) -> ev.Answered:
    return ev.Answered(
        model="unlearned",
        precision="bnb-fp4",
        metric="knowmem_forget",
        index=index,
        prompt=f"Question {index}?",
        gold=gold,
        answer=answer,
        recall=float(answer == gold),
    )


def told(upto: int | None = None, more: list[ev.AnyEvent] | None = None) -> RunState:
    return fold_all(timed([*story.events()[:upto], *(more or [])]))


def look(state: RunState, **values) -> Look:
    values.setdefault("now", state.now + 65)
    return Look(**{"id": "story-1", "spec": RunSpec(), "state": state, **values})


def painted(shown: Look, cells: int = 80, rows: int = 22) -> str:
    return "\n".join(text(row).rstrip() for row in draw(shown, cells, rows))


def scoring(*more: ev.AnyEvent) -> RunState:
    """In the middle of scoring the unlearned model."""
    events = story.events()
    at = next(i for i, e in enumerate(events) if isinstance(e, ev.StageStarted) and e.stage == "unlearned")
    note = "unlearned bnb-fp4 knowmem_forget"
    events = [e for e in events[: at + 3] if not isinstance(e, ev.StageStarted) or e.stage != "unlearned"]
    events.insert(at, ev.StageStarted(stage="unlearned", title="score the unlearned model", unit="answers", total=9))
    return fold_all(
        timed([*events, ev.Progress(stage="unlearned", done=6, total=9, rate=2.0, left=1.5, note=note), *more])
    )


SAMPLE = Sample(1.0, 93.0, 640_000_000, 8_000_000_000, 16_000_000_000)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("large", [False, True])
def test_no_line_is_wider_and_none_more_than_asked_at_any_moment(size: tuple[int, int], large: bool) -> None:
    cells, rows = size
    for upto in range(len(story.events()) + 1):
        state = told(upto)
        lines = draw(look(state, samples=(SAMPLE,), large_log=large, answered=state.answered), cells, rows)
        assert len(lines) <= rows
        assert all(width(row) <= cells for row in lines)
        assert {name for row in lines for _, style in row for name in style.split()} <= set(STYLES)


@pytest.mark.parametrize("size", SIZES)
def test_hostile_text_stays_text_and_in_its_place(size: tuple[int, int]) -> None:
    canary = ev.Canary(step=5, question=BAD, gold=BAD, answer=BAD, probability=0.5, rouge=0.5)
    more: list[ev.AnyEvent] = [
        canary,
        ev.Log(level="warning", text=BAD),
        ev.Progress(stage=BAD, done=1, total=2, note=BAD),
        answered(BAD, BAD),
        ev.WeightsMatrix(tensor=BAD, changed=0.5, kept={BAD: None}),
        story.scored("unlearned", "fp16"),
        ev.StageFinished(stage=BAD, seconds=1, reused=BAD),
    ]
    spec = RunSpec(model=BAD, method=BAD, precision=["fp16", BAD], metric=["knowmem_forget", BAD])
    for state in (told(14, more), scoring(*more), told(None, [ev.Failed(kind=BAD, message=BAD, stage=BAD)])):
        shown = look(state, id=BAD, spec=spec, answered=state.answered, ahead=BAD[:9].replace("\x1b", ""))
        for form in (shown, replace(shown, large_log=True)):
            lines = draw(form, *size)
            assert all(width(row) <= size[0] for row in lines)
            assert not any(ord(char) < 32 or char in "\x7f\u202e\u2066" for row in lines for char in text(row))


def test_before_the_first_event_it_says_what_is_awaited() -> None:
    assert "the engine is starting" in painted(look(RunState()))


def test_while_it_trains_losses_probes_and_the_canary_are_in_front() -> None:
    state = told(23)
    assert in_training(look(state))
    shown = painted(look(state, samples=(SAMPLE,)))
    for part in (
        "losses",
        "forget",
        "lower: forgets",
        "higher: drifts",
        "4/4 steps",
        "100 %",
        "Fennelport",
        "0.010",
        "93 %",
    ):
        assert part in shown, part
    assert "Which town does Kessra live in?" in shown


def test_a_wide_screen_has_a_chart_for_each_loss() -> None:
    assert painted(look(told(23)), *WIDE).count("└") == 3
    assert painted(look(told(23)), WIDE[0] - 1, WIDE[1]).count("┤") < painted(look(told(23)), *WIDE).count("┤")


def test_a_method_without_a_retain_term_says_so() -> None:
    state = told(23)
    steps = tuple(
        ev.Step(**{n: getattr(s, n) for n in s.__struct_fields__} | {"retain_loss": None}) for s in state.steps
    )
    assert "no retain term" in painted(look(replace(state, steps=steps)))


def test_while_it_scores_the_answers_and_the_scores_are_in_front() -> None:
    state = scoring(*(answered(index=i) for i in range(3)), answered("a harbour", index=7))
    shown = painted(look(state, answered=state.answered))
    assert not in_training(look(state))
    assert shown.index("Question 7?") < shown.index("Question 2?"), "the newest first"
    assert "a harbour  gold: Fennelport" in painted(look(state, answered=state.answered), 110)
    row = next(line for line in shown.splitlines() if "INT4" in line and "98.0" in line)
    assert row.rstrip().endswith("…"), "the column that is being scored"
    assert "12.5" in shown


def test_without_answers_in_the_log_the_scores_take_their_place() -> None:
    shown = painted(look(scoring()))
    assert "KnowMem forget, 0–100" in shown
    assert "arriving" not in shown


def test_a_score_that_came_back_is_marked_by_shape() -> None:
    shown = painted(look(told()))
    assert "95.8 ▲" in shown
    assert "12.5 ▲" not in shown


def test_a_finished_run_shows_its_sentence_and_where_to_go() -> None:
    state = told()
    shown = painted(look(state, result=story.result("story-1", RunSpec())))
    flat = " ".join(shown.split())
    assert "KnowMem forget 100.0 → 12.5 after unlearning" in flat
    assert "bnb-fp4: 95.8, came back" in flat
    assert "4 compare answers 5 why (weights) finished in 0:09" in flat


def test_a_failed_run_says_why_and_where_a_resume_goes_on() -> None:
    events = story.events()
    cut = next(i for i, e in enumerate(events) if isinstance(e, ev.Step) and e.step == 4)
    saved = ev.Saved(step=2, path="checkpoints/training-2", bytes=1, seconds=0.1)
    failed = ev.Failed(kind="memory", message="out of memory: try --batch 2", stage="unlearn")
    shown = painted(look(fold_all(timed([*events[:cut], saved, failed]))))
    assert "✗ failed (memory): out of memory: try --batch 2" in shown
    assert "r resume: goes on after step 2, the last save" in shown
    assert "▸ ✗ unlearn ▸ ○ unlearned" in shown
    nothing_saved = painted(look(fold_all(timed([*events[:cut], failed]))))
    assert "starts the training again" in nothing_saved
    again = painted(look(fold_all(timed([*events[:cut], failed])), resuming=True))
    assert "a new engine is on its way" in again


def test_a_stopped_run_says_where_it_stands() -> None:
    shown = painted(look(told(14, [ev.Stopped(stage="unlearn", step=2)])))
    assert "◐ stopped in stage unlearn after step 2" in shown
    assert "▸ ◐ unlearn ▸" in shown
    assert "r resume" in shown


def test_a_check_has_no_training_and_names_both_models() -> None:
    spec = RunSpec(task="check", model="pocket-target", unlearned="/home/x/runs/mine-1/checkpoints/unlearned")
    events = [e for e in story.events() if not isinstance(e, ev.Step | ev.Canary | ev.Probe | ev.Saved)]
    for size in ((80, 22), (160, 46)):
        shown = painted(look(fold_all(timed(events[:9])), spec=spec), *size)
        assert "check mine-1 against pocket-target" in shown
        assert "canary" not in shown


def test_a_model_is_called_by_its_run_its_folder_or_its_own_name() -> None:
    assert model("/a/runs/effect-1/checkpoints/unlearned") == "effect-1"
    assert model("/a/llama") == "llama"
    assert model("org/model") == "org/model"
    assert what(RunSpec(precision=["fp16", "bnb-fp4"])) == "pocket-target → ga_klr bf16 → FP16 INT4"


def test_a_held_view_says_so_and_how_far_the_run_is() -> None:
    top = text(draw(look(told(14), ahead="run is 25 steps ahead"), 80, 22)[0])
    assert top.rstrip().endswith("FROZEN run is 25 steps ahead: space lets go")


def test_the_clock_is_the_wall_clock_while_the_run_is_silent() -> None:
    state = told(14)
    assert "1:30" in painted(look(state, now=state.began + 90)).splitlines()[2]


def test_numbers_keep_their_place_as_a_stage_goes_on() -> None:
    def row(done: int, rate: float, left: float) -> str:
        progress = ev.Progress(stage="unlearn", done=done, total=1000, rate=rate, left=left)
        return text(draw(look(told(14, [progress]), now=1_700_000_090.0), 80, 22)[2])

    rows = [row(1, 0.11, 35_000), row(10, 9.9, 3600.0), row(999, 120.0, 1.0)]
    assert len({r.index("/1000 steps") for r in rows}) == 1
    assert len({r.index(" left") for r in rows}) == 1


def test_meters_of_a_cpu_and_of_a_gpu() -> None:
    state = told(14)
    shown = painted(look(state, samples=(SAMPLE,)), 160, 46)
    assert "640.0 MB" in shown
    assert "4 % of 16.0 GB" in shown
    gpu = Gpu("NVIDIA H200", 52_100_000_000, 80_000_000_000, 97.0, 71.0, 612.0)
    shown = painted(look(state, samples=(replace(SAMPLE, gpu=gpu),)), 160, 46)
    for part in ("52.1 GB", "65 % of 80.0 GB", "97 %", "71 °C", "612 W", "NVIDIA H200"):
        assert part in shown, part
    bare = Gpu("GPU", 1, 2, None, None, None)
    assert "–" in painted(look(state, samples=(replace(SAMPLE, gpu=bare),)), 160, 46)


def test_an_engine_on_another_machine_has_no_meters_but_a_peak() -> None:
    assert "peak memory 900.0 MB, on here" in painted(look(told(14), samples=(Sample(1.0),)))


def test_the_log_scrolls_back_and_shows_warnings_alone() -> None:
    more: list[ev.AnyEvent] = [
        ev.Log(level="warning" if n % 10 == 0 else "info", text=f"entry {n:02}") for n in range(50)
    ]
    state = told(14, more)
    assert "entry 49" in painted(look(state))
    back = painted(look(state, scroll=20))
    assert "entry 29" in back
    assert "entry 30" not in back
    assert "20 below" in back
    alone = painted(look(state, warnings=True))
    assert "entry 40" in alone
    assert "entry 49" not in alone
    assert "5 warnings" in painted(look(state))
    assert "run story on cpu" in painted(look(state, scroll=10_000))


def test_a_large_log_wraps_its_lines_and_leaves_the_rest_out() -> None:
    state = told(14, [ev.Log(level="warning", text="word " * 60)])
    shown = painted(look(state, large_log=True))
    assert shown.count("word") == 60
    assert "canary" not in shown


def test_steps_that_a_resume_set_aside_are_dim() -> None:
    steps = [story.step(n, 40) for n in range(1, 21)]
    stage = ev.StageStarted(stage="unlearn", title="", unit="steps", total=40)
    state = fold_all(
        timed([story.started(), stage, *steps, story.started(), ev.Resumed(stage="unlearn", from_step=5), stage])
    )
    assert [s.step for s in state.void] == list(range(6, 21))
    lines = draw(look(state), 80, 22)
    assert any("⠀" < char <= "⣿" for row in lines for part, style in row if style == "dim" for char in part)


def test_without_a_run_it_says_what_to_do() -> None:
    shown = "\n".join(text(row) for row in nothing(80))
    assert "No run is opened." in shown
    assert "2 set up a new run" in shown
    assert "1 run is going on: A" in "\n".join(text(row) for row in nothing(80, 1))


def test_charts_are_made_again_only_for_new_points() -> None:
    kept, state = Kept(), told(23)
    made = []
    assert kept.get("x", lambda: made.append(1) or "a", state.steps, 80, "log") == "a"
    assert kept.get("x", lambda: made.append(1) or "b", state.steps, 80, "log") == "a"
    assert kept.get("x", lambda: made.append(1) or "c", state.steps, 81, "log") == "c"
    assert kept.get("x", lambda: made.append(1) or "d", tuple(s for s in state.steps), 81, "log") == "d"
    assert len(made) == 3
    first = draw(look(state, kept=kept), 80, 22)
    assert draw(look(state, kept=kept), 80, 22) == first == draw(look(state), 80, 22)


@pytest.mark.parametrize("size", [(80, 22), (160, 46)])
def test_what_is_expected_has_a_row_and_a_sign_once_it_is_known(size: tuple[int, int]) -> None:
    said = foretold(("bnb-int8", "stays"), ("bnb-fp4", "returns"), ("bnb-nf4", "unsure"))
    events = story.events()
    before = fold_all(timed([*events[:8], *said]))
    row = next(r for r in painted(look(before), *size).splitlines() if "expected" in r)
    assert row.strip() == "expected  stays away INT8 · comes back INT4 · unsure NF4"
    after = fold_all(timed([*events[:8], *said, *events[8:]]))
    row = next(r for r in painted(look(after), *size).splitlines() if " expected  " in r)
    assert row.strip() == "expected  stays away INT8 ✓ · comes back INT4 ✓ · unsure NF4"
    wrong = fold_all(timed([*events[:8], *foretold(("bnb-fp4", "stays")), *events[8:]]))
    assert "expected  stays away INT4 ✗" in painted(look(wrong), *size)
    assert " expected  " not in painted(look(fold_all(timed(events))), *size)
    assert " expected  " not in painted(look(before), 80, 12)


def test_many_quantizers_and_hostile_words_fit_in_that_row() -> None:
    state = told(8, foretold(*((f"q{i}{BAD}", BAD) for i in range(40))))
    for cells, rows in SIZES:
        assert all(width(row) <= cells for row in draw(look(state), cells, rows))
