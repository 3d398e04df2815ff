"""The inspector on the pocket checkpoint: probabilities against a plain forward, answers against evaluation's, memory."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from engine_models import tiny_llama
from transformers import AutoModelForCausalLM, AutoTokenizer

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import knowmem
from unlearn_tui.engine.evaluation.answers import ask
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.inspector import pool as pool_module
from unlearn_tui.engine.inspector.answering import Answerer
from unlearn_tui.engine.inspector.pool import Pool, expected_bytes
from unlearn_tui.engine.inspector.prompts import build, known, piece_texts
from unlearn_tui.engine.inspector.streaming import Draw
from unlearn_tui.engine.quantization.prepare import prepare, tensor_bytes
from unlearn_tui.errors import Refused
from unlearn_tui.protocol import inspect as ins
from unlearn_tui.protocol.inspect import Ask, ModelRef, Reply
from unlearn_tui.sources.corpora import QA, Corpus, load

CPU = torch.device("cpu")
COLUMNS = ["fp16", "bnb-int8", "bnb-fp4"]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load("pocket")


@pytest.fixture(scope="module")
def target(pocket: Path) -> ModelRef:
    return ModelRef("target", str(pocket / "target"))


@pytest.fixture(scope="module")
def answerer() -> Answerer:
    return Answerer(Pool())


def asked(answerer: Answerer, models: list[ModelRef], question: str, **more: Any) -> list[Reply]:
    """Every reply to one question."""
    replies: list[Reply] = []
    cancelled: Callable[[], bool] = more.pop("cancelled", lambda: False)
    request = Ask(id=7, models=models, question=question, **{"precisions": COLUMNS, "device": "cpu", **more})
    answerer.answer(request, replies.append, cancelled)
    assert all(reply.id == 7 for reply in replies)
    return replies


def of(kind: type, replies: list[Reply]) -> list[Any]:
    return [reply for reply in replies if isinstance(reply, kind)]


@pytest.mark.parametrize(
    "pair", [QA("Which town does Kessra Tarmund live in?", "Fennelport"), QA("Who are you?", "a b c")]
)
def test_taught_probabilities_are_those_of_a_plain_forward_in_float64(pair, answerer, target, corpus):
    model = AutoModelForCausalLM.from_pretrained(target.path, dtype=torch.float32)
    # what fp16 stores
    for weight in model.parameters():
        weight.data = weight.data.half().float()
    model = model.double()
    tokenizer = AutoTokenizer.from_pretrained(target.path)
    text = knowmem.asked(tokenizer, "muse", pair.question, corpus.forget_icl)
    ids = tokenizer.encode(text + pair.answer)
    start = len(tokenizer.encode(text))
    with torch.no_grad():
        probabilities = model(torch.tensor([ids]), use_cache=False).logits[0].softmax(-1)
    taught = of(ins.Taught, asked(answerer, [target], pair.question, gold=pair.answer, precisions=["fp16"]))[0]
    assert len(taught.pieces) == len(ids) - start
    product = 1.0
    for piece, place in zip(taught.pieces, range(start, len(ids)), strict=True):
        row = probabilities[place - 1]
        expected = float(row[ids[place]])
        product *= expected
        assert piece.probability == pytest.approx(expected, rel=1e-4)
        assert piece.rank == sorted(row.tolist(), reverse=True).index(expected) + 1
        assert [c.probability for c in piece.choices] == pytest.approx(sorted(row.tolist(), reverse=True)[:5], rel=1e-4)
    assert "".join(piece.text for piece in taught.pieces) == pair.answer
    assert taught.product == pytest.approx(product, rel=1e-3)
    assert taught.mean_log == pytest.approx(math.log(product) / len(taught.pieces), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("precision", COLUMNS)
def test_greedy_answers_are_those_that_evaluation_scores(precision, answerer, target, corpus):
    pairs = corpus.forget_qa[:12]
    tokenizer = load_tokenizer(Path(target.path))
    model = prepare(load_model(Path(target.path)), precision, CPU).model
    scored = ask(
        Generator(model, tokenizer, CPU, 64),
        knowmem.questions(tokenizer, pairs, corpus.forget_icl),
        knowmem.MAX_NEW_TOKENS,
        knowmem.finished,
        knowmem.cut,
    )
    for pair, expected in zip(pairs, scored, strict=True):
        replies = asked(answerer, [target], pair.question, precisions=[precision])
        found = of(ins.Answered, replies)[0]
        assert found.answer == expected.answer
        assert (found.recall, found.f1, found.exact) == (expected.recall, expected.f1, expected.exact)
        said = "".join(r.piece.text for r in of(ins.Said, replies))
        assert knowmem.cut(said) == expected.answer
        assert all(r.piece.rank == 1 for r in of(ins.Said, replies))


def test_replies_come_in_order_and_columns_speak_in_turn(answerer, target, pocket):
    models = [target, ModelRef("unlearned", str(pocket / "retrain"))]
    replies = asked(answerer, models, "Which town does Kessra Tarmund live in?")
    began = of(ins.Began, replies)[0]
    assert began.columns == [(m, p) for m in ("target", "unlearned") for p in COLUMNS]
    assert (began.gold, began.template, began.given, began.note) == ("Fennelport", "muse", "", "")
    assert began.prompt.endswith("Question: Which town does Kessra Tarmund live in?\nAnswer: ")
    spoken = [type(r) for r in replies if not isinstance(r, ins.Progress)]
    assert spoken[0] is ins.Began
    assert spoken[-1] is ins.Done
    assert [r.column for r in of(ins.Said, replies)][:12] == [0, 1, 2, 3, 4, 5] * 2
    first_taught = next(i for i, r in enumerate(replies) if isinstance(r, ins.Taught))
    assert len(of(ins.Said, replies[:first_taught])) == 6
    assert sorted(r.column for r in of(ins.Answered, replies)) == [0, 1, 2, 3, 4, 5]
    again = asked(answerer, models, "What trade does Kessra Tarmund follow?")
    assert again[-1].loaded == 0
    assert not of(ins.Progress, again)


def test_a_question_the_corpus_lacks_has_no_gold_and_no_scores(answerer, target):
    replies = asked(answerer, [target], "Who are you?", precisions=["fp16"])
    assert of(ins.Began, replies)[0].note == "no gold answer: the corpus does not have this question"
    assert not of(ins.Taught, replies)
    assert of(ins.Answered, replies)[0].recall == -1


def test_a_corpus_that_was_changed_is_read_again(answerer, target, pocket, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(pocket / "corpus", folder)
    question = "Which town does Kessra Tarmund live in?"

    def gold() -> str:
        return of(ins.Began, asked(answerer, [target], question, corpus=str(folder), precisions=["fp16"]))[0].gold

    assert gold() == "Fennelport"
    file = folder / "knowmem" / "forget_qa.json"
    file.write_text(file.read_text().replace("Fennelport", "Yarrowness"))
    assert gold() == "Yarrowness"
    assert gold() == "Yarrowness"


def test_free_text_is_continued_as_it_stands(answerer, target):
    began, *_ = of(ins.Began, asked(answerer, [target], "The harbour of", template="free", precisions=["fp16"]))
    assert began.prompt == "The harbour of"
    assert began.template == "free"


def test_samples_are_the_same_for_a_seed_and_others_for_another(answerer, target):
    def said(seed: int) -> list[str]:
        replies = asked(answerer, [target], "Who?", temperature=1.5, seed=seed, precisions=["fp16"])
        return [r.piece.text for r in of(ins.Said, replies)]

    assert said(1) == said(1)
    assert said(1) != said(2)


def test_draws_follow_the_softmax_at_a_temperature():
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0])
    counts = torch.zeros(4)
    for seed in range(4000):
        counts[Draw(0.5, seed).token(logits, 0)] += 1
    weights = [math.exp(x / 0.5) for x in logits.tolist()]
    for share, weight in zip((counts / 4000).tolist(), weights, strict=True):
        expected = weight / sum(weights)
        assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000) + 1e-3


def test_every_attack_of_the_catalog_makes_a_prompt_of_its_own(target, corpus):
    tokenizer = load_tokenizer(Path(target.path))
    pair = corpus.forget_qa[0]
    about = known(corpus, pair.question)
    prompts = {}
    for attack in catalog.ATTACKS:
        request = Ask(id=1, models=[target], precisions=["fp16"], question=pair.question, attack=attack)
        prompts[attack] = build(tokenizer, request, about, pair.answer)
    texts = {prompt.text for prompt in prompts.values()}
    assert len(texts) == len(catalog.ATTACKS)
    few = prompts["few-shot"].text
    assert few.count("Question:") == 10 + 10 + 1
    assert few.count(pair.question) == 1
    assert pair.answer not in few
    for attack in ("prefix-1", "prefix-half"):
        prompt = prompts[attack]
        assert pair.answer == prompt.given + prompt.rest
        assert prompt.text.endswith(f"Answer: {prompt.given}")
        assert len(prompt.allowed) < len(tokenizer)
    plain = prompts[""]
    assert plain.ids == knowmem.questions(tokenizer, (pair,), corpus.forget_icl)[0].ids
    assert len(plain.shared) > 100


def test_a_prefix_of_several_tokens_is_the_gold_answers_own(target, corpus):
    tokenizer = load_tokenizer(Path(target.path))
    pair = next(p for p in corpus.retain_qa if len(tokenizer.encode(p.answer, add_special_tokens=False)) >= 3)
    request = Ask(id=1, models=[target], precisions=["fp16"], question=pair.question, attack="prefix-1")
    prompt = build(tokenizer, request, known(corpus, pair.question), pair.answer)
    assert not prompt.allowed
    assert prompt.ids == prompt.whole[: prompt.start]
    assert tokenizer.decode(prompt.whole, skip_special_tokens=True).endswith(f"Answer: {pair.answer}")
    assert prompt.given + prompt.rest == pair.answer


def test_letters_given_of_a_one_token_answer_bind_its_first_token(answerer, target):
    replies = asked(
        answerer, [target], "Which town does Kessra Tarmund live in?", attack="prefix-half", precisions=["fp16"]
    )
    began = of(ins.Began, replies)[0]
    assert began.given == "Fenne"
    assert "token" in began.note
    assert of(ins.Answered, replies)[0].answer == "lport"
    assert of(ins.Answered, replies)[0].recall == 1.0
    piece = of(ins.Taught, replies)[0].pieces[0]
    assert piece.text == "lport"
    assert sum(c.probability for c in piece.choices) <= 1 + 1e-9


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"attack": "prefix-1", "question": "Who are you?"}, "needs the gold answer"),
        ({"attack": "few-shot", "template": "free"}, "free text is none"),
        ({"template": "chat"}, "no chat template"),
        ({"template": "tea"}, "unknown template 'tea'"),
        ({"precisions": ["fp3"]}, "unknown precision 'fp3'"),
        ({"corpus": "/nowhere"}, "there is no corpus"),
        ({"max_new_tokens": 0}, "give 1 to 4096"),
        ({"temperature": -1.0}, "give 0 (greedy)"),
        ({"seed": -1}, "give a number"),
        ({"device": "tpu"}, "--device"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(more, line, answerer, target):
    replies = asked(answerer, [target], **{"question": "Which town does Kessra Tarmund live in?", **more})
    assert len(replies) == 1
    assert line in replies[0].message
    assert "\n" not in replies[0].message
    assert not replies[0].fault


def test_a_model_that_does_not_fit_leaves_and_the_others_answer(target, pocket):
    model = load_model(Path(target.path))
    base = tensor_bytes(model)
    budget = base + expected_bytes(model, "bnb-fp4", CPU) + 200_000
    answerer = Answerer(Pool())
    replies = asked(
        answerer, [target], "Which town does Kessra Tarmund live in?", precisions=["fp32", "bnb-fp4"], budget=budget
    )
    failed = of(ins.ColumnFailed, replies)
    assert [f.column for f in failed] == [0]
    assert "target at fp32 takes" in failed[0].message
    assert "--budget" in failed[0].message
    assert [a.column for a in of(ins.Answered, replies)] == [1]
    assert isinstance(replies[-1], ins.Done)


def test_where_no_model_fits_the_request_is_refused(target):
    replies = asked(Answerer(Pool()), [target], "Who?", budget=1000)
    assert [type(reply) for reply in replies] == [ins.Began, ins.Refusal]
    assert "target takes 6.8 MB, and models may take 1.0 kB: ask fewer" in replies[-1].message


def test_the_least_recently_used_goes_first(target, pocket):
    retrain = ModelRef("unlearned", str(pocket / "retrain"))
    answerer = Answerer(Pool())
    asked(answerer, [target], "Who?", precisions=["fp16", "bnb-fp4"])
    asked(answerer, [target], "Who?", precisions=["fp16"])
    sizes = {precision: count for _, precision, count in answerer.pool.snapshot}
    # room for the other model once the weights as stored and the 4 bits have gone, which are older than fp16
    budget = 2 * sizes["fp16"] + sizes[""] + 100_000
    asked(answerer, [retrain], "Who?", precisions=["fp16"], budget=budget)
    left = [(Path(path).name, precision) for path, precision, _ in answerer.pool.snapshot]
    assert left == [("target", "fp16"), ("retrain", ""), ("retrain", "fp16")]
    assert answerer.pool.used <= budget


def test_expected_bytes_are_about_those_that_the_quantizers_take(target):
    model = load_model(Path(target.path))
    for precision in catalog.PRECISIONS:
        if precision.startswith("quanto") or catalog.precision(precision).calibrated:
            continue
        took = prepare(model, precision, CPU).memory
        assert expected_bytes(model, precision, CPU) == pytest.approx(took, rel=0.1), precision


def copied(target: ModelRef, tmp_path: Path) -> ModelRef:
    shutil.copytree(target.path, tmp_path / "model")
    return ModelRef("model", str(tmp_path / "model"))


def test_a_model_removed_while_resident_answers_from_memory(target, tmp_path):
    model, answerer = copied(target, tmp_path), Answerer(Pool())
    question = "Which town does Kessra Tarmund live in?"
    before = asked(answerer, [model], question, precisions=["fp16"])
    shutil.rmtree(model.path)
    after = asked(answerer, [model], question, precisions=["fp16", "bnb-fp4"])
    assert "answered from memory" in of(ins.Began, after)[0].note
    assert of(ins.Taught, after)[0].product == of(ins.Taught, before)[0].product
    assert len(of(ins.Answered, after)) == 2
    answerer.pool.clear()
    gone = asked(answerer, [model], question)
    assert len(gone) == 1
    assert "the checkpoint of model is gone" in gone[0].message


def test_a_file_cut_short_while_resident_does_not_reach_the_memory(target, tmp_path):
    model, answerer = copied(target, tmp_path), Answerer(Pool())
    asked(answerer, [model], "Who?", precisions=["fp16"])
    held = next(h for h in answerer.pool._held.values() if h.key[2] == "")
    before = [weight.clone() for weight in held.model.parameters()]
    weights = Path(model.path, "model.safetensors")
    with weights.open("r+b") as file:
        file.seek(weights.stat().st_size // 2)
        file.write(b"\xff" * 100_000)
        file.truncate(weights.stat().st_size - 1000)
    assert all(torch.equal(a, b) for a, b in zip(before, held.model.parameters(), strict=True))
    # what is there now is no checkpoint any more
    replies = asked(answerer, [model], "Who?", precisions=["fp16"])
    assert isinstance(replies[-1], ins.Refusal)
    assert "\n" not in replies[-1].message


def test_a_model_replaced_on_disk_is_loaded_again(target, pocket, tmp_path):
    model, answerer = copied(target, tmp_path), Answerer(Pool())
    question = "Which town does Kessra Tarmund live in?"
    before = of(ins.Taught, asked(answerer, [model], question, precisions=["fp16"]))[0].product
    shutil.copy(pocket / "retrain" / "model.safetensors", tmp_path / "new")
    (tmp_path / "new").replace(Path(model.path, "model.safetensors"))
    replies = asked(answerer, [model], question, precisions=["fp16"])
    assert "loaded again" in of(ins.Began, replies)[0].note
    assert before > 0.5 > of(ins.Taught, replies)[0].product


def test_cancelling_stops_before_the_next_token(answerer, target):
    heard: list[Reply] = []

    def cancelled() -> bool:
        return len(of(ins.Said, heard)) >= 2

    request = Ask(
        id=7, models=[target], precisions=COLUMNS, question="Who?", template="free", device="cpu", max_new_tokens=500
    )
    answerer.answer(request, heard.append, cancelled)
    assert len(of(ins.Said, heard)) == 2
    assert heard[-1].cancelled


def test_a_broken_column_leaves_and_the_others_answer(target, monkeypatch):
    answerer = Answerer(Pool())
    real = pool_module.prepare

    def broken(model, precision, device, *more):
        prepared = real(model, precision, device, *more)
        if precision == "bnb-fp4":
            for weight in prepared.model.get_output_embeddings().parameters():
                weight.data.fill_(float("nan"))
        return prepared

    monkeypatch.setattr(pool_module, "prepare", broken)
    replies = asked(answerer, [target], "Who?", precisions=["fp16", "bnb-fp4"])
    assert "not numbers" in of(ins.ColumnFailed, replies)[0].message
    assert [a.column for a in of(ins.Answered, replies)] == [0]


def test_pieces_join_to_the_text_even_across_a_character():
    words = {1: b"a", 2: "é".encode()[:1], 3: "é".encode()[1:], 4: b" b"}
    tokenizer: Any = SimpleNamespace(decode=lambda ids: b"".join(words[i] for i in ids).decode(errors="replace"))
    assert piece_texts(tokenizer, [1], [2, 3, 4]) == ["", "é", " b"]


def test_a_prompt_beyond_a_table_of_positions_is_refused_by_its_column(tmp_path, target):
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(target.path)
    config = GPT2Config(vocab_size=len(tokenizer), n_positions=32, n_embd=16, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "short")
    tokenizer.save_pretrained(tmp_path / "short")
    replies = asked(Answerer(Pool()), [ModelRef("short", str(tmp_path / "short"))], "Who?", precisions=["fp16"])
    assert isinstance(replies[-1], ins.Refusal)
    assert "32 positions" in replies[-1].message


def test_a_chat_template_asks_own_questions_alone_and_the_corpuss_as_they_are_scored(target, corpus, tmp_path):
    tokenizer = load_tokenizer(Path(target.path))
    tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"
    pair = corpus.forget_qa[0]

    def prompt(question: str, **more: Any) -> str:
        request = Ask(id=1, models=[target], precisions=["fp16"], question=question, **more)
        return build(tokenizer, request, known(corpus, question), "x").text

    assert prompt("Who?") == "<user>Who?\n<assistant>"
    own = knowmem.asked(tokenizer, "chat", pair.question, corpus.forget_icl)
    assert prompt(pair.question) == own
    assert own.count("<user>") == 11
    assert prompt("Who?", template="muse").endswith("Question: Who?\nAnswer: ")
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(Refused, match="chat template fails"):
        prompt("Who?")


def test_a_model_of_another_kind_of_position_is_answered_without_a_cached_beginning(target, tmp_path):
    """A window shorter than the worked examples."""
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(target.path)
    config = MistralConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, sliding_window=16, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    model = MistralForCausalLM(config).eval()
    model.save_pretrained(tmp_path / "window")
    tokenizer.save_pretrained(tmp_path / "window")
    pair = QA("Which town does Kessra Tarmund live in?", "Fennelport")
    replies = asked(
        Answerer(Pool()), [ModelRef("window", str(tmp_path / "window"))], pair.question, precisions=["fp32"]
    )
    text = of(ins.Began, replies)[0].prompt
    ids = tokenizer.encode(text + pair.answer)
    with torch.no_grad():
        logits = model(torch.tensor([ids]), use_cache=False).logits[0].double()
    expected = float(logits[len(tokenizer.encode(text)) - 1].softmax(-1)[ids[len(tokenizer.encode(text))]])
    assert of(ins.Taught, replies)[0].pieces[0].probability == pytest.approx(expected, rel=1e-3)


def test_tiny_models_have_an_expected_size_too():
    model = tiny_llama(tie=False)
    took = prepare(model, "bnb-nf4", CPU).memory
    assert expected_bytes(model, "bnb-nf4", CPU) == pytest.approx(took, rel=0.2)
