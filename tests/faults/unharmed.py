"""What must hold of a run however often its engine was killed; for the tests and for benchmarks/faults.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir, made_by
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.corpora import load
from unlearn_tui.state.run import RunFold


def corpus(folder: Path, questions: int = 8, passages: int = 2) -> Path:
    """A few questions a side and passages of the pocket corpus, as a user's own folder."""
    whole = load("pocket")
    for name, pairs in (
        ("forget_qa", whole.forget_qa[:questions]),
        ("forget_qa_icl", whole.forget_icl),
        ("retain_qa", whole.retain_qa[:questions]),
        ("retain_qa_icl", whole.retain_icl),
    ):
        (folder / "knowmem").mkdir(parents=True, exist_ok=True)
        (folder / "knowmem" / f"{name}.json").write_text(json.dumps([{"question": q, "answer": a} for q, a in pairs]))
    (folder / "verbmem").mkdir(exist_ok=True)
    table = [{"prompt": p, "gt": g} for p, g in whole.verbmem[:passages]]
    (folder / "verbmem" / "forget.json").write_text(json.dumps(table))
    return folder


def small(folder: Path, **values: Any) -> RunSpec:
    """A run of seconds with every stage, saves, and a cache."""
    return RunSpec(
        **{
            "corpus": str(folder), "model": str(asset("pocket", "target")), "precision": ["fp16", "bnb-fp4"], "steps": 12,
            "batch": 4, "lr": 1e-4, "save_every": 4, "canary_every": 6, "probe_every": 6, "threads": 1,
            "device": "cpu", **values,
        }
    )  # fmt: skip


def seen(run: RunDir) -> list[bytes]:
    """Every event that a viewer is shown now, as bytes."""
    return [ev.encode(event) for event in run.events()]


def whole_now(run: RunDir) -> None:
    """Every file under its final name is whole, at any moment."""
    for file in run.answers.glob("*.jsonl"):
        for line in file.read_bytes().splitlines():
            json.loads(line)
    if run.result_path.exists():
        msgspec.json.decode(run.result_path.read_bytes(), type=Result)
    for made in run.checkpoints.glob("[!.]*"):
        for file in made.glob("*.json"):
            json.loads(file.read_bytes())
        for file in made.glob("*.safetensors"):
            data = file.read_bytes()
            size = int.from_bytes(data[:8], "little")
            table = json.loads(data[8 : 8 + size])
            ends = [t["data_offsets"][1] for name, t in table.items() if name != "__metadata__"]
            assert len(data) == 8 + size + max(ends), file
    for file in (run.home / "cache").rglob("*.jsonl"):
        json.loads(file.with_suffix(".json").read_bytes())
        for line in file.read_bytes().splitlines():
            json.loads(line)


def answers(run: RunDir) -> dict[str, list[str]]:
    """Every answer by side file."""
    return {
        path.name: [json.loads(line)["answer"] for line in path.read_text().splitlines()]
        for path in sorted(run.answers.glob("*.jsonl"))
    }


def equal(run: RunDir, unbroken: RunDir) -> None:
    """Answers, scores, recovery, weights and the checkpoint are those of a run that nobody broke, and nothing is left."""
    assert answers(run) == answers(unbroken)
    result, expected = run.result(), unbroken.result()
    assert result is not None
    assert expected is not None
    assert [msgspec.structs.replace(s, reused="") for s in result.scores] == expected.scores
    assert (result.recovery, result.weights, result.edit) == (expected.recovery, expected.weights, expected.edit)
    assert result.explanation == expected.explanation
    kept = sorted(p.name for p in run.checkpoints.iterdir())
    assert kept == [made_by(run.spec())], kept
    file = f"{kept[0]}/model.safetensors"
    assert (run.checkpoints / file).read_bytes() == (unbroken.checkpoints / file).read_bytes()
    left = [p for p in run.path.rglob("*") if ".tmp" in p.name or ".old" in p.name]
    assert not left, left


def drawn_once(run: RunDir) -> None:
    """The log is one sequence, and what is folded from it has every step, probe, canary and score once."""
    log = list(run.events())
    assert [e.seq for e in log] == list(range(len(log)))
    assert isinstance(log[-1], ev.Finished)
    state = RunFold().feed(log).snapshot()
    spec = run.spec()
    assert [s.step for s in state.steps] == sorted({s.step for s in state.steps})
    assert state.steps[-1].step == spec.steps
    for kind in (state.probes, state.canary):
        steps = [(e.step, getattr(e, "metric", "")) for e in kind]
        assert steps == sorted(set(steps)), steps
    assert state.status == "finished"
    assert [s.status for s in state.stages] == ["done"] * len(state.stages)
    items = [json.loads(line)["step"] for line in (run.path / "items.jsonl").read_text().splitlines()]
    assert items == list(range(1, (spec.steps or 0) + 1))
