"""Moments in 8 bits and elsewhere: against bitsandbytes' own AdamW8bit, and its error bound by hand."""

from __future__ import annotations

import bitsandbytes as bnb
import numpy as np
import pytest
import torch
from test_training import run, same, training

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_model, save_model
from unlearn_tui.engine.unlearning import adamw, moments, rounding
from unlearn_tui.engine.unlearning.adamw import AdamW
from unlearn_tui.engine.unlearning.training import Training, saved_dtype
from unlearn_tui.errors import Refused

CPU = torch.device("cpu")


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(64, 64), (100, 77), (50, 50)])
def test_a_step_in_8_bits_is_that_of_bitsandbytes_own_adamw(shape, decay):
    """(50, 50) is below the size from which bitsandbytes keeps 8 bits; (100, 77) ends in a broken block."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=generator) * 0.02
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    mine = AdamW({"w": ours}, 1e-3, rounding.keep_fp32, decay, "8bit")
    other = bnb.optim.AdamW8bit([theirs], lr=1e-3, weight_decay=decay)
    for _ in range(12):
        theirs.grad = torch.randn(shape, generator=generator) * torch.logspace(-3, 0, shape[1])
        mine.step({"w": theirs.grad.clone()}, torch.Generator())
        other.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=2e-7)
    if start.numel() >= moments.SMALLEST:
        state = other.state[theirs]
        assert (mine.moments["w"][0].codes == state["state1"].flatten()).float().mean() > 0.999
        assert (mine.moments["w"][1].codes == state["state2"].flatten()).float().mean() > 0.999


@pytest.mark.parametrize("signed", [True, False])
def test_what_is_read_back_is_the_nearest_level_of_its_block(signed):
    generator = torch.Generator().manual_seed(1)
    value = torch.randn(5000, generator=generator)
    value = value if signed else value.abs()
    made = moments.zeros("8bit", 5000, CPU, signed)
    made.store(value)
    levels = np.sort(bnb.functional.create_dynamic_map(signed=signed).double().numpy())
    for begin in range(0, 5000, moments.BLOCK):
        block = value[begin : begin + moments.BLOCK].double().numpy()
        scale = np.abs(block).max()
        nearest = np.abs(block[:, None] / scale - levels[None]).min(1) * scale
        error = np.abs(made.load()[begin : begin + moments.BLOCK].double().numpy() - block)
        np.testing.assert_allclose(
            error, nearest, atol=2**-15 * scale
        )  # on a CPU it looks levels up in a table of 2^16


def test_a_large_tensor_is_stepped_in_slices_to_the_same_bits(monkeypatch):
    def trained() -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(90, 100, generator=generator))
        optimizer = AdamW({"w": weight}, 1e-3, rounding.nearest_bf16, 0.0, "8bit")
        for _ in range(4):
            optimizer.step({"w": torch.randn(90, 100, generator=generator)}, generator)
        return {"w": weight.detach(), **optimizer.tensors()}

    whole = trained()
    monkeypatch.setattr(adamw, "SLICE", 1024)
    assert same(whole, trained())


def test_8_bits_take_a_quarter_of_the_memory_as_the_catalog_says():
    held = moments.zeros("8bit", 1 << 16, CPU, True).tensors().values()
    bytes_ = 2 * sum(t.numel() * t.element_size() for t in held)
    assert bytes_ / (1 << 16) == catalog.MOMENTS["8bit"].saved
    assert bytes_ < 0.26 * (1 << 16) * catalog.MOMENTS["fp32"].saved


@pytest.mark.parametrize("kept", ["fp32", "bf16", "8bit"])
@pytest.mark.parametrize("mode", list(catalog.UPDATE_MODES))
def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(mode, kept, tmp_path):
    def fresh() -> Training:
        return training(weights=mode, optimizer_state=kept, method="ga_gdr")

    unbroken = run(fresh())
    broken = fresh()
    run(broken, 3)
    save_model(broken.model, None, tmp_path / "training-3", saved_dtype(mode), extra=broken.save)
    resumed = fresh()
    resumed.restore(tmp_path / "training-3", dict(load_model(tmp_path / "training-3").named_parameters()))
    assert same(run(resumed, 3), unbroken)
    assert any(t.dtype is torch.uint8 for t in resumed.optimizer.tensors().values()) is (kept == "8bit")


def test_paged_moments_step_as_float32_ones_and_are_refused_where_there_is_no_gpu():
    generator = torch.Generator().manual_seed(0)
    gradients = [torch.randn(40, 9, generator=generator) for _ in range(5)]
    ends = []
    for kept in ("fp32", "paged"):
        weight = torch.nn.Parameter(torch.ones(40, 9))
        optimizer = AdamW({"w": weight}, 1e-3, rounding.keep_fp32, 0.1, kept)
        for gradient in gradients:
            optimizer.step({"w": gradient}, torch.Generator())
        ends.append(weight.detach())
    assert torch.equal(*ends)
    with pytest.raises(Refused, match="on the CPU"):
        training(optimizer_state="paged")
