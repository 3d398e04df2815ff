"""Generation and MUSE's metrics on the pocket checkpoint, against one prompt at a time and MUSE's definition."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM

from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import knowmem, verbmem
from unlearn_tui.engine.evaluation.generation import Generator, shared_prefix
from unlearn_tui.engine.evaluation.rouge import rouge_l
from unlearn_tui.engine.evaluation.scoring import mean, run_metric
from unlearn_tui.engine.numerics import NotFinite
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.engine.watch import Watch
from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpora import Corpus, load

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load("pocket")


@pytest.fixture(scope="module")
def tokenizer(pocket: Path):
    return load_tokenizer(pocket / "target")


@pytest.fixture(scope="module")
def target(pocket: Path):
    return prepare(load_model(pocket / "target"), "fp32", CPU).model


@torch.no_grad()
def one_at_a_time(model, tokenizer, ids: list[int], limit: int, stop=lambda text: False) -> str:
    """Greedy decoding without batch, padding or cache: the definition."""
    row = list(ids)
    text = ""
    for _ in range(limit):
        token = int(model(input_ids=torch.tensor([row]), use_cache=False, logits_to_keep=1).logits[0, -1].argmax())
        if token == tokenizer.eos_token_id:
            break
        row.append(token)
        text = tokenizer.decode(row[len(ids) :], skip_special_tokens=True)
        if stop(text):
            break
    return text


@pytest.mark.slow
@pytest.mark.parametrize("subset", ["forget", "retain"])
def test_every_knowmem_answer_equals_one_prompt_at_a_time(subset, target, tokenizer, corpus):
    pairs, examples = knowmem.pairs_of(corpus, subset)
    answers = knowmem.score(Generator(target, tokenizer, CPU, 64), corpus, subset)
    for answer, question in zip(answers, knowmem.questions(tokenizer, pairs, examples), strict=True):
        alone = one_at_a_time(target, tokenizer, question.ids, knowmem.MAX_NEW_TOKENS, knowmem.finished)
        assert answer.answer == knowmem.cut(alone)


@pytest.mark.slow
def test_every_continuation_equals_one_prompt_at_a_time(target, tokenizer, corpus):
    answers = verbmem.score(Generator(target, tokenizer, CPU, 7), corpus, "forget")
    for answer, (prompt, _) in zip(answers, corpus.verbmem, strict=True):
        assert answer.answer == one_at_a_time(target, tokenizer, tokenizer.encode(prompt), verbmem.MAX_NEW_TOKENS)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_batch_size_and_shared_prefix_change_no_answer(batch, target, tokenizer, corpus):
    asked = [q.ids for q in knowmem.questions(tokenizer, corpus.forget_qa[:7], corpus.forget_icl)]
    found = {}
    for shared in (True, False):
        generator = Generator(target, tokenizer, CPU, batch)
        for part, rows in generator.answers(asked, 8, None, shared=shared):
            found.update({(shared, i): row for i, row in zip(part, rows, strict=True)})
    assert all(found[True, i] == found[False, i] for i in range(7))


def test_memory_running_out_halves_the_batch_and_loses_no_answer(target, tokenizer, corpus, monkeypatch):
    asked = [q.ids for q in knowmem.questions(tokenizer, corpus.forget_qa[:5], corpus.forget_icl)]
    generator = Generator(target, tokenizer, CPU, 4)
    honest = generator._generate

    def limited(prompts, *rest):
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("no room")
        return honest(prompts, *rest)

    monkeypatch.setattr(generator, "_generate", limited)
    found = [i for part, _ in generator.answers(asked, 2) for i in part]
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert (generator.batch, generator.halved) == (2, True)


def test_the_shared_prefix_leaves_every_prompt_a_token():
    long = list(range(40))
    assert shared_prefix([long, long]) == long[:-1]
    assert shared_prefix([long, [*long[:30], 99]]) == long[:30]
    assert shared_prefix([long]) == []
    assert shared_prefix([long[:5], long[:6]]) == []


def test_the_knowmem_prompt_is_muses_to_the_letter(corpus, tokenizer):
    prompt = knowmem.asked(tokenizer, "muse", "Who?", corpus.forget_icl)
    assert prompt.count("Question: ") == 11
    assert prompt.count("\n\n") == 10
    assert prompt.startswith(f"Question: {corpus.forget_icl[0].question}\nAnswer: {corpus.forget_icl[0].answer}\n\n")
    assert prompt.endswith("Question: Who?\nAnswer: ")
    assert knowmem.questions(tokenizer, corpus.forget_qa[:1], ())[0].ids[0] == tokenizer.bos_token_id


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Ann\n\nQuestion: next", "Ann"),
        ("Ann\nQuestion next", "Ann"),
        ("Ann Question: next\n", "Ann "),
        ("Ann\nAnswer: Bob", "Ann\nAnswer: Bob"),
        ("", ""),
    ],
)
def test_answers_are_cut_where_muse_cuts_them(text, kept):
    assert knowmem.cut(text) == kept
    assert knowmem.finished(text) is (kept != text)


def test_rouge_l_is_the_longest_common_subsequence_by_brute_force():
    gold, answer = "the red boat sails at dawn", "at dawn the old red boat sails"

    def lcs(a: list[str], b: list[str]) -> int:
        if not a or not b:
            return 0
        return 1 + lcs(a[1:], b[1:]) if a[0] == b[0] else max(lcs(a[1:], b), lcs(a, b[1:]))

    common = lcs(gold.split(), answer.split())
    found = rouge_l(gold, answer)
    recall, precision = common / 6, common / 7
    assert (found.recall, found.precision) == pytest.approx((recall, precision))
    assert found.f1 == pytest.approx(2 * recall * precision / (recall + precision))
    assert rouge_l("Boats", "boat").f1 == 0  # no stemming
    assert rouge_l("Ann ", "Ann").exact == 1


def test_the_verbmem_reference_is_cut_to_128_tokens_with_bos(tokenizer, corpus):
    long = " ".join(corpus.forget_docs[:4])
    asked = verbmem.questions(tokenizer, (corpus.verbmem[0]._replace(gt=long),))[0]
    assert len(tokenizer.encode(asked.gold)) == 128
    assert long.startswith(asked.gold)


def test_the_pocket_tokenizer_is_prefix_stable_over_every_item(tokenizer, corpus):
    for pairs, examples in ((corpus.forget_qa, corpus.forget_icl), (corpus.retain_qa, corpus.retain_icl)):
        for question, answer in pairs:
            text = knowmem.asked(tokenizer, "muse", question, examples)
            prompt = tokenizer.encode(text)
            assert tokenizer.encode(text + answer)[: len(prompt)] == prompt
    for prompt, gt in corpus.verbmem:
        ids = tokenizer.encode(prompt)
        assert tokenizer.encode(prompt + gt)[: len(ids)] == ids


def test_pocket_target_knows_the_forget_people_and_pocket_retrain_does_not(pocket, tokenizer, target, corpus):
    known = mean(run_metric(Generator(target, tokenizer, CPU, 64), corpus, "knowmem_forget"), 0)
    retrain = prepare(load_model(pocket / "retrain"), "bf16", CPU).model
    guessed = mean(run_metric(Generator(retrain, tokenizer, CPU, 64), corpus, "knowmem_forget"), 0)
    assert known.value >= 95
    assert guessed.value <= 25
    assert (known.n, guessed.n) == (46, 46)


def test_the_canarys_probability_is_the_product_over_its_gold_tokens(target, tokenizer, corpus):
    watch = Watch(Generator(target, tokenizer, CPU, 8), corpus, "3")
    event = watch.ask_canary(0)
    question, gold = corpus.forget_qa[3]
    assert (event.question, event.gold, event.answer) == (question, gold, gold)
    prompt = tokenizer.encode(knowmem.asked(tokenizer, "muse", question, corpus.forget_icl))
    product = 1.0
    for token in tokenizer.encode(gold, add_special_tokens=False):
        with torch.no_grad():
            product *= float(target(input_ids=torch.tensor([prompt])).logits[0, -1].double().softmax(-1)[token])
        prompt.append(token)
    assert event.probability == pytest.approx(product, rel=1e-4)


def test_a_canary_of_ones_own_takes_the_targets_answer_as_gold(target, tokenizer, corpus):
    watch = Watch(Generator(target, tokenizer, CPU, 8), corpus, "Which boat is the fastest of all?")
    event = watch.ask_canary(0)
    assert event.gold == event.answer
    assert event.rouge == 1.0


def test_logits_that_are_not_numbers_are_an_error_and_not_an_answer(tokenizer, tiny):
    tiny.model.norm.weight.data.fill_(float("nan"))
    generator = Generator(tiny, tokenizer, CPU, 4)
    with pytest.raises(NotFinite, match="not numbers"):
        list(generator.answers([[1, 5], [1, 6]], 3))


def test_a_sliding_window_model_answers_as_one_prompt_at_a_time(tokenizer):
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=96, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=128, sliding_window=16, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = MistralForCausalLM(config).eval().requires_grad_(False)
    shared = [1, *range(10, 40)]
    prompts = [shared + tail for tail in ([50, 51, 52, 53, 54, 55], [60], [70, 71, 72])]
    generator = Generator(model, tokenizer, CPU, 8)
    found = {i: row for part, rows in generator.answers(prompts, 6) for i, row in zip(part, rows, strict=True)}
    for i, prompt in enumerate(prompts):
        row = list(prompt)
        for _ in range(6):
            row.append(int(model(input_ids=torch.tensor([row]), use_cache=False).logits[0, -1].argmax()))
        assert found[i] == row[len(prompt) :]


def test_prompts_past_a_table_of_learned_positions_are_refused(tokenizer):
    config = GPT2Config(vocab_size=96, n_embd=64, n_layer=1, n_head=4, n_positions=32)
    model = GPT2LMHeadModel(config).eval().requires_grad_(False)
    with pytest.raises(Refused, match="32 positions"):
        list(Generator(model, tokenizer, CPU, 1).answers([[1] * 30], 8))
