"""PrivLeak against MUSE's definition, written out anew: one text at a time, whole logits, every pair of texts compared."""

from __future__ import annotations

import zlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from engine_models import tiny_llama

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import forced, privleak
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.privleak import Groups
from unlearn_tui.engine.evaluation.scoring import summary
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.engine.unlearning.whp import Pair
from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpora import Corpus, load

CPU = torch.device("cpu")


@torch.no_grad()
def log_probs(model, tokenizer, text: str) -> list[float]:
    """log p of the second token to the last, from whole float64 logits."""
    ids = torch.tensor([tokenizer.encode(text)])
    logits = model(input_ids=ids, use_cache=False).logits[0].double()
    return [float(torch.log_softmax(logits[i], -1)[token]) for i, token in enumerate(ids[0, 1:].tolist())]


def by_definition(model, tokenizer, text: str) -> dict[str, float]:
    mine, small = log_probs(model, tokenizer, text), log_probs(model, tokenizer, text.lower())
    loss = -sum(mine) / len(mine)
    found = {
        "PPL": loss,
        "PPL/lower": loss / (-sum(small) / len(small)),
        "PPL/zlib": loss / len(zlib.compress(text.encode())),
    }
    for ratio in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        lowest = sorted(mine)[: int(len(mine) * ratio + 1e-9)]
        found[f"Min-{round(100 * ratio)}%"] = -sum(lowest) / len(lowest)
    return found


def auc_by_pairs(forget: list[float], holdout: list[float]) -> float:
    wins = [1.0 if h < f else 0.5 if h == f else 0.0 for f, h in product(forget, holdout)]
    return sum(wins) / len(wins)


@pytest.fixture(scope="module")
def pocket_model(pocket: Path):
    return {n: prepare(load_model(pocket / n), "fp32", CPU).model for n in ("target", "retrain")}


def test_pocket_agrees_with_the_definition_to_a_hundredth(pocket, pocket_model):
    corpus, tokenizer = load("pocket"), load_tokenizer(pocket / "target")
    answers, expected = {}, {}
    for name, model in pocket_model.items():
        answers[name] = privleak.score(Generator(model, tokenizer, CPU, 64), corpus, "forget")
        texts = [*corpus.privleak_forget, *corpus.privleak_holdout]
        assert [a.prompt for a in answers[name]] == texts
        expected[name] = [by_definition(model, tokenizer, text) for text in texts]
        for answer, wanted in zip(answers[name], expected[name], strict=True):
            assert set(answer.columns) == set(wanted) == set(catalog.MEMBERSHIP)
            assert answer.columns == pytest.approx(wanted, rel=2e-5)
    n = len(corpus.privleak_forget)
    for column in catalog.MEMBERSHIP:
        aucs = {
            name: auc_by_pairs(*([e[column] for e in part] for part in (rows[:n], rows[n:])))
            for name, rows in expected.items()
        }
        found = {name: privleak.groups(rows, column) for name, rows in answers.items()}
        assert {name: privleak.auc(g) for name, g in found.items()} == pytest.approx(aucs, abs=1e-4)
        made = privleak.privleak(found["target"], found["retrain"], 0)
        assert made is not None
        assert made[0] == pytest.approx(100 * (aucs["target"] - aucs["retrain"]) / aucs["retrain"], abs=0.01)
    row = summary("privleak", answers["target"], 0, 40)
    assert row.n == 48
    assert row.low <= row.value <= row.high


def test_batches_and_chunks_change_no_log_probability(tiny, monkeypatch):
    items = [forced.Item(str(i), [1, *range(3, 3 + i)], [False, *[True] * i]) for i in (5, 40, 2, 17, 40)]
    found = {}
    for rows, tokens, chunk in ((5, 1 << 14, 1 << 22), (1, 1 << 14, 96), (5, 50, 96 * 7)):
        monkeypatch.setattr(forced, "TOKENS", tokens)
        monkeypatch.setattr(forced, "CHUNK", chunk)
        generator = Generator(tiny, None, CPU, rows)
        monkeypatch.setattr(Generator, "pad", lambda self: 0)
        made = {i: f for part, rows_ in forced.forced(generator, items) for i, f in zip(part, rows_, strict=True)}
        found[rows, tokens] = [made[i] for i in range(len(items))]
    logits = [tiny(input_ids=torch.tensor([item.ids])).logits[0, :-1].double() for item in items]
    for made in found.values():
        for item, one, whole in zip(items, made, logits, strict=True):
            gold = torch.tensor(item.ids[1:])
            wanted = torch.log_softmax(whole, -1).gather(-1, gold[:, None]).squeeze(-1)
            assert one.logprobs.tolist() == pytest.approx(wanted.tolist(), abs=1e-5)
            assert one.likeliest.tolist() == whole.argmax(-1).tolist()


def test_two_models_that_answer_together_are_read_by_their_own_logits(tiny, monkeypatch):
    monkeypatch.setattr(Generator, "pad", lambda self: 0)
    pair = Pair(tiny, tiny_llama(seed=5), 2.0)
    ids = [1, 5, 9, 30, 4]
    ((_, (found,)),) = forced.forced(Generator(pair, None, CPU, 2), [forced.Item("a", ids, [False, *[True] * 4])])
    wanted = torch.log_softmax(pair(input_ids=torch.tensor([ids])).logits[0, :-1].double(), -1)
    assert found.logprobs.tolist() == pytest.approx(
        wanted.gather(-1, torch.tensor(ids[1:])[:, None]).flatten().tolist()
    )


def test_a_batch_is_halved_when_memory_runs_out(tiny, monkeypatch):
    items = [forced.Item(str(i), [1, 5, 7, 9], [False, True, True, True]) for i in range(8)]
    monkeypatch.setattr(Generator, "pad", lambda self: 0)
    whole = forced._of_batch

    def small(head, batch):
        if len(batch.ids) > 2:
            raise torch.OutOfMemoryError("too large")
        return whole(head, batch)

    monkeypatch.setattr(forced, "_of_batch", small)
    generator = Generator(tiny, None, CPU, 8)
    assert [len(part) for part, _ in forced.forced(generator, items)] == [2, 2, 2, 2]
    assert generator.halved


@pytest.mark.parametrize(
    ("forget", "holdout", "auc"),
    [([1.0, 2.0], [3.0, 4.0], 0.0), ([3.0, 4.0], [1.0, 2.0], 1.0), ([1.0, 3.0], [1.0, 2.0], 0.625)],
)
def test_the_auc_is_the_share_of_pairs_in_which_the_holdout_looks_more_like_a_member(forget, holdout, auc):
    assert privleak.auc(Groups(np.array(forget), np.array(holdout))) == auc


def test_the_interval_resamples_both_groups():
    rng = np.random.default_rng(3)
    found = Groups(rng.normal(0, 1, 30), rng.normal(-0.5, 1, 20))
    value, low, high = privleak.auc_interval(found, 7)
    draws = []
    for _ in range(4000):
        f, h = rng.choice(found.forget, 30), rng.choice(found.holdout, 20)
        draws.append(auc_by_pairs(list(f), list(h)))
    assert (low, high) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])), abs=0.015)
    assert low < value < high
    # an exact reference only scales the AUC's interval; one measured on the same texts goes with it
    fixed = privleak.privleak(found, 0.5, 7)
    assert fixed == pytest.approx([100 * (v - 0.5) / 0.5 for v in (value, low, high)])
    assert privleak.privleak(found, found, 7) == pytest.approx((0, 0, 0))
    assert privleak.privleak(found, 0.0, 7) is None


def test_a_text_too_short_for_the_column_is_refused_with_what_to_do(tiny):
    assert privleak.min_k(torch.tensor([-1.0, -2.0, -4.0]), 40) == 4.0
    assert privleak.min_k(torch.tensor([-1.0, -2.0]), 40) is None

    class Words:
        eos_token_id, eos_token, pad_token_id = 2, "</s>", 0

        def encode(self, text):
            return [1, *(3 + len(w) for w in text.split())]

    corpus = Corpus("c", Path("c"), privleak_forget=("a bb", "a bb ccc dd e"), privleak_holdout=("bb bb bb bb bb",))
    answers = privleak.score(Generator(tiny, Words(), CPU, 2), corpus, "forget")
    with pytest.raises(Refused, match="1 texts are too short for Min-40%"):
        privleak.groups(answers, "Min-40%")
    empty = Corpus("c", Path("c"), privleak_forget=("",), privleak_holdout=("bb bb",))
    with pytest.raises(Refused, match="no two tokens"):
        privleak.score(Generator(tiny, Words(), CPU, 2), empty, "forget")
