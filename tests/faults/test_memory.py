"""Real engines that have too little memory: what they say, what they offer instead, and what they do with less."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from prepared import EXIT, Point, Prepared
from unharmed import answers, corpus, small

from unlearn_tui import catalog
from unlearn_tui.engine import memory
from unlearn_tui.engine.numerics import is_out_of_memory
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import ScoreRow
from unlearn_tui.protocol.spec import RunSpec, from_table
from unlearn_tui.report import plain
from unlearn_tui.report.html import html
from unlearn_tui.report.markdown_page import markdown
from unlearn_tui.report.page import Page
from unlearn_tui.report.sections import HALVED, HALVED_NOTE
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.sources.corpora import load
from unlearn_tui.state.compare import start
from unlearn_tui.state.run import fold_all
from unlearn_tui.tui import lines
from unlearn_tui.tui.draw.compare import draw
from unlearn_tui.tui.views.compare_files import exported, read_table
from unlearn_tui.validate import check_spec
from unlearn_tui.versions import versions

CPU = torch.device("cpu")
FEW = {"steps": 2, "save_every": 0, "canary_every": 0, "probe_every": 0, "precision": ["fp16"]}
KNOWMEM = {"metric": ["knowmem_forget"]}
RAW = {"forget_text": "raw", "max_length": 256, **FEW, **KNOWMEM}


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight questions a side, two passages, and all of the text, which makes long items."""
    folder, whole = corpus(tmp_path_factory.mktemp("corpus"), 8, 2), load("pocket")
    (folder / "raw").mkdir()
    (folder / "raw" / "forget.txt").write_text(whole.forget_text)
    (folder / "raw" / "retain1.txt").write_text(whole.retain_text)
    return folder


def new(home: Path, spec: RunSpec) -> RunDir:
    return RunDir.create(home, spec, versions())


def last(run: RunDir) -> ev.AnyEvent:
    *_, event = run.events()
    return event


@pytest.fixture(scope="module")
def libraries(engines: Prepared, questions: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """GB that an engine here takes before it has read anything, as it says when it is refused less."""
    run = new(tmp_path_factory.mktemp("refused"), small(questions, memory_limit=0.1))
    assert engines.run(run.path) == 2
    said = last(run)
    assert isinstance(said, ev.Failed)
    assert said.kind == "refused"
    assert "\n" not in said.message
    found = re.fullmatch(
        r"--memory-limit 0.1 is too small: libraries alone take ([\d.]+) (MB|GB), give more GB, or 0", said.message
    )
    assert found, said.message
    return float(found[1]) / (1000 if found[2] == "MB" else 1)


def retried(run: RunDir) -> RunSpec:
    """What a run whose memory ran out offers instead: the command names a file that is a whole spec."""
    said = last(run)
    assert isinstance(said, ev.Failed)
    assert said.kind == "memory", said
    *_, command = said.message.partition("that is ")
    program, name, path = shlex.split(command)
    assert (program, name, path) == ("unlearn-tui", "run", str(run.path / memory.RETRY))
    spec = from_table(tomllib.loads(Path(path).read_text()))
    check_spec(spec)
    return spec


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_training_that_does_not_fit_offers_a_run_that_does(engines, questions, libraries, tmp_path):
    limit = round(libraries + 0.4, 2)
    spec = small(questions, batch=16, memory_limit=limit, **RAW)
    run = new(tmp_path, spec)
    assert engines.run(run.path) == 1
    said = last(run)
    assert isinstance(said, ev.Failed)
    assert (said.kind, said.stage) == ("memory", "unlearn")
    assert re.match(
        rf"memory ran out in stage unlearn: [\d.]+ [kMG]?B was asked, [\d.]+ [kMG]?B was free( afterwards)? under "
        rf"--memory-limit {limit:g}: change batch 16 → 8, grad_accum 1 → 2, checkpointing off → on; that is ",
        said.message,
    ), said.message
    assert not [p for p in run.path.rglob(".*") if p.name.endswith((".tmp", ".old"))]
    smaller = retried(run)
    assert smaller == msgspec.structs.replace(run.spec(), batch=8, grad_accum=2, checkpointing=True)
    for _ in range(3):  # libraries of other versions may need one more
        again = new(tmp_path, smaller)
        if engines.run(again.path) == 0:
            break
        smaller = retried(again)
    assert isinstance(last(again), ev.Finished)
    assert again.spec().memory_limit == limit
    assert again.spec().batch * again.spec().grad_accum == 16


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_models_that_do_not_fit_offer_a_higher_limit_and_no_other_training(engines, questions, libraries, tmp_path):
    spec = small(questions, batch=2, memory_limit=round(1.1 * libraries + 0.02, 3), **RAW)
    for _ in range(6):
        run = new(tmp_path, spec)
        if engines.run(run.path) == 0:
            break
        larger = retried(run)
        assert larger == msgspec.structs.replace(run.spec(), memory_limit=larger.memory_limit)
        assert larger.memory_limit >= spec.memory_limit + 0.25
        spec = larger
    else:
        pytest.fail(run.log_path.read_text())
    assert spec.memory_limit > libraries + 0.25  # it failed once


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_limit_costs_a_run_hardly_more_than_it_takes(engines, questions, libraries, tmp_path):
    """Small files were once read into room for the largest."""
    run = new(tmp_path, small(questions, batch=2, memory_limit=round(libraries + 0.3, 2), **FEW, **KNOWMEM))
    assert engines.run(run.path) == 0, last(run)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", [1.15, 1.25])
def test_an_engine_that_has_still_to_import_its_libraries_ends_in_our_words(questions, libraries, tmp_path, share):
    """A process of its own: bitsandbytes, half imported, once made Python itself call the wrong functions."""
    spec = small(
        questions, **{**FEW, **KNOWMEM, "precision": ["fp16", "bnb-int8"]}, memory_limit=round(share * libraries, 3)
    )
    run = new(tmp_path, spec)
    code = subprocess.run([sys.executable, "-m", "unlearn_tui.engine", run.path], capture_output=True, check=False)
    said = last(run)
    assert isinstance(said, ev.Failed), code.stderr[-2000:]
    assert said.kind in ("memory", "refused"), said.message


def test_what_is_imported_before_a_limit_is_what_the_run_will_need():
    spec = RunSpec(precision=["fp16", "bnb-fp4:block=64", "quanto-int4", "torchao-int8", "rtn-int4"], lora_rank=2)
    named = memory.libraries(spec)
    assert {"bitsandbytes", "optimum.quanto", "torchao.quantization", "peft"} <= set(named)
    assert all(importlib.util.find_spec(name) for name in memory.libraries(RunSpec(precision=["fp16", "bnb-int8"])))
    plain_ones = set(memory.libraries(RunSpec(precision=["fp16"])))
    assert plain_ones.isdisjoint({"bitsandbytes", "optimum.quanto", "torchao.quantization", "peft"})
    assert "bitsandbytes" in memory.libraries(RunSpec(precision=["fp16"], optimizer_state="8bit"))


REFUSES = """
from unlearn_tui.engine.evaluation.generation import Generator
real, refused = Generator._generate, []

def generate(self, prompts, *rest):
    if {when}:
        refused.append(len(prompts))
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
            "allocate 123456789 bytes. Error code 12 (Cannot allocate memory)"
        )
    return real(self, prompts, *rest)

Generator._generate = generate
"""
ONCE = REFUSES.format(when="not refused")
NEVER = REFUSES.format(when="True")
TWO = {**FEW, "precision": ["fp16", "bnb-fp4"]}
HALVED_COLUMNS = [("target", "fp16", "knowmem_forget"), ("target", "fp16", "verbmem_forget")]


@pytest.fixture(scope="module")
def spec(questions: Path) -> RunSpec:
    return small(questions, **TWO, metric=["knowmem_forget", "verbmem_forget"])


@pytest.fixture(scope="module")
def unbroken(engines: Prepared, spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    run = new(tmp_path_factory.mktemp("unbroken"), spec)
    assert engines.run(run.path) == 0
    return run


def batches(run: RunDir) -> dict[tuple[str, str, str], int]:
    return {(s.model, s.precision, s.metric): s.batch for s in run.result().scores if s.batch}


def like(run: RunDir, unbroken: RunDir) -> None:
    """The same answers, scores and verdicts, whatever the batches."""

    def bare(rows: list[ScoreRow]) -> list[ScoreRow]:
        return [msgspec.structs.replace(row, batch=0, reused="") for row in rows]

    assert answers(run) == answers(unbroken)
    assert bare(run.result().scores) == bare(unbroken.result().scores)
    assert run.result().recovery == unbroken.result().recovery


def views(run: RunDir) -> dict[str, str]:
    """The run's scores as every view of it shows them."""
    result = run.result()
    page = Page(result, fold_all(run.events()), [])
    state = start(read_table(run.path, result, "knowmem_forget", {}))
    return {
        "plain": plain.result(result, []),
        "markdown": markdown(page),
        "html": html(page),
        "compact": "\n".join(map(lines.text, draw(state, 80, 24))),
        "wide": "\n".join(map(lines.text, draw(state, 160, 40))),
    }


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_batch_that_does_not_fit_is_halved_and_every_view_says_where(engines, spec, unbroken, tmp_path):
    run = new(tmp_path, spec)
    assert engines.run(run.path, first=ONCE) == 0
    pooled = ("target", "fp16", catalog.MEMORIZATION)
    assert batches(run) == dict.fromkeys([*HALVED_COLUMNS, pooled], 4)  # half of eight questions
    assert batches(unbroken) == {}
    like(run, unbroken)
    result = run.result()
    assert [n for n in result.notes if "halved" in n] == [
        f"{' '.join(key)}: batch halved to 4 for lack of memory" for key in HALVED_COLUMNS
    ]
    for name, text in views(run).items():
        footnotes = text.count(HALVED_NOTE)
        assert text.count(HALVED) > footnotes > 0, name
    for name, text in views(unbroken).items():
        assert HALVED not in text, name
    (row,) = [line for line in plain.result(result, []).splitlines() if line.startswith("target") and "fp16" in line]
    assert row.count(HALVED) == 2
    assert "target FP16 †" in views(run)["html"]
    state = start(read_table(run.path, result, "knowmem_forget", {}))
    means = exported(state)["means"]
    at = means.columns.index("halved_to")
    assert {tuple(r[:2]): r[at] for r in means.rows if r[at]} == {("target", "fp16"): 4}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_column_stays_marked_when_the_engine_is_killed_at_its_score(engines, spec, unbroken, tmp_path, when):
    """Before: its answers are there, and no event has told of the batch yet."""
    run = new(tmp_path, spec)
    point = Point(when, "score_target: append Scored events.jsonl")
    assert engines.run(run.path, point, first=ONCE) == EXIT
    assert engines.run(run.path) == 0
    assert batches(run) == {HALVED_COLUMNS[0]: 4, ("target", "fp16", catalog.MEMORIZATION): 4}
    like(run, unbroken)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_answers_of_halved_batches_are_not_kept_for_other_runs_and_no_mark_outlives_its_answers(
    engines, spec, unbroken, tmp_path
):
    first, second = new(tmp_path, spec), new(tmp_path, spec)
    assert engines.run(first.path, first=ONCE) == 0
    assert engines.run(second.path) == 0
    assert batches(second) == {}
    reused = {(s.model, s.precision, s.metric) for s in second.result().scores if s.reused}
    target = {(s.model, s.precision, s.metric) for s in first.result().scores if s.model == "target"}
    assert reused == {key for key in target if not key[2].startswith("memor")} - set(HALVED_COLUMNS) | {
        ("target", "bnb-fp4", catalog.MEMORIZATION)
    }
    like(second, unbroken)
    # answers that are gone are made again, or taken from the second run: as asked, both
    third = new(tmp_path, msgspec.structs.replace(spec, cache=False))
    point = Point("before", "score_target: append Scored events.jsonl", 3)
    assert engines.run(third.path, point, first=ONCE) == EXIT
    for file in third.answers.glob("*.jsonl"):
        file.unlink()
    assert list(third.answers.glob("*.batch"))
    assert engines.run(third.path) == 0
    assert batches(third) == {}
    assert not list(third.answers.glob("*.batch"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_where_not_even_one_prompt_fits_the_run_says_so_and_offers_nothing(engines, spec, tmp_path):
    run = new(tmp_path, spec)
    assert engines.run(run.path, first=NEVER) == 1
    said = last(run)
    assert isinstance(said, ev.Failed)
    assert (said.kind, said.stage) == ("memory", "score_target")
    assert "123.5 MB was asked" in said.message
    assert said.message.endswith(": a smaller model or a machine with more memory is what helps")
    assert not (run.path / memory.RETRY).exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 2048 bytes. Error code 12", 2048),
        ("CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 79.11 GiB", 3 << 29),
        ("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has", 20 << 20),
        ("unable to mmap 4096 bytes from file <model.safetensors>: Cannot allocate memory (12)", 4096),
        ("std::bad_alloc", 0),
        ("", 0),
    ],
)
def test_what_was_asked_is_read_from_the_words_of_every_allocator(text, expected):
    error = RuntimeError(text)
    assert memory.asked(error) == expected
    assert is_out_of_memory(error) == bool(text)


def chain(spec: RunSpec, stage: str, device: torch.device = CPU, **more: Any) -> Iterator[tuple[RunSpec, str]]:
    """Every offer in turn, each for the spec of the one before."""
    while (found := memory.smaller(spec, stage, device, **more)) is not None:
        spec = found[0]
        check_spec(spec)
        yield found


@pytest.mark.parametrize("batch", [1, 2, 7, 12, 31])
def test_training_gets_smaller_until_nothing_is_left_and_reads_the_same_items_in_a_step(batch):
    spec = RunSpec(batch=batch, grad_accum=3)
    offers = list(chain(spec, "unlearn"))
    assert {made.batch * made.grad_accum for made, _ in offers} == {3 * batch}
    sizes = [spec.batch, *(made.batch for made, _ in offers)]
    assert sizes == sorted(sizes, reverse=True)
    made = offers[-1][0]
    assert (made.batch, made.checkpointing, made.optimizer_state) == (1, True, "8bit")
    changed = {"batch", "grad_accum", "checkpointing", "optimizer_state"}
    same = {name: getattr(spec, name) for name in spec.__struct_fields__ if name not in changed}
    assert same == {name: getattr(made, name) for name in same}


def test_a_limit_is_raised_where_only_that_helps():
    tight = RunSpec(memory_limit=2.0, batch=1, checkpointing=True, optimizer_state="8bit")
    assert memory.smaller(tight, "unlearn", CPU) is None
    for stage, spec, more in (
        ("unlearn", tight, {}),
        ("unlearn", RunSpec(memory_limit=2.0), {"stepping": False}),
        ("load", RunSpec(memory_limit=2.0), {}),
        ("score_target", RunSpec(memory_limit=2.0), {}),
    ):
        found, told = memory.smaller(spec, stage, CPU, memory.GB, **more)
        assert found == msgspec.structs.replace(spec, memory_limit=3.2), stage
        assert told == "memory_limit 2 → 3.2"
    assert memory.smaller(RunSpec(memory_limit=2.0), "unlearn", CPU, memory.GB)[0].memory_limit == 2.0


def test_what_does_not_help_is_not_offered():
    assert memory.smaller(RunSpec(), "score_target", CPU) is None
    assert memory.smaller(RunSpec(), "load", CPU, memory.GB) is None  # no limit that could be raised
    gpu = torch.device("cuda", 0)
    assert memory.smaller(RunSpec(device="cuda"), "score_target", gpu) == (RunSpec(device="cpu"), "device cuda → cpu")
    found, told = memory.smaller(RunSpec(), "unlearn", CPU, stepping=False)
    assert (found, told) == (RunSpec(optimizer_state="bf16"), "optimizer_state fp32 → bf16")
