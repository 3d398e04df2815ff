"""Losses from hidden states in chunks against the plain way through all logits."""

from __future__ import annotations

import pytest
import torch
from engine_models import tiny_llama
from torch.nn import functional as F
from transformers import Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel

from unlearn_tui.engine.unlearning import heads
from unlearn_tui.engine.unlearning.data import Item, collate
from unlearn_tui.engine.unlearning.heads import Head, comes_apart, in_chunks
from unlearn_tui.engine.unlearning.klr import divergence

CPU = torch.device("cpu")


def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=96, n_embd=32, n_layer=2, n_head=4, n_positions=64)).eval()


def gemma2() -> Gemma2ForCausalLM:
    """Its logits are capped by a tanh: they are more than an output layer."""
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = Gemma2Config(vocab_size=96, head_dim=8, num_key_value_heads=2, final_logit_softcapping=2.0, **size)
    model = Gemma2ForCausalLM(config).eval()
    model.lm_head.weight.data.mul_(20)
    return model


MODELS = {"tied": tiny_llama, "untied": lambda: tiny_llama(tie=False), "gpt2": gpt2, "gemma2": gemma2}


def batch():
    generator = torch.Generator().manual_seed(1)
    made = []
    for i, length in enumerate((5, 11, 8)):
        ids = torch.randint(3, 96, (length,), generator=generator).tolist()
        made.append(Item(f"i:{i}", ids, [k > 1 for k in range(length)]))
    return collate(made, 0, CPU)


def gradients(model, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("chunk", [1, 96 * 4, heads.CHUNK])
def test_log_probabilities_and_gradients_are_those_of_cross_entropy_on_all_logits(name, chunk, monkeypatch):
    monkeypatch.setattr(heads, "CHUNK", chunk)
    model, read = MODELS[name]().requires_grad_(True), batch()
    logits = model(input_ids=read.ids, attention_mask=read.attention).logits
    labels = read.ids[:, 1:].masked_fill(~read.mask, -100)
    plain = -F.cross_entropy(logits[:, :-1].transpose(1, 2), labels, reduction="none")
    head = Head(model)
    ours = head.logprobs(head.rows(read), read)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)
    weights = torch.arange(1.0, 1.0 + plain.numel()).view_as(plain)  # a loss that treats no two tokens alike
    expected = gradients(model, (plain * weights).sum())
    found = gradients(model, (head.logprobs(head.rows(read), read) * weights).sum())
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", list(MODELS))
def test_a_divergence_in_chunks_is_the_divergence_of_all_logits(name, monkeypatch):
    monkeypatch.setattr(heads, "CHUNK", 96 * 4)
    model, other, read = MODELS[name]().requires_grad_(True), MODELS[name](), batch()
    for weight in other.parameters():
        weight.data += 0.01 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(2))
    p, q = (m(input_ids=read.ids, attention_mask=read.attention).logits[:, :-1][read.mask] for m in (model, other))
    expected = gradients(
        model, F.kl_div(p.log_softmax(-1), q.detach().log_softmax(-1), reduction="sum", log_target=True)
    )
    ours, theirs = Head(model), Head(other)
    parts = in_chunks(
        lambda a, b: divergence(ours.logits(a), theirs.logits(b)),
        ours.width,
        ours.rows(read),
        theirs.rows(read).detach(),
    )
    assert len(parts) > 1
    for key, value in gradients(model, torch.stack(parts).sum()).items():
        torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=1e-4)


def test_only_models_whose_logits_are_an_output_layer_are_taken_apart():
    assert [name for name, make in MODELS.items() if comes_apart(make())] == ["tied", "untied", "gpt2"]


def test_no_tensor_of_all_logits_is_ever_made(monkeypatch):
    """Every result of every operation is looked at: none holds a whole batch's logits, forward or backward."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, (tuple, list)) else (out,):
                if isinstance(tensor, torch.Tensor) and 999 in tensor.shape and 64 not in tensor.shape:
                    self.seen = max(self.seen, tensor.numel())
            return out

    monkeypatch.setattr(heads, "CHUNK", 999 * 8)
    model = tiny_llama(vocab=999).requires_grad_(True)
    items = [Item("i", list(range(3, 103)), [True] * 100)]
    read, head = collate(items, 0, CPU), Head(model)
    with Largest() as largest:
        head.logprobs(head.rows(read), read).sum().backward()
    assert 0 < largest.seen <= 999 * 8
