"""SURE: what it selects against plain loops in float64, and that nothing else moves by a bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from test_training import run, same, training

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_model, save_model
from unlearn_tui.engine.unlearning.sure import select
from unlearn_tui.engine.unlearning.training import saved_dtype

LARGE = {"lr": 3e-3, "steps": 6, "weight_decay": 0.1, "sure_percentile": 80.0}


def gradients() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"a": (6, 4), "b": (3, 10), "norm": (5,), "deep": (2, 3, 4)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.mark.parametrize("unit", list(catalog.SURE_UNITS))
@pytest.mark.parametrize("percentile", [0, 50, 90, 100])
def test_units_at_or_above_the_percentile_of_all_norms_are_selected(unit, percentile):
    found = gradients()
    norms = {}
    for name, gradient in found.items():
        rows = gradient.double().numpy() if unit == "row" and gradient.dim() > 1 else [gradient.double().numpy()]
        norms[name] = [float(np.sqrt(sum(x * x for x in np.ravel(row)))) for row in rows]
    line = np.percentile([n for each in norms.values() for n in each], percentile)
    selection = select(found, unit, percentile)
    moving = 0
    for name, each in norms.items():
        expected = [n >= line - 1e-6 for n in each]
        assert selection.mask[name].flatten().tolist() == expected
        moving += sum(expected) * found[name].numel() // len(expected)
    assert selection.units == sum(map(len, norms.values()))
    assert selection.weights == pytest.approx(moving / sum(g.numel() for g in found.values()))


@pytest.mark.parametrize("mode", list(catalog.UPDATE_MODES))
@pytest.mark.parametrize("unit", list(catalog.SURE_UNITS))
def test_no_weight_outside_the_mask_changes_by_a_bit_in_spite_of_momentum_and_decay(mode, unit):
    job = training(method="npo_klr", weights=mode, sure="once", sure_unit=unit, **LARGE)
    before = {n: p.detach().clone() for n, p in job.optimizer.parameters.items()}
    after = run(job)
    outside = inside = 0
    for name, mask in job.selection.mask.items():
        changed = (after[name] != before[name]) & torch.ones_like(mask, dtype=torch.bool)
        outside += int((changed & ~mask).sum())
        inside += int((changed & mask).sum())
    assert outside == 0
    assert inside > 100
    assert 0.05 < job.selection.selected / job.selection.units < 0.35


def test_made_anew_at_every_step_the_mask_of_the_step_bounds_what_moves_in_it():
    job = training(method="ga_gdr", weights="fp32", sure="each", **LARGE)
    masks = []
    for _ in range(4):
        before = {n: p.detach().clone() for n, p in job.optimizer.parameters.items()}
        job.step()
        masks.append(job.selection.mask)
        for name, mask in job.selection.mask.items():
            changed = job.optimizer.parameters[name].detach() != before[name]
            assert not bool((changed & ~mask).any())
    assert any(not torch.equal(masks[0][n], masks[3][n]) for n in masks[0])


def test_the_mask_is_of_the_forget_gradient_alone_and_that_counts_once():
    """The gradient that reaches the optimizer is that of the run without SURE; the released code doubles its forget part."""

    def gradient(**spec):
        job, seen = training(method="ga_gdr", weights="fp32", steps=1, batch=4, grad_accum=2, **spec), {}
        job.optimizer.step = lambda gradients, *_: (seen.update(gradients), (0.0, None))[1]
        job.step()
        return seen, job.selection

    plain, _ = gradient()
    forget, _ = gradient(alpha=0.0)
    for way in catalog.SURE:
        masked, selection = gradient(sure=way)
        for name, value in plain.items():
            torch.testing.assert_close(masked[name], value, rtol=1e-4, atol=1e-6)
    expected = select(forget, "row", 90.0)
    assert all(torch.equal(selection.mask[n], expected.mask[n]) for n in expected.mask)


def test_chosen_once_it_is_chosen_at_the_targets_weights_over_all_forget_items():
    job = training(method="ga", weights="fp32", sure="once", batch=4, steps=2)
    model = copy.deepcopy(job.target).requires_grad_(True)
    total, tokens = 0.0, 0
    for item in job.forget:
        logits = model(input_ids=torch.tensor([item.ids])).logits[0].log_softmax(-1)
        counted = [t for t in range(1, len(item.ids)) if item.counts[t]]
        total = total + sum(logits[t - 1, item.ids[t]] for t in counted)
        tokens += len(counted)
    (total / tokens).backward()
    expected = select({n: p.grad for n, p in model.named_parameters()}, "row", 90.0)
    assert all(torch.equal(job.selection.mask[n], expected.mask[n]) for n in expected.mask)


@pytest.mark.parametrize("way", list(catalog.SURE))
def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(way, tmp_path):
    spec = {"method": "npo_klr", "weights": "bf16", "sure": way, "lr": 3e-3}
    unbroken = run(training(**spec))
    broken = training(**spec)
    run(broken, 3)
    save_model(broken.model, None, tmp_path / "training-3", saved_dtype("bf16"), extra=broken.save)
    resumed = training(**spec)
    kept = load_model(tmp_path / "training-3")
    resumed.restore(tmp_path / "training-3", dict(kept.named_parameters()))
    assert same(run(resumed, 3), unbroken)
