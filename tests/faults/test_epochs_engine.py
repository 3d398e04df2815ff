"""MUSE's stopping rule in a real engine: where it ends, what it keeps, and that a killed run ends there too."""

from __future__ import annotations

import pytest
from test_engine_faults import answers, ended, go, kill_when, small, spec, start  # noqa: F401

from unlearn_tui.protocol import events as ev
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.sources.assets import asset
from unlearn_tui.state.run import fold_all

pytestmark = pytest.mark.slow

RULE = {"stop_rule": "muse", "lr": 5e-5, "steps": None, "epochs": 20.0, "save_every": 3, "method": "ga_gdr"}


def scored(rundir: RunDir) -> list[tuple[int, int, float, bool]]:
    return [(e.epoch, e.step, e.value, e.chosen) for e in fold_all(rundir.events()).epochs]


def test_training_ends_at_the_first_epoch_at_or_below_the_line_killed_or_not(tmp_path, small):  # noqa: F811
    whole = start(tmp_path / "whole", spec(small, stop_at=60.0, keep_checkpoint=True, **RULE))
    go(whole)
    assert isinstance(ended(whole), ev.Finished)
    epochs = scored(whole)
    assert [(n, step) for n, step, _, _ in epochs] == [(n, 2 * n) for n in range(1, len(epochs) + 1)]
    assert 1 < len(epochs) < 20
    assert all(value > 60 and not chosen for _, _, value, chosen in epochs[:-1])
    assert epochs[-1][2] <= 60
    assert epochs[-1][3]
    result = whole.result()
    (row,) = [s for s in result.scores if (s.model, s.precision, s.metric) == ("unlearned", "fp16", "knowmem_forget")]
    assert row.value == epochs[-1][2]  # the chosen epoch is the unlearned model
    assert any("MUSE's stopping rule: epoch" in note for note in result.notes)
    assert all((whole.checkpoints / f"epoch-{n}" / "config.json").exists() for n, *_ in epochs)
    unlearn = next(s for s in fold_all(whole.events()).stages if s.id == "unlearn")
    assert (unlearn.done, unlearn.total) == (epochs[-1][1], epochs[-1][1])

    broken = start(tmp_path / "broken", spec(small, stop_at=60.0, keep_checkpoint=True, **RULE))
    for moment in (lambda e: isinstance(e, ev.Saved) and e.step == 3, lambda e: isinstance(e, ev.Epoch) and e.chosen):
        go(broken)
        kill_when(broken, moment)
    go(broken)
    assert isinstance(ended(broken), ev.Finished)
    assert scored(broken) == epochs
    assert answers(broken) == answers(whole)


def test_the_retrained_model_draws_the_line_and_is_scored_first(tmp_path, small):  # noqa: F811
    wanted = spec(small, retrain=str(asset("pocket", "retrain")), **{**RULE, "epochs": 2.0, "lr": 1e-7})
    rundir = start(tmp_path, wanted)
    go(rundir)
    assert isinstance(ended(rundir), ev.Finished)
    order = [e.stage for e in rundir.events() if isinstance(e, ev.StageStarted)]
    assert order.index("score_retrain") < order.index("unlearn")
    assert order.count("score_retrain") == 1
    events = [e for e in rundir.events() if isinstance(e, ev.Epoch)]
    (line,) = [
        s.value
        for s in rundir.result().scores
        if (s.model, s.precision, s.metric) == ("retrain", "fp16", "knowmem_forget")
    ]
    assert [(e.line, e.chosen) for e in events] == [(line, False)] * 2
    assert any("no epoch reached" in note for note in rundir.result().notes)
