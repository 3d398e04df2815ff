"""How far a stage is, and how fast: what the reporter writes."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from unlearn_tui.engine.reporter import Reporter
from unlearn_tui.protocol import events as ev


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> tuple[Reporter, list[ev.AnyEvent], list[float]]:
    """A reporter, its events, and a clock to set."""
    clock, events = [100.0], list[ev.AnyEvent]()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    writer: Any = SimpleNamespace(write=events.append, sync=lambda: None)
    return Reporter(writer), events, clock


def test_answers_that_were_there_already_say_nothing_about_the_rate(
    written: tuple[Reporter, list[ev.AnyEvent], list[float]],
) -> None:
    reporter, events, clock = written
    with reporter.running("score_unlearned", "score", "answers", 100):
        reporter.progress(60, always=True, reused=60)
        clock[0] += 2.0
        reporter.progress(70, always=True)
    first, second = (e for e in events if isinstance(e, ev.Progress))
    assert (first.done, first.rate, first.left) == (60, None, None)
    assert (second.done, second.rate, second.left) == (70, 5.0, 6.0)


def test_a_stage_starts_from_nothing_and_knows_what_is_done(
    written: tuple[Reporter, list[ev.AnyEvent], list[float]],
) -> None:
    reporter, _, _ = written
    with reporter.running("ablate", "score half of the edit", "answers", 10):
        reporter.progress(4, reused=4)
        assert reporter.done == 4
    with reporter.running("result", "conclude"):
        assert reporter.done == 0
