"""An engine that ends before, in and after everything durable that a run does, and what a resume makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from prepared import EXIT, Point
from unharmed import corpus, drawn_once, equal, seen, small, whole_now

from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import is_alive
from unlearn_tui.versions import versions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"), 4, 1)


def new(home: Path, questions: Path) -> RunDir:
    return RunDir.create(home, small(questions), versions())


@pytest.fixture(scope="module")
def unbroken(engines, questions, tmp_path_factory) -> tuple[RunDir, list[str]]:
    """A run that nobody breaks, and the names of what it does."""
    home = tmp_path_factory.mktemp("unbroken")
    run = new(home, questions)
    assert engines.run(run.path, trace=home / "trace") == 0
    return run, list(dict.fromkeys((home / "trace").read_text().splitlines()))


STAGES = ("start", "load", "score_target", "unlearn", "score_unlearned", "weights", "result")


def test_every_stage_has_its_points(unbroken):
    _, names = unbroken
    assert {name.partition(":")[0] for name in names} == set(STAGES)
    for what in (
        "unlearn: append Step events.jsonl",
        "unlearn: rename checkpoints/.training-N.tmp to checkpoints/training-N",
        "unlearn: rename checkpoints/.unlearned.tmp to checkpoints/unlearned",
        "unlearn: remove all of checkpoints/training-N",
        "score_target: copy answers/MODEL-PRECISION-METRIC.jsonl to cache/answers/KEY.tmp",
        "score_unlearned: rename answers/.MODEL-PRECISION-METRIC.jsonl.tmp to answers/MODEL-PRECISION-METRIC.jsonl",
        "weights: rename .weights.jsonl.tmp to weights.jsonl",
        "result: rename .result.json.tmp to result.json",
        "result: append Finished events.jsonl",
    ):
        assert what in names


@pytest.mark.parametrize("when", ["before", "in", "after"])
def test_a_run_that_ends_at_every_point_in_turn_is_the_unbroken_one(engines, questions, unbroken, tmp_path, when):
    """One run, whose engine is ended at the first point, resumed, ended at the second, and so on to the last. Where being
    broken before makes a point come up out of turn, a new run goes on from there."""
    whole, names = unbroken
    points = [n for n in names if when != "in" or ": append " in n or ": copy " in n]
    run, shown, fresh = new(tmp_path / "home", questions), list[bytes](), True
    while points:
        code = engines.run(run.path, Point(when, points[0]))
        if code == 0 and not fresh:
            ended_well(run, whole, shown)
            run, shown, fresh = new(tmp_path / f"home-{len(points)}", questions), [], True
            continue
        assert code == EXIT, f"{when} {points[0]}: ended with {code}\n{run.log_path.read_text()[-2000:]}"
        name, fresh = points.pop(0), False
        assert not is_alive(run)
        now = seen(run)
        assert now[: len(shown)] == shown, f"{when} {name}: an event that was shown is missing"
        shown = now
        whole_now(run)
    assert engines.run(run.path) == 0
    ended_well(run, whole, shown)


def ended_well(run: RunDir, whole: RunDir, shown: list[bytes]) -> None:
    assert seen(run)[: len(shown)] == shown
    drawn_once(run)
    equal(run, whole)
    whole_now(run)
