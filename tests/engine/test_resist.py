"""Rounding-aware: what is carried across zero bins' edges against round-to-nearest by hand and the libraries' own codes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from engine_models import tiny_llama
from test_training import run, training

from unlearn_tui import catalog
from unlearn_tui.engine.predict import predict
from unlearn_tui.engine.quantization.prepare import linears, matrix, prepare
from unlearn_tui.engine.unlearning.resist import carried, resist

NAMES = [p.id for p in catalog.PRECISIONS.values() if p.implementation in catalog.RESISTIBLE]


def pair(line: float, size: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A target and the same with an edit of that size on weights below the line, as pure bf16 leaves it; bf16 numbers."""
    generator = torch.Generator().manual_seed(0)
    target = (torch.randn(48, 128, generator=generator) * 0.05).bfloat16().float()
    edit = torch.randn(target.shape, generator=generator) * size * (target.abs() < line)
    return target, (target + edit).bfloat16().float()


def edge(name: str) -> float:
    """The narrowest zero bin of that target, from its middle to its nearer edge."""
    bins = matrix(pair(0.0, 0.0)[0], name)
    return float(torch.minimum(bins.high, -bins.low).min())


def drawn(precision: str, times: int, target: torch.Tensor, unlearned: torch.Tensor) -> list[torch.Tensor]:
    return [carried(target, unlearned, precision, torch.Generator().manual_seed(i))[0] for i in range(times)]


@pytest.mark.parametrize(("name", "levels", "line"), [("rtn-int4", 7, 5e-3), ("rtn-int8", 127, 3e-4)])
def test_on_average_round_to_nearest_holds_the_edit_that_it_swallowed(name, levels, line):
    """By hand in numpy float64, per row."""
    target, unlearned = pair(line, line / 20)
    t, u = target.double().numpy(), unlearned.double().numpy()

    def rounded(w):
        scale = np.abs(w).max(1, keepdims=True) / levels
        return np.round(w / scale) * scale

    edit = u - t
    assert np.all((rounded(u) - rounded(t)) * edit == 0)
    kept = [
        float(((rounded(m.double().numpy()) - rounded(t)) * edit).sum() / np.square(edit).sum())
        for m in drawn(name, 400, target, unlearned)
    ]
    error = np.std(kept) / np.sqrt(len(kept))
    assert error < 0.2
    assert np.mean(kept) == pytest.approx(1.0, abs=4 * error)


@pytest.mark.parametrize("name", NAMES)
def test_on_average_every_quantizer_keeps_the_edit_inside_its_zero_bin(name):
    target, unlearned = pair(edge(name) / 2, edge(name) / 20)
    edit, before = unlearned - target, matrix(target, name).values
    kept = [
        float(((matrix(m, name).values - before) * edit).sum() / edit.square().sum())
        for m in drawn(name, 400, target, unlearned)
    ]
    error = float(np.std(kept) / np.sqrt(len(kept)))
    assert error < 0.2
    assert np.mean(kept) == pytest.approx(1.0, abs=4 * error)


@pytest.mark.parametrize("name", ["bnb-fp4", "bnb-nf4", "rtn-int4"])
def test_on_average_full_precision_holds_the_edit_once(name):
    target, unlearned = pair(edge(name) / 2, edge(name) / 20)
    edit = unlearned - target
    kept = [float(((m - target) * edit).sum() / edit.square().sum()) for m in drawn(name, 400, target, unlearned)]
    error = float(np.std(kept) / np.sqrt(len(kept)))
    held = float(
        ((matrix(unlearned, name).values - matrix(target, name).values) * edit).sum() / edit.square().sum()
    )  # FP4 has levels inside its bin
    assert error < 0.1
    assert np.mean(kept) == pytest.approx(1.0, abs=4 * error + 0.3 * abs(held))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_carried_lies_just_past_the_edge_and_the_rest_is_the_targets_or_the_unlearned_models(name):
    target, unlearned = pair(edge(name), edge(name) / 2)  # large, so that much is carried
    after = matrix(unlearned, name)
    made, found = carried(target, unlearned, name, torch.Generator().manual_seed(1))
    back, moved = (made == target) & (made != unlearned), (made != unlearned) & (made != target)
    assert found.pushed == int(moved.sum()) > 2
    assert found.back == int(back.sum()) > 10
    assert found.weights == target.numel() > found.inside >= found.pushed + found.back
    codes = matrix(made, name)
    assert torch.equal(codes.values[~moved & ~back], after.values[~moved & ~back])
    assert torch.equal(made, made.bfloat16().float())
    low, high = (b.repeat_interleave(after.size)[: made.numel()].reshape(made.shape) for b in (after.low, after.high))
    assert bool(((unlearned > low) & (unlearned < high))[moved | back].all())
    assert bool(((made > high) | (made < low))[moved].all())
    assert bool(((made <= high * 1.02) & (made >= low * 1.02))[moved].all())
    # the next level and no further: past the edge is half of the way there
    assert bool((codes.values.abs() > after.values.abs())[moved].all())
    assert bool((codes.values.abs()[moved] <= 2.3 * made.abs()[moved]).all())


def test_without_an_edit_nothing_moves():
    target, _ = pair(0.0, 0.0)
    for name in NAMES:
        made, found = carried(target, target, name, torch.Generator())
        assert torch.equal(made, target)
        assert found.pushed == 0


def test_a_model_of_pure_bf16_is_carried_in_place_the_same_for_the_same_seed():
    job = training(weights="bf16", method="ga_gdr", lr=1e-4, steps=6)
    run(job)
    made = {}
    for seed in (0, 0, 1):
        model = copy.deepcopy(job.model)
        found = resist(job.target, model, "bnb-fp4", seed)
        state = {n: p.detach() for n, p in model.named_parameters()}
        assert seed not in made or all(torch.equal(made[seed][n], p) for n, p in state.items())
        made[seed] = state
    names = {f"{n}.weight" for n, _ in linears(job.model)}
    ours = dict(job.model.named_parameters())
    moved = {n: int((made[1][n] != p).sum()) for n, p in ours.items()}
    assert sum(moved.values()) == found.pushed + found.back
    assert found.pushed > 0
    assert all(n in names for n, count in moved.items() if count)
    assert any(not torch.equal(made[0][n], made[1][n]) for n in names)


def test_the_librarys_own_4_bit_model_holds_more_of_the_edit_than_without():
    """Through bitsandbytes' modules, not our matrix function: logits go the edit's way."""
    target = tiny_llama()
    generator = torch.Generator().manual_seed(0)
    unlearned = copy.deepcopy(target)
    for _, module in linears(unlearned):
        weight = module.weight
        step = torch.randn(weight.shape, generator=generator).sign() * 4e-3 * (weight.abs() < 0.015)
        weight.data = (weight + step).bfloat16().float()
    aware = copy.deepcopy(unlearned)
    resist(target, aware, "bnb-fp4", 0)
    import bitsandbytes.functional as bnb

    def kept(model) -> float:
        prepared = prepare(model, "bnb-fp4", torch.device("cpu")).model
        base = prepare(target, "bnb-fp4", torch.device("cpu")).model
        dot = norm = 0.0
        modules, theirs, before = dict(prepared.named_modules()), dict(unlearned.named_modules()), dict(
            base.named_modules()
        )  # fmt: skip
        for name, module in linears(target):
            q, qt = (
                bnb.dequantize_4bit(m[name].weight.data, m[name].weight.quant_state)
                .reshape(module.weight.shape)
                .float()
                for m in (modules, before)
            )
            edit = theirs[name].weight - module.weight
            dot += float(((q - qt) * edit).sum())
            norm += float(edit.square().sum())
        return dot / norm

    assert kept(unlearned) < 0.3
    assert kept(aware) == pytest.approx(1.0, abs=0.3)


def test_what_is_expected_of_a_rounding_aware_run_is_that_it_stays():
    model = tiny_llama()
    plain = predict(model, ["bnb-fp4"], 1e-5, 50, "bf16")[0]
    aware = predict(model, ["bnb-fp4"], 1e-5, 50, "bf16", resist="bnb-fp4")[0]
    assert plain.kept < 0.35
    assert aware.says == "stays"
