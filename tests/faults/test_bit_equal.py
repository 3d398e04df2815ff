"""The same spec, seed and threads on the same CPU, in two homes that know nothing of each other: the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from prepared import Prepared
from unharmed import corpus, small

from unlearn_tui.protocol.result import Result
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.versions import versions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FEW = {"steps": 4, "save_every": 0, "canary_every": 0, "probe_every": 0}
SAMPLED = ["knowmem_forget", "verbmem_forget_sampled", "extraction_strength"]
ONE = {"precision": ["fp16"], "metric": ["knowmem_forget"]}


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"), 6, 2)


def done(engines: Prepared, home: Path, questions: Path, **values: Any) -> RunDir:
    run = RunDir.create(home, small(questions, **{**FEW, **values}), versions())
    assert engines.run(run.path) == 0, run.log_path.read_text()
    return run


def content(run: RunDir) -> dict[str, bytes]:
    """What a run measured and made, by file; no times."""
    files = ["checkpoints/unlearned/model.safetensors", "weights.jsonl", "items.jsonl"]
    files += sorted(f"answers/{path.name}" for path in run.answers.iterdir())
    return {name: (run.path / name).read_bytes() for name in files}


def told(run: RunDir) -> Result:
    """Its result without what is of the run itself."""
    return msgspec.structs.replace(run.result(), run="", seconds=0.0, peak_memory=0, arithmetic=[])


def same(one: RunDir, other: RunDir) -> None:
    assert one.home != other.home
    assert content(one) == content(other)
    assert told(one) == told(other)


@pytest.fixture(scope="module")
def first(engines: Prepared, questions: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return done(engines, tmp_path_factory.mktemp("first"), questions)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"threads": 2, "steps": 1, **ONE},
        {"weights": "bf16-stochastic", "seed": 3},
        {"weights": "fp32", "batch": 2, "grad_accum": 2},
        {"lora_rank": 4, "weights": "bf16"},
        {"eval_batch": 1},
        {"precision": ["bf16", "bnb-nf4", "bnb-int8", "quanto-int4"], "metric": SAMPLED},
    ],
    ids=lambda values: " ".join(map(str, values.values())) or "defaults",
)
def test_two_engines_in_two_homes_end_in_the_same_bytes(engines, questions, first, tmp_path, values):
    one = done(engines, tmp_path / "one", questions, **values) if values else first
    same(done(engines, tmp_path / "other", questions, **values), one)


def test_another_seed_ends_in_other_weights(engines, questions, first, tmp_path):
    other = done(engines, tmp_path, questions, seed=1)
    for file in ("checkpoints/unlearned/model.safetensors", "items.jsonl"):
        assert content(other)[file] != content(first)[file], file


def test_stochastic_rounding_draws_by_the_seed(engines, questions, tmp_path):
    """All items in every step: nothing but the rounding, and their order, depends on the seed."""
    values = {"weights": "bf16-stochastic", "batch": 6, "steps": 2, **ONE}
    made = [done(engines, tmp_path / str(seed), questions, seed=seed, **values).result().hashes for seed in (0, 1)]
    assert made[0]["unlearned"] != made[1]["unlearned"]
    assert made[0] | {"unlearned": ""} == made[1] | {"unlearned": ""}


def test_the_evaluation_batch_changes_no_weight(engines, questions, first, tmp_path):
    other = done(engines, tmp_path, questions, eval_batch=2)
    for file in ("checkpoints/unlearned/model.safetensors", "weights.jsonl", "items.jsonl"):
        assert content(other)[file] == content(first)[file], file
    assert other.result().weights == first.result().weights
