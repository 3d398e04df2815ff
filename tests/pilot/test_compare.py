"""Compare in the real app: every key, the set switch, news of a live run, and runs with nothing to show."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import story
from driver import opened, presses, screen, shows, until
from textual.pilot import Pilot

from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.runs.writer import EventWriter
from unlearn_tui.state.compare import CompareState
from unlearn_tui.tui import settings
from unlearn_tui.tui.app import UnlearnApp
from unlearn_tui.tui.views.compare import CompareView

WIDE = (160, 48)


def with_retain(run: RunDir) -> RunDir:
    """The hand-made run, with a second set of prompts: the retain questions, all answered."""
    result = run.result()
    assert result is not None
    for row in list(result.scores):
        name = f"answers/{row.model}-{row.precision}-knowmem_retain.jsonl"
        result.scores.append(msgspec.structs.replace(row, metric="knowmem_retain", value=100.0))
        result.answers[f"{row.model}/{row.precision}/knowmem_retain"] = name
        line = {"index": 0, "prompt": "Who keeps bees?", "gold": "Odo", "answer": "Odo", "recall": 1.0, "f1": 1.0}
        (run.path / name).write_text(json.dumps(line) + "\n")
    run.result_path.write_bytes(msgspec.json.encode(result))
    return run


async def test_texts_that_were_only_read_are_no_set_of_prompts_and_a_set_has_its_own_words(
    home: Path, finished: RunDir
) -> None:
    result = finished.result()
    assert result is not None
    result.scores += [msgspec.structs.replace(row, metric="privleak") for row in list(result.scores)]
    for row in [r for r in result.scores if r.metric == "knowmem_forget"]:
        row.metric = "extraction_strength"
    result.answers |= {k.replace("knowmem_forget", "extraction_strength"): v for k, v in result.answers.items()}
    finished.result_path.write_bytes(msgspec.json.encode(result))
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "Extraction"))
        view = app.view("compare")
        assert isinstance(view, CompareView)
        assert view._metrics() == ["extraction_strength"]
        await pilot.press("h", "end")
        await until(pilot, lambda: shows(app, "guesses without a miss"))


def state(app: UnlearnApp) -> CompareState:
    found = app.view("compare")
    assert isinstance(found, CompareView)
    assert found.state is not None
    return found.state


async def ready(app: UnlearnApp, pilot: Pilot[int]) -> None:
    await until(pilot, lambda: shows(app, "KnowMem"))


def row_of(app: UnlearnApp) -> int:
    row = state(app).row
    assert row is not None
    return row.index


@presses("compare", "up", "down", "pageup", "pagedown", "home", "end")
async def test_the_cursor_walks_over_the_prompts(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        visited = []
        for key in ("down", "down", "down", "up", "pageup", "pagedown", "home", "end"):
            await pilot.press(key)
            visited.append(state(app).cursor)
        assert visited == [1, 2, 2, 1, 0, 2, 0, 2]
        assert any(row.startswith("▸  2 ") for row in screen(app))


@presses("compare", "left", "right")
async def test_the_columns_are_walked_over_and_said(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        assert shows(app, "▸INT4", "●FP16", "1–4 of 6 ▸")
        await pilot.press("left")
        await until(pilot, lambda: shows(app, "▸INT8", "INT8: 2 stays forgotten"))
        await pilot.press("right", "right", "right")
        await until(pilot, lambda: shows(app, "◂ 4–6 of 6"))


@presses("compare", "enter")
async def test_enter_reads_the_whole_answers(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "gold answer", "prompt 0", "ROUGE-L F1 100.0 · recall 100.0"))
        await pilot.press("q")
        await until(pilot, lambda: not shows(app, "gold answer"))
        assert app.is_running


@presses("compare", "t")
async def test_t_goes_to_the_next_set_of_prompts_and_back(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=with_retain(finished)) as (app, pilot):
        await ready(app, pilot)
        assert shows(app, "KnowMem forget 3 questions")
        await pilot.press("t")
        await until(pilot, lambda: shows(app, "KnowMem retain 1 question", "Who keeps bees?", "kept"))
        await pilot.press("t")
        await until(pilot, lambda: shows(app, "KnowMem forget 3 questions"))


async def test_with_one_set_of_prompts_t_is_not_offered(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        assert not shows(app, "t set")


@presses("compare", "m")
async def test_m_shows_the_next_number(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished, size=WIDE) as (app, pilot):
        await ready(app, pilot)
        for name in ("ROUGE-L recall", "ROUGE-L precision", "exact match", "ROUGE-L F1"):
            await pilot.press("m")
            await until(pilot, lambda name=name: shows(app, f"· {name} ·"))


@presses("compare", "s")
async def test_s_sorts_and_is_remembered(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        for name in ("▲ index", "▼ target score", "▼ unlearned INT4", "▲ alphabetical"):
            await pilot.press("s")
            await until(pilot, lambda name=name: shows(app, name))
        await until(pilot, lambda: settings.load(home).choices.get("compare_sort") == "prompt")
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        assert shows(app, "▲ alphabetical")


@presses("compare", "f")
async def test_f_leaves_only_prompts_whose_answer_changed(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        await pilot.press("f")
        await until(pilot, lambda: shows(app, "2 of 3", "changed only"))
        assert not shows(app, "Which instrument")
        await pilot.press("f")
        await until(pilot, lambda: shows(app, "3 questions", "Which instrument"))


@presses("compare", "d", "space")
async def test_d_shows_words_gone_and_new_against_the_base_that_space_holds(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        await pilot.press("d")
        await until(pilot, lambda: shows(app, "[-a harbour-] {+Fennelport+}", "diff to ●"))
        await pilot.press("space")
        await until(pilot, lambda: shows(app, "[-Fennelport-] {+a harbour+}"))
        await pilot.press("space", "d")
        await until(pilot, lambda: not shows(app, "[-"))


@presses("compare", "b")
async def test_b_shows_the_picture_of_all_scores_then_nothing_and_is_remembered(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        assert shows(app, "gold ")
        await pilot.press("b")
        await until(pilot, lambda: shows(app, "unlearned FP16 across, INT4 up", "prompts by label"))
        await pilot.press("b")
        await until(pilot, lambda: not shows(app, "across") and not shows(app, "gold "))
        await until(pilot, lambda: settings.load(home).choices.get("compare_pane") == "none")
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        assert not shows(app, "gold ")


@presses("compare", "slash", "n", "N")
async def test_a_filter_follows_the_typing_and_n_finds_again(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        assert not app.view("compare").can("next")
        await pilot.press("slash", *"CELLO")
        await until(pilot, lambda: shows(app, "1 of 3", "Which instrument"))
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "/CELLO"))
        await pilot.press("escape")
        await until(pilot, lambda: shows(app, "3 questions"))
        await pilot.press("home", "n")
        assert row_of(app) == 2
        await pilot.press("home", "N")
        assert row_of(app) == 2


async def test_escape_while_typing_takes_the_filter_back(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        await pilot.press("slash", *"zzz")
        await until(pilot, lambda: shows(app, "no prompt or answer has “zzz” in it"))
        await pilot.press("escape")
        await until(pilot, lambda: shows(app, "3 questions"))
        await pilot.press("down")
        assert state(app).cursor == 1


async def test_y_copies_the_prompt_with_every_answer(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished, size=WIDE) as (app, pilot):
        await ready(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: shows(app, "prompt 0 with its answers sent to the terminal"))
        assert "unlearned:bnb-fp4: Fennelport  (ROUGE-L F1 100.0, recovered)" in app.clipboard


async def test_e_exports_a_line_for_every_answer_and_the_means(home: Path, finished: RunDir, tmp_path: Path) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        await pilot.press("e")
        await until(pilot, lambda: shows(app, "export as"))
        await pilot.press(*"json", "enter")
        await until(pilot, lambda: shows(app, "write as json"))
        await pilot.press("enter")
        await until(pilot, lambda: list(tmp_path.glob("*.json")))
    written = json.loads(next(iter(tmp_path.glob("*.json"))).read_text())
    assert len(written["answers"]) == 18
    assert written["answers"][0]["answer"] == "Fennelport"
    assert {row["verdict"] for row in written["means"]} == {None, "no", "recovered"}


async def test_a_click_chooses_prompt_and_column_and_the_wheel_moves(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        y = next(i for i, row in enumerate(screen(app)) if row.startswith("   1 "))
        x = screen(app)[3].index("INT8")
        await pilot.click(offset=(x, y))
        await until(pilot, lambda: state(app).cursor == 1 and shows(app, "▸INT8"))
        app.view("compare").scrolled(1)
        assert state(app).cursor == 2


async def test_wide_the_answers_stand_in_the_grid_beside_the_picture(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished, size=WIDE) as (app, pilot):
        await ready(app, pilot)
        assert shows(app, "│ ⟦Fennelport⟧", "│ a harbour", "across, INT4 up", "prompts by label", "+100.0")
        for key in ("right", "end", "b", "d", "b", "home"):
            await pilot.press(key)
        assert shows(app, "share of target, verdict")


async def test_ascii_marks_recovered_words_in_ascii(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished, ascii=True) as (app, pilot):
        await ready(app, pilot)
        assert shows(app, "[[Fennelport]]")
        body = "\n".join(screen(app)[1:-1])
        assert body.isascii()


async def test_columns_appear_while_a_run_is_live(home: Path) -> None:
    run = story.write_run(home, upto=5)  # the target is being scored
    with RunLock(run), EventWriter(run) as writer:
        async with opened(home, view="compare", run=run) as (app, pilot):
            await until(pilot, lambda: shows(app, "nothing is scored yet"))
            told = story.events(run.id)
            writer.write(told[5])
            await until(pilot, lambda: shows(app, "1 column", "target", "Which instrument"))
            await pilot.press("end", "d", "f", "f", "b", "b", "b", "space", "space", "enter", "q")
            row = row_of(app)
            for event in told[6:]:
                writer.write(event)
            await until(pilot, lambda: shows(app, "INT4", "recovered", "0.98 back"))
            assert row_of(app) == row


async def test_without_a_run_it_says_what_to_do(home: Path) -> None:
    async with opened(home, view="compare") as (app, pilot):
        assert shows(app, "no run is open", "0  choose one of the runs")
        for key in ("down", "t", "m", "s", "f", "d", "space", "b", "slash", "n", "enter", "escape", "left", "end"):
            await pilot.press(key)
        assert shows(app, "no run is open")


async def test_a_run_without_scores_says_what_to_do(home: Path) -> None:
    run = story.write_run(home, upto=2)
    async with opened(home, view="compare", run=run) as (app, pilot):
        await until(pilot, lambda: shows(app, "ended before anything was scored"))


async def test_a_run_whose_answers_are_gone_says_so(home: Path, finished: RunDir) -> None:
    for path in finished.answers.iterdir():
        path.unlink()
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "has scores, but none of its answers can be read"))
        await pilot.press("down", "enter", "y", "e", "slash", "f")
        assert shows(app, "none of its answers can be read")


async def test_a_torn_side_file_is_pointed_out(home: Path, finished: RunDir) -> None:
    path = finished.answers / "unlearned-bnb-fp4-knowmem_forget.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "unlearned INT4: only 2 of 3 answers can be read"))


async def test_another_run_starts_anew(home: Path, finished: RunDir) -> None:
    other = story.write_run(home, "other")
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await ready(app, pilot)
        await pilot.press("end", "d")
        app.open(other, "compare")
        await until(pilot, lambda: shows(app, "KnowMem") and state(app).cursor == 0 and not state(app).diff)
