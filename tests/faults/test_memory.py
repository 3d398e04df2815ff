"""A real engine under a memory limit: what does not fit fails in words, with a spec that fits; the rest is done in halves."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import torch
from prepared import Prepared
from unharmed import corpus, small

from unlearn_tui.commands.preflight import spec_of
from unlearn_tui.engine.memory import asked, smaller
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.versions import versions

CPU, GPU = torch.device("cpu"), torch.device("cuda")
REAL = (
    (
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
        "4000000000 bytes. Error code 12 (Cannot allocate memory)",
        4_000_000_000,
    ),
    ("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.10 GiB of which", 2_684_354_560),
    ("Unable to allocate 3.64 MiB for an array with shape (1,) and data type float64", 3_816_816),
    ("unable to mmap 6824440 bytes from file <model.safetensors>: Cannot allocate memory (12)", 6_824_440),
    ("std::bad_alloc", 0),
)


@pytest.mark.parametrize(("text", "wanted"), REAL)
def test_what_was_asked_for_is_read_from_the_words_of_each_library(text: str, wanted: int) -> None:
    assert asked(RuntimeError(text)) == wanted


@pytest.mark.parametrize(
    ("values", "stage", "device", "changed"),
    [
        ({"batch": 10}, "unlearn", CPU, {"batch": 5, "grad_accum": 2, "checkpointing": True}),
        ({"batch": 9, "grad_accum": 2, "checkpointing": True}, "unlearn", GPU, {"batch": 3, "grad_accum": 6}),
        ({"batch": 7}, "memorise", CPU, {"batch": 1, "grad_accum": 7, "checkpointing": True}),
        ({"batch": 1, "checkpointing": True}, "unlearn", CPU, {"optimizer_state": "bf16"}),
        ({"batch": 1, "checkpointing": True, "optimizer_state": "8bit"}, "unlearn", CPU, {}),
        ({"eval_batch": 8}, "score_target", CPU, {"eval_batch": 4}),
        ({"eval_batch": 1}, "ablate", CPU, {}),
        ({"eval_batch": 1}, "score_unlearned", GPU, {"device": "cpu"}),
        ({}, "load", CPU, {}),
        ({"memory_limit": 1.0}, "load", CPU, {"memory_limit": 1.7}),
    ],
)
def test_a_smaller_spec_keeps_the_items_of_a_step_and_changes_what_the_stage_takes(
    values: dict[str, object], stage: str, device: torch.device, changed: dict[str, object]
) -> None:
    spec = RunSpec(**values)  # type: ignore[arg-type]
    found = smaller(spec, stage, device, 500_000_000)
    if not changed:
        assert found is None
        return
    assert found is not None
    assert found[0] == msgspec.structs.replace(spec, **changed)
    assert found[0].batch * found[0].grad_accum == spec.batch * spec.grad_accum
    for name in changed:
        assert f"{name} " in found[1]


@pytest.fixture(scope="module")
def engines() -> Iterator[Prepared]:
    with Prepared() as prepared:
        yield prepared


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    questions = corpus(tmp_path_factory.mktemp("corpus"), 4, 1)
    few = {"steps": 2, "canary_every": 0, "probe_every": 0, "cache": False}
    return small(questions, precision=["fp16"], metric=["knowmem_forget"], **few)


def limit(engines: Prepared, more: int) -> float:
    """So many MB above what an engine holds when it begins, in GB."""
    text = Path(f"/proc/{engines.process.pid}/status").read_text()
    held = int(text.split("VmData:")[1].split()[0]) * 1024
    return (held * 1.1 + more * 1e6) / 1e9


def failure(run: RunDir) -> ev.Failed:
    *_, last = run.events()
    assert isinstance(last, ev.Failed), last
    assert "\n" not in last.message
    assert "Traceback" not in last.message
    return last


@pytest.mark.slow
def test_training_that_does_not_fit_fails_in_words_and_the_spec_that_it_offers_fits(engines, spec, tmp_path):
    wanted = msgspec.structs.replace(spec, batch=256, memory_limit=limit(engines, 250))
    run = RunDir.create(tmp_path, wanted, versions())
    assert engines.run(run.path) == 1
    last = failure(run)
    assert (last.kind, last.stage) == ("memory", "unlearn"), last.message
    for part in (
        " was asked, ",
        " was free",
        "--memory-limit",
        "batch 256 → 128, grad_accum 1 → 2, checkpointing off → on",
    ):
        assert part in last.message
    command = shlex.split(last.message.rpartition("that is ")[2])
    assert command[:2] == ["unlearn-tui", "run"]
    assert command[2] == str(run.path / "retry.toml")
    assert "Traceback" in run.log_path.read_text()
    again = spec_of({}, Path(command[2]))
    assert again == msgspec.structs.replace(run.spec(), batch=128, grad_accum=2, checkpointing=True)
    retried = RunDir.create(tmp_path, again, versions())
    assert engines.run(retried.path) == 0, list(retried.events())[-1]


@pytest.mark.slow
def test_a_limit_below_the_libraries_is_refused_and_a_model_that_does_not_fit_is_no_broken_checkpoint(
    engines, spec, tmp_path
):
    run = RunDir.create(tmp_path, msgspec.structs.replace(spec, memory_limit=0.05), versions())
    assert engines.run(run.path) == 2
    last = failure(run)
    assert last.kind == "refused"
    assert last.message.startswith("--memory-limit 0.05 is too small: libraries alone take ")
    run = RunDir.create(tmp_path, msgspec.structs.replace(spec, memory_limit=limit(engines, 1)), versions())
    first = "import torch; import unlearn_tui.engine.checkpoints as c; load = c.load_model\n"
    first += "def large(path):\n    torch.ones(10**9)\n    return load(path)\nc.load_model = large"
    assert engines.run(run.path, first=first) == 1
    last = failure(run)
    assert (last.kind, last.stage) == ("memory", "load"), last.message
    assert "4.0 GB was asked" in last.message


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_halved_and_the_column_says_so_after_a_resume_too(engines, spec, tmp_path):
    """An allocation that really fails, in the first batch that has more than two rows."""
    from prepared import EXIT, Point

    run = RunDir.create(
        tmp_path, msgspec.structs.replace(spec, memory_limit=limit(engines, 250), eval_batch=4), versions()
    )
    first = "import torch; from unlearn_tui.engine.evaluation.generation import Generator as G; f = G._generate\n"
    first += (
        "def g(self, prompts, *a):\n    torch.ones(10**9 if len(prompts) > 2 else 1)\n    return f(self, prompts, *a)\n"
    )
    first += "G._generate = g"
    point = Point("before", "score_unlearned: append Scored events.jsonl")
    assert engines.run(run.path, point, first=first) == EXIT
    assert engines.run(run.path, first=first) == 0, list(run.events())[-1]
    result = run.result()
    assert {(s.model, s.batch) for s in result.scores if s.metric == "knowmem_forget"} == {
        ("target", 2),
        ("unlearned", 2),
    }
    assert sum("batch halved to 2 for lack of memory" in note for note in result.notes) == 2
