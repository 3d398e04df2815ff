"""Who's Harry Potter: the formula in float64, two models in step with caches, and both quantized."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engine_models import tiny_llama
from test_heads import gpt2

from unlearn_tui.engine.evaluation.generation import Generator
from unlearn_tui.engine.quantization.prepare import linears, prepare
from unlearn_tui.engine.unlearning.whp import Pair, unlearned_logits

CPU = torch.device("cpu")


class Ids:
    """A tokenizer that only names ids."""

    pad_token_id = 0
    eos_token_id = 2

    def decode(self, tokens, skip_special_tokens=True) -> str:
        return " ".join(map(str, tokens))


def gpt2_moved():
    model = gpt2()
    for weight in model.parameters():
        weight.data += 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3))
    return model


PAIRS = {"llama": lambda: (tiny_llama(), tiny_llama(seed=1)), "gpt2": lambda: (gpt2(), gpt2_moved())}


@pytest.mark.parametrize("alpha", [0.0, 1.0, 4.0])
def test_logits_are_the_formula_in_float64(alpha):
    base, other = (torch.randn(3, 5, 11, generator=torch.Generator().manual_seed(s)) * 3 for s in (0, 1))
    b, r = base.double().numpy(), other.double().numpy()
    np.testing.assert_allclose(unlearned_logits(base, other, alpha), b - alpha * np.maximum(r - b, 0), atol=1e-5)


@pytest.mark.parametrize("name", list(PAIRS))
def test_greedy_answers_are_those_of_both_models_run_whole_for_every_token(name):
    base, other = PAIRS[name]()
    prompts = [[1, 5, 9, 12], [1, 5, 9, 30, 31, 8], [1, 5, 9, 44, 45]]
    expected = []
    for prompt in prompts:
        ids = list(prompt)
        for _ in range(8):
            with torch.no_grad():
                b, r = (m(torch.tensor([ids])).logits[0, -1].double() for m in (base, other))
            token = int((b - 2.0 * torch.relu(r - b)).argmax())
            if token == 2:
                break
            ids.append(token)
        expected.append(ids[len(prompt) :])
    generator = Generator(Pair(base, other, 2.0), Ids(), CPU, 2)
    found = {}
    for part, rows in generator.answers(prompts, 8, None):
        found.update(zip(part, rows, strict=True))
    assert [found[i] for i in range(3)] == expected


def test_a_precision_quantizes_both_and_neither_output_layer():
    base, other = PAIRS["llama"]()
    pair = Pair(base, other, 2.0)
    names = [n for n, _ in linears(pair)]
    assert names == [f"{p}.{n}" for p, m in (("base", base), ("reinforced", other)) for n, _ in linears(m)]
    ids = torch.tensor([[1, 5, 9, 12, 40]])
    prepared = prepare(pair, "bnb-fp4", CPU)
    b, r = (prepare(m, "bnb-fp4", CPU).model(ids).logits.double() for m in (base, other))
    torch.testing.assert_close(
        prepared.model(input_ids=ids).logits.double(), b - 2.0 * torch.relu(r - b), rtol=1e-4, atol=1e-4
    )
    assert prepared.memory == pytest.approx(2 * prepare(base, "bnb-fp4", CPU).memory, rel=0.01)


def test_with_alpha_zero_it_is_the_target():
    base, other = PAIRS["llama"]()
    ids = torch.tensor([[1, 5, 9, 12, 40]])
    assert torch.equal(Pair(base, other, 0.0)(input_ids=ids).logits, base(ids).logits.float())
