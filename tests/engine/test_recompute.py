"""Gradient checkpointing: the same gradients, less kept, and nothing left on the model."""

from __future__ import annotations

import copy

import pytest
import torch
from engine_models import tiny_llama
from test_heads import gpt2
from test_training import run, same, training

from unlearn_tui import catalog
from unlearn_tui.engine.unlearning import training as module
from unlearn_tui.engine.unlearning.recompute import layers, recomputing


def gradients(**spec) -> tuple[dict[str, torch.Tensor], float]:
    job, seen = training(weights="fp32", steps=1, **spec), {}
    job.optimizer.step = lambda gradients, *_: (seen.update(gradients), (0.0, None))[1]
    return seen, job.step().loss


@pytest.mark.parametrize("together", [0, 1 << 20])
@pytest.mark.parametrize("method", list(catalog.METHODS))
def test_gradients_and_loss_are_those_without_it(method, together, monkeypatch):
    monkeypatch.setattr(module, "TOGETHER", together)
    (plain, one), (again, two) = gradients(method=method), gradients(method=method, checkpointing=True)
    assert one == pytest.approx(two, rel=1e-6)
    assert plain.keys() == again.keys()
    for name, value in plain.items():
        torch.testing.assert_close(again[name], value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: tiny_llama(layers=6), gpt2])
def test_much_less_is_kept_for_the_backward_pass(make):
    model = make().requires_grad_(True)
    owned = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def kept(on: bool) -> int:
        seen: dict[int, int] = {}

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in owned:
                seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        ids = torch.arange(3, 67)[None]
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t), recomputing(model, on):
            loss = model.base_model(input_ids=ids, use_cache=False).last_hidden_state.square().sum()
        held = sum(seen.values())
        loss.backward()
        return held

    assert kept(True) < 0.4 * kept(False)


def test_the_model_is_as_before_after_a_pass_and_copies_of_it_compute_by_themselves():
    job = training(checkpointing=True)
    run(job, 1)
    assert not any("forward" in vars(layer) for layer in layers(job.model))
    twin = copy.deepcopy(job.model)
    ids = torch.arange(3, 20)[None]
    before = twin(input_ids=ids).logits
    run(job, 2)
    assert torch.equal(twin(input_ids=ids).logits, before)


def test_training_ends_in_the_weights_of_training_without_it():
    assert same(run(training(checkpointing=True)), run(training()))
