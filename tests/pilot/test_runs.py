"""The runs screen driven by its keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driver import opened, presses, screen, shows, until

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.commands import Stop
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs import launch
from unlearn_tui.runs.control import send
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import is_alive
from unlearn_tui.runs.writer import EventWriter

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def story_engine(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    """A real engine without a model, in the place of the engine; what is still alive at the end is stopped."""
    paths = [TESTS / "cli", TESTS / "unit", *(p for p in sys.path if p)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, paths)))
    monkeypatch.setattr(launch.launch, "__defaults__", ("story_engine",))
    yield
    for spec in (home / "runs").glob("*/spec.toml"):
        if is_alive(RunDir(spec.parent)):
            send(RunDir(spec.parent), Stop(now=True))


def begun(home: Path, name: str, *told: ev.Event, log: str = "") -> RunDir:
    run = RunDir.create(home, RunSpec(name=name), {})
    with EventWriter(run) as writer:
        writer.write(ev.Started(run=run.id, pid=1, host="h", device="cpu", threads=1, stages=["load", "unlearn"]))
        for event in told:
            writer.write(event)
    run.log_path.write_text(log)
    return run


def failed(home: Path, name: str = "broken") -> RunDir:
    why = ev.Failed(kind="nan", message="loss is NaN at step 4: try a smaller --lr", stage="unlearn")
    return begun(home, name, why, log="Traceback\n\x1b]0;title\x07NotFinite\n")


def live(home: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    monkeypatch.setenv("STORY", "endless")
    run = RunDir.create(home, RunSpec(name="endless"), {})
    launch.launch(run)
    launch.wait_accepted(run)
    return run


def view(app: Any) -> Any:
    return app.view("runs")


def chosen(app: Any) -> str:
    current = view(app).state.list.current
    return current.id if current else ""


async def at(pilot: Any, app: Any, run: RunDir) -> None:
    """The cursor on this run, moved by keys alone."""
    await until(pilot, lambda: run.id in [r.id for r in view(app).state.list.rows])
    await pilot.press("home")
    while chosen(app) != run.id:
        before = view(app).state.list.at
        await pilot.press("down")
        assert view(app).state.list.at > before, screen(app)


@presses("runs", "up", "down", "pageup", "pagedown", "home", "end")
async def test_the_cursor_moves_by_rows_and_pages_and_to_the_ends(home: Path) -> None:
    for number in range(30):
        RunDir.create(home, RunSpec(name=f"run{number:02}"), {})
    async with opened(home, view="runs") as (app, pilot):
        await until(pilot, lambda: len(view(app).state.list.rows) == 30)
        seen = []
        for key in ("end", "up", "pageup", "home", "down", "pagedown"):
            await pilot.press(key)
            seen.append(view(app).state.list.at)
        page = view(app).rows_shown() - 1
        assert seen == [29, 28, 28 - page, 0, 1, 1 + page]
        y = next(i for i, line in enumerate(screen(app)) if line.startswith(" ○"))
        await pilot.click("#view-runs", offset=(10, y - 1))
        assert screen(app)[y].startswith("▸")
        assert chosen(app) in screen(app)[y]


@presses("runs", "enter", "c")
async def test_a_finished_run_opens_as_answers_and_a_failed_one_as_it_ran(home: Path, finished: RunDir) -> None:
    broken = failed(home)
    async with opened(home, view="runs") as (app, pilot):
        for key in ("enter", "c"):
            await at(pilot, app, finished)
            await pilot.press(key)
            await until(pilot, lambda: app.front == "compare" and app.opened.rundir == finished)
            app.switch("runs")
        await at(pilot, app, broken)
        assert not view(app).can("compare")
        await pilot.press("enter")
        await until(pilot, lambda: app.front == "run" and app.opened.rundir == broken)


async def test_a_live_run_shows_its_progress_and_opens_as_it_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = live(home, monkeypatch)
    async with opened(home, view="runs") as (app, pilot):
        await at(pilot, app, run)
        await until(pilot, lambda: shows(app, "unlearn", "1 live", "X stops it"))
        assert not view(app).can("remove")
        assert not view(app).can("resume")
        await pilot.press("enter")
        await until(pilot, lambda: app.front == "run" and app.opened.rundir == run and app.opened.live)


@presses("runs", "X")
async def test_a_live_run_is_stopped_after_its_step(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = live(home, monkeypatch)
    async with opened(home, view="runs") as (app, pilot):
        await at(pilot, app, run)
        await pilot.press("X")
        await until(pilot, lambda: not is_alive(run))
        await until(pilot, lambda: (view(app).look(), shows(app, "stopped in unlearn"))[1])
        assert not view(app).can("stop")


@presses("runs", "r")
async def test_a_failed_run_is_resumed_and_watched(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = failed(home)
    monkeypatch.setenv("STORY", "finish")
    async with opened(home, view="runs") as (app, pilot):
        await at(pilot, app, run)
        await pilot.press("r")
        await until(pilot, lambda: app.front == "run" and app.opened is not None)
        await until(pilot, lambda: app.opened.state.status == "finished")
        assert app.opened.state.attempt == 2


async def test_a_run_that_cannot_be_resumed_says_why(home: Path) -> None:
    run = begun(home, "gone", ev.Failed(kind="error", message="no"))
    run.spec_path.write_text(run.spec_path.read_text().replace('"pocket-target"', '"/no/such/model"'))
    async with opened(home, view="runs") as (app, pilot):
        await at(pilot, app, run)
        await pilot.press("r")
        await until(pilot, lambda: shows(app, "there is no folder '/no/such/model'"))
        assert app.front == "runs"


@presses("runs", "x")
async def test_a_run_is_removed_only_after_a_yes(home: Path, finished: RunDir) -> None:
    other = failed(home)
    async with opened(home, view="runs", run=finished) as (app, pilot):
        await at(pilot, app, finished)
        await pilot.press("x")
        await until(pilot, lambda: shows(app, f"Remove {finished.id}", "cannot be undone"))
        await pilot.press("n")
        await until(pilot, lambda: not shows(app, "cannot be undone"))
        assert finished.path.exists()
        await pilot.press("x", "y")
        await until(pilot, lambda: not finished.path.exists())
        await until(pilot, lambda: [r.id for r in view(app).state.list.rows] == [other.id])
        assert app.opened is None, "what is gone is not watched"


@presses("runs", "l")
async def test_what_its_engine_printed_is_read_safely(home: Path) -> None:
    run = failed(home)
    async with opened(home, view="runs") as (app, pilot):
        await at(pilot, app, run)
        await pilot.press("l")
        await until(pilot, lambda: shows(app, f"engine.log of {run.id}", "loss is NaN", "␛]0;title␇NotFinite"))


@presses("runs", "slash")
async def test_the_filter_works_while_it_is_typed_and_escape_leaves_it(home: Path, finished: RunDir) -> None:
    run = failed(home)
    async with opened(home, view="runs") as (app, pilot):
        await at(pilot, app, run)
        await pilot.press("/", *"nan")
        await until(pilot, lambda: shows(app, "1 of 2 runs") and not shows(app, finished.id))
        await pilot.press("enter")
        await until(pilot, lambda: not view(app).editing)
        await pilot.press("escape")
        await until(pilot, lambda: shows(app, "2 runs", finished.id))
        await pilot.press("/", *"xyz", "escape")
        await until(pilot, lambda: shows(app, "2 runs", finished.id))


async def test_ids_are_copied_and_the_runs_exported(home: Path, finished: RunDir) -> None:
    async with opened(home, view="runs") as (app, pilot):
        await at(pilot, app, finished)
        await pilot.press("y")
        await until(pilot, lambda: (home / "last-copy.txt").exists() and shows(app, "id sent"))
        assert (home / "last-copy.txt").read_text() == finished.id
        await pilot.press("e")
        await until(pilot, lambda: shows(app, "export as"))
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "runs.csv"))
        await pilot.press("enter")
        await until(pilot, lambda: Path("runs.csv").exists() and shows(app, "wrote"))
        assert f"{finished.id},finished,unlearn,ga_klr,bf16" in Path("runs.csv").read_text()


async def test_a_new_run_appears_by_itself_and_the_cursor_stays(home: Path, finished: RunDir) -> None:
    async with opened(home, view="runs") as (app, pilot):
        await at(pilot, app, finished)
        run = failed(home)
        await until(pilot, lambda: shows(app, run.id))
        assert chosen(app) == finished.id


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)])
async def test_an_empty_home_says_what_to_do(home: Path, size: tuple[int, int]) -> None:
    async with opened(home, size=size, view="runs") as (app, pilot):
        await until(pilot, lambda: shows(app, "no runs yet: 2 sets one up"))
        assert not any(view(app).can(action) for action in ("open", "resume", "remove", "stop", "log", "copy"))
        await pilot.press("enter", "r", "x", "X", "c", "l", "y")
        assert app.front == "runs"
