"""Two runs that share a home and its cache at the same moment, viewers that come and go, and a clock that jumps."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import pytest
from prepared import Prepared
from unharmed import corpus, drawn_once, equal, small, whole_now

from unlearn_tui.report.outcome import of_state
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.follow import follow
from unlearn_tui.runs.lineage import Lineage
from unlearn_tui.runs.store import info
from unlearn_tui.state.run import RunFold
from unlearn_tui.versions import versions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"), 4, 1)


def new(home: Path, questions: Path) -> RunDir:
    return RunDir.create(home, small(questions), versions())


def test_two_runs_that_share_a_cache_and_a_run_on_a_wrong_clock_end_as_one_alone(questions, tmp_path):
    with Prepared() as one, Prepared() as two:
        alone = new(tmp_path / "alone", questions)
        assert one.run(alone.path) == 0
        both = [new(tmp_path / "both", questions) for _ in range(2)]
        seen: list[list[int]] = [[], [], []]
        viewers = [
            threading.Thread(target=lambda out=out: out.extend(e.seq for e in follow(both[0], poll=0.01) if e))
            for out in seen
        ]
        for engine, run in zip((one, two), both, strict=True):
            engine.start(run.path)
        for viewer in viewers:
            viewer.start()
        assert [engine.wait() for engine in (one, two)] == [0, 0]
        for viewer in viewers:
            viewer.join(60)
        for run in both:
            drawn_once(run)
            equal(run, alone)
            whole_now(run)
        assert seen == [[e.seq for e in both[0].events()]] * 3

        jumping = new(tmp_path / "jumping", questions)
        assert two.run(jumping.path, jumps=-86_400.0) == 0
        drawn_once(jumping)
        equal(jumping, alone)
    events = list(jumping.events())
    assert min(b.time - a.time for a, b in pairwise(events)) < -86_000
    state = RunFold().feed(events).snapshot()
    assert all(0 <= (stage.seconds or 0) < 300 for stage in state.stages)
    assert 0 <= of_state(jumping.id, jumping.spec(), state).seconds < 300
    assert info(jumping).status == "finished"
    assert Lineage(tmp_path / "jumping").read([]).rows
