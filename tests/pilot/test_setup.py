"""Setup: every key, a run from form to Run screen with the story engine, and runs that are not to be."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driver import opened, presses, screen, shows, until

import unlearn_tui
from unlearn_tui.protocol.commands import Stop
from unlearn_tui.protocol.spec import RunSpec, from_table
from unlearn_tui.runs import launch, store
from unlearn_tui.runs.control import send
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.state import setup
from unlearn_tui.tui.views.setup import SetupView

TESTS = Path(__file__).parents[1]


@pytest.fixture
def story(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The story engine in the real one's place; live runs are stopped at the end."""
    sources = str(Path(unlearn_tui.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([sources, str(TESTS / "cli"), str(TESTS / "unit")]))
    monkeypatch.setattr(launch.launch, "__defaults__", ("story_engine",))
    yield home
    for id in store.live_ids(home):
        send(RunDir(home / "runs" / id), Stop(now=True))


def form(app: Any) -> Any:
    view = app.view("setup")
    assert isinstance(view, SetupView)
    return view._form


def runs(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "runs").iterdir())


async def at(pilot: Any, app: Any, name: str) -> None:
    """The cursor on a field."""
    view = app.view("setup")
    view.take(setup.goto(view._form, name))
    await pilot.pause()


async def put(pilot: Any, app: Any, name: str, text: str) -> None:
    await at(pilot, app, name)
    await pilot.press("enter", "ctrl+u", *text, "enter")
    await until(pilot, lambda: form(app).values[name] == text)


@presses("setup", "tab", "shift+tab", "up", "down")
async def test_tab_walks_fields_and_arrows_walk_rows(home: Path) -> None:
    async with opened(home, view="setup") as (app, pilot):
        assert form(app).at == "model"
        await pilot.press("down", "down", "down", "down")
        assert form(app).at == "lr"
        await pilot.press("tab")
        assert form(app).at == "steps"
        await pilot.press("down")
        assert form(app).at == "max_length"
        await pilot.press("shift+tab", "up")
        assert form(app).at == "lr"


@presses("setup", "left", "right")
async def test_left_and_right_turn_choices_and_walk_rows(home: Path) -> None:
    async with opened(home, view="setup") as (app, pilot):
        await at(pilot, app, "method")
        await pilot.press("right")
        await until(pilot, lambda: shows(app, "‹ npo ›", "--method npo"))
        await pilot.press("left", "left")
        await until(pilot, lambda: shows(app, "‹ ga_gdr ›"))
        await at(pilot, app, "lr")
        await pilot.press("right")
        assert form(app).at == "steps"


@presses("setup", "space")
async def test_space_switches_options_and_unfolds(home: Path) -> None:
    async with opened(home, view="setup") as (app, pilot):
        await at(pilot, app, "precision")
        await pilot.press("right", "right", "right", "space")
        await until(pilot, lambda: shows(app, "○ INT8", "--precision fp16,bnb-fp4"))
        await pilot.press("space")
        await until(pilot, lambda: shows(app, "● INT8"))
        await at(pilot, app, "more")
        await pilot.press("space")
        await until(pilot, lambda: shows(app, "▼ less", "retrain"))


@presses("setup", "enter")
async def test_enter_types_numbers_and_picks_choices(home: Path) -> None:
    async with opened(home, view="setup") as (app, pilot):
        await put(pilot, app, "lr", "1e-5")
        await until(pilot, lambda: shows(app, "unlearn-tui run --lr 1e-5"))
        await at(pilot, app, "weights")
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "type to filter"))
        await pilot.press(*"fp32", "enter")
        await until(pilot, lambda: form(app).values["weights"] == "fp32")
        await at(pilot, app, "model")
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "type another"))
        await pilot.press(*"pocket-retrain", "enter")
        await until(pilot, lambda: form(app).values["model"] == "pocket-retrain")


async def test_escape_leaves_a_field_as_it_was(home: Path) -> None:
    async with opened(home, view="setup") as (app, pilot):
        await at(pilot, app, "lr")
        await pilot.press("enter", *"999", "escape")
        assert form(app).values["lr"] == "7e-6"
        assert app.is_running


async def test_what_is_wrong_stands_below_its_field_and_stops_the_start(home: Path) -> None:
    async with opened(home, view="setup") as (app, pilot):
        await put(pilot, app, "lr", "0")
        await until(pilot, lambda: shows(app, "! 0 is out of range: it must be more", "than 0 and at most 1"))
        await at(pilot, app, "canary")
        await pilot.press("r")
        assert form(app).at == "lr"
        await until(pilot, lambda: shows(app, "first correct what is marked"))
    assert runs(home) == []


async def test_what_files_say_stands_below_its_field_too(home: Path, tmp_path: Path) -> None:
    async with opened(home, view="setup", size=(120, 40)) as (app, pilot):
        view = app.view("setup")
        assert isinstance(view, SetupView)
        view.start_from({"model": "no-such-model", "corpus": str(tmp_path)})
        await until(pilot, lambda: shows(app, "unknown checkpoint 'no-such-model'", "is no corpus"))
        view.start_from({"model": "pocket-target", "corpus": "pocket", "canary": "77"})
        await until(pilot, lambda: shows(app, "! 77 is out of range: the corpus has forget", "questions 0 to 45"))
        view.start_from({"canary": "1"})
        await until(pilot, lambda: not form(app).faults)


@presses("setup", "p")
async def test_p_fills_in_a_preset(home: Path) -> None:
    async with opened(home, view="setup") as (app, pilot):
        await until(pilot, lambda: shows(app, "preset: effect"))
        await pilot.press("p")
        await until(pilot, lambda: shows(app, "type to filter", "paper-books"))
        await pilot.press(*"remedy", "enter")
        await until(pilot, lambda: shows(app, "preset: remedy", "--weights bf16-stochastic"))


@presses("setup", "f")
async def test_f_takes_the_papers_value(home: Path) -> None:
    async with opened(home, view="setup") as (app, pilot):
        assert not app.view("setup").can("paper")
        await put(pilot, app, "lr", "1e-3")
        await until(pilot, lambda: shows(app, "100 times the paper's"))
        await pilot.press("f")
        await until(pilot, lambda: form(app).values["lr"] == "1e-5" and not shows(app, "the paper's"))


@presses("setup", "w")
async def test_w_writes_a_file_that_the_command_line_reads(home: Path, tmp_path: Path) -> None:
    async with opened(home, view="setup", size=(120, 24)) as (app, pilot):
        await put(pilot, app, "lr", "1e-5")
        for _ in range(2):
            await pilot.press("w")
            await until(pilot, lambda: shows(app, "write these settings to"))
            await pilot.press("ctrl+u", *"mine.toml", "enter")
            await until(pilot, lambda: shows(app, "wrote") or shows(app, "y replace it"))
        await pilot.press("n")
        await pilot.press("w")
        await until(pilot, lambda: shows(app, "write these settings to"))
        await pilot.press("ctrl+u", *"no/such/folder", "enter")
        await until(pilot, lambda: shows(app, "a folder that is there"))
    assert from_table(tomllib.loads((tmp_path / "mine.toml").read_text())) == RunSpec(lr=1e-5)


async def test_y_copies_the_command(home: Path) -> None:
    async with opened(home, view="setup") as (app, pilot):
        await put(pilot, app, "lr", "1e-5")
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard == "unlearn-tui run --lr 1e-5")


@presses("setup", "r")
async def test_r_starts_the_run_and_shows_it(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORY", "finish")
    async with opened(story, view="setup") as (app, pilot):
        await put(pilot, app, "lr", "1e-5")
        await pilot.press("r")
        await until(pilot, lambda: shows(app, "[3 run]"))
        await until(pilot, lambda: app.opened is not None and app.opened.state.status == "finished")
        assert app.opened is not None
        assert app.opened.spec.lr == 1e-5
        assert runs(story) == [app.opened.rundir.id]


async def test_a_run_of_a_preset_is_called_after_it(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORY", "finish")
    async with opened(story, view="setup") as (app, pilot):
        assert shows(app, "preset: effect", " unlearn-tui run")
        await pilot.press("r")
        await until(pilot, lambda: app.opened is not None and app.opened.state.status == "finished")
    assert [name.rsplit("-", 2)[0] for name in runs(story)] == ["effect"]


async def test_memorise_is_a_task_of_its_own_with_its_command_its_plan_and_its_start(
    story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORY", "finish")
    async with opened(story, view="setup", size=(120, 40)) as (app, pilot):
        await at(pilot, app, "task")
        await pilot.press("left")
        await until(pilot, lambda: form(app).task == "memorise")
        await until(pilot, lambda: shows(app, " unlearn-tui memorise", "memorise", "make it know", "epochs 10"))
        assert "alpha" not in {name for row in form(app).rows for name in row}
        assert not shows(app, "preset:")
        await until(pilot, lambda: shows(app, "260 steps"))  # ten passes over 46 + 214 questions, ten at a time
        await put(pilot, app, "steps", "5")
        await pilot.press("r")
        await until(pilot, lambda: app.opened is not None and app.opened.state.status == "finished")
        assert app.opened is not None
        assert (app.opened.spec.task, app.opened.spec.method, app.opened.spec.steps) == ("memorise", "memorise", 5)


async def test_a_corpus_without_passages_takes_their_metric_out_and_another_one_puts_it_back(home: Path) -> None:
    async with opened(home, view="setup", size=(120, 40)) as (app, pilot):
        await at(pilot, app, "corpus")
        await pilot.press("right")
        await until(pilot, lambda: form(app).values["corpus"] == "facts")
        await until(pilot, lambda: form(app).values["metric"] == "knowmem_forget,knowmem_retain")
        await until(pilot, lambda: shows(app, "23+114 questions, 0 passa"))
        assert not form(app).faults
        await at(pilot, app, "corpus")
        await pilot.press("left")
        await until(pilot, lambda: form(app).values["metric"] == ",".join(RunSpec().metric))


async def test_a_corpus_of_the_hub_is_planned_from_what_its_authors_say_before_it_is_fetched(home: Path) -> None:
    async with opened(home, view="setup", size=(120, 40)) as (app, pilot):
        view = app.view("setup")
        assert isinstance(view, SetupView)
        view.start_from({"corpus": "tofu-forget10"})
        await until(pilot, lambda: shows(app, "2,400 answers", "after download of", "TOFU prob forget"))
        assert form(app).values["metric"] == "knowmem_forget,knowmem_retain"
        assert not form(app).faults
        await put(pilot, app, "offline", "on")
        await until(pilot, lambda: "corpora fetch tofu-forget10" in form(app).faults.get("corpus", ""))


@pytest.mark.parametrize(
    ("plot", "said"),
    [
        ("refuse", "no such device"),
        ("refuse-device", "torch knows it not"),
        ("refuse-at-load", "torch knows it not"),
    ],
)
async def test_a_run_that_its_engine_refuses_comes_back_to_the_form_and_leaves_nothing(
    story: Path, monkeypatch: pytest.MonkeyPatch, plot: str, said: str
) -> None:
    monkeypatch.setenv("STORY", plot)
    async with opened(story, view="setup") as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: shows(app, "[2 setup]", f"! {said}"))
        await until(pilot, lambda: runs(story) == [])
        assert app.opened is None
        assert app.view("setup").can("start")


async def test_a_refusal_that_names_a_flag_stands_beside_that_field(story: Path) -> None:
    from unlearn_tui.errors import Refused
    from unlearn_tui.tui.starting import refusal

    spec = RunSpec(model="org/name")
    assert refusal(Refused("question 3 is 90 tokens long, over --max-length 64: raise it"), spec).field == "max_length"
    assert refusal(Refused("nothing known of it"), spec).field == ""
    assert refusal(Refused("org/name could not be downloaded: is there a network?"), spec).field == "model"
    async with opened(story, view="setup") as (app, pilot):
        view = app.view("setup")
        assert isinstance(view, SetupView)
        view.refused(refusal(Refused("too long for --clip 3"), spec))
        await until(pilot, lambda: form(app).at == "clip" and shows(app, "! too long"))


async def test_a_run_that_breaks_later_stays(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORY", "late-refusal")
    async with opened(story, view="setup") as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.opened is not None and app.opened.state.status == "failed")
        assert len(runs(story)) == 1
        assert shows(app, "[3 run]")


async def test_an_engine_that_dies_at_birth_is_said_in_one_line(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORY", "crash")
    async with opened(story, view="setup", size=(120, 24)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: shows(app, "libcuda is missing"))


async def test_a_second_run_at_once_is_asked_about(story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORY", "endless")
    async with opened(story, view="setup") as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: app.opened is not None and app.opened.state.status == "running")
        await pilot.press("2")
        await until(pilot, lambda: shows(app, "[2 setup]"))
        await pilot.press("r")
        await until(pilot, lambda: shows(app, "would share"))
        await pilot.press("n")
        await until(pilot, lambda: not shows(app, "would share"))
        assert len(runs(story)) == 1


async def test_a_model_chosen_elsewhere_fills_the_form(home: Path) -> None:
    async with opened(home, view="models") as (app, pilot):
        view = app.view("setup")
        assert isinstance(view, SetupView)
        view.start_from({"model": "pocket-target", "unlearned": "pocket-retrain"}, task="check")
        await until(pilot, lambda: shows(app, "[2 setup]", "unlearn-tui check --unlearned pocket-retrain"))
        view.start_from({"model": "pocket-target"})
        await until(pilot, lambda: shows(app, "preset: effect"))


async def test_clicks_go_to_fields_switch_options_and_edit(home: Path) -> None:
    async with opened(home, view="setup") as (app, pilot):
        view = app.view("setup")
        assert isinstance(view, SetupView)
        await until(pilot, lambda: view._page.spots)
        steps = view._page.spot("steps")
        assert steps is not None
        await pilot.click("#view-setup", offset=(steps.x, steps.y))
        assert form(app).at == "steps"
        await pilot.click("#view-setup", offset=(steps.x, steps.y))
        await until(pilot, lambda: view.editing)
        await pilot.press("escape")
        nf4 = next(s for s in view._page.spots if s.name == "precision" and s.option == 5)
        await pilot.click("#view-setup", offset=(nf4.x + 1, nf4.y))
        await until(pilot, lambda: shows(app, "● NF4"))
        view.scrolled(1)
        assert form(app).at == "metric"


async def test_a_tall_screen_shows_everything_unfolded(home: Path) -> None:
    async with opened(home, view="setup", size=(160, 48)) as (app, pilot):
        await until(pilot, lambda: shows(app, "NPO length", "rough", "KnowMem retain"))
        assert max(map(len, screen(app))) <= 160
