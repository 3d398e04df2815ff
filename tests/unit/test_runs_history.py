from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs import history
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.store import remove
from unlearn_tui.runs.writer import EventWriter


def scored(model: str, seconds: float, reused: str = "") -> ev.Scored:
    return ev.Scored(
        model=model, precision="fp16", metric="knowmem_forget", value=1, ci_low=0, ci_high=2, exact=0, n=10,
        seconds=seconds, answers="a", reused=reused,
    )  # fmt: skip


def step(n: int, total: int, pace: float) -> ev.Step:
    return ev.Step(
        step=n, total=total, loss=0, forget_loss=0, grad_norm=0, lr=1, adam_max=0, tokens_per_second=pace
    )  # fmt: skip


def write(home: Path, finished: bool = True, **spec: object) -> RunDir:
    run = RunDir.create(home, RunSpec(**{"name": "r", **spec}), {"torch": "2"})  # type: ignore[arg-type]
    told: list[ev.AnyEvent] = [
        ev.Started(run=run.id, pid=1, host="h", device="cpu", threads=2, stages=[]),
        ev.StageFinished(stage="load", seconds=2.0),
        ev.Loaded(model="target", precision="fp16", compute="float32", memory=4_000_000, seconds=0.1),
        scored("target", 0.0, "an-earlier-run"),
        ev.StageFinished(stage="score_target", seconds=0.1),
        step(1, 40, 5.0),
        ev.Progress(stage="unlearn", done=1, total=40, rate=1.0),
        step(40, 40, 600.0),
        ev.Progress(stage="unlearn", done=40, total=40, rate=4.0),
        ev.StageFinished(stage="unlearn", seconds=10.0),
        scored("unlearned", 5.0),
        ev.StageFinished(stage="score_unlearned", seconds=6.0),
    ]
    if finished:
        told.append(ev.Finished(seconds=18.1))
        write_atomic(run.result_path, msgspec.json.encode(Result(run=run.id, status="finished", peak_memory=123)))
    with EventWriter(run) as writer:
        for event in told:
            writer.write(event)
    return run


def age(run: RunDir, seconds: float) -> None:
    os.utime(run.spec_path, (1e9 - seconds, 1e9 - seconds))


def test_a_finished_run_teaches_its_times_and_sizes(tmp_path: Path) -> None:
    run = write(tmp_path)
    (record,) = history.records(tmp_path)
    assert (record.run, record.device, record.threads) == (run.id, "cpu", 2)
    assert record.parameters == 1_000_000  # float32 on a CPU
    assert record.stages == {"load": 2.0, "score_target": 0.1, "unlearn": 10.0, "score_unlearned": 6.0}
    assert record.scores == {("unlearned", "fp16", "knowmem_forget"): (5.0, 10)}
    assert (record.steps, record.tokens) == (40, 150.0)  # 600 tokens a second at 4 steps a second
    assert (record.memory, record.seconds) == (123, 18.1)
    assert record.spec == run.spec()


def test_unfinished_and_damaged_runs_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, finished=False)
    torn = write(tmp_path)
    torn.spec_path.write_text("lr = ")
    empty = write(tmp_path)
    empty.events_path.write_bytes(b"")
    gone = write(tmp_path)
    gone.events_path.unlink()
    assert history.records(tmp_path) == []
    garbled = write(tmp_path)
    data = garbled.events_path.read_bytes().replace(b'"seconds":10.0', b'"seconds":"long"')
    garbled.events_path.write_bytes(b"\xff\xfe\n" + data)
    (record,) = history.records(tmp_path)
    assert "unlearn" not in record.stages


def test_a_resumed_run_does_not_teach_how_long_unlearning_takes(tmp_path: Path) -> None:
    run = write(tmp_path)
    lines = run.events_path.read_bytes().splitlines(keepends=True)
    again = [line.replace(b'"attempt":1', b'"attempt":2') for line in lines]
    run.events_path.write_bytes(b"".join(lines[:6] + again))
    (record,) = history.records(tmp_path)
    assert "unlearn" not in record.stages
    assert record.steps == 0


def test_only_the_newest_are_read(tmp_path: Path) -> None:
    runs = [write(tmp_path, name=f"r{i}") for i in range(4)]
    for i, run in enumerate(runs):
        age(run, i)
    assert [r.run for r in history.records(tmp_path, newest=3)] == [r.id for r in runs[:3]]


def test_a_log_is_read_once_until_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write(tmp_path, finished=False)
    reads: list[str] = []
    read = history._record
    monkeypatch.setattr(history, "_record", lambda rundir: reads.append(rundir.id) or read(rundir))
    assert history.records(tmp_path) == []
    with EventWriter(run) as writer:
        writer.write(ev.Finished(seconds=1.0))
    assert len(history.records(tmp_path)) == 1
    assert len(history.records(tmp_path)) == 1
    assert reads == [run.id]


def test_a_home_without_runs_teaches_nothing(tmp_path: Path) -> None:
    assert history.records(tmp_path) == []
    assert history.kept(tmp_path) == []


def test_kept_scores_come_with_the_spec_of_their_run_and_go_with_it(tmp_path: Path) -> None:
    run = write(tmp_path, model="m", eval_batch=7)
    cache = tmp_path / "cache" / "answers"
    cache.mkdir(parents=True)
    about = {"run": run.id, "model": "target", "precision": "fp16", "metric": "knowmem_forget"}
    (cache / "one.json").write_text(json.dumps(about))
    (cache / "one.jsonl").write_text("")
    (cache / "without-answers.json").write_text(json.dumps(about))
    (cache / "damaged.json").write_text("{")
    (cache / "nameless.json").write_text('{"model": "target"}')
    (cache / "outside.json").write_text(json.dumps({**about, "run": "../../etc"}))
    (found,) = history.kept(tmp_path)
    assert (found.model, found.precision, found.metric) == ("target", "fp16", "knowmem_forget")
    assert (found.spec.model, found.spec.eval_batch, found.versions["torch"]) == ("m", 7, "2")
    remove(run)
    assert history.kept(tmp_path) == []
