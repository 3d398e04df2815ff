"""GPTQ and AWQ: the real library where it is installed (the extra `gptq`), the real process everywhere."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from engine_models import tiny_llama
from test_saving import fresh, until

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.quantization.calibrated import WORKER, Calibration, dequantized, pieces
from unlearn_tui.engine.quantization.prepare import linears, prepare
from unlearn_tui.engine.quantization.saving import save
from unlearn_tui.engine.reporter import StopAsked
from unlearn_tui.errors import Refused
from unlearn_tui.sources import corpora

CPU = torch.device("cpu")
HERE = importlib.util.find_spec("gptqmodel") is not None
needs_library = pytest.mark.skipif(not HERE, reason="gptqmodel is not installed: pip install 'unlearn-tui[gptq]'")


@pytest.fixture(scope="module")
def calibration(request) -> Calibration:
    from unlearn_tui.sources.assets import asset

    return Calibration(load_tokenizer(asset("pocket") / "target"), corpora.load("pocket"))


def test_pieces_are_spread_over_the_text_and_no_longer_than_asked(calibration):
    whole = calibration.tokenizer.encode(calibration.corpus.retain_text, add_special_tokens=False)
    found = pieces(calibration, catalog.precision("gptq-int4:samples=4+length=64"))
    assert len(found) == 4
    assert {len(ids) for ids in found} == {64}
    text = [ids[1:] for ids in found]  # BOS first
    starts = [next(i for i in range(len(whole)) if whole[i : i + 63] == ids) for ids in text]
    assert starts[0] == 0
    assert starts == sorted(starts)
    assert starts[-1] > len(whole) / 2
    assert {len(ids) for ids in pieces(calibration, catalog.precision("awq-int4:length=8192"), limit=128)} == {128}


def test_the_half_that_is_named_is_read(calibration):
    (first, *_) = pieces(calibration, catalog.precision("gptq-int4:calibration=forget+length=32"))
    assert calibration.tokenizer.decode(first[1:]) in calibration.corpus.forget_text


def test_without_a_corpus_there_is_nothing_to_quantize_by(tmp_path, monkeypatch):
    monkeypatch.setattr("unlearn_tui.validate.lacking", lambda package: False)
    monkeypatch.setattr("unlearn_tui.engine.quantization.prepare.check_installed", lambda names: None)
    with pytest.raises(Refused, match="reads text to quantize by"):
        prepare(tiny_llama(), "gptq-int4", CPU)
    with pytest.raises(Refused, match="name a corpus"):
        save(tiny_llama(), None, "awq-int4", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(HERE, reason="the library is installed")
def test_a_worker_that_cannot_work_says_why_in_a_line(calibration):
    with pytest.raises(Refused, match="gptq-int4 cannot be made of this model: gptqmodel says No module named"):
        dequantized(tiny_llama(), catalog.precision("gptq-int4"), calibration, CPU)


def test_a_worker_that_dies_is_a_fault_with_its_signal(calibration, monkeypatch):
    real = subprocess.Popen

    def shot(command, **more):
        process = real(command, **more)
        os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr("unlearn_tui.engine.quantization.calibrated.subprocess.Popen", shot)
    with pytest.raises(RuntimeError, match=r"process ended \(signal 9\)"):
        dequantized(tiny_llama(), catalog.precision("gptq-int4"), calibration, CPU)


def test_a_wish_to_stop_ends_the_worker_and_leaves_nothing(calibration, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    started: list[subprocess.Popen] = []
    real = subprocess.Popen

    def remembered(command, **more):
        started.append(real(command, **more))
        return started[0]

    monkeypatch.setattr("unlearn_tui.engine.quantization.calibrated.subprocess.Popen", remembered)

    def heed() -> None:
        if started:
            raise StopAsked(now=True)

    stopping = Calibration(calibration.tokenizer, calibration.corpus, heed=heed)
    with pytest.raises(StopAsked):
        dequantized(tiny_llama(), catalog.precision("gptq-int4"), stopping, CPU)
    assert started[0].returncode == -signal.SIGKILL
    assert not list(tmp_path.iterdir())


def test_a_worker_does_not_outlive_whoever_started_it(tmp_path):
    # a pipe in the place of its files: it waits for them until its standard input ends
    os.mkfifo(tmp_path / "asked.json")
    worker = subprocess.Popen([sys.executable, "-m", WORKER, str(tmp_path), "1"], stdin=subprocess.PIPE)
    time.sleep(0.5)
    assert worker.poll() is None
    worker.stdin.close()
    assert worker.wait(60) == 1


@needs_library
@pytest.mark.slow
@pytest.mark.parametrize("precision", ["gptq-int4", "gptq-int4:group=64+asymmetric", "awq-int4", "awq-int4:symmetric"])
def test_another_process_loads_what_was_saved_and_answers_as_it_is_scored(calibration, precision, pocket, tmp_path):
    """Codes of 16 levels a group, another process's answers and logits, and less lost than by rounding to nearest."""
    model, tokenizer = load_model(pocket / "target"), calibration.tokenizer
    save(model, tokenizer, precision, tmp_path / "out", calibration)
    assert not list(tmp_path.glob(".*"))
    questions = knowmem.questions(tokenizer, calibration.corpus.forget_qa[:4], calibration.corpus.forget_icl)
    prompts = [q.ids for q in questions]
    prepared = prepare(model, precision, CPU, calibration)
    group = prepared.precision.options["group"]
    for _, module in linears(prepared.model):
        for block in module.weight.reshape(-1, group)[:32]:
            assert len(block.unique()) <= 16
    ours: list[list[int]] = [[] for _ in prompts]
    for part, rows in Generator(prepared.model, tokenizer, CPU, 1).answers(prompts, 12, shared=False):
        for i, row in zip(part, rows, strict=True):
            ours[i] = row
    theirs, logits = fresh([tmp_path / "out"], prompts)[str(tmp_path / "out")]
    end = tokenizer.eos_token_id
    assert [until(row, end) for row in theirs] == [until(row, end) for row in ours]
    with torch.no_grad():
        mine = prepared.model(torch.tensor([prompts[0]])).logits[0, -1]
    torch.testing.assert_close(torch.tensor(logits), mine.float(), rtol=1e-3, atol=1e-3)


@needs_library
@pytest.mark.slow
def test_what_it_read_it_keeps_better_than_rounding_to_nearest_does(calibration, pocket):
    """GPTQ minimizes a layer's error on the text that it reads; here that shows in the logits of that text."""
    model = load_model(pocket / "target")
    ids = torch.tensor(pieces(calibration, catalog.precision("gptq-int4"))[:4])

    def lost(precision: str) -> float:
        with torch.no_grad():
            found = prepare(model, precision, CPU, calibration).model(ids).logits
            return float((found - model.float()(ids).logits).square().mean())

    assert lost("gptq-int4") < 0.7 * lost("rtn-int4-g128")
