"""replay, show and attach of recorded runs on the command line: paced, without torch, from a directory alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import story

from unlearn_tui import cli
from unlearn_tui.runs.store import shipped


def done(args: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    assert cli._run(args) == code
    out, err = capsys.readouterr()
    return out, err


def test_the_shipped_run_replays_as_it_happened_and_ends_in_its_result(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = done(["replay", "demo", "--speed", "1000", "--plain"], capsys)
    said = [line.split(maxsplit=1)[1] for line in err.splitlines()[1:]]
    assert said[0].startswith("run demo on cpu")
    order = ["score the target …", "unlearn ga_klr, bf16 …", "score the unlearned model …", "conclude …"]
    places = [said.index(line) for line in order]
    assert places == sorted(places)
    assert out == done(["show", "demo", "--plain"], capsys)[0]
    assert "bnb-fp4: 100.0, came back" in out


def test_a_replay_takes_the_time_that_its_speed_says(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from unlearn_tui.runs.replay import load

    began = time.monotonic()
    done(["replay", "demo", "--speed", "50", "--plain"], capsys)
    took, meant = time.monotonic() - began, load(shipped()).length / 50
    assert meant <= took < meant + 2


def test_a_replay_begins_where_it_is_told_to(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from unlearn_tui.runs.replay import load

    _, err = done(["replay", "demo", "--speed", "1000", "--plain", "--from", "score_unlearned"], capsys)
    assert "score_target" not in err
    assert "unlearned bnb-fp4  KnowMem forget 100.0" in err
    _, err = done(
        ["replay", "demo", "--speed", "1000", "--plain", "--from", str(len(load(shipped()).events) - 4)], capsys
    )
    assert len(err.splitlines()) < 6


def test_a_run_replays_from_its_directory_alone(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = story.write_run(home)
    elsewhere = Path(shutil.move(run.path, tmp_path / "elsewhere"))
    shutil.rmtree(elsewhere / "checkpoints")
    out, err = done(["replay", str(elsewhere), "--plain"], capsys)
    assert "replay of run elsewhere" in err
    assert "came back" in out


def test_a_damaged_log_plays_as_far_as_it_is_sound_and_ends_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = story.write_run(home)
    lines = run.events_path.read_bytes().splitlines(keepends=True)
    run.events_path.write_bytes(b"".join([*lines[:12], b"\x1b[2J\0\n", *lines[13:]]))
    _, err = done(["replay", run.id, "--plain"], capsys, code=1)
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert errors == [f"error: run {run.id}: the log is damaged after event 11: the replay ends there"]
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nobody"], "there is no run 'nobody'"),
        (["demo", "--speed", "0"], "--speed 0: give a number"),
        (["demo", "--speed", "nan"], "--speed nan: give a number"),
        (["demo", "--speed", "1e9"], "give a number"),
        (["demo", "--speed", "x"], "speed"),
        (["demo", "--from", "tea"], "the stages load, score_target"),
        (["demo", "--from", "99999"], "events, and the stages load"),
    ],
)
def test_what_cannot_be_replayed_is_refused_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    out, err = done(["replay", *args, "--plain"], capsys, code=2)
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1


def test_an_empty_log_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = story.write_run(home, upto=0)
    _, err = done(["replay", run.id], capsys, code=2)
    assert len(err.splitlines()) == 1
    assert "cannot be replayed" in err


def test_what_the_shipped_run_does_not_hold_is_said_in_one_line(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "comes without its" in done(["export", "demo", str(tmp_path / "x")], capsys, code=2)[1]
    assert "is finished: nothing to do" in done(["resume", "demo", "--plain"], capsys)[1]
    assert "is not running" in done(["stop", "demo"], capsys)[1]
    assert done(["attach", "demo", "--plain"], capsys)[0].startswith("demo · ga_klr")


def test_a_replay_needs_neither_torch_nor_a_terminal_nor_a_home(tmp_path: Path) -> None:
    code = (
        "import sys; from unlearn_tui import cli\n"
        "code = cli._run(['replay', 'demo', '--speed', '500', '--home', sys.argv[1]])\n"
        "print([m for m in ('torch', 'transformers', 'textual', 'bitsandbytes') if m in sys.modules], code)"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "new")], capture_output=True, text=True, timeout=60, check=True
    )
    assert made.stdout.splitlines()[-1] == "[] 0"


def test_the_app_replays_without_torch(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from unlearn_tui.runs.replay import load
from unlearn_tui.runs.store import shipped
from unlearn_tui.state.replay import Player
from unlearn_tui.tui.app import UnlearnApp

async def main():
    home = Path(sys.argv[1])
    (home / "runs").mkdir(parents=True)
    app = UnlearnApp(home, first="run", run=shipped(), replay=(load(shipped()), Player(1000.0)))
    async with app.run_test(size=(80, 24)) as pilot:
        while not (app.opened and app.opened.state.ended):
            await asyncio.sleep(0.05)
        for digit in "45":
            await pilot.press(digit)
            await pilot.pause(0.2)

asyncio.run(main())
print([m for m in ("torch", "transformers", "bitsandbytes") if m in sys.modules])
"""
    made = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "new")], capture_output=True, text=True, timeout=120, check=True
    )
    assert made.stdout.splitlines()[-1] == "[]"
