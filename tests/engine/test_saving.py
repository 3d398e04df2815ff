"""Quantized models on disk: another process loads them with transformers alone and gives our very answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from engine_models import tiny_llama
from transformers import GPT2Config, GPT2LMHeadModel

from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.engine.quantization.saving import save
from unlearn_tui.errors import Refused
from unlearn_tui.sources import corpora

CPU = torch.device("cpu")
PRECISIONS = [
    *("bf16", "fp16", "bnb-int8", "bnb-int8:threshold=2", "bnb-fp4", "bnb-fp4:block=128+double", "bnb-nf4:block=256"),
    *("rtn-int4", "rtn-int4:group=64+asymmetric", "torchao-int8", "torchao-int4", "torchao-int4:group=32+asymmetric"),
    *("torchao-int4:group=0", "torchao-float8"),
]
FRESH = """
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
prompts, found = json.loads(sys.stdin.read()), {}
for folder in sys.argv[1:]:
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    for m in model.modules():  # on CPUs with AVX-512 BF16 the library fails on blocks that straddle rows
        if getattr(m, "support_avx512bf16_for_cpu", False) and m.in_features % m.weight.quant_state.blocksize:
            m.support_avx512bf16_for_cpu = False
    if model.dtype is not torch.float32:
        model = model.float()  # 16-bit weights are computed with in float32 on a CPU
    eos = AutoTokenizer.from_pretrained(folder).eos_token_id
    answers = []
    for ids in prompts:
        out = model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False, eos_token_id=eos, pad_token_id=0)
        answers.append(out[0, len(ids):].tolist())
    with torch.no_grad():
        found[folder] = answers, model(torch.tensor([prompts[0]])).logits[0, -1].tolist()
print(json.dumps(found))
"""


def fresh(folders: list[Path], prompts: list[list[int]]) -> dict[str, list]:
    """Greedy answers and the logits behind the first prompt, by folder, from a process without this program."""
    done = subprocess.run(
        [sys.executable, "-c", FRESH, *map(str, folders)],
        input=json.dumps(prompts),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def until(ids: list[int], end: int) -> list[int]:
    return ids[: ids.index(end)] if end in ids else ids


@pytest.mark.slow
def test_another_process_loads_every_precision_and_answers_as_it_is_scored(pocket, tmp_path):
    model, tokenizer = load_model(pocket / "target"), load_tokenizer(pocket / "target")
    corpus = corpora.load("pocket")
    asked = knowmem.questions(tokenizer, corpus.forget_qa[:4], corpus.forget_icl)
    prompts = [q.ids for q in asked]
    folders = [tmp_path / p.replace(":", "-") for p in PRECISIONS]
    for precision, folder in zip(PRECISIONS, folders, strict=True):
        assert save(model, tokenizer, precision, folder) == sum(f.stat().st_size for f in folder.iterdir())
        assert not list(tmp_path.glob(".*"))
    found = fresh(folders, prompts)
    end = tokenizer.eos_token_id
    for precision, folder in zip(PRECISIONS, folders, strict=True):
        prepared = prepare(model, precision, CPU)
        generator = Generator(prepared.model, tokenizer, CPU, 1)
        ours: list[list[int]] = [[] for _ in prompts]
        for part, rows in generator.answers(prompts, 12, shared=False):
            for i, row in zip(part, rows, strict=True):
                ours[i] = row
        theirs, logits = found[str(folder)]
        assert [until(row, end) for row in theirs] == [until(row, end) for row in ours], precision
        with torch.no_grad():
            mine = prepared.model(torch.tensor([prompts[0]])).logits[0, -1]
        torch.testing.assert_close(torch.tensor(logits), mine.float(), rtol=1e-4, atol=1e-4, msg=precision)


def test_codes_take_their_bits_on_disk(pocket, tmp_path):
    """FP4 in blocks of 64: half a byte and a sixteenth of four bytes a weight; the rest in float32."""
    model, tokenizer = load_model(pocket / "target"), load_tokenizer(pocket / "target")
    from unlearn_tui.engine.quantization.prepare import linears

    weights = sum(m.weight.numel() for _, m in linears(model))
    rest = sum(p.numel() for p in model.parameters()) - weights
    save(model, tokenizer, "bnb-fp4", tmp_path / "fp4")
    assert (tmp_path / "fp4/model.safetensors").stat().st_size == pytest.approx(weights * 9 / 16 + 4 * rest, rel=0.02)


@pytest.mark.parametrize(("precision", "said"), [("quanto-int8", "does not load optimum-quanto"), ("bnb-fp4", "GPT-2")])
def test_what_transformers_has_no_format_for_is_refused(precision, said, tmp_path):
    model = GPT2LMHeadModel(GPT2Config(vocab_size=96, n_embd=64, n_layer=1, n_head=4, n_positions=64)).eval()
    with pytest.raises(Refused, match=said):
        save(model, None, precision, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_gpt2s_transposed_layers_are_written_as_transformers_wants_them(tmp_path):
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=96, n_embd=64, n_layer=1, n_head=4, n_positions=64)).eval()
    model.requires_grad_(False)
    save(model, None, "rtn-int4:group=16", tmp_path / "out")
    again = load_model(tmp_path / "out")
    ids = torch.tensor([[5, 9, 33]])
    with torch.no_grad():
        expected = prepare(model, "rtn-int4:group=16", CPU).model(ids).logits
        assert torch.allclose(again(ids).logits, expected, atol=1e-5)


def test_nothing_stays_behind_where_the_disk_is_full(tmp_path, monkeypatch):
    def full(self, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", full)
    with pytest.raises(OSError, match="No space"):
        save(tiny_llama(), None, "bnb-fp4", tmp_path / "out")
    assert not list(tmp_path.iterdir())
