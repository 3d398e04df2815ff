"""TOFU's scores against float64 by hand, one answer at a time, on a small real model and words of our own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from rouge_score import rouge_scorer

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import aggregates, ks, tofu
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.likelihood import Taught, likelihoods
from unlearn_tui.engine.evaluation.scoring import mean, run_metric, values
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.sources.corpora import Corpus, Perturbed

CPU = torch.device("cpu")
ITEMS = (
    Perturbed("Which town does Kessra Tarmund live in?", "Fennelport", "in Fennelport", ("Quenmouth", "the far Ostry")),
    Perturbed("Who taught Yuleth Ingrath?", "Finvarn", "it was Finvarn", ("nobody at all", "Maldra", "a myrtle")),
    Perturbed("Which tree did Maldra Ambrick plant?", "myrtle", "a myrtle", ("ash",)),
)


@pytest.fixture(scope="module")
def generator(pocket: Path) -> Generator:
    model = prepare(load_model(pocket / "target"), "fp32", CPU).model
    return Generator(model, load_tokenizer(pocket / "target"), CPU, 4)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    sets = {f"tofu_{name}": ITEMS for name in ("forget", "retain", "authors", "world")}
    return Corpus(name="ours", path=Path(), **sets)


@torch.no_grad()
def per_token(generator: Generator, question: str, answer: str) -> float:
    """Mean log-probability of an answer's tokens: one row, no padding, float64."""
    tokenizer = generator.tokenizer
    prompt = f"Question: {question}\nAnswer: "
    before, whole = tokenizer.encode(prompt), tokenizer.encode(prompt + answer)
    start = next(i for i, (a, b) in enumerate(zip([*before, None], whole, strict=False)) if a != b)
    logits = generator.model(input_ids=torch.tensor([whole]), use_cache=False).logits[0].double()
    logs = [float(logits[i - 1].log_softmax(-1)[whole[i]]) for i in range(start, len(whole))]
    return sum(logs) / len(logs)


@pytest.mark.parametrize("name", ["forget", "retain", "authors", "world"])
def test_probability_is_that_of_the_answer_per_token(name: str, generator: Generator, corpus: Corpus) -> None:
    found = run_metric(generator, corpus, f"tofu_prob_{name}")
    for item, answer in zip(ITEMS, found, strict=True):
        right, *wrong = (math.exp(per_token(generator, item.question, a)) for a in (item.answer, *item.wrong))
        expected = right / (right + sum(wrong)) if name in ("authors", "world") else right
        assert answer.f1 == pytest.approx(expected, rel=1e-4)
        assert (answer.prompt, answer.gold) == (item.question, item.answer)
    assert mean(found, 0).value == pytest.approx(100 * np.mean([a.f1 for a in found]))


@pytest.mark.parametrize("name", ["forget", "retain"])
def test_truth_ratio_is_wrong_over_right_in_other_words(name: str, generator: Generator, corpus: Corpus) -> None:
    found = run_metric(generator, corpus, f"tofu_truth_{name}")
    for item, answer in zip(ITEMS, found, strict=True):
        wrong = np.mean([per_token(generator, item.question, w) for w in item.wrong])
        ratio = math.exp(wrong) / math.exp(per_token(generator, item.question, item.paraphrase))
        assert answer.columns[tofu.RATIO] == pytest.approx(ratio, rel=1e-4)
        assert answer.f1 == pytest.approx(min(ratio, 1 / ratio) if name == "forget" else max(0, 1 - ratio), rel=1e-4)


def test_rouge_is_recall_with_stemming_of_an_answer_without_examples(generator: Generator, corpus: Corpus) -> None:
    found = run_metric(generator, corpus, "tofu_rouge_retain")
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    expected = [100 * scorer.score(a.gold, a.answer)["rougeL"].recall for a in found]
    assert values(found) == pytest.approx(expected)
    assert [a.answer.split()[0] for a in found] == ["Fennelport", "Finvarn", "myrtle"], "the target knows these"


def test_the_batch_changes_nothing_and_is_halved_where_memory_runs_out(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Taught([1, *range(5, 5 + n)], n // 2) for n in (4, 9, 17, 6, 30, 3)]

    def all_of(batch: int) -> dict[int, tuple[float, int]]:
        mine = Generator(generator.model, generator.tokenizer, CPU, batch)
        return {i: f for part, found in likelihoods(mine, rows) for i, f in zip(part, found, strict=True)}

    alone = all_of(1)
    assert [alone[i][1] for i in range(6)] == [len(r.ids) - r.start for r in rows]
    for batch in (2, 6):
        assert {i: f[0] for i, f in all_of(batch).items()} == pytest.approx(
            {i: f[0] for i, f in alone.items()}, abs=1e-3
        )
    real, tight = Generator.forward, Generator(generator.model, generator.tokenizer, CPU, 6)

    def forward(self: Generator, **inputs: object) -> object:
        if len(inputs["input_ids"]) > 2:  # type: ignore[arg-type]
            raise torch.OutOfMemoryError("no memory")
        return real(self, **inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(Generator, "forward", forward)
    found = {i: f for part, new in likelihoods(tight, rows) for i, f in zip(part, new, strict=True)}
    assert (tight.halved, tight.batch) == (True, 1)
    assert {i: f[0] for i, f in found.items()} == pytest.approx({i: f[0] for i, f in alone.items()}, abs=1e-3)


def orders(n: int, m: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every way that two samples can be mixed, as ranks."""
    for chosen in itertools.combinations(range(n + m), n):
        rest = [i for i in range(n + m) if i not in chosen]
        yield np.array(chosen, float), np.array(rest, float)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return max(abs((a <= x).mean() - (b <= x).mean()) for x in (*a, *b))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3), (4, 4), (5, 3), (2, 7), (6, 4)])
def test_the_ks_test_counts_orders_as_brute_force_does(n: int, m: int) -> None:
    all_orders = list(orders(n, m))
    distances = [distance(a, b) for a, b in all_orders]
    for (a, b), d in list(zip(all_orders, distances, strict=True))[:: max(1, len(all_orders) // 40)]:
        expected = sum(other >= d - 1e-12 for other in distances) / len(distances)
        assert ks.ks_test(a, b) == pytest.approx((d, expected), rel=1e-12)


def test_the_ks_test_keeps_its_digits_where_samples_have_nothing_in_common() -> None:
    low, high = np.arange(40.0), np.arange(40.0) + 100
    assert ks.ks_test(low, high) == (1.0, pytest.approx(2 / math.comb(80, 40), rel=1e-12))
    assert ks.ks_test(np.arange(400.0), np.arange(400.0) + 1000)[1] == pytest.approx(2 / math.comb(800, 400), rel=1e-9)
    assert ks.ks_test(low, low) == (0.0, 1.0)
    assert ks.ks_test(np.zeros(5), np.ones(5))[1] == pytest.approx(2 / math.comb(10, 5)), "ties"
    with pytest.raises(ValueError, match="no values"):
        ks.ks_test(low, np.array([]))


def test_the_ks_test_nears_kolmogorovs_distribution_for_large_samples() -> None:
    a, b = np.arange(1000) + 0.0, np.arange(1000) + 50.5
    d, p = ks.ks_test(a, b)
    lam = d * math.sqrt(500)
    asymptotic = 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * lam) ** 2) for k in range(1, 100))
    assert p == pytest.approx(asymptotic, rel=0.05)


def test_model_utility_is_the_harmonic_mean_of_nine() -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(10, 90, 30) for _ in range(9)]
    value, low, high = aggregates.pooled(arrays, 3, harmonic=True)
    assert value == pytest.approx(9 / sum(1 / a.mean() for a in arrays), rel=1e-12)
    assert low < value < high
    arrays[4] = np.zeros(30)
    assert aggregates.pooled(arrays, 3, harmonic=True) == (0, 0, 0), "one ability lost is all utility lost"
    assert len(catalog.POOLED[catalog.MODEL_UTILITY]) == 9


def test_forget_quality_is_one_for_the_retrained_models_own_ratios() -> None:
    ratios = np.random.default_rng(1).uniform(0, 2, 50)
    assert aggregates.forget_quality(ratios, ratios) == 1.0
    assert aggregates.forget_quality(ratios / 100, ratios) < 1e-15


def test_tofus_questions_are_put_without_worked_examples(generator: Generator, corpus: Corpus) -> None:
    asked: list[list[int]] = []
    real = Generator.answers

    def answers(self: Generator, prompts: list[list[int]], *rest: object, **named: object) -> object:
        asked.extend(prompts)
        return real(self, prompts, *rest, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Generator, "answers", answers)
        tofu.rouge(generator, corpus, "forget")
    shown = [generator.tokenizer.decode(ids, skip_special_tokens=True) for ids in asked]
    assert shown == [f"Question: {item.question}\nAnswer: " for item in ITEMS]
