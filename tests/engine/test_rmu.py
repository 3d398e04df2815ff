"""RMU: its losses against float64 loops over hidden states, and what it trains."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engine_models import tiny_llama
from test_heads import batch, gpt2
from test_training import items, run, training

from unlearn_tui import catalog
from unlearn_tui.engine.unlearning import rmu
from unlearn_tui.engine.unlearning.data import collate
from unlearn_tui.engine.unlearning.terms import count
from unlearn_tui.errors import Refused

CPU = torch.device("cpu")


@pytest.mark.parametrize(("make", "layer"), [(tiny_llama, 0), (tiny_llama, 1), (gpt2, 1)])
def test_losses_equal_float64_loops_over_the_models_own_hidden_states(make, layer):
    model, read = make(), batch()
    whole = model(
        input_ids=read.ids, attention_mask=read.attention, output_hidden_states=True, use_cache=False
    ).hidden_states
    # the last of them has gone through the final norm: only those below it are a layer's own
    rows = rmu.Layer(model, layer).rows(read)
    if layer + 1 < len(whole) - 1:
        torch.testing.assert_close(rows, whole[layer + 1][:, :-1][read.mask])
    control = rmu.control_vector(rows.shape[1], 3.0, 5)
    hidden, aim = rows.detach().double().numpy(), control.double().numpy()
    frozen = hidden[::-1] * 1.5
    forget = np.mean([sum((h - a) ** 2 for h, a in zip(row, aim, strict=True)) / len(aim) for row in hidden])
    retain = np.mean(
        [sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / len(aim) for x, y in zip(hidden, frozen, strict=True)]
    )
    one = rmu.forget_loss(rows, control=control)
    two = rmu.retain_loss(rows, frozen=torch.from_numpy(frozen.copy()).float())
    assert float(one.total.detach()) / count(read.mask, one.per) == pytest.approx(forget, rel=1e-5)
    assert float(two.total.detach()) / count(read.mask, two.per) == pytest.approx(retain, rel=1e-5)


def test_the_control_vector_has_the_coefficients_length_one_sign_and_the_seeds_direction():
    one = rmu.control_vector(64, 6.5, 1)
    assert float(one.double().norm()) == pytest.approx(6.5, rel=1e-6)
    assert float(one.min()) >= 0
    assert torch.equal(one, rmu.control_vector(64, 6.5, 1))
    assert not torch.equal(one, rmu.control_vector(64, 6.5, 2))


@pytest.mark.parametrize(("layer", "expected"), [(0, {0}), (1, {0, 1}), (2, {0, 1, 2}), (4, {2, 3, 4})])
def test_only_down_projections_of_three_layers_change(layer, expected):
    target = tiny_llama(layers=5)
    job = training(model=target, method="rmu", weights="fp32", rmu_layer=layer)
    after = dict(job.model.named_parameters())
    run(job)
    before = dict(target.named_parameters())
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert changed == {f"model.layers.{i}.mlp.down_proj.weight" for i in expected}
    assert 0 < job.changed() < 0.2


def test_a_conv1d_down_projection_is_found():
    assert rmu.trained(gpt2(), 1, "mlp") == {f"transformer.h.{i}.mlp.c_proj.weight" for i in (0, 1)}


def test_all_weights_below_the_layer_change_where_all_are_trained():
    target = tiny_llama(layers=4)
    job = training(model=target, method="rmu", weights="fp32", rmu_layer=1, rmu_weights="all")
    run(job)
    before, after = dict(target.named_parameters()), dict(job.model.named_parameters())
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert {n for n in changed if ".layers." in n} == {n for n in before if ".layers.0." in n or ".layers.1." in n}


def test_hidden_states_go_where_they_should():
    job = training(method="rmu", weights="fp32", lr=3e-2, steps=60, rmu_weights="mlp", rmu_layer=1, alpha=1.0)
    first = job.step()
    run(job, 59)
    last = job.step()
    assert last.forget_loss < first.forget_loss
    assert first.retain_loss == pytest.approx(0.0, abs=1e-9)
    read = collate(items("forget", 12, 0), 0, CPU)
    rows = rmu.Layer(job.model, 1).rows(read)
    near = torch.nn.functional.cosine_similarity(rows, job.objective.control, dim=-1).mean()
    start = torch.nn.functional.cosine_similarity(
        rmu.Layer(job.target, 1).rows(read), job.objective.control, dim=-1
    ).mean()
    assert near > start + 0.1


@pytest.mark.parametrize(("count_", "layer"), [(32, 7), (30, 7), (8, 2), (4, 1), (2, 1), (1, 0), (80, 18)])
def test_the_layer_is_as_far_up_as_seven_of_thirty_two(count_, layer):
    assert catalog.rmu_layer(count_) == layer


def test_a_layer_that_the_model_lacks_is_refused():
    with pytest.raises(Refused, match="layers 0 to 1"):
        training(method="rmu", rmu_layer=2)
