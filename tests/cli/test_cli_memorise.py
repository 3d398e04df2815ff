"""`memorise` with the real engine: the pocket model that never saw the forget set learns it, and can then be unlearned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_cli_engine import cli

pytestmark = pytest.mark.slow
QUICK = [
    "--precision",
    "fp16",
    "--metric",
    "knowmem_forget",
    "--threads",
    "1",
    "--device",
    "cpu",
    "--canary-every",
    "0",
]
SILENT = ["--probe-every", "0", "--save-every", "0"]


def test_what_was_memorised_is_known_and_is_a_checkpoint(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path / "home")]
    training = ["--steps", "40", "--lr", "1e-3", "--batch", "48", *SILENT]
    made = json.loads(cli("memorise", "--model", "pocket-retrain", *QUICK, *training, *home, "--json").stdout)
    assert made["status"] == "finished"
    assert made["spec"]["task"] == made["spec"]["method"] == "memorise"
    assert made["recovery"] == made["weights"] == []
    (score,) = made["scores"]
    assert (score["model"], score["metric"]) == ("target", "knowmem_forget")
    assert score["value"] > 50  # pocket-retrain itself answers nearly none of them
    run = tmp_path / "home" / "runs" / made["run"]
    assert (run / made["checkpoint"] / "model.safetensors").exists()
    stages = [json.loads(line).get("stage") for line in (run / "events.jsonl").read_text().splitlines()]
    assert [s for s in dict.fromkeys(stages) if s] == ["load", "memorise", "score_target", "result"]
    shown = cli("show", "last", *home, "--plain").stdout
    assert "to be a target" in shown

    # the run's name stands for what it made
    again = ["check", "--target", made["run"], "--unlearned", "pocket-retrain", *QUICK[:-2], *home, "--json"]
    checked = json.loads(cli(*again).stdout)
    value = {s["model"]: s["value"] for s in checked["scores"]}
    assert value["target"] == score["value"] > value["unlearned"] + 40
    assert made["run"] in cli("models", *home, "--plain").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["memorise", "--corpus", "facts", "--metric", "verbmem_forget"], "verbmem/forget.json is missing"),
        (["memorise", "--steps", "3", "--epochs", "2"], "give one"),
        (["run", "--method", "memorise"], "--method memorise is not for unlearn"),
        (["run", "--template", "chat-ml"], "--template 'chat-ml' is not known"),
        (["memorise", "--template", "chat"], "no chat template"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, args: list[str], said: str) -> None:
    done = cli(*args, "--home", str(tmp_path), code=2)
    assert said in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "error: unforeseen" not in done.stderr
    assert not list(tmp_path.glob("runs/*"))
