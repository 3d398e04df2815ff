"""Asking a question of one's own: what is asked, the answers, and every way it can end."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import fake_checkpoints as fake
import pytest
from story import write_run

from unlearn_tui.errors import Refused
from unlearn_tui.report.asked import grid
from unlearn_tui.runs import asking


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ENGINE", "ask_engine")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


def asked(question: str) -> dict[str, Any]:
    models = [{"label": "target", "path": "/t"}, {"label": "unlearned", "path": "/u"}]
    return {"models": models, "question": question, "precisions": ["fp16", "bnb-fp4"]}


def test_every_model_answers_at_every_precision_and_progress_is_heard() -> None:
    heard: list[str] = []
    answers = asking.Asking().answers(asked("Where?"), heard.append)
    assert heard == ["load target", "load unlearned"]
    assert [(a["label"], a["precision"], a["answer"]) for a in answers] == [
        ("target", "fp16", "Fennelport"),
        ("target", "bnb-fp4", "Fennelport"),
        ("unlearned", "fp16", "a harbour"),
        ("unlearned", "bnb-fp4", "Fennelport"),
    ]
    shown = grid(asked("Where?"), answers)
    assert shown.rows == [("fp16", "Fennelport", "a harbour"), ("bnb-fp4", "Fennelport", "⟦Fennelport⟧")]
    assert shown.note == "gold: Fennelport"


def test_what_the_engine_could_not_do_is_said_in_its_words() -> None:
    with pytest.raises(asking.Failed, match="no memory left"):
        asking.Asking().answers(asked("fail"), print)


def test_an_engine_that_dies_leaves_its_last_line() -> None:
    with pytest.raises(asking.Failed, match="ended without a word: Killed by the test"):
        asking.Asking().answers(asked("die"), print)


def test_cancelling_from_another_thread_ends_the_engine_at_once() -> None:
    waiting = asking.Asking()
    began = time.monotonic()
    heard: list[str] = []

    def cancel(text: str) -> None:
        heard.append(text)
        threading.Thread(target=waiting.cancel).start()

    assert waiting.answers(asked("wait"), cancel) == []
    assert heard == ["load target"]
    assert time.monotonic() - began < 20


def test_what_was_cancelled_before_it_began_asks_nothing() -> None:
    waiting = asking.Asking()
    waiting.cancel()
    assert waiting.answers(asked("wait"), print) == []


def test_a_run_stands_for_its_target_and_its_unlearned_model(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    models, spec = asking.models(run.id, tmp_path, offline=True)
    assert {label: info.name for label, info in models.items()} == {"target": "pocket-target", "unlearned": run.id}
    assert spec == run.spec()
    model, plain = asking.models("pocket-retrain", tmp_path)
    assert list(model) == ["model"]
    assert plain.precision == ["fp16", "bnb-int8", "bnb-fp4"]


def test_a_broken_checkpoint_is_refused_before_an_engine_starts(tmp_path: Path) -> None:
    folder = fake.make_checkpoint(tmp_path / "model")
    models, spec = asking.models(str(folder), tmp_path)
    assert asking.request(models, spec, "Where?")["models"] == [{"label": "model", "path": str(folder)}]
    (folder / "tokenizer.json").unlink()
    with pytest.raises(Refused, match="no tokenizer"):
        asking.request(models, spec, "Where?")
