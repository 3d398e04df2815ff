"""Real engines: two in one home at once, signals that close, interrupt and suspend, and a clock that jumps."""

from __future__ import annotations

import os
import signal
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from prepared import Point, Prepared
from unharmed import corpus, drawn_once, equal, small, whole_now

from unlearn_tui.protocol import events as ev
from unlearn_tui.report.outcome import of_state
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.follow import follow
from unlearn_tui.runs.lineage import Lineage
from unlearn_tui.runs.lock import is_alive
from unlearn_tui.runs.store import info
from unlearn_tui.state.run import RunFold
from unlearn_tui.versions import versions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"), 4, 1)


@pytest.fixture(scope="module")
def alone(engines, questions, tmp_path_factory) -> RunDir:
    run = new(tmp_path_factory.mktemp("alone"), questions)
    assert engines.run(run.path) == 0
    return run


def new(home: Path, questions: Path) -> RunDir:
    return RunDir.create(home, small(questions), versions())


STEP = Point("stop", "unlearn: append Step events.jsonl", 3)


def stands(pid: int) -> None:
    """Wait until a process is suspended."""
    deadline = time.monotonic() + 120
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_runs_that_share_a_cache_end_as_one_alone_and_every_viewer_sees_everything(
    engines, alone, questions, tmp_path
):
    both = [new(tmp_path / "both", questions) for _ in range(2)]
    seen: list[list[int]] = [[], [], []]

    def watch(out: list[int]) -> None:
        out.extend(e.seq for e in follow(both[0], poll=0.01) if e)

    with Prepared() as other:
        for one, run in zip((engines, other), both, strict=True):
            one.start(run.path)
        while not is_alive(both[0]):
            time.sleep(0.01)
        viewers = [threading.Thread(target=watch, args=(out,)) for out in seen]
        for viewer in viewers:
            viewer.start()
        assert [one.wait() for one in (engines, other)] == [0, 0]
        for viewer in viewers:
            viewer.join(60)
    for run in both:
        drawn_once(run)
        equal(run, alone)
        whole_now(run)
    assert seen == [[e.seq for e in both[0].events()]] * 3


def test_a_closed_terminal_an_interrupt_and_a_suspension_do_not_reach_the_run(engines, alone, questions, tmp_path):
    run = new(tmp_path, questions)
    pid = engines.start(run.path, STEP)
    stands(pid)
    assert is_alive(run)
    assert info(run).status == "running"
    for sent in (signal.SIGHUP, signal.SIGINT, signal.SIGCONT):
        os.kill(pid, sent)
    assert engines.wait() == 0
    drawn_once(run)
    equal(run, alone)


def test_sigterm_stops_a_run_at_once_and_resume_ends_it_as_if_nothing_had_been(engines, alone, questions, tmp_path):
    run = new(tmp_path, questions)
    pid = engines.start(run.path, STEP)
    stands(pid)
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)
    assert engines.wait() == 0
    assert isinstance(list(run.events())[-1], ev.Stopped)
    assert engines.run(run.path) == 0
    drawn_once(run)
    equal(run, alone)


def test_a_clock_that_jumps_by_a_day_changes_nothing_and_no_time_becomes_negative(engines, alone, questions, tmp_path):
    run = new(tmp_path / "home", questions)
    assert engines.run(run.path, jumps=-86_400.0) == 0
    drawn_once(run)
    equal(run, alone)
    events = list(run.events())
    assert min(b.time - a.time for a, b in pairwise(events)) < -86_000
    state = RunFold().feed(events).snapshot()
    assert all(0 <= (stage.seconds or 0) < 300 for stage in state.stages)
    assert 0 <= of_state(run.id, run.spec(), state).seconds < 300
    assert info(run).status == "finished"
    assert Lineage(tmp_path / "home").read([]).rows
