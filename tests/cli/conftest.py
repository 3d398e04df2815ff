"""The command line as a process of its own, in a home of its own; its helpers are shared with tests/unit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "unit"))

import unlearn_tui  # noqa: E402

SOURCES = Path(unlearn_tui.__file__).parents[1]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home that every command here uses; no network."""
    path = tmp_path / "home"
    monkeypatch.setenv("UNLEARN_TUI_HOME", str(path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SOURCES), str(HERE), str(HERE.parent / "unit")]))
    return path


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Start `unlearn-tui ARGS` with the story engine in the real one's place; killed at the end if need be."""
    started: list[subprocess.Popen[str]] = []

    def begin(*args: str, story: str = "finish", **options: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli_with_story_engine", *args],
            env={**os.environ, "STORY": story},
            # under nohup, as some machines run tests, a hang-up would be ignored
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},  # type: ignore[arg-type]
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
    from unlearn_tui.protocol.commands import Stop
    from unlearn_tui.runs import store
    from unlearn_tui.runs.control import send
    from unlearn_tui.runs.directory import RunDir

    for run in store.list_runs(home):
        if run.status == "running":
            send(RunDir(run.path), Stop(now=True))


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A checkpoint folder that passes every check made without torch."""
    from fake_checkpoints import make_checkpoint

    return str(make_checkpoint(tmp_path / "model"))
