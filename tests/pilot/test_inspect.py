"""Inspect in the real app: every key, one's own questions, attacks, what cannot be asked; and the ways that lead there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from driver import opened, presses, screen, shows, until
from scripted import ScriptedInspector
from story import write_run
from textual.pilot import Pilot

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.inspect import ModelRef
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs import inspecting
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.sources import corpora
from unlearn_tui.state.inspect import InspectState
from unlearn_tui.tui.app import UnlearnApp
from unlearn_tui.tui.views import inspect_asking
from unlearn_tui.tui.views.inspect import InspectView

WIDE = (160, 48)
BOTH = [ModelRef("target", "/t"), ModelRef("unlearned", "/u")]


@pytest.fixture(autouse=True)
def subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run stands for two models, without their files."""

    def found(ref: str, home: Path, offline: bool = False) -> tuple[list[ModelRef], RunSpec]:
        if "gone" in ref:
            raise Refused("the checkpoint has gone: choose another", "model")
        if "pocket" in ref:
            return [ModelRef("model", "/p")], RunSpec()
        return list(BOTH), RunSpec()

    monkeypatch.setattr(inspecting, "subjects", found)


def view(app: UnlearnApp) -> InspectView:
    found = app.view("inspect")
    assert isinstance(found, InspectView)
    return found


def state(app: UnlearnApp) -> InspectState:
    return view(app).state


def client() -> ScriptedInspector:
    return ScriptedInspector.made[-1]


async def answered(app: UnlearnApp, pilot: Pilot[int]) -> None:
    """The run's first question, asked and answered."""
    await until(pilot, lambda: shows(app, "asks"))
    await pilot.press("enter")
    await until(pilot, lambda: state(app).asked is not None and not state(app).busy)


@presses("", "6")
@presses("inspect", "enter")
async def test_a_question_is_asked_and_then_read_in_full(home: Path, finished: RunDir) -> None:
    async with opened(home, run=finished) as (app, pilot):
        await pilot.press("6")
        await until(pilot, lambda: shows(app, "[6 inspect]", "⏎", "asks", "unlearned INT4"))
        assert not ScriptedInspector.made, "nobody is asked before somebody says so"
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "answers", "first token 0.21 s"))
        assert shows(app, "probability of each gold token", "mean log", "100.0")
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "the whole answers", "template auto, greedy"))
        await pilot.press("q")
        await until(pilot, lambda: shows(app, "first token"))


@presses("compare", "i")
async def test_from_compare_its_prompts_are_stepped_through_in_its_order(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "KnowMem"))
        await pilot.press("down", "i")
        await until(pilot, lambda: app.front == "inspect" and state(app).asked is not None and not state(app).busy)
        assert shows(app, "‹ 2 of 3 ›")
        assert client().asked[0].gold
        assert [m.label for m in client().asked[0].models] == ["target", "unlearned"]


@presses("compare", "a")
async def test_a_on_compare_asks_the_models_of_its_run(home: Path, finished: RunDir) -> None:
    async with opened(home, view="compare", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "KnowMem"))
        await pilot.press("a")
        await until(pilot, lambda: shows(app, f"ask {finished.id}"))
        await pilot.press(*"Mine?", "enter")
        await until(pilot, lambda: len(ScriptedInspector.made) == 1 and bool(client().asked))
        assert client().asked[0].question == "Mine?"
        assert [m.label for m in client().asked[0].models] == ["target", "unlearned"]


@presses("inspect", "n", "N", "pagedown", "pageup")
async def test_stepping_asks_what_stays_in_view(home: Path, finished: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_asking, "PAUSE", 1.0)
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "asks"))
        await pilot.press("n")
        assert not ScriptedInspector.made, "nothing was asked yet"
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "first token"))
        await pilot.press("n", "n", "pagedown", "N", "pageup", "N", "N")
        assert state(app).at == 0
        await until(pilot, lambda: state(app).asked is not None and not state(app).busy)
        assert len(client().asked) == 2, "keys in quick order ask once"
        await pilot.press("n", "N", "n")
        await pilot.pause(1.2)
        assert len(client().asked) == 2, "what was asked is remembered"


@presses("inspect", "left", "right", "home", "end")
async def test_the_token_cursor_shows_alternatives(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        assert shows(app, "instead of “Fen”")
        await pilot.press("right", "right")
        await until(pilot, lambda: shows(app, "instead of “port”", "token 3 of 4"))
        await pilot.press("left", "end")
        await until(pilot, lambda: shows(app, "instead of “harbour”"))
        await pilot.press("home")
        await until(pilot, lambda: shows(app, "instead of “Fen”"))


@presses("inspect", "up", "down", "space")
async def test_a_column_is_chosen_and_pinned(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        await pilot.press("down", "down", "down", "down", "up", "space")
        assert state(app).base == 3
        await pilot.press("down")
        await until(pilot, lambda: any(row.startswith("●unlearned FP16") for row in screen(app)))
        assert any(row.startswith("▸unlearned INT8") for row in screen(app))


async def test_a_click_chooses_a_column_or_an_attack(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        rows = [y for y, row in enumerate(screen(app)) if row.startswith(" unlearned INT8")]
        assert len(rows) == 2, "in the grid and among the answers"
        for y, column in ((rows[0], 4), (rows[0] - 4, 0), (rows[1], 4)):
            await pilot.click(offset=(20, y))
            assert state(app).column == column
        await pilot.click(offset=(20, 2))
        assert state(app).column == 4, "no row stands there"
        await pilot.press("k")
        await until(pilot, lambda: shows(app, "paraphrase 2") and not state(app).busy)
        y = next(y for y, row in enumerate(screen(app)) if row.startswith(" few-shot"))
        await pilot.click(offset=(3, y))
        assert state(app).asked.request.attack == "few-shot"  # type: ignore[union-attr]


@presses("inspect", "tab")
async def test_tab_walks_over_what_is_said(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        await pilot.press("tab", "right")
        await until(pilot, lambda: shows(app, "what each says, token by token", "as token 2", "‖a"))
        await pilot.press("tab")
        await until(pilot, lambda: shows(app, "probability of each gold token"))


@presses("inspect", "a", "G")
async def test_a_question_of_ones_own_and_its_right_answer(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "asks"))
        await pilot.press("a", "enter")
        await until(pilot, lambda: shows(app, "the question is empty"))
        await pilot.press(*"Who am I?", "enter")
        await until(pilot, lambda: shows(app, "own question", "what each says"))
        assert client().asked[-1].question == "Who am I?"
        await pilot.press("G")
        await until(pilot, lambda: shows(app, "the right answer"))
        await pilot.press(*"Odo", "enter")
        await until(pilot, lambda: shows(app, "gold: Odo", "probability of each gold token"))
        assert client().asked[-1].gold == "Odo"


async def test_a_question_of_the_corpus_is_asked_with_its_answer(home: Path, finished: RunDir) -> None:
    first = corpora.load("pocket").forget_qa[0]
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "asks"))
        view(app).ask_own(first.question)
        await until(pilot, lambda: shows(app, "first token"))
        assert client().asked[-1].gold == first.answer


async def test_the_longest_question_is_refused_and_nothing_is_lost(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        view(app).ask_own("x" * 100_000)
        await until(pilot, lambda: shows(app, "100,000 characters"))
        assert len(state(app).history) == 1


@presses("inspect", "t")
async def test_t_asks_in_another_template(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        await pilot.press("t")
        await until(pilot, lambda: shows(app, "muse · greedy") and not state(app).busy)
        await pilot.press("t", "t")
        await until(pilot, lambda: len(client().asked) >= 3 and not state(app).busy)
        assert client().asked[-1].template == "free"


@presses("inspect", "g")
async def test_g_samples_with_a_seed(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        await pilot.press("g", *"0.8 7", "enter")
        await until(pilot, lambda: shows(app, "sampled 0.8, seed 7") and not state(app).busy)
        assert (client().asked[-1].temperature, client().asked[-1].seed) == (0.8, 7)
        await pilot.press("g", *"hot", "enter")
        await until(pilot, lambda: shows(app, "write a temperature and a seed"))
        await pilot.press("g", *"99 1", "enter")
        await until(pilot, lambda: shows(app, "a temperature is from 0"))
        await pilot.press("g", *"greedy", "enter")
        await until(pilot, lambda: shows(app, "greedy"))
        assert len(client().asked) == 2, "greedy answers are known"


@presses("inspect", "p")
async def test_p_asks_at_other_precisions(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        await pilot.press("p", *", fp5", "enter")
        await until(pilot, lambda: shows(app, "fp5"))
        await pilot.press(*["backspace"] * 5, *", bnb-nf4", "enter")
        await until(pilot, lambda: shows(app, "target NF4") and not state(app).busy)
        assert client().asked[-1].precisions == ["fp16", "bnb-int8", "bnb-fp4", "bnb-nf4"]


@presses("inspect", "k")
async def test_attacks_are_asked_and_stand_in_a_table(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished, size=WIDE) as (app, pilot):
        await answered(app, pilot)
        await pilot.press("k")
        await until(pilot, lambda: len(client().asked) == 7 and not state(app).busy)
        await until(pilot, lambda: shows(app, "attacks: recall", "100.0▲"))
        await pilot.press("down", "down", "down", "down")
        await until(pilot, lambda: any(row.startswith("▸few-shot") for row in screen(app)))
        assert state(app).asked.request.attack == "few-shot"  # type: ignore[union-attr]
        await pilot.press("k")
        await until(pilot, lambda: shows(app, "probability and rank of each gold token", "attacks: recall"))
        await pilot.press("k")
        await pilot.pause(0.2)
        assert len(client().asked) == 7, "none is asked twice"


async def test_without_a_right_answer_its_beginning_is_not_given(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "asks"))
        view(app).ask_own("Mine?")
        await until(pilot, lambda: shows(app, "first token"))
        await pilot.press("k")
        await until(pilot, lambda: len(client().asked) == 5 and not state(app).busy)
        assert not any(ask.attack.startswith("prefix") for ask in client().asked)


@presses("inspect", "r")
async def test_r_asks_again(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        await pilot.press("r")
        await until(pilot, lambda: len(client().asked) == 2 and not state(app).busy)
        assert client().asked[0].question == client().asked[1].question


@presses("inspect", "o")
async def test_o_brings_back_what_was_asked_before(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        view(app).ask_own("Mine?")
        await until(pilot, lambda: shows(app, "own question", "first token"))
        await pilot.press("o")
        await until(pilot, lambda: shows(app, "asked before", "Mine?", "plain · template auto, greedy"))
        await pilot.press("down", "enter")
        await until(pilot, lambda: shows(app, "‹ 1 of"))


@presses("inspect", "m")
async def test_m_says_what_is_in_memory(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        await pilot.press("m")
        await until(pilot, lambda: shows(app, "2 models in memory"))


@presses("inspect", "w")
async def test_own_questions_become_a_corpus_that_can_be_scored(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        assert not view(app).can("keep")
        view(app).ask_own("Mine?")
        await until(pilot, lambda: shows(app, "own question", "first token"))
        await pilot.press("G", *"yes", "enter")
        await until(pilot, lambda: shows(app, "gold: yes") and not state(app).busy)
        await pilot.press("w")
        await until(pilot, lambda: shows(app, "keep 1 question as a corpus"))
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "unlearn-tui check --target /t", "own questions"))
    folder = home.parent / "my-questions"
    assert json.loads((folder / "knowmem/forget_qa.json").read_text()) == [{"question": "Mine?", "answer": "yes"}]
    corpus = corpora.load(str(folder), {"forget_qa"})
    assert corpus.forget_icl == corpora.load("pocket").forget_icl


async def test_escape_stops_an_answer_and_it_can_be_asked_again(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "asks"))
        view(app).ask_own("hold on")
        await until(pilot, lambda: state(app).busy and bool(client().asked))
        await until(pilot, lambda: shows(app, "answering"))
        await pilot.press("escape")
        await until(pilot, lambda: shows(app, "cancelled") and not state(app).busy)
        assert client().cancelled == [1]


async def test_what_the_inspector_refuses_is_one_line(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "asks"))
        view(app).ask_own("please refuse")
        await until(pilot, lambda: shows(app, "✗ no model fits: free some memory"))


async def test_a_live_run_is_not_slowed_down_unasked(
    home: Path, finished: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspecting, "training", lambda home: ["run-9"])
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await until(pilot, lambda: shows(app, "asks"))
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "run-9 is going on"))
        await pilot.press("n")
        await pilot.pause(0.2)
        assert not ScriptedInspector.made
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "run-9 is going on"))
        await pilot.press("y")
        await until(pilot, lambda: shows(app, "first token"))
        await pilot.press("r")
        await until(pilot, lambda: len(client().asked) == 2), "a yes holds"


async def test_models_that_are_not_there_are_one_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(home, "gone")
    async with opened(home, view="inspect", run=run) as (app, pilot):
        await until(pilot, lambda: shows(app, "only the target is asked", "the checkpoint has gone"))
        assert [m.label for m in state(app).models] == ["target"]


async def test_with_nobody_chosen_the_shipped_target_is_asked(home: Path) -> None:
    async with opened(home, view="inspect") as (app, pilot):
        await until(pilot, lambda: shows(app, "0  choose a run"))
        await pilot.press("a")
        await until(pilot, lambda: shows(app, "ask pocket-target"))
        await pilot.press(*"Hm?", "enter")
        await until(pilot, lambda: shows(app, "model INT4", "own question"))


async def test_another_run_brings_its_own_models_and_keeps_the_history(home: Path, finished: RunDir) -> None:
    other = write_run(home, "gone")
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
        app.open(other, "inspect")
        await until(pilot, lambda: state(app).name == other.id)
        assert len(state(app).history) == 1
        assert state(app).asked is None


async def test_at_the_end_nobody_listens_any_more(home: Path, finished: RunDir) -> None:
    async with opened(home, view="inspect", run=finished) as (app, pilot):
        await answered(app, pilot)
    assert client().closed


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)])
async def test_copy_and_export_hand_out_everything(home: Path, finished: RunDir, size: tuple[int, int]) -> None:
    async with opened(home, view="inspect", run=finished, size=size) as (app, pilot):
        await answered(app, pilot)
        await pilot.press("y")
        await until(pilot, lambda: shows(app, "answers") and (home / "last-copy.txt").exists())
        assert "unlearned:bnb-fp4: Fennelport harbour" in (home / "last-copy.txt").read_text()
        await pilot.press("e")
        await until(pilot, lambda: shows(app, "export as"))
        await pilot.press(*"json", "enter")
        await until(pilot, lambda: shows(app, "write as json"))
        await pilot.press("enter")
        await until(pilot, lambda: (home.parent / "inspect.json").exists())
    written = json.loads((home.parent / "inspect.json").read_text())
    assert len(written["answers"]) == 6
    assert len(written["tokens"]) == 6 * 8
    assert written["answers"][5]["label"] == "recovered"
