"""The sweeps screen driven by its keys, on a home with a sweep of which two cells are done and one is at work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec
import pytest
import story
from driver import opened, presses, screen, shows, until

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import PredictionRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.protocol.sweep import cells, parse
from unlearn_tui.runs import sweeps
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.runs.writer import EventWriter

SWEEP = {"name": "rates", "over": {"weights": ["bf16", "fp32"], "lr": [7e-6, 1e-4], "seed": [0, 1]}}


def finish(home: Path, spec: RunSpec) -> RunDir:
    run = RunDir.create(home, spec, {})
    with EventWriter(run) as writer:
        for event in story.events(run.id):
            writer.write(event)
    story.write_answers(run)
    result = story.result(run.id, spec)
    result.predictions = [PredictionRow(precision="bnb-fp4", kept=0.9, says="stays")]
    write_atomic(run.result_path, msgspec.json.encode(result))
    return run


@pytest.fixture
def swept(home: Path) -> Path:
    """Two sweeps; of the newer one's eight cells two are done."""
    sweeps.keep(home, parse({"name": "older", "over": {"seed": [7]}}))
    path = sweeps.keep(home, parse(SWEEP))
    os.utime(sweeps.kept(home)[1], (1, 1))
    for cell in cells(parse(SWEEP))[:2]:
        finish(home, cell.spec)
    return path


@presses("runs", "S")
@presses("sweeps", "up", "down", "left", "right", "tab", "enter")
async def test_s_lists_sweeps_and_the_grid_opens_the_run_of_a_cell(home: Path, swept: Path) -> None:
    async with opened(home, view="runs") as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: shows(app, swept.stem, "2/8", "older-", "0/1"))
        assert shows(app, "weights · lr", "seed 0", "bf16 · 7e-6", "✓ 95.8", "fp32 · 1e-4")
        await pilot.press("down")
        await until(pilot, lambda: shows(app, "0 of 1"))
        await pilot.press("up", "tab", "down", "right")
        await until(pilot, lambda: shows(app, "bf16 · 1e-4 · seed 1", "no run yet"))
        await pilot.press("up", "left")
        await until(pilot, lambda: shows(app, "bf16 · 7e-6 · seed 0", "finished"))
        await pilot.press("enter")
        await until(pilot, lambda: app.front == "compare")
        assert app.opened is not None
        assert app.opened.rundir.spec().seed == 0


@presses("sweeps", "pageup", "pagedown", "home", "end", "p", "m")
async def test_moving_the_precision_and_the_map(home: Path, swept: Path) -> None:
    async with opened(home, view="runs") as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: shows(app, "✓ 95.8", "KnowMem forget, INT4;"))
        await pilot.press("p")
        await until(pilot, lambda: shows(app, "KnowMem forget, FP16;", "✓ 12.5"))
        await pilot.press("enter", "end")
        await until(pilot, lambda: shows(app, "fp32 · 1e-4 · seed 0"))
        await pilot.press("home", "pagedown", "pageup")
        await until(pilot, lambda: shows(app, "bf16 · 7e-6 · seed 0"))
        await pilot.press("m")
        await until(pilot, lambda: shows(app, "0.98 ↓≠", "2 wrong", "lr 1e-4"))
        await pilot.press("escape", "escape", "escape")
        await until(pilot, lambda: app.front == "runs")


async def test_wide_the_map_stands_beside_the_grid(home: Path, swept: Path) -> None:
    async with opened(home, (160, 48), view="runs") as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: shows(app, "RECOVERY MAP", "0.98 ↓≠", "✓ 95.8"))


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 48)])
async def test_hostile_and_broken_sweeps_are_shown_for_what_they_are(home: Path, size: tuple[int, int]) -> None:
    folder = home / "sweeps"
    folder.mkdir()
    (folder / "odd\x1b[2J.toml").write_text('[base]\nmodel = "\\u001b]0;x\\u0007"\n[over]\nseed = [1]\n')
    (folder / "bad.toml").write_text("[over\n")
    os.utime(folder / "bad.toml", (2**33, 2**33))
    async with opened(home, size, view="runs") as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: shows(app, "✗ bad", "not TOML" if size[0] > 40 else "is not"))
        await pilot.press("down", "tab", "p", "m", "end", "up")
        await pilot.pause()
        assert "\x1b" not in "\n".join(screen(app))


async def test_an_empty_home_says_how_a_sweep_is_made(home: Path) -> None:
    async with opened(home, view="runs") as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: shows(app, "no sweeps yet: unlearn-tui sweep SWEEP.toml makes one"))
        await pilot.press("escape")
        await until(pilot, lambda: app.front == "runs")


@presses("sweeps", "r", "X")
async def test_r_goes_on_with_a_sweep_and_x_stops_it(home: Path, swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tests = Path(__file__).parents[1]
    paths = [tests / "cli", tests / "unit", *(p for p in sys.path if p)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, paths)))
    monkeypatch.setenv("STORY", "endless")
    monkeypatch.setattr(sweeps, "DRIVER", "cli_with_story_engine")
    async with opened(home, view="runs") as (app, pilot):
        await pilot.press("S")
        await until(pilot, lambda: shows(app, "2/8"))
        await pilot.press("r")
        await until(pilot, lambda: shows(app, "●", "at work"), seconds=60)
        assert sweeps.is_driven(home)
        await pilot.press("X")
        await until(pilot, lambda: not sweeps.is_driven(home), seconds=30)
        await until(pilot, lambda: shows(app, "◐", "r goes on"))
    (run,) = [RunDir(p.parent) for p in (home / "runs").glob("*/spec.toml") if RunDir(p.parent).result() is None]
    assert isinstance([*run.events()][-1], ev.Stopped)


async def test_a_cell_at_work_shows_how_far_it_is(home: Path, swept: Path) -> None:
    spec = cells(parse(SWEEP))[2].spec
    run = RunDir.create(home, spec, {})
    with RunLock(run), EventWriter(run) as writer:
        writer.write(story.started(run.id))
        writer.write(ev.StageStarted(stage="unlearn", title="unlearn", unit="steps", total=200))
        writer.write(story.step(50, 200))
        async with opened(home, view="runs") as (app, pilot):
            await pilot.press("S")
            await until(pilot, lambda: shows(app, "● 25 %", "unlearn 25 %"))
