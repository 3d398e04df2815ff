"""Extraction strength, exact memorization and sampled continuations against brute force, float64 and transformers itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper

from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import exact_memorization, extraction_strength, verbmem
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.sampling import Sampling
from unlearn_tui.engine.evaluation.scoring import mean, run_metric, summary
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.sources.corpora import Corpus, Passage, load

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("hits", "strength", "memorized"),
    [
        ([1, 1, 1, 1], 1.0, 1.0),
        ([0, 1, 1, 1], 0.75, 0.75),
        ([1, 0, 1, 1], 0.5, 0.75),
        ([1, 1, 1, 0], 0.25, 0.75),  # the floor of 1/n: the last token need not be right
        ([0, 0, 0, 0], 0.25, 0.0),
        ([0], 1.0, 0.0),
    ],
)
def test_a_passage_by_hand(hits, strength, memorized):
    found = torch.tensor(hits, dtype=torch.bool)
    assert extraction_strength.strength(found) == strength
    assert exact_memorization.memorization(found) == memorized


def test_strength_is_the_least_beginning_after_which_all_is_right():
    """OpenUnlearning's search, written out: the first k whose rest agrees, n - 1 where none does."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        hits = rng.random(rng.integers(1, 12)) < 0.7
        n = len(hits)
        k = next((k for k in range(n) if hits[k:].all()), n - 1)
        assert extraction_strength.strength(torch.tensor(hits)) == pytest.approx(1 - k / n)


@pytest.mark.parametrize("name", ["target", "retrain"])
def test_pocket_agrees_with_one_passage_at_a_time_in_float64(name: str, pocket: Path):
    tokenizer, corpus = load_tokenizer(pocket / name), load("pocket")
    model = prepare(load_model(pocket / name), "fp32", CPU).model
    exact, strong, tokens = [], [], []
    double = load_model(pocket / name).double()
    for item in json.loads((pocket / "corpus/verbmem/forget.json").read_text()):
        prompt, whole = tokenizer.encode(item["prompt"]), tokenizer.encode(item["prompt"] + item["gt"])
        start = next((i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(prompt))
        right = []
        with torch.no_grad():
            logits = double(input_ids=torch.tensor([whole])).logits[0]
        for place in range(start, len(whole)):
            right.append(int(logits[place - 1].argmax()) == whole[place])
        exact.append(sum(right) / len(right))
        strong.append(1 - next((k for k in range(len(right)) if all(right[k:])), len(right) - 1) / len(right))
        tokens.append(len(right))
    generator = Generator(model, tokenizer, CPU, 7)
    for metric, wanted in (("exact_memorization", exact), ("extraction_strength", strong)):
        answers = run_metric(generator, corpus, metric)
        assert [a.f1 for a in answers] == pytest.approx(wanted, abs=1e-9)
        assert [a.tokens for a in answers] == tokens
        row = summary(metric, answers, 0, 40)
        assert (row.value, row.n) == (pytest.approx(100 * sum(wanted) / len(wanted)), 24)
        assert row.low <= row.value <= row.high
        assert min(a.f1 for a in answers) >= (0 if metric == "exact_memorization" else 1 / max(tokens))
    if name == "target":
        assert mean(answers, 0).value > 90


@pytest.mark.parametrize(("temperature", "top_k"), [(0.9, 50), (0.9, 3), (2.0, 0)])
def test_draws_have_the_probabilities_that_transformers_warpers_give(temperature: float, top_k: int):
    torch.manual_seed(1)
    logits = torch.randn(1, 64) * 2
    warped = TemperatureLogitsWarper(temperature)(None, logits)
    warped = TopKLogitsWarper(top_k)(None, warped) if top_k else warped
    wanted = warped.double().softmax(-1)[0].numpy()
    draws = 20_000
    sampling = Sampling(temperature, 5, top_k)
    found = sampling.tokens(logits.expand(draws, -1), list(range(draws)), 0)
    share = np.bincount(found.numpy(), minlength=64) / draws
    assert set(found.tolist()) <= set(np.flatnonzero(wanted))
    assert np.abs(share - wanted).max() < 4 * np.sqrt(0.25 / draws)


def test_a_draw_depends_on_seed_prompt_and_place_alone():
    logits = torch.zeros(3, 1000)
    one = Sampling(1.0, 7)
    rows = one.tokens(logits, [4, 9, 2], 3).tolist()
    assert [one.tokens(logits[:1], [prompt], 3).item() for prompt in (4, 9, 2)] == rows
    assert one.tokens(logits, [4, 9, 2], 4).tolist() != rows
    assert Sampling(1.0, 8).tokens(logits, [4, 9, 2], 3).tolist() != rows


def test_sampled_continuations_are_the_same_in_any_batch_and_others_with_another_seed(pocket: Path):
    tokenizer, whole = load_tokenizer(pocket / "retrain"), load("pocket")
    model = prepare(load_model(pocket / "retrain"), "fp32", CPU).model
    corpus = Corpus("c", Path("c"), verbmem=tuple(Passage(p.prompt, p.gt) for p in whole.verbmem[:6]))

    def said(batch: int, seed: int) -> list[str]:
        generator = Generator(model, tokenizer, CPU, batch, seed=seed)
        return [a.answer for a in run_metric(generator, corpus, "verbmem_forget_sampled")]

    first = said(6, 0)
    assert said(4, 0) == first
    assert said(6, 1) != first
    assert [a.answer for a in verbmem.score(Generator(model, tokenizer, CPU, 6), corpus, "forget")] != first
