"""Homes for the app's tests: an empty one, one with a finished run, all without network."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from scripted import ScriptedInspector
from story import write_run

from unlearn_tui import catalog
from unlearn_tui.runs import inspecting
from unlearn_tui.runs.directory import RunDir


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home; files that a test writes without a path land beside it. Nothing unforeseen may be left in it."""
    path = tmp_path / "home"
    (path / "runs").mkdir(parents=True)
    monkeypatch.setenv("UNLEARN_TUI_HOME", str(path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    # whichever extras are installed here, the lists are the same
    monkeypatch.setattr(catalog, "PACKAGED", {})
    yield path
    assert [file.read_text() for file in path.glob("crashes/*")] == []


@pytest.fixture
def finished(home: Path) -> RunDir:
    """The hand-made run, finished, in `home`."""
    return write_run(home)


@pytest.fixture(autouse=True)
def inspector(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedInspector]:
    """No test of the app loads a model: questions are answered by hand-made replies."""
    monkeypatch.setattr(ScriptedInspector, "made", [])
    monkeypatch.setattr(inspecting, "Inspector", ScriptedInspector)
    return ScriptedInspector
