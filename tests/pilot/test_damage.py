"""Homes that something has damaged: the app opens them as far as they are sound, on every screen, and says what it lacks."""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driver import opened, screen, shows, until
from story import write_run

from unlearn_tui.runs.directory import RunDir

Damage = Callable[[RunDir], object]


def cut(path: Path, part: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 40)


def insert(path: Path, *lines: bytes) -> None:
    rows = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*rows[:4], *lines, *rows[4:]]))


def told(path: Path, **changes: Any) -> None:
    """result.json with some things otherwise."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replaced(path: Path, by: Callable[[Path], object]) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    by(path)


def answers(run: RunDir, what: Callable[[Path], object]) -> None:
    for path in run.answers.iterdir():
        what(path)


FUTURE = json.dumps({"event": "dreamt", "seq": 4, "time": 1.0, "mono": 1.0, "schema": 99, "of": ["sheep"]}).encode()
WRONG = json.dumps({"event": "step", "seq": 4, "time": 1.0, "mono": 1.0, "step": "four", "loss": None}).encode()
DAMAGES: dict[str, Damage] = {
    "no spec": lambda run: run.spec_path.unlink(),
    "torn spec": lambda run: cut(run.spec_path, 0.5),
    "garbage spec": lambda run: garbage(run.spec_path),
    "spec is a folder": lambda run: replaced(run.spec_path, Path.mkdir),
    "no events": lambda run: run.events_path.unlink(),
    "empty events": lambda run: run.events_path.write_bytes(b""),
    "torn events": lambda run: cut(run.events_path, 0.7),
    "garbage events": lambda run: garbage(run.events_path),
    "garbage in between": lambda run: insert(run.events_path, b"\x00\xff\xfe{[", b"null", b"[]", b"{}"),
    "an event of the future": lambda run: insert(run.events_path, FUTURE),
    "an event with wrong types": lambda run: insert(run.events_path, WRONG),
    "a line of 20 MB": lambda run: insert(run.events_path, b'{"event": "' + b"x" * 20_000_000),
    "events are a folder": lambda run: replaced(run.events_path, Path.mkdir),
    "no result": lambda run: run.result_path.unlink(),
    "torn result": lambda run: cut(run.result_path, 0.5),
    "garbage result": lambda run: garbage(run.result_path),
    "result of another shape": lambda run: run.result_path.write_text("[1, 2]"),
    "result without scores": lambda run: told(run.result_path, scores=[], recovery=[]),
    "result that lies about answers": lambda run: told(
        run.result_path, answers={"target/fp16/knowmem_forget": "../../x"}
    ),
    "result with answers of no shape": lambda run: told(
        run.result_path, answers={"a": "b", "": "", "/": "/etc/passwd"}
    ),
    "no answers": lambda run: shutil.rmtree(run.answers),
    "torn answers": lambda run: answers(run, lambda path: cut(path, 0.6)),
    "empty answers": lambda run: answers(run, lambda path: path.write_bytes(b"")),
    "garbage answers": lambda run: answers(run, garbage),
    "answers of other questions": lambda run: answers(
        run, lambda p: p.write_bytes(p.read_bytes().replace(b'"index"', b'"x"'))
    ),
    "garbage weights": lambda run: garbage(run.path / "weights.jsonl"),
    "weights of another shape": lambda run: (run.path / "weights.jsonl").write_text('{"tensor": 3}\n[]\nnull\n'),
    "infinite numbers": lambda run: run.events_path.write_bytes(
        run.events_path.read_bytes().replace(b'"grad_norm":0.8', b'"grad_norm":1e308')
    ),
    "a huge log": lambda run: run.log_path.write_bytes(b"x\xff\n" * 3_000_000),
    "an empty directory": lambda run: replaced(run.path, Path.mkdir),
    "a file for a directory": lambda run: replaced(run.path, Path.touch),
    "a link to nowhere": lambda run: replaced(run.path, lambda path: path.symlink_to("/nowhere/at/all")),
    "a link around": lambda run: replaced(run.events_path, lambda path: path.symlink_to(path)),
    "a pipe for events": lambda run: replaced(run.events_path, os.mkfifo),
    "times from the future": lambda run: [os.utime(p, (2e10, 2e10)) for p in run.path.iterdir()],
    "times before time": lambda run: [os.utime(p, (-1e9, -1e9)) for p in run.path.iterdir()],
}
TOUR = (
    "0 home enter",
    "3 l up escape",
    "4 enter escape t m d space escape",
    "5 b m s y escape",
    "0 home l escape x n",
    "1 end c e escape",
)


@pytest.fixture
def run(home: Path) -> RunDir:
    made = write_run(home)
    shutil.copytree(made.path, home / "runs" / "neighbour")
    return made


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_run_is_opened_as_far_as_it_is_sound(home: Path, run: RunDir, damage: str) -> None:
    DAMAGES[damage](run)
    os.utime(home / "runs" / "neighbour" / "spec.toml", (1, 1))  # the damaged one is the newer
    async with opened(home) as (app, pilot):
        for keys in TOUR:
            await pilot.press(*keys.split())
            await pilot.pause(0.05)
        await pilot.press("escape", "escape", "0")
        # its sound neighbour is there and opens
        await until(pilot, lambda: shows(app, "neighbour"))
        await pilot.press("slash", *"neighbour", "enter", "enter")
        await until(pilot, lambda: app.opened is not None and app.opened.rundir.id == "neighbour")
        await pilot.press("4")
        await until(pilot, lambda: shows(app, "Which town"))
    assert (home / "runs" / "neighbour").is_dir()


async def test_a_run_removed_while_it_is_open(home: Path, run: RunDir) -> None:
    async with opened(home, view="compare", run=run) as (app, pilot):
        await until(pilot, lambda: shows(app, "Which town"))
        shutil.rmtree(run.path)
        for keys in TOUR:
            await pilot.press(*keys.split())
            await pilot.pause()
        await pilot.press("0")
        await until(pilot, lambda: shows(app, "neighbour") and not shows(app, "▸✓ story"))


async def test_a_home_removed_while_the_app_is_open(home: Path, run: RunDir) -> None:
    async with opened(home) as (app, pilot):
        shutil.rmtree(home)
        for keys in TOUR:
            await pilot.press(*keys.split())
            await pilot.pause()
        await pilot.press("escape", "0")
        assert "unlearn" in screen(app)[0]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(bytes(range(256))),
        lambda path: path.write_bytes(b" " * 100_000_000),
        lambda path: path.write_text('{"theme": 3, "folders": "x", "choices": [1]}'),
        lambda path: path.write_text('{"folders": ["/nowhere", "", "\\u0000", 3, null, "~", "."]}'),
        lambda path: path.write_text("[" * 100_000),
        lambda path: os.mkfifo(path),
        lambda path: path.symlink_to(path),
    ],
    ids=["folder", "garbage", "100 MB", "other types", "odd folders", "deep", "pipe", "loop"],
)
async def test_settings_that_cannot_be_read_are_left_alone(
    home: Path, run: RunDir, damage: Callable[[Path], None]
) -> None:
    path = home / "app.json"
    damage(path)
    async with opened(home) as (app, pilot):
        await until(pilot, lambda: shows(app, "pocket-target"))
        await pilot.press("s")
        await until(pilot, lambda: '"models_sort"' in path.read_text() if path.is_file() else False)
    assert os.path.lexists(home / "app.json.damaged")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_home_that_cannot_be_written(home: Path, run: RunDir) -> None:
    for path in (home, home / "runs", run.path):
        path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        async with opened(home) as (app, pilot):
            for keys in TOUR:
                await pilot.press(*keys.split())
                await pilot.pause()
            await pilot.press("escape", "0")
            assert "unlearn" in screen(app)[0]
    finally:
        for path in (home, home / "runs", run.path):
            path.chmod(0o700)


async def test_a_thousand_runs_are_listed_and_scrolled(home: Path, run: RunDir) -> None:
    for number in range(1000):
        path = home / "runs" / f"many-{number:04}"
        path.mkdir()
        for name in ("spec.toml", "events.jsonl", "result.json"):
            os.link(run.path / name, path / name)
    began = time.monotonic()
    async with opened(home, view="runs") as (app, pilot):
        await until(pilot, lambda: shows(app, "1002 runs"), seconds=60)
        listed = time.monotonic() - began
        await pilot.press("end", "pageup", "home", "pagedown", "1", "end")
        await pilot.pause()
        assert shows(app, "[1 models]")
    assert listed < 60
