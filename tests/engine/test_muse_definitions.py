"""MUSE's three scores written out anew from its paper and released code, and ours beside them, on one model and data set.

Nothing of the program is used in the plain versions: files are read with json, prompts put together here, one prompt at a
time goes through transformers' `generate`, rouge_score scores it, whole logits give the likelihoods, and every pair of texts
is compared for the AUC. The model is pocket's retrained one: it knows neither all nor nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from rouge_score import rouge_scorer
from transformers import AutoModelForCausalLM, AutoTokenizer

from unlearn_tui.engine.checkpoints import load_model, load_tokenizer
from unlearn_tui.engine.evaluation import privleak
from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.evaluation.scoring import mean, run_metric, summary
from unlearn_tui.engine.quantization.prepare import prepare
from unlearn_tui.sources.corpora import Corpus, load

CPU = torch.device("cpu")
pytestmark = pytest.mark.slow


class Plain:
    """A model of transformers and a folder in MUSE's layout."""

    def __init__(self, checkpoint: Path, corpus: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self.model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
        self.corpus = corpus

    def read(self, name: str) -> list:
        return json.loads((self.corpus / name).read_text())

    @torch.no_grad()
    def continued(self, prompt: str, new: int) -> str:
        ids = self.tokenizer(prompt, return_tensors="pt", add_special_tokens=True).input_ids
        made = self.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False, num_beams=1,
            pad_token_id=self.tokenizer.eos_token_id,
        )  # fmt: skip
        return self.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)

    @staticmethod
    def rouge(pairs: list[tuple[str, str]]) -> float:
        scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)
        return 100 * sum(scorer.score(gold, said)["rougeL"].fmeasure for gold, said in pairs) / len(pairs)

    def knowmem(self, subset: str) -> float:
        examples = self.read(f"knowmem/{subset}_qa_icl.json")
        before = "".join(f"Question: {e['question']}\nAnswer: {e['answer']}\n\n" for e in examples)
        pairs = []
        for item in self.read(f"knowmem/{subset}_qa.json"):
            said = self.continued(f"{before}Question: {item['question']}\nAnswer: ", 32)
            for end in ("\n\n", "\nQuestion", "Question:"):
                said = said.split(end)[0]
            pairs.append((item["answer"], said))
        return self.rouge(pairs)

    def verbmem(self) -> float:
        pairs = []
        for item in self.read("verbmem/forget.json"):
            gold = self.tokenizer(item["gt"], add_special_tokens=True).input_ids[:128]
            gold_text = self.tokenizer.decode(gold, skip_special_tokens=True)
            pairs.append((gold_text, self.continued(item["prompt"], 128)))
        return self.rouge(pairs)

    @torch.no_grad()
    def auc(self) -> float:
        scores = {}
        for group in ("forget", "holdout"):
            scores[group] = []
            for text in self.read(f"privleak/{group}.json"):
                ids = torch.tensor([self.tokenizer.encode(text)])
                logs = torch.nn.functional.log_softmax(self.model(ids).logits[0], -1)
                each = [logs[i, token].item() for i, token in enumerate(ids[0, 1:])]
                lowest = sorted(each)[: int(len(each) * 0.4)]
                scores[group].append(-sum(lowest) / len(lowest))
        pairs = [(f, h) for f in scores["forget"] for h in scores["holdout"]]
        return sum(1.0 if h < f else 0.5 if h == f else 0.0 for f, h in pairs) / len(pairs)


@pytest.fixture(scope="module")
def plain(pocket: Path) -> Plain:
    return Plain(pocket / "retrain", pocket / "corpus")


@pytest.fixture(scope="module")
def ours(pocket: Path) -> tuple[Generator, Corpus]:
    prepared = prepare(load_model(pocket / "retrain"), "fp32", CPU)
    return Generator(prepared.model, load_tokenizer(pocket / "retrain"), CPU, 64), load("pocket")


@pytest.mark.parametrize("subset", ["forget", "retain"])
def test_knowmem_is_muses_to_a_hundredth(plain: Plain, ours: tuple[Generator, Corpus], subset: str) -> None:
    assert mean(run_metric(*ours, f"knowmem_{subset}"), 0).value == pytest.approx(plain.knowmem(subset), abs=0.01)


def test_verbmem_is_muses_to_a_hundredth(plain: Plain, ours: tuple[Generator, Corpus]) -> None:
    found = plain.verbmem()
    assert 0 < found < 100
    assert mean(run_metric(*ours, "verbmem_forget"), 0).value == pytest.approx(found, abs=0.01)


def test_privleak_is_muses_to_a_hundredth(pocket: Path, plain: Plain, ours: tuple[Generator, Corpus]) -> None:
    """Of the retrained model against another's AUC of 0.5, which stands for the reference."""
    wanted = plain.auc()
    assert 0 < wanted < 1
    answers = run_metric(*ours, "privleak")
    assert summary("privleak", answers, 0, 40).value == pytest.approx(100 * wanted, abs=0.01)
    found = privleak.privleak(privleak.groups(answers, "Min-40%"), 0.5, 0)
    assert found is not None
    assert found[0] == pytest.approx(100 * (wanted - 0.5) / 0.5, abs=0.01)
