"""Gen, Tru, Fac and Flu against the definitions, one prompt at a time, on the pocket model and words of our own."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
import torch

from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import fluency, mmlu, triviaqa, truthfulqa
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.scoring import mean, run_metric
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.sources.corpora import Corpus
from unlearn_tui.sources.corpus import MMLU, Exam, Trivia, Truthful

CPU = torch.device("cpu")
TOWNS = ("Fennelport", "Quenmouth", "Dunmere", "Finvarn")
CORPUS = Corpus(
    name="ours",
    path=Path(),
    utility_mmlu=tuple(
        MMLU("made_up_towns", Exam(f"Where does {who} live?", TOWNS, i), (Exam("Who is it?", TOWNS, 2 - i),))
        for i, who in enumerate(("Kessra Tarmund", "Pelva Dunvary", "Elvra Cravlin"))
    ),
    utility_truthful=(
        Truthful("Which town does Kessra Tarmund live in?", "Fennelport", TOWNS[1:], TOWNS[:2], TOWNS[2:]),
        Truthful(
            "Is the pond deep?", "I have no comment", ("Yes", "No"), ("I have no comment",), ("Yes", "No", "A pond")
        ),
    ),
    utility_trivia=(
        Trivia("Which town does Kessra Tarmund live in?", ("nowhere", "Fennelport")),
        Trivia("Which tree did Maldra Ambrick plant?", ("the, Myrtle!",)),
    ),
    utility_fluency=("Tell of the pond.", "Tell of Kessra Tarmund."),
)


@pytest.fixture(scope="module")
def generator(pocket: Path) -> Generator:
    model = prepare(load_model(pocket / "target"), "fp32", CPU).model
    return Generator(model, load_tokenizer(pocket / "target"), CPU, 3)


@torch.no_grad()
def logits(generator: Generator, text: str) -> torch.Tensor:
    ids = generator.tokenizer.encode(text)
    return generator.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].double()


def test_mmlu_takes_the_likeliest_letter_after_the_examples(generator: Generator) -> None:
    found = run_metric(generator, CORPUS, "gen_mmlu")
    letters = [generator.tokenizer.encode(f" {c}", add_special_tokens=False)[-1] for c in "ABCD"]
    for i, answer in enumerate(found):
        item = CORPUS.utility_mmlu[i]
        text = (
            "The following are multiple choice questions (with answers) about made up towns.\n\n"
            "Question: Who is it?\nA. Fennelport\nB. Quenmouth\nC. Dunmere\nD. Finvarn\n"
            f"Answer: {'ABCD'[2 - i]}\n\n"
            "Please following the previous examples and answer the given question.\n"
            f"Question: {item.exam.question}\nA. Fennelport\nB. Quenmouth\nC. Dunmere\nD. Finvarn\nAnswer:"
        )
        chosen = int(logits(generator, text)[-1, letters].argmax())
        assert (answer.answer, answer.score) == (f"{'ABCD'[chosen]}. {TOWNS[chosen]}", float(chosen == i))
    assert mean(found, 0).value == pytest.approx(100 * sum(a.f1 for a in found) / 3)
    assert mmlu.prompt(CORPUS.utility_mmlu[0]).endswith("D. Finvarn")


def test_truthfulqa_compares_summed_log_probabilities(generator: Generator) -> None:
    def log_prob(question: str, choice: str) -> float:
        prompt = f"{truthfulqa.PRESET}\n\nQ: {question}\nA:"
        before, whole = (generator.tokenizer.encode(t) for t in (prompt, f"{prompt} {choice}"))
        start = next(i for i, (a, b) in enumerate(zip([*before, None], whole, strict=False)) if a != b)
        logs = logits(generator, f"{prompt} {choice}").log_softmax(-1)
        return sum(float(logs[i - 1, whole[i]]) for i in range(start, len(whole)))

    one, two = (run_metric(generator, CORPUS, name) for name in ("tru_mc1", "tru_mc2"))
    for item, a, b in zip(CORPUS.utility_truthful, one, two, strict=True):
        best = log_prob(item.question, item.best)
        assert a.score == float(best > max(log_prob(item.question, w) for w in item.wrong))
        right = sum(math.exp(log_prob(item.question, x)) for x in item.all_right)
        wrong = sum(math.exp(log_prob(item.question, x)) for x in item.all_wrong)
        assert b.score == pytest.approx(right / (right + wrong), rel=1e-3)


def test_triviaqa_scores_words_with_the_nearest_right_answer(generator: Generator) -> None:
    found = run_metric(generator, CORPUS, "fac_trivia")
    for item, answer in zip(CORPUS.utility_trivia, found, strict=True):
        expected = max(triviaqa.word_f1(answer.answer, gold) for gold in item.answers)
        assert (answer.score, answer.f1) == (expected, expected)
        assert 0 < answer.tokens <= 30


@pytest.mark.parametrize(
    ("answer", "gold", "f1"),
    [
        ("The Thames.", "thames", 1.0),
        ("a river Thames", "Thames", 2 / 3),
        ("Thames Thames", "Thames", 2 / 3),
        ("Severn", "Thames", 0.0),
        ("", "Thames", 0.0),
        ("the", "an", 1.0),
        ("Theatre", "atre", 0.0),
    ],
)
def test_words_are_compared_without_case_punctuation_and_articles(answer: str, gold: str, f1: float) -> None:
    assert triviaqa.word_f1(answer, gold) == pytest.approx(f1)


def test_fluency_is_the_weighted_entropy_of_what_was_written(generator: Generator) -> None:
    from nltk.tokenize import NLTKWordTokenizer

    for a in run_metric(generator, CORPUS, "flu_entropy"):
        words = NLTKWordTokenizer().tokenize(a.answer)
        bits = []
        for n in (2, 3):
            counts = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
            total = sum(counts.values())
            bits.append(-sum(c / total * math.log(c / total) / math.log(2) for c in counts.values()) if total else 0)
        assert a.score == pytest.approx((2 / 3 * bits[0] + 4 / 3 * bits[1]) / 2)


def test_the_entropy_of_texts_whose_n_grams_can_be_counted() -> None:
    assert fluency.entropy(["a", "b", "a", "b", "a", "b", "a", "b", "a", "b"]) == pytest.approx(
        (2 / 3 * -(5 / 9 * math.log2(5 / 9) + 4 / 9 * math.log2(4 / 9)) + 4 / 3 * 1.0) / 2
    )
    assert fluency.entropy(list("abcdefgh")) == pytest.approx((2 / 3 * math.log2(7) + 4 / 3 * math.log2(6)) / 2)
    assert fluency.entropy(["a"] * 50) == fluency.entropy([]) == fluency.entropy(["a"]) == 0.0
