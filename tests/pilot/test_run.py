"""The Run screen in the real app: a live run's keys reach its engine, an ended one says what can be done."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import story
from driver import opened, presses, screen, shows, until

from unlearn_tui.commands import preflight
from unlearn_tui.errors import Refused
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.commands import AnyCommand, Reply, SaveNow, Stop
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs import launch
from unlearn_tui.runs.control import ControlServer
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.runs.writer import EventWriter

IN_TRAINING = 16
"""Events of the story after which it is unlearning, at step 2."""


class FakeEngine:
    """Holds a run's lock, hears its commands and writes its log: a live engine without a model."""

    def __init__(self, home: Path, upto: int = IN_TRAINING) -> None:
        self.run = RunDir.create(home, RunSpec(name="story", preset="effect"), {"torch": "2"})
        self.heard: list[AnyCommand] = []
        self.reply = Reply(ok=True, text="as you say")
        self.lock = RunLock(self.run)
        self.lock.acquire()
        self.server = ControlServer(self.run, self._hear)
        self.writer = EventWriter(self.run)
        for event in story.events(self.run.id)[:upto]:
            if isinstance(event, ev.Started):
                event.pid, event.host = os.getpid(), socket.gethostname()
            self.say(event)

    def say(self, *events: ev.AnyEvent) -> None:
        for event in events:
            self.writer.write(event)

    def _hear(self, command: AnyCommand) -> Reply:
        self.heard.append(command)
        return self.reply

    def end(self) -> None:
        self.writer.close()
        self.server.close()
        self.lock.release()


@pytest.fixture
def engine(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeEngine]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    made = FakeEngine(home)
    yield made
    made.end()


def at(engine: FakeEngine, **more):
    return opened(engine.run.home, view="run", run=engine.run, **more)


async def test_without_a_run_it_says_where_runs_come_from(home: Path) -> None:
    async with opened(home, view="run") as (app, pilot):
        assert shows(app, "No run is opened.", "set up a new run")
        await pilot.press("space", "g", "l", "w", "x", "X", "k", "r", "up", "down", "y", "e")
        assert shows(app, "No run is opened.")


async def test_a_live_run_is_followed_from_training_to_its_end(engine: FakeEngine) -> None:
    async with at(engine) as (app, pilot):
        assert shows(app, "losses", "Which town does Kessra live in?", "2/4 steps")
        engine.say(story.step(3), ev.Progress(stage="unlearn", done=3, total=4, rate=2.0, left=0.5))
        await until(pilot, lambda: shows(app, "3/4 steps"))
        engine.say(*story.events(engine.run.id)[IN_TRAINING:])
        await until(pilot, lambda: shows(app, "4 compare answers", "came back"))


async def test_answers_arrive_while_they_are_scored(engine: FakeEngine) -> None:
    async with at(engine) as (app, pilot):
        stage = ev.StageStarted(stage="unlearned", title="score", unit="answers", total=9)
        note = "unlearned bnb-fp4 knowmem_forget"
        said = ev.Answered(
            model="unlearned",
            precision="bnb-fp4",
            metric="knowmem_forget",
            index=0,
            prompt="Who keeps the light?",
            gold="Maren",
            answer="Maren of course",
            recall=1.0,
        )
        progress = ev.Progress(stage="unlearned", done=1, total=9, note=note)
        engine.say(ev.StageFinished(stage="unlearn", seconds=1), stage, progress, said)
        await until(pilot, lambda: shows(app, "answers arriving", "Who keeps the light?", "Maren of course"))


async def test_meters_show_the_memory_of_a_local_engine(engine: FakeEngine) -> None:
    async with at(engine) as (app, pilot):
        await until(pilot, lambda: shows(app, "memory", "cpu"))


@presses("run", "space")
async def test_space_holds_the_view_and_says_how_far_the_run_has_gone_on(engine: FakeEngine) -> None:
    async with at(engine) as (app, pilot):
        await pilot.press("space")
        assert shows(app, "FROZEN")
        engine.say(story.step(3), ev.Progress(stage="unlearn", done=3, total=4))
        await until(pilot, lambda: shows(app, "FROZEN run is 1 step ahead"))
        assert shows(app, "2/4 steps")
        await pilot.press("space")
        await until(pilot, lambda: shows(app, "3/4 steps"))
        assert not shows(app, "FROZEN")


@presses("run", "g")
async def test_g_turns_the_losses_logarithmic_and_is_remembered(engine: FakeEngine) -> None:
    async with at(engine) as (app, pilot):
        assert not shows(app, "└─ log")
        await pilot.press("g")
        assert shows(app, "└─ log")
        assert app.settings.choices["run.scale"] == "log"
        await until(pilot, lambda: (app.home / "app.json").exists())
    async with at(engine) as (app, _):
        assert shows(app, "└─ log")


@presses("run", "l")
async def test_l_gives_the_log_the_screen_and_takes_it_back(engine: FakeEngine) -> None:
    engine.say(ev.Log(level="info", text="word " * 40))
    async with at(engine) as (app, pilot):
        assert shows(app, "canary")
        await pilot.press("l")
        assert not shows(app, "canary")
        assert "\n".join(screen(app)).count("word") == 40
        await pilot.press("l")
        assert shows(app, "canary")


@presses("run", "w")
async def test_w_leaves_warnings_alone_in_the_log(engine: FakeEngine) -> None:
    engine.say(ev.Log(level="warning", text="mind the gap"), ev.Log(level="info", text="all is well"))
    async with at(engine) as (app, pilot):
        assert shows(app, "! mind the gap", "all is well", "1 warning")
        await pilot.press("w")
        assert shows(app, "mind the gap", "warnings only")
        assert not shows(app, "all is well")


@presses("run", "up", "down")
async def test_up_and_down_scroll_the_log_and_new_lines_do_not_move_what_is_read(engine: FakeEngine) -> None:
    engine.say(*(ev.Log(level="info", text=f"entry {n:02}") for n in range(40)))
    async with at(engine) as (app, pilot):
        assert shows(app, "entry 39")
        await pilot.press(*["up"] * 10)
        assert shows(app, "entry 29", "10 below")
        assert not shows(app, "entry 30")
        engine.say(ev.Log(level="info", text="news"))
        await until(pilot, lambda: shows(app, "11 below"))
        assert shows(app, "entry 29")
        await pilot.press(*["down"] * 11)
        assert shows(app, "news")


@presses("run", "k")
async def test_k_asks_the_engine_to_save(engine: FakeEngine) -> None:
    engine.reply = Reply(ok=True, text="saving after this step")
    async with at(engine) as (app, pilot):
        await pilot.press("k")
        await until(pilot, lambda: engine.heard == [SaveNow()] and shows(app, "saving after this step"))


@presses("run", "x")
async def test_x_stops_after_the_step(engine: FakeEngine) -> None:
    async with at(engine) as (app, pilot):
        await pilot.press("x")
        await until(pilot, lambda: engine.heard == [Stop(now=False)] and shows(app, "as you say"))
        engine.say(ev.Stopped(stage="unlearn", step=2))
        await until(pilot, lambda: shows(app, "stopped in stage unlearn after step 2", "r resume"))


@presses("run", "X")
async def test_capital_x_stops_at_once_but_asks_before(engine: FakeEngine) -> None:
    async with at(engine) as (app, pilot):
        await pilot.press("X")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press("n")
        assert engine.heard == []
        await pilot.press("X")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press("y")
        await until(pilot, lambda: engine.heard == [Stop(now=True)])


async def test_an_engine_that_refuses_is_quoted(engine: FakeEngine) -> None:
    engine.reply = Reply(ok=False, text="nothing to save: the run is not unlearning")
    async with at(engine) as (app, pilot):
        await pilot.press("k")
        await until(pilot, lambda: shows(app, "nothing to save"))


def resumable(home: Path) -> RunDir:
    """A run that failed in training."""
    run = story.write_run(home, upto=IN_TRAINING)
    with EventWriter(run, attempt=1) as writer:
        writer.write(ev.Failed(kind="memory", message="out of memory: try --batch 2", stage="unlearn"))
    return run


@presses("run", "r")
async def test_r_resumes_a_failed_run_and_follows_its_new_attempt(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = resumable(home)
    locks = []

    def fake_launch(rundir: RunDir) -> int:
        assert rundir == run
        locks.append(RunLock(rundir))
        locks[-1].acquire()
        with EventWriter(rundir) as writer:
            writer.write(story.started(run.id))
            writer.write(ev.StageStarted(stage="unlearn", title="unlearn", unit="steps", total=4))
            writer.write(ev.Resumed(stage="unlearn", from_step=1))
            writer.write(ev.Progress(stage="unlearn", done=1, total=4))
        return 1

    monkeypatch.setattr(preflight, "check_sources", lambda spec, home: None)
    monkeypatch.setattr(launch, "launch", fake_launch)
    monkeypatch.setattr(launch, "wait_accepted", lambda rundir: None)
    async with opened(home, view="run", run=run) as (app, pilot):
        assert shows(app, "failed (memory): out of memory: try --batch 2", "r resume")
        await pilot.press("r")
        await until(pilot, lambda: shows(app, "1/4 steps"))
        assert not shows(app, "r resume")
    locks[0].release()


async def test_a_resume_that_is_refused_says_why_and_can_be_tried_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(spec: RunSpec, home: Path) -> None:
        raise Refused("the corpus has gone: put it back")

    monkeypatch.setattr(preflight, "check_sources", refuse)
    async with opened(home, view="run", run=resumable(home)) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: shows(app, "the corpus has gone: put it back", "r resume"))


async def test_keys_that_make_no_sense_are_not_offered(engine: FakeEngine, finished: RunDir) -> None:
    async with opened(finished.home, view="run", run=finished) as (app, pilot):
        offered = {key.action for key in app.keys_now()}
        assert not offered & {"freeze", "stop", "kill", "save", "resume"}
        app.open(engine.run)
        await until(pilot, lambda: shows(app, "2/4 steps"))
        offered = {key.action for key in app.keys_now()}
        assert {"freeze", "stop", "kill", "save"} <= offered
        assert "resume" not in offered


async def test_y_copies_the_command_that_shows_the_same(engine: FakeEngine) -> None:
    async with at(engine) as (app, pilot):
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard == f"unlearn-tui attach {engine.run.id}")


async def test_e_exports_what_was_measured_step_by_step(finished: RunDir, tmp_path: Path) -> None:
    async with opened(finished.home, view="run", run=finished) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press(*"json", "enter")
        await asyncio.sleep(0.1)
        await pilot.press("enter")
        path = tmp_path / f"{finished.id}-steps.json"
        await until(pilot, path.exists)
        tables = json.loads(path.read_text())
        assert [row["step"] for row in tables["steps"]] == [1, 2, 3, 4]
        assert set(tables) == {"steps", "probes", "canary", "scores"}


async def test_another_run_is_shown_afresh_even_while_the_view_is_held(engine: FakeEngine, finished: RunDir) -> None:
    async with at(engine) as (app, pilot):
        await pilot.press("space")
        app.open(finished)
        await until(pilot, lambda: shows(app, "finished in 0:09"))
        assert not shows(app, "FROZEN")


@pytest.mark.parametrize("size", [(80, 24), (160, 48), (40, 12)])
async def test_ascii_leaves_no_other_sign_on_the_screen(engine: FakeEngine, size: tuple[int, int]) -> None:
    async with at(engine, size=size, ascii=True) as (app, _):
        assert all(row.isascii() for row in screen(app)[1:-1])
