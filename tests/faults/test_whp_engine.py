"""Who's Harry Potter in a real engine: two models are scored, nothing takes one of them for the unlearned model."""

from __future__ import annotations

import pytest
from test_engine_faults import answers, ended, go, kill_when, small, spec, start  # noqa: F401

from unlearn_tui.cli import main
from unlearn_tui.engine.checkpoints import load_model
from unlearn_tui.errors import Refused
from unlearn_tui.protocol import events as ev
from unlearn_tui.sources.checkpoints import list_local, resolve

pytestmark = pytest.mark.slow


def test_a_run_of_two_models_scores_both_together_and_leaves_no_unlearned_checkpoint(tmp_path, small, capsys):  # noqa: F811
    wanted = spec(small, method="whp", task_alpha=4.0, lr=1e-4)
    whole = start(tmp_path / "whole", wanted)
    go(whole)
    assert isinstance(ended(whole), ev.Finished)
    result = whole.result()
    assert (result.weights, result.edit, result.checkpoint) == ([], None, "checkpoints/reinforced")
    assert "each precision quantizes both" in result.explanation
    scored = {s.precision: s.value for s in result.scores if (s.model, s.metric) == ("unlearned", "knowmem_forget")}
    assert scored.keys() == {"fp16", "bnb-fp4"}
    memory = {e.model: e.memory for e in whole.events() if isinstance(e, ev.Loaded) and e.precision == "bnb-fp4"}
    assert memory["unlearned"] == pytest.approx(2 * memory["target"], rel=0.01)
    stages = [e.stage for e in whole.events() if isinstance(e, ev.StageStarted)]
    assert "weights" not in stages
    load_model(whole.checkpoints / "reinforced")
    assert not whole.made.exists()
    home = tmp_path / "whole"
    with pytest.raises(Refused, match="no one checkpoint"):
        resolve(whole.id, home, True)
    assert whole.id not in [info.name for info in list_local(home)]
    with pytest.raises(SystemExit) as left:
        main(["export", whole.id, str(tmp_path / "out"), "--home", str(home)])
    assert left.value.code == 2
    assert "no one checkpoint" in " ".join(capsys.readouterr().err.split())

    broken = start(tmp_path / "broken", wanted)
    for moment in (
        lambda e: isinstance(e, ev.Saved) and e.step == 4,
        lambda e: isinstance(e, ev.Scored) and e.model == "unlearned",
    ):
        go(broken)
        kill_when(broken, moment)
    go(broken)
    assert isinstance(ended(broken), ev.Finished)
    assert answers(broken) == answers(whole)
