"""The Models screen driven by its keys."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import fake_checkpoints as fake
import huggingface_hub.constants as constants
import pytest
from driver import opened, presses, screen, shows, until
from scripted import ScriptedInspector
from story import write_run

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs import lineage
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.writer import EventWriter
from unlearn_tui.tui import settings


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # these are read from the environment once, maybe by an earlier test
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def run(home: Path, tmp_path: Path) -> RunDir:
    """A finished run whose unlearned checkpoint can be read."""
    made = write_run(home)
    shutil.rmtree(made.checkpoints / "unlearned")
    fake.make_checkpoint(made.checkpoints / "unlearned")
    return made


def view(app: Any) -> Any:
    return app.view("models")


async def at(pilot: Any, app: Any, name: str) -> None:
    """The cursor on the row of this name, moved by keys alone."""
    await until(pilot, lambda: view(app).room is not None and name in [r.name for r in view(app).state.list.rows])
    await pilot.press("home")
    while view(app).state.list.current.name != name:
        before = view(app).state.list.at
        await pilot.press("down")
        assert view(app).state.list.at > before, screen(app)


@presses("models", "up", "down", "pageup", "pagedown", "home", "end")
async def test_the_cursor_moves_by_rows_and_pages_and_to_the_ends(home: Path) -> None:
    for number in range(30):
        RunDir.create(home, RunSpec(name=f"run{number:02}"), {})
    async with opened(home) as (app, pilot):
        await until(pilot, lambda: len(view(app).state.list.rows) == 32)
        seen = []
        for key in ("end", "up", "pageup", "home", "down", "pagedown"):
            await pilot.press(key)
            seen.append(view(app).state.list.at)
        page = view(app).rows_shown() - 1
        assert seen == [31, 30, 30 - page, 0, 1, 1 + page]
        row = view(app).state.list.current
        assert any(line.startswith("▸") and row.name in line for line in screen(app))


async def test_a_click_chooses_a_row_and_the_wheel_moves(home: Path, run: RunDir) -> None:
    async with opened(home) as (app, pilot):
        await at(pilot, app, "pocket-target")
        y = next(i for i, line in enumerate(screen(app)) if run.id in line)
        await pilot.click("#view-models", offset=(8, y - 1))
        assert view(app).state.list.current.name == run.id
        view(app).scrolled(1)
        assert view(app).state.list.current.name == "bnb-int8"


@pytest.mark.parametrize("key", ["enter", "u"])
@presses("models", "enter", "u")
async def test_choosing_a_model_sets_up_a_run_with_it(home: Path, run: RunDir, key: str) -> None:
    async with opened(home) as (app, pilot):
        await at(pilot, app, "pocket-retrain")
        await pilot.press(key)
        await until(pilot, lambda: app.front == "setup" and shows(app, "pocket-retrain"))


async def test_a_precision_stands_for_its_run_and_a_failed_run_cannot_be_chosen(home: Path, run: RunDir) -> None:
    failed(home)
    async with opened(home) as (app, pilot):
        await at(pilot, app, "bnb-fp4")
        assert all(view(app).can(action) for action in ("choose", "check", "compare", "ask", "log", "copy"))
        await at(pilot, app, failed_name(app))
        assert not any(view(app).can(action) for action in ("choose", "check", "compare", "ask", "forget"))
        await pilot.press("enter")
        assert app.front == "models"


@presses("models", "v")
async def test_somebody_elses_model_is_checked_against_a_target_that_is_asked_for(home: Path, run: RunDir) -> None:
    async with opened(home, size=(120, 40)) as (app, pilot):
        theirs = fake.make_checkpoint(home.parent / "theirs")
        app.settings.folders = [str(theirs)]
        await at(pilot, app, "pocket-target")
        assert not view(app).can("check"), "a shipped model was not unlearned by anybody"
        await until(pilot, lambda: (view(app).look(), shows(app, "theirs"))[1])
        await at(pilot, app, "theirs")
        await pilot.press("v")
        await until(pilot, lambda: shows(app, "theirs was unlearned from which target?", run.id))
        assert not shows(app, "pocket-target  shipped"), "of another size"
        await pilot.press("enter")
        await until(pilot, lambda: app.front == "setup" and shows(app, "theirs"))


@presses("models", "c")
async def test_the_answers_of_its_run_are_one_key_away(home: Path, run: RunDir) -> None:
    async with opened(home) as (app, pilot):
        await at(pilot, app, run.id)
        await pilot.press("c")
        await until(pilot, lambda: app.front == "compare" and app.opened is not None)
        assert app.opened.rundir == run


@presses("models", "a")
async def test_a_question_goes_to_both_models_of_a_run(home: Path, run: RunDir) -> None:
    async with opened(home) as (app, pilot):
        await at(pilot, app, run.id)
        await pilot.press("a")
        await until(pilot, lambda: shows(app, f"ask {run.id}"))
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "the question is empty"))
        await pilot.press(*"Where?", "enter")
        await until(pilot, lambda: shows(app, "[6 inspect]", "own question", "unlearned FP16", "first token"))
        assert ScriptedInspector.made[-1].asked[-1].question == "Where?"


async def test_what_the_inspector_cannot_do_is_said_in_one_line(home: Path) -> None:
    async with opened(home) as (app, pilot):
        await at(pilot, app, "pocket-target")
        await pilot.press("a", *"refuse", "enter")
        await until(pilot, lambda: shows(app, "model FP16", "✗ no model fits: free some memory"))


@presses("models", "plus")
async def test_an_added_folder_is_checked_listed_and_remembered(home: Path, tmp_path: Path) -> None:
    folder = fake.make_checkpoint(tmp_path / "mine")
    async with opened(home) as (app, pilot):
        await at(pilot, app, "pocket-target")
        await pilot.press("+")
        await until(pilot, lambda: shows(app, "add a folder: the network is off", "MUSE News target"))
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "add a folder or a hub id"))
        await pilot.press(*str(folder), "enter")
        await until(pilot, lambda: view(app).state.list.current.name == "mine")
        await until(pilot, lambda: settings.load(home).folders == [str(folder)])
    async with opened(home) as (app, pilot):
        await until(pilot, lambda: shows(app, "mine", "folder"))


async def test_what_is_no_checkpoint_is_refused_with_its_reason_under_the_line(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    async with opened(home) as (app, pilot):
        await at(pilot, app, "pocket-target")
        await pilot.press("+", "enter")
        await until(pilot, lambda: shows(app, "add a folder or a hub id"))
        await pilot.press(*str(tmp_path / "empty"), "enter")
        await until(pilot, lambda: shows(app, "it has no config.json"))
        await pilot.press("escape")
        await until(pilot, lambda: not shows(app, "config.json"))
        assert app.settings.folders == []


async def test_offline_a_hub_id_is_refused_at_once(home: Path) -> None:
    async with opened(home, size=(120, 30)) as (app, pilot):
        await at(pilot, app, "pocket-target")
        await pilot.press("+")
        await until(pilot, lambda: shows(app, "the network is off"))
        await pilot.press(*"muse-news_target", "enter")
        await until(pilot, lambda: shows(app, "give a folder"))
        assert app.settings.folders == []


async def test_a_hub_id_is_listed_without_being_downloaded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with fake.fake_hub({}) as url:
        monkeypatch.setattr(constants, "ENDPOINT", url)
        async with opened(home) as (app, pilot):
            await at(pilot, app, "pocket-target")
            await pilot.press("+")
            await until(pilot, lambda: shows(app, "add a checkpoint"))
            await pilot.press(*"tofu forget10 simnpo", "enter")
            await until(pilot, lambda: view(app).state.list.current.kind == "hub")
            assert shows(app, "not downloaded yet", "which downloads it first")
            assert view(app).can("choose")
            assert not view(app).can("ask")


@presses("models", "minus")
async def test_what_was_added_can_be_forgotten_and_its_files_stay(home: Path, tmp_path: Path) -> None:
    folder = fake.make_checkpoint(tmp_path / "mine")
    settings.save(home, settings.Settings(folders=[str(folder), str(tmp_path / "gone")]))
    async with opened(home) as (app, pilot):
        await at(pilot, app, "pocket-target")
        assert not view(app).can("forget")
        for name in ("mine", "gone"):
            await at(pilot, app, name)
            await pilot.press("-")
            await until(pilot, lambda name=name: name not in [r.name for r in view(app).state.rows])
        await until(pilot, lambda: settings.load(home).folders == [])
        assert (folder / "model.safetensors").is_file()


@presses("models", "s")
async def test_the_order_changes_and_is_remembered(home: Path, run: RunDir) -> None:
    async with opened(home) as (app, pilot):
        await at(pilot, app, "pocket-target")
        await pilot.press("s")
        await until(pilot, lambda: shows(app, "sort: name"))
        names = [r.name for r in view(app).state.list.rows if r.kind != "quantized"]
        assert names == sorted(names)
        assert view(app).state.list.current.name == "pocket-target"
        await until(pilot, lambda: settings.load(home).choices.get("models_sort") == "name")
    async with opened(home) as (app, pilot):
        await until(pilot, lambda: shows(app, "sort: name"))


@presses("models", "space")
async def test_rows_of_precisions_are_hidden_and_shown(home: Path, run: RunDir) -> None:
    async with opened(home) as (app, pilot):
        await at(pilot, app, "bnb-fp4")
        await pilot.press("space")
        await until(pilot, lambda: not shows(app, "└ bnb-fp4"))
        assert view(app).state.list.current.name == run.id
        await pilot.press("space")
        await until(pilot, lambda: shows(app, "└ bnb-fp4"))


@presses("models", "slash")
async def test_the_filter_works_while_it_is_typed_and_escape_leaves_it(home: Path, run: RunDir) -> None:
    async with opened(home) as (app, pilot):
        await at(pilot, app, "pocket-target")
        await pilot.press("/", *"RETRAIN")
        await until(pilot, lambda: shows(app, "1 of 5") and not shows(app, "pocket-target  "))
        await pilot.press("enter")
        await until(pilot, lambda: not view(app).editing)
        assert shows(app, "/ RETRAIN", "1 of 5")
        await pilot.press("escape")
        await until(pilot, lambda: shows(app, "pocket-target", run.id))


def failed(home: Path, log: str = "") -> RunDir:
    made = RunDir.create(home, RunSpec(name="broken"), {})
    with EventWriter(made) as writer:
        writer.write(ev.Started(run=made.id, pid=1, host="h", device="cpu", threads=1, stages=["load"]))
        writer.write(ev.Failed(kind="memory", message="no memory left: a smaller --batch"))
    made.log_path.write_text(log)
    return made


def failed_name(app: Any) -> str:
    return next(r.name for r in view(app).state.rows if r.status == "failed")


@presses("models", "l")
async def test_the_log_of_a_failed_run_is_read_safely(home: Path) -> None:
    made = failed(home, "Traceback\n\x1b[31mMemoryError\n")
    async with opened(home) as (app, pilot):
        await at(pilot, app, made.id)
        assert shows(app, "no memory left: a smaller --batch", "l reads its log")
        await pilot.press("l")
        await until(pilot, lambda: shows(app, f"engine.log of {made.id}", "Traceback", "␛[31mMemoryError"))


async def test_paths_are_copied_and_the_rows_exported(home: Path, run: RunDir) -> None:
    async with opened(home) as (app, pilot):
        await at(pilot, app, run.id)
        await pilot.press("y")
        await until(pilot, lambda: (home / "last-copy.txt").exists() and shows(app, "path sent"))
        assert (home / "last-copy.txt").read_text() == str(run.checkpoints / "unlearned")
        await pilot.press("e")
        await until(pilot, lambda: shows(app, "export as"))
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "models.csv"))
        await pilot.press("enter")
        path = Path("models.csv")
        await until(pilot, lambda: path.exists() and shows(app, "wrote"))
        assert f"{run.id},unlearned,scored,ga_klr,250,fp16,12.5" in path.read_text()


async def test_what_is_new_on_the_disk_appears_by_itself(home: Path) -> None:
    async with opened(home) as (app, pilot):
        await at(pilot, app, "pocket-target")
        view(app).look()
        made = write_run(home)
        await until(pilot, lambda: (view(app).look(), shows(app, made.id))[1])
        assert view(app).state.list.current.name == "pocket-target"


async def test_rows_of_the_last_time_are_there_before_the_disk_is_read(
    home: Path, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineage.remember(home, lineage.Lineage(home).read([]).rows)
    slow, disk = lineage.Lineage.read, threading.Event()
    monkeypatch.setattr(lineage.Lineage, "read", lambda *args: (disk.wait(60), slow(*args))[1])
    async with opened(home) as (app, pilot):
        await until(pilot, lambda: shows(app, run.id))
        assert view(app).room is None
        disk.set()
        await until(pilot, lambda: view(app).room is not None)


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)])
async def test_an_empty_home_shows_what_comes_with_the_program(home: Path, size: tuple[int, int]) -> None:
    async with opened(home, size=size) as (app, pilot):
        await until(pilot, lambda: shows(app, "pocket-target", "pocket-retrain"))
        assert all(len(line) <= size[0] for line in screen(app))
