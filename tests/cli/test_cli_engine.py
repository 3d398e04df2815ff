"""The command line with the real engine on the pocket checkpoint: run, show, export, check, ask, cached scores."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

QUICK = [
    "--precision",
    "fp16,bnb-fp4",
    "--metric",
    "knowmem_forget,verbmem_forget",
    "--threads",
    "1",
    "--device",
    "cpu",
]


def cli(*args: str, code: int = 0, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "unlearn_tui.cli", *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        **options,
    )
    assert done.returncode == code, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def first(home) -> dict:
    done = cli(
        "run", *QUICK, "--steps", "3", "--name", "first", "--home", str(home), "--json", "--retrain", "pocket-retrain"
    )
    return json.loads(done.stdout)


def test_run_prints_one_json_object_with_every_promised_row(first):
    assert (first["schema"], first["status"], first["error"]) == (1, "finished", None)
    assert {(s["model"], s["precision"]) for s in first["scores"]} == {
        (m, p) for m in ("target", "unlearned", "retrain") for p in ("fp16", "bnb-fp4")
    }
    target = {s["metric"]: s for s in first["scores"] if s["model"] == "target" and s["precision"] == "fp16"}
    assert target["knowmem_forget"]["value"] >= 95
    assert target["verbmem_forget"]["value"] >= 90
    assert target["knowmem_forget"]["n"] == 46
    assert {r["verdict"] for r in first["recovery"]} == {"not_unlearned"}
    assert all(r["gap_share"] is None for r in first["recovery"])
    assert first["weights"][0]["precision"] == "bnb-fp4"
    assert first["versions"]["torch"]
    assert first["spec"]["steps"] == 3
    assert first["peak_memory"] > 0


def test_the_next_run_reuses_the_targets_scores_and_says_so(home, first):
    done = cli("run", *QUICK, "--steps", "2", "--name", "second", "--home", str(home), "--json")
    rows = [s for s in json.loads(done.stdout)["scores"] if s["model"] == "target"]
    assert {r["reused"] for r in rows} == {first["run"]}
    assert "reused" in cli("show", "second", "--home", str(home), "--plain").stdout


def test_export_writes_a_checkpoint_and_check_accepts_it_as_somebody_elses(home, first, tmp_path):
    out = tmp_path / "mine"
    cli("export", "first", str(out), "--home", str(home))
    assert (out / "model.safetensors").exists()
    cli("export", "first", str(out), "--home", str(home), code=2)
    done = cli("check", "--target", "pocket-target", "--unlearned", str(out), *QUICK, "--home", str(home), "--json")
    result = json.loads(done.stdout)
    assert result["spec"]["task"] == "check"
    assert result["checkpoint"] is None
    ours = {(s["precision"], s["metric"]): s["value"] for s in first["scores"] if s["model"] == "unlearned"}
    theirs = {(s["precision"], s["metric"]): s["value"] for s in result["scores"] if s["model"] == "unlearned"}
    assert ours == theirs


def test_ask_answers_from_target_and_unlearned_at_every_precision(home, first):
    done = cli("ask", "first", "Which town does Kessra Tarmund live in?", "--home", str(home), "--plain")
    assert done.stdout.count("Fennelport") >= 4  # two models, two precisions, and the gold answer


def test_a_model_whose_tokenizer_does_not_match_is_refused_before_any_directory_is_made(home, first, tmp_path):
    before = sorted((home / "runs").iterdir())
    out = tmp_path / "odd"
    cli("export", "first", str(out), "--home", str(home))
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps({**config, "vocab_size": 10}))
    done = cli("run", "--model", str(out), "--home", str(home), code=2)
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted((home / "runs").iterdir()) == before
