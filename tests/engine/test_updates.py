"""AdamW and update rounding: against torch's own, brute force, and the bf16 grid."""

from __future__ import annotations

import math

import pytest
import torch

from unlearn_tui.engine.unlearning import adamw, rounding
from unlearn_tui.engine.unlearning.adamw import AdamW


def train(make, steps: int = 20) -> torch.nn.Parameter:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(64, 32) * 0.02)
    goal = torch.randn(64, 32)
    optimizer = make(weight)
    for _ in range(steps):
        weight.grad = (weight.detach() - goal) * 0.1
        optimizer(weight)
    return weight


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_fp32_adamw_equals_torchs(decay):
    def ours(weight):
        optimizer = AdamW({"w": weight}, 1e-3, rounding.keep_fp32, decay)
        return lambda w: optimizer.step({"w": w.grad}, torch.Generator())

    def theirs(weight):
        optimizer = torch.optim.AdamW([weight], lr=1e-3, weight_decay=decay)
        return lambda _: optimizer.step()

    torch.testing.assert_close(train(ours), train(theirs), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("moments", ["fp32", "bf16"])
def test_tensors_stepped_together_end_where_each_alone_does(moments, monkeypatch):
    def trained() -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        weights = {
            f"w{i}": torch.nn.Parameter(torch.randn(n, 3, generator=generator)) for i, n in enumerate((5, 1, 40))
        }
        optimizer = AdamW(weights, 1e-3, rounding.nearest_bf16, 0.1, moments)
        for step in range(6):
            there = [n for n in weights if step != 3 or n != "w1"]  # a tensor without a gradient stands still
            optimizer.step({n: torch.randn(weights[n].shape, generator=generator) for n in there}, generator)
        assert len(optimizer.buckets) == (1 if adamw.BUCKETS.get("cpu") else 3)
        return [*weights.values(), *optimizer.tensors().values()]

    alone = trained()
    monkeypatch.setattr(adamw, "BUCKETS", {"cpu": 1000})
    assert all(torch.equal(a, b) for a, b in zip(alone, trained(), strict=True))


def test_bf16_mode_holds_bf16_values_after_every_step():
    def ours(weight):
        optimizer = AdamW({"w": weight}, 1e-3, rounding.nearest_bf16)

        def step(w):
            optimizer.step({"w": w.grad}, torch.Generator())
            assert torch.equal(w, w.bfloat16().float())

        return step

    train(ours)


def test_the_reported_largest_and_percentile_step_are_those_taken():
    weight = torch.nn.Parameter(torch.zeros(100))
    optimizer = AdamW({"w": weight}, 1e-3, rounding.keep_fp32)
    largest, p99 = optimizer.step({"w": torch.linspace(-1, 1, 100)}, torch.Generator(), percentile=True)
    assert largest == pytest.approx(float(weight.detach().abs().max()))
    assert p99 == pytest.approx(float(weight.detach().abs().quantile(0.99)))


def test_bf16_moments_are_stored_as_bf16():
    weight = torch.nn.Parameter(torch.zeros(8))
    optimizer = AdamW({"w": weight}, 1e-3, rounding.keep_fp32, kept="bf16")
    optimizer.step({"w": torch.full((8,), 0.3)}, torch.Generator())
    assert all(m.dtype is torch.bfloat16 for m in optimizer.tensors().values())


def test_nearest_rounding_drops_an_update_smaller_than_half_a_spacing():
    w = torch.tensor([0.0039, 0.004]).bfloat16().float()  # either side of 2^-8
    step = 1.5 * 2.0**-17  # the spacing is 2^-16 below 2^-8 and 2^-15 above: over half of one, under half of the other
    moved = rounding.nearest_bf16(w - step, torch.Generator())
    assert moved[0] != w[0]
    assert moved[1] == w[1]


@pytest.mark.parametrize("lr", [5e-6, 7e-6, 1e-5, 2.0**-16])
def test_freeze_line_is_where_a_step_of_lr_stops_moving_weights(lr):
    line = rounding.freeze_line(lr)
    just_above, just_below = line * 1.01, line * 0.76
    for w, moves in ((just_above, False), (just_below, True)):
        start = torch.tensor([w]).bfloat16().float()
        after = rounding.nearest_bf16(start - lr * 1.001, torch.Generator())
        assert bool(after != start) is moves


def test_stochastic_rounding_is_unbiased_and_stays_on_neighbours():
    exact = torch.tensor([0.1234567, -0.1234567, 3.3e-5, 0.0, 1.0])
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([rounding.stochastic_bf16(exact, generator) for _ in range(20_000)])
    assert torch.equal(draws, draws.bfloat16().float())
    for column, value in zip(draws.T, exact.tolist(), strict=True):
        spacing = 2.0 ** (math.floor(math.log2(abs(value))) - 7) if value else 1.0
        assert (column - value).abs().max() < spacing
        assert abs(float(column.double().mean()) - value) < 4 * spacing / math.sqrt(20_000)
