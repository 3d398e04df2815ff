"""A real engine on the pocket checkpoint: killed in every stage, stopped, locked, starved - and what is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from safetensors.torch import load_file, save_file

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.commands import SaveNow, Stop
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.control import send
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.follow import follow
from unlearn_tui.runs.launch import launch, wait_accepted
from unlearn_tui.runs.lock import is_alive
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.corpora import load
from unlearn_tui.versions import versions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Eight questions a side and two passages of the pocket corpus, as a user's own folder."""
    folder, corpus = tmp_path_factory.mktemp("corpus"), load("pocket")
    (folder / "knowmem").mkdir()
    (folder / "verbmem").mkdir()
    for name, pairs in (
        ("forget_qa", corpus.forget_qa[:8]),
        ("forget_qa_icl", corpus.forget_icl),
        ("retain_qa", corpus.retain_qa[:8]),
        ("retain_qa_icl", corpus.retain_icl),
    ):
        table = [{"question": q, "answer": a} for q, a in pairs]
        (folder / "knowmem" / f"{name}.json").write_text(json.dumps(table))
    passages = [{"prompt": p, "gt": g} for p, g in corpus.verbmem[:2]]
    (folder / "verbmem" / "forget.json").write_text(json.dumps(passages))
    return folder


def spec(small: Path, **values) -> RunSpec:
    return RunSpec(
        **{
            "corpus": str(small),
            "model": str(asset("pocket", "target")),
            "precision": ["fp16", "bnb-fp4"],
            "steps": 12,
            "batch": 4,
            "lr": 1e-4,
            "save_every": 4,
            "canary_every": 0,
            "probe_every": 6,
            "threads": 1,
            "cache": False,
            "device": "cpu",
            **values,
        }
    )


def start(home: Path, wanted: RunSpec) -> RunDir:
    (home / "runs").mkdir(parents=True, exist_ok=True)
    return RunDir.create(home, wanted, versions())


def go(rundir: RunDir) -> None:
    launch(rundir)
    wait_accepted(rundir)


def ended(rundir: RunDir, deadline: float = 240) -> ev.AnyEvent:
    last = None
    began = time.monotonic()
    for event in follow(rundir):
        last = event or last
        assert time.monotonic() - began < deadline
    assert last is not None
    return last


def answers(rundir: RunDir) -> dict[str, list[str]]:
    return {
        path.name: [json.loads(line)["answer"] for line in path.read_text().splitlines()]
        for path in sorted(rundir.answers.glob("*.jsonl"))
    }


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, small) -> RunDir:
    rundir = start(tmp_path_factory.mktemp("unbroken"), spec(small))
    go(rundir)
    assert isinstance(ended(rundir), ev.Finished)
    return rundir


def kill_when(rundir: RunDir, seen) -> None:
    """SIGKILL the engine at the first event for which `seen` holds."""
    for event in follow(rundir, poll=0.01):
        if event is not None and seen(event):
            info = json.loads(rundir.engine_json.read_text())
            os.kill(info["pid"], signal.SIGKILL)
            break
    while is_alive(rundir):
        time.sleep(0.05)


MOMENTS = {
    "load": lambda e: isinstance(e, ev.StageStarted) and e.stage == "load",
    "score_target": lambda e: isinstance(e, ev.Scored) and e.model == "target",
    "unlearn": lambda e: isinstance(e, ev.Saved) and e.step == 8,
    "score_unlearned": lambda e: isinstance(e, ev.Scored) and e.model == "unlearned",
    "weights": lambda e: isinstance(e, ev.StageStarted) and e.stage == "weights",
}


def test_a_run_killed_in_any_stage_resumes_to_the_answers_of_an_unbroken_one(tmp_path, small, unbroken):
    """One run, killed once in every stage."""
    rundir = start(tmp_path, spec(small))
    for moment in MOMENTS.values():
        go(rundir)
        kill_when(rundir, moment)
    go(rundir)
    assert isinstance(ended(rundir), ev.Finished)
    assert answers(rundir) == answers(unbroken)
    result, expected = rundir.result(), unbroken.result()
    assert result.scores == expected.scores
    assert result.recovery == expected.recovery
    assert result.weights == expected.weights
    log = list(rundir.events())
    assert [e.seq for e in log] == list(range(len(log)))
    assert any(isinstance(e, ev.Resumed) and e.from_step == 8 for e in log)
    items = [json.loads(line)["step"] for line in (rundir.path / "items.jsonl").read_text().splitlines()]
    assert items == list(range(1, 13))


@pytest.mark.parametrize("mode", ["fp32", "bf16-stochastic"])
def test_a_memorising_run_killed_in_the_middle_ends_in_the_weights_of_an_unbroken_one(tmp_path, small, mode):
    wanted = spec(
        small, task="memorise", method="memorise", weights=mode, model=str(asset("pocket", "retrain")),
        precision=["fp16"], metric=["knowmem_forget"], lr=1e-3,
    )  # fmt: skip
    whole = start(tmp_path / "whole", wanted)
    go(whole)
    assert isinstance(ended(whole), ev.Finished)
    broken = start(tmp_path / "broken", wanted)
    for moment in (MOMENTS["unlearn"], lambda e: isinstance(e, ev.StageStarted) and e.stage == "score_target"):
        go(broken)
        kill_when(broken, moment)
    go(broken)
    assert isinstance(ended(broken), ev.Finished)
    assert any(isinstance(e, ev.Resumed) and e.from_step == 8 for e in broken.events())
    one, two = (load_file(run.checkpoints / "memorised" / "model.safetensors") for run in (whole, broken))
    assert one.keys() == two.keys()
    assert all(one[name].equal(two[name]) for name in one)
    assert broken.result().scores == whole.result().scores
    assert [p.name for p in broken.checkpoints.iterdir()] == ["memorised"]


@pytest.mark.parametrize("mode", ["bf16", "bf16-stochastic"])
def test_a_killed_run_with_an_adapter_ends_in_the_weights_of_an_unbroken_one_and_leaves_the_adapter(
    tmp_path, small, mode
):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    wanted = spec(
        small, lora_rank=4, lora_alpha=8.0, weights=mode, method="npo_klr", lr=1e-3, metric=["knowmem_forget"]
    )
    whole = start(tmp_path / "whole", wanted)
    go(whole)
    assert isinstance(ended(whole), ev.Finished)
    broken = start(tmp_path / "broken", wanted)
    for moment in (MOMENTS["unlearn"], MOMENTS["score_unlearned"]):
        go(broken)
        kill_when(broken, moment)
    go(broken)
    assert isinstance(ended(broken), ev.Finished)
    assert any(isinstance(e, ev.Resumed) and e.from_step == 8 for e in broken.events())
    for file in ("unlearned/model.safetensors", "adapter/adapter_model.safetensors"):
        one, two = (load_file(run.checkpoints / file) for run in (whole, broken))
        assert one.keys() == two.keys()
        assert all(one[name].equal(two[name]) for name in one)
    assert broken.result().scores == whole.result().scores
    assert sorted(p.name for p in broken.checkpoints.iterdir()) == ["adapter", "unlearned"]
    assert not (broken.checkpoints / "unlearned" / "adapter_config.json").exists()
    table = json.loads((broken.checkpoints / "adapter" / "adapter_config.json").read_text())
    assert Path(table["base_model_name_or_path"]) == asset("pocket", "target")
    base = AutoModelForCausalLM.from_pretrained(asset("pocket", "target"), dtype="float32")
    merged = PeftModel.from_pretrained(base, broken.checkpoints / "adapter").merge_and_unload()
    stored = load_file(broken.checkpoints / "unlearned" / "model.safetensors")
    for name, weight in merged.named_parameters():
        assert bool(((weight - stored[name].float()).abs() <= weight.abs() * 2.0**-7).all())
    assert {p.says for p in broken.result().predictions} == {"unsure"}
    assert any("rank 4, alpha 8" in note for note in broken.result().notes)


def test_only_the_unlearned_checkpoint_is_left_and_transformers_loads_it(unbroken):
    assert [p.name for p in unbroken.checkpoints.iterdir()] == ["unlearned"]
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(unbroken.checkpoints / "unlearned")
    assert str(model.dtype) == "torch.bfloat16"
    assert AutoTokenizer.from_pretrained(unbroken.checkpoints / "unlearned")("a").input_ids


def test_the_result_holds_every_row_and_survives_a_json_round_trip(unbroken):
    result = unbroken.result()
    assert {(s.model, s.precision) for s in result.scores} == {
        (m, p) for m in ("target", "unlearned") for p in ("fp16", "bnb-fp4")
    }
    assert {r.metric for r in result.recovery} == {"knowmem_forget", "verbmem_forget", "memorization"}
    assert result.explanation.startswith("Why: the edit moved")
    assert not any(Path(path).is_absolute() for path in result.answers.values())
    table = msgspec.json.decode(unbroken.result_path.read_bytes())
    assert table["schema"] == 1
    assert table["status"] == "finished"


def test_samples_of_the_answers_arrive_while_they_are_scored_and_again_when_they_are_reused(tmp_path, small):
    """What is said of an answer is what its side file holds."""
    samples = []
    for _ in range(2):
        rundir = start(tmp_path, spec(small, cache=True, steps=2, probe_every=0))
        go(rundir)
        assert isinstance(ended(rundir), ev.Finished)
        samples.append([e for e in rundir.events() if isinstance(e, ev.Answered)])
        for said in samples[-1]:
            rows = (rundir.answers / f"{said.model}-{said.precision}-{said.metric}.jsonl").read_text().splitlines()
            kept = json.loads(rows[said.index])
            assert {
                name: getattr(said, name) for name in ("prompt", "gold", "answer", "recall")
            }.items() <= kept.items()
    first, again = samples
    assert {e.model for e in first} == {"target", "unlearned"}
    columns = [(e.precision, e.metric) for e in again if e.model == "target"]
    metrics = ["knowmem_forget", "knowmem_retain", "verbmem_forget"]
    assert columns == [(precision, metric) for precision in ("fp16", "bnb-fp4") for metric in metrics]


def test_stop_after_this_step_saves_and_a_second_engine_is_refused_meanwhile(tmp_path, small, unbroken):
    rundir = start(tmp_path, spec(small, save_every=0))
    go(rundir)
    second = subprocess.run(
        [sys.executable, "-m", "unlearn_tui.engine", str(rundir.path)], capture_output=True, text=True, check=False
    )
    assert second.returncode == 2
    assert "already" in second.stderr
    for event in follow(rundir, poll=0.01):
        if isinstance(event, ev.Step):
            assert send(rundir, SaveNow()).ok
            assert send(rundir, Stop()).ok
            break
    last = ended(rundir)
    assert isinstance(last, ev.Stopped)
    assert last.now is False
    assert next(p.name for p in rundir.checkpoints.iterdir()).startswith("training-")
    go(rundir)
    assert isinstance(ended(rundir), ev.Finished)
    assert answers(rundir) == answers(unbroken)


def test_stop_now_ends_at_once_and_can_be_resumed(tmp_path, small):
    rundir = start(tmp_path, spec(small, steps=100_000))
    go(rundir)
    for event in follow(rundir, poll=0.01):
        if isinstance(event, ev.Step):
            assert send(rundir, Stop(now=True)).ok
            break
    last = ended(rundir, deadline=30)
    assert isinstance(last, ev.Stopped)
    assert last.now is True


def test_a_model_that_overflows_fails_the_run_in_words(tmp_path, small):
    """float16 holds nothing above 65504: a column of it would be NaN, and 0 would be a lie."""
    folder = tmp_path / "huge"
    shutil.copytree(asset("pocket", "target"), folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.mlp.down_proj.weight"][:] = 3e38
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    rundir = start(tmp_path, spec(small, model=str(folder)))
    go(rundir)
    last = ended(rundir)
    assert isinstance(last, ev.Failed)
    assert (last.kind, last.stage) == ("nan", "score_target")
    assert "bf16" in last.message
    assert "\n" not in last.message
