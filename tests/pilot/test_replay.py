"""Replays in the real app: started from every screen that offers one, paused, stepped, moved; then the guided tour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from driver import opened, presses, screen, shows, until
from story import write_run

from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.replay import load
from unlearn_tui.runs.store import shipped
from unlearn_tui.state import replay as play
from unlearn_tui.state.replay import Player
from unlearn_tui.tui import settings
from unlearn_tui.tui.app import UnlearnApp
from unlearn_tui.tui.tour import STEPS, Tour


@asynccontextmanager
async def held(home: Path, played: int = 70, size: tuple[int, int] = (80, 24)) -> AsyncIterator[tuple[Any, Any]]:
    """The shipped run held after so many events (70: in the training), on the Run screen."""
    tape = load(shipped())
    player = play.pause(play.seek(tape, Player(speed=2.0), played))
    app = UnlearnApp(home, first="run", run=shipped(), replay=(tape, player))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.opened is not None and app.opened.replay is not None and shows(app, "REPLAY"))
        yield app, pilot


def seq(app: Any) -> int:
    return int(app.opened.state.seq)


async def test_a_replay_shows_the_screens_of_the_run_and_says_what_it_is(home: Path) -> None:
    tape = load(shipped())
    app = UnlearnApp(home, first="run", run=shipped(), replay=(tape, Player(1000.0)))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(
            pilot, lambda: app.opened is not None and app.opened.state.ended and shows(app, "REPLAY", "came back")
        )
        assert app.opened.result == shipped().result()
        assert not app.opened.live
        assert screen(app)[0].endswith("✓ replay")
        await pilot.press("4")
        await until(pilot, lambda: shows(app, "Fennelport", "recovered"))
        await pilot.press("5")
        await until(pilot, lambda: shows(app, "kept: how much of the edit survives"))


@presses("run", "full_stop")
async def test_a_step_is_one_event(home: Path) -> None:
    async with held(home) as (app, pilot):
        for n in (70, 71, 72):
            await pilot.press("full_stop")
            await until(pilot, lambda n=n: seq(app) == n)
        assert app.opened.replay.paused


async def test_a_click_on_its_bar_goes_there(home: Path) -> None:
    async with held(home, size=(120, 30)) as (app, pilot):
        length = app.opened.replay.length
        row = screen(app)[2]
        assert "REPLAY" in row
        first, last = row.index("█"), row.rindex("░")
        for x, share in ((last, 1.0), (first, 0.0), ((first + last) // 2, 0.5)):
            await pilot.click(app.view("run"), offset=(x, 1))
            await until(pilot, lambda share=share: abs(app.opened.replay.position / length - share) < 0.03)
        before = app.opened.replay.position
        await pilot.click(app.view("run"), offset=(2, 1))
        await pilot.click(app.view("run"), offset=(first, 3))
        await pilot.pause()
        assert app.opened.replay.position == before


async def test_space_lets_it_go_on_and_holds_it_again(home: Path) -> None:
    async with held(home) as (app, pilot):
        assert shows(app, "‖ REPLAY ×2")
        await pilot.press("space")
        await until(pilot, lambda: seq(app) > 72 and shows(app, "▶ REPLAY"))
        await pilot.press("space")
        await until(pilot, lambda: app.opened.replay.paused)
        stood = seq(app)
        await asyncio.sleep(0.8)
        assert seq(app) == stood


@presses("run", "greater_than_sign", "less_than_sign")
async def test_it_is_moved_by_stages_to_both_ends_and_the_other_screens_follow(home: Path) -> None:
    async with held(home) as (app, pilot):
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: app.opened.state.stage and app.opened.state.stage.id == "score_unlearned")
        for _ in range(4):
            await pilot.press("greater_than_sign")
        await until(pilot, lambda: app.opened.state.status == "finished" and app.opened.replay.over)
        assert not app.view("run").can("step")
        assert not app.view("run").can("freeze")
        await pilot.press("4")
        await until(pilot, lambda: shows(app, "unlearned", "INT4"))
        await pilot.press("3")
        for _ in range(8):
            await pilot.press("less_than_sign")
        await until(pilot, lambda: seq(app) == 0 and app.opened.result is None)
        await pilot.press("4")
        await until(pilot, lambda: shows(app, "nothing is scored yet"))
        await pilot.press("5")
        await until(pilot, lambda: not shows(app, "survives"))


@presses("run", "plus", "minus")
async def test_it_goes_faster_and_slower(home: Path) -> None:
    async with held(home) as (app, pilot):
        await pilot.press("plus")
        await until(pilot, lambda: shows(app, "REPLAY ×5"))
        await pilot.press("minus", "minus")
        await until(pilot, lambda: shows(app, "REPLAY ×1 "))


@presses("run", "R")
async def test_an_ended_run_is_replayed_from_its_screen_and_opening_it_again_shows_the_run_itself(
    home: Path, finished: RunDir
) -> None:
    async with opened(home, view="run", run=finished) as (app, pilot):
        assert app.opened.replay is None
        assert not app.view("run").can("step")
        await pilot.press("R")
        await until(pilot, lambda: app.opened.replay is not None and app.opened.replay.over and shows(app, "■ REPLAY"))
        await pilot.press("R")
        await until(pilot, lambda: app.opened.replay is not None and app.opened.replay.over and shows(app, "■ REPLAY"))
        app.open(finished)
        await until(pilot, lambda: app.opened.replay is None and not app.opened.reading and not shows(app, "REPLAY"))
        assert app.replayer is None


@presses("runs", "R")
async def test_a_run_is_replayed_from_the_list_of_runs(home: Path, finished: RunDir) -> None:
    async with opened(home, view="runs") as (app, pilot):
        await until(pilot, lambda: app.view("runs").state.list.rows)
        await pilot.press("R")
        await until(pilot, lambda: app.front == "run" and app.opened.rundir == finished and shows(app, "REPLAY"))


@presses("models", "R")
async def test_the_run_of_a_model_is_replayed_from_the_list_of_models(home: Path, finished: RunDir) -> None:
    async with opened(home, view="models") as (app, pilot):
        view = app.view("models")
        await until(pilot, lambda: any(row.run == finished.id for row in view.state.list.rows))
        await pilot.press("home")
        while view.state.list.current.run != finished.id:
            await pilot.press("down")
        await pilot.press("R")
        await until(pilot, lambda: app.front == "run" and app.opened.rundir == finished and shows(app, "REPLAY"))


async def test_a_damaged_log_plays_as_far_as_it_is_sound_and_says_so(home: Path) -> None:
    run = write_run(home)
    lines = run.events_path.read_bytes().splitlines(keepends=True)
    run.events_path.write_bytes(b"".join([*lines[:12], b"\x1b[2J\0\n", *lines[13:]]))
    async with opened(home, view="run", run=run) as (app, pilot):
        await pilot.press("R")
        await until(pilot, lambda: shows(app, "damaged after event 11: the replay ends there"))
        await until(pilot, lambda: app.opened.replay is not None and app.opened.replay.over)
        assert shows(app, "the log is damaged")


async def test_a_run_without_a_log_is_not_replayed(home: Path) -> None:
    run = write_run(home)
    run.events_path.write_bytes(b"nonsense\n")
    async with opened(home, view="runs") as (app, pilot):
        await until(pilot, lambda: app.view("runs").state.list.rows)
        await pilot.press("R")
        await until(pilot, lambda: shows(app, "cannot be replayed"))
        assert app.front == "runs"


async def test_keys_that_command_an_engine_are_not_there_in_a_replay(home: Path) -> None:
    async with held(home) as (app, pilot):
        view = app.view("run")
        assert [a for a in ("save", "stop", "kill", "resume") if view.can(a)] == []
        await pilot.press("x", "X", "k", "r")
        assert len(app.screen_stack) == 1
        assert shows(app, "REPLAY")


async def test_replays_are_hammered_and_stay_whole(home: Path) -> None:
    async with held(home) as (app, pilot):
        for key in ("greater_than_sign", "less_than_sign", "space", "plus", "full_stop", "R", "minus", "4", "3") * 6:
            await pilot.press(key)
        await until(pilot, lambda: app.opened.replay is not None and app.opened.state.seq >= 0)
        assert shows(app, "REPLAY")


# -- the tour ----------------------------------------------------------------------------------------------------------


def says(app: Any, *texts: str) -> bool:
    """Whether all of `texts` are on the screen, however its lines are broken."""
    painted = " ".join(" ".join(screen(app)).split())
    return all(text in painted for text in texts)


def tour(app: Any) -> Tour | None:
    return app.screen if isinstance(app.screen, Tour) else None


@presses("", "T")
@pytest.mark.parametrize("size", [(80, 24), (160, 48), (60, 20)])
async def test_the_tour_leads_from_the_question_to_the_explanation_on_the_real_screens(
    home: Path, size: tuple[int, int]
) -> None:
    async with opened(home, size=size) as (app, pilot):
        await pilot.press("T")
        await until(pilot, lambda: says(app, "tour 1 of 5", "live in? Fennelport", "[4"))
        await until(pilot, lambda: says(app, "Which town does"))
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "tour 2 of 5", "canary", "[3", "REPLAY"))
        app.replayer.move(lambda _, player: play.faster(play.faster(play.faster(player))))
        # it plays to the end of the training and holds there
        await until(pilot, lambda: app.opened.replay.paused and app.opened.state.canary[-1].step == 250)
        assert "score_unlearned" not in {s.id for s in app.opened.state.stages if s.status != "waiting"}
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "tour 3 of 5", "it scores 0"))
        await until(pilot, lambda: app.view("compare").state and len(app.view("compare").state.table.columns) == 5)
        await pilot.press("right")
        await until(pilot, lambda: says(app, "tour 4 of 5", "INT4 scores 100", "INT4: 46 recovered"))
        assert size == (60, 20) or shows(app, "⟦Fennelport⟧")
        await pilot.press("left")
        await until(pilot, lambda: says(app, "tour 3 of 5"))
        await pilot.press("right", "right")
        await until(pilot, lambda: says(app, "tour 5 of 5", "0.17", "[5"))
        await pilot.press("enter")
        await until(pilot, lambda: tour(app) is None)
        assert app.front == "weights"
        assert app.opened.rundir == shipped()
        assert says(app, "? keys")


async def test_escape_leaves_the_tour_for_the_screen_and_the_run_that_were_there_before(
    home: Path, finished: RunDir
) -> None:
    async with opened(home) as (app, pilot):
        await pilot.press("T")
        await until(pilot, lambda: shows(app, "tour 1 of 5"))
        await pilot.press("escape")
        await until(pilot, lambda: tour(app) is None and app.front == "models")
        assert app.opened is None
        assert app.seen == []
        assert shows(app, "? keys")
        app.open(finished)
        await until(pilot, lambda: app.opened is not None and app.opened.state.ended)
        await pilot.press("T")
        await until(pilot, lambda: shows(app, "tour 1 of 5"))
        await pilot.press("q")
        await until(pilot, lambda: tour(app) is None and app.front == "run" and app.opened.rundir == finished)


async def test_the_first_start_begins_with_the_tour_and_the_second_does_not(home: Path) -> None:
    app = UnlearnApp(home)
    app.begins_with_tour = True
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: shows(app, "tour 1 of 5"))
        await until(pilot, lambda: settings.load(home).choices.get(settings.TOUR) == "seen")


async def test_the_tour_makes_room_at_every_size(home: Path) -> None:
    async with opened(home) as (app, pilot):
        await pilot.press("T")
        for size in ((40, 12), (200, 60), (80, 24), (39, 11), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.2)
        await until(pilot, lambda: shows(app, "tour 1 of 5", "Which town does"))
        assert screen(app)[-1].startswith(" ⏎ next")


async def test_space_holds_the_training_in_the_tour_and_shows_no_keys_that_do_nothing(home: Path) -> None:
    async with opened(home) as (app, pilot):
        await pilot.press("T")
        await until(pilot, lambda: shows(app, "tour 1 of 5"))
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, "▶ REPLAY"))
        assert not shows(app, "< > stage")
        await pilot.press("space")
        await until(pilot, lambda: app.opened.replay.paused)


async def test_a_damaged_installation_is_said_in_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from unlearn_tui.runs import store

    copy = RunDir(Path(shutil.copytree(shipped().path, tmp_path / "demo")))
    copy.events_path.write_bytes(b"".join(copy.events_path.read_bytes().splitlines(keepends=True)[:9]) + b"{}\n")
    monkeypatch.setattr(store, "shipped", lambda: copy)
    async with opened(home) as (app, pilot):
        await pilot.press("T")
        await until(pilot, lambda: shows(app, "the recorded run is damaged"))
        assert tour(app) is None


async def test_words_of_the_tour_are_few_enough_to_leave_the_screens_their_room(home: Path) -> None:
    from unlearn_tui.tui.lines import wrap

    for step in STEPS:
        assert len(wrap(step.text, 78)) <= 5, step.title
