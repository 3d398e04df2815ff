"""Pictures of every screen, from the log of a real run: a change of looks is seen before it is kept.

After a change that is meant: pytest tests/snapshots --snapshot-update, and look at the pictures in __snapshots__.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path += [str(Path(__file__).parents[1] / name) for name in ("pilot", "unit")]

import inspect_data
from driver import until
from scripted import ScriptedInspector

from unlearn_tui import catalog
from unlearn_tui.commands import survey
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs import inspecting
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.runs.log import LogReader
from unlearn_tui.sources import assets, checkpoints, corpora, fits
from unlearn_tui.tui.app import UnlearnApp

RECORDED = Path(__file__).parent / "recorded"
NOW = 1_795_480_000.0
SMALL, LARGE = (80, 24), (160, 48)
LOOKS = ("dark-80", "dark-160", "light-80", "ansi-80", "nocolor-80", "ascii-80")
Snap = Callable[..., bool]


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A fixed place with the shipped files of a fixed age."""
    path = Path("/tmp/unlearn-tui-snapshots")
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(assets.asset("pocket"), path / "assets/pocket")
    _date(path / "assets", NOW - 7200)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def home(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home at a fixed place, time and free memory: a picture must not depend on the machine."""
    path = place / "home"
    shutil.rmtree(path, ignore_errors=True)
    for module in (assets, checkpoints, corpora):
        monkeypatch.setattr(module, "asset", lambda *parts: place.joinpath("assets", *parts))
    (path / "runs").mkdir(parents=True)
    for name, value in (("HF_HUB_OFFLINE", "1"), ("HF_HOME", str(tmp_path)), ("HOME", str(place)), ("TZ", "UTC")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(catalog, "PACKAGED", {})
    monkeypatch.setattr(survey, "usable_cores", lambda: 2)
    room = fits.Room(free=16_000_000_000, total=16_000_000_000, gpu=False, name="main memory")
    monkeypatch.setattr(fits, "room", lambda device="auto": room)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(200 * 10**9, 10**11, 10**11))
    return path


def recorded(home: Path, events: int | None = None) -> RunDir:
    """The recorded run, whole, or as it stood after so many events."""
    run = RunDir(home / "runs" / "effect-recorded")
    shutil.copytree(RECORDED, run.path)
    if events is not None:
        lines = run.events_path.read_bytes().splitlines(keepends=True)
        run.events_path.write_bytes(b"".join(lines[:events]))
        run.result_path.unlink()
    _date(run.path, NOW - 3600)
    return run


def foretold(run: RunDir) -> RunDir:
    """The run with what such a run says before training, which the recorded one is too old for: one of two comes true."""
    said = [
        {"precision": "bnb-int8", "kept": 1.0, "says": "stays"},
        {"precision": "bnb-fp4", "kept": 0.8, "says": "stays"},
    ]
    lines = run.events_path.read_bytes().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if b'"stage":"unlearn"' in line) + 1
    head = {
        name: value for name, value in json.loads(lines[at - 1]).items() if name in ("seq", "attempt", "time", "mono")
    }
    added = [json.dumps({"event": "predicted", **row, **head}).encode() + b"\n" for row in said]
    told = [json.loads(line) for line in [*lines[:at], *added, *lines[at:]]]
    run.events_path.write_text("".join(json.dumps(e | {"seq": n}) + "\n" for n, e in enumerate(told)))
    if run.result_path.exists():
        table = json.loads(run.result_path.read_text())
        run.result_path.write_text(json.dumps({**table, "predictions": said}))
    _date(run.path, NOW - 3600)
    return run


def _date(folder: Path, when: float) -> None:
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (when, when))


def upto(holds: Callable[[ev.AnyEvent], bool]) -> int:
    """How many events there are up to the first one of which something holds."""
    reader = LogReader(RECORDED / "events.jsonl")
    count = 0
    while batch := reader.read():
        for event in batch:
            count += 1
            if holds(event):
                return count
    raise AssertionError("never")


@pytest.fixture
def picture(home: Path, snap_compare: Snap, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """picture(view, look, run, *keys): compare one screen with its picture."""

    def compare(view: str, look: str, run: RunDir | None, *keys: str, shows: str = "") -> bool:
        theme = {"light": "unlearn-light", "ansi": "ansi-dark"}.get(look.partition("-")[0], "unlearn-dark")
        if look.startswith("nocolor"):
            monkeypatch.setenv("NO_COLOR", "1")
        app = UnlearnApp(home, ascii=look.startswith("ascii"), first=view, run=run, theme_name=theme)

        async def ready(pilot: Any) -> None:
            if run is not None:
                await until(pilot, lambda: app.opened and app.opened.state.seq >= 0 and not app.opened.reading)
            # what threads read has come when nothing changes any more
            before, same = [""], 0
            while same < 8:
                await pilot.pause(0.1)
                from driver import screen

                painted = screen(app)
                same = same + 1 if painted == before else 0
                before = painted
            for key in keys:
                await pilot.press(key)
                await pilot.pause(0.3)

        return snap_compare(app, terminal_size=LARGE if look.endswith("160") else SMALL, run_before=ready)

    return compare


@pytest.fixture
def held() -> Iterator[Callable[[RunDir], RunDir]]:
    """Make a run look live: its lock is held, here."""
    locks: list[RunLock] = []

    def hold(run: RunDir) -> RunDir:
        lock = RunLock(run)
        lock.acquire()
        locks.append(lock)
        return run

    yield hold
    for lock in locks:
        lock.release()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("view", ["models", "setup", "run", "compare", "weights", "runs"])
def test_screens_of_a_finished_run(home: Path, picture: Callable[..., bool], view: str, look: str) -> None:
    assert picture(view, look, recorded(home))


@pytest.mark.parametrize("look", ["dark-80", "dark-160", "ascii-80"])
def test_run_while_it_unlearns(home: Path, picture: Callable[..., bool], held: Any, look: str) -> None:
    events = upto(lambda e: isinstance(e, ev.Canary) and e.step >= 175)
    assert picture("run", look, held(recorded(home, events)))


@pytest.mark.parametrize("look", ["dark-80", "dark-160", "ascii-80"])
@pytest.mark.parametrize("view", ["run", "weights"])
def test_what_was_expected(home: Path, picture: Callable[..., bool], view: str, look: str) -> None:
    assert picture(view, look, foretold(recorded(home)))


@pytest.mark.parametrize("look", ["dark-80", "dark-160"])
def test_what_is_expected_while_it_unlearns(home: Path, picture: Callable[..., bool], held: Any, look: str) -> None:
    events = upto(lambda e: isinstance(e, ev.Canary) and e.step >= 175)
    assert picture("run", look, held(foretold(recorded(home, events))))


@pytest.mark.parametrize("look", ["dark-80", "dark-160"])
def test_run_while_answers_arrive(home: Path, picture: Callable[..., bool], held: Any, look: str) -> None:
    events = upto(lambda e: isinstance(e, ev.Scored) and (e.model, e.precision) == ("unlearned", "bnb-int8"))
    assert picture("run", look, held(recorded(home, events)))


@pytest.mark.parametrize("look", ["dark-80", "dark-160"])
def test_first_start(home: Path, picture: Callable[..., bool], look: str) -> None:
    assert picture("models", look, None)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    "keys", [["enter"], ["enter", "tab", "right"], ["enter", "k", "end"]], ids=["gold", "said", "attacks"]
)
def test_inspect(
    home: Path, picture: Callable[..., bool], monkeypatch: pytest.MonkeyPatch, keys: list[str], look: str
) -> None:
    monkeypatch.setattr(inspecting, "Inspector", ScriptedInspector)
    monkeypatch.setattr(inspecting, "subjects", lambda *_: (list(inspect_data.MODELS), RunSpec()))
    assert picture("inspect", look, recorded(home), *keys)


@pytest.mark.parametrize("keys", [["?"], [":"], ["h"], ["f2"]], ids=["keys", "palette", "words", "themes"])
def test_what_opens_over_a_screen(home: Path, picture: Callable[..., bool], keys: list[str]) -> None:
    assert picture("compare", "dark-80", recorded(home), *keys)


def test_a_terminal_too_small(home: Path, snap_compare: Snap) -> None:
    assert snap_compare(UnlearnApp(home), terminal_size=(36, 10))
