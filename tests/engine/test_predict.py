"""What is expected before training: moves against brute force, and against what the shipped run measured."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from engine_models import tiny_llama

from unlearn_tui.engine.checkpoints import load_model
from unlearn_tui.engine.predict import MOVES, moved, predict, says
from unlearn_tui.engine.unlearning import rounding
from unlearn_tui.sources.assets import asset


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_without_rounding_a_move_is_the_sum_of_its_steps():
    before, lr, steps = torch.zeros(2000), 1e-3, 50
    size = moved(before, lr, steps, rounding.keep_fp32, generator()).abs() / (lr * steps)
    assert float(size.mean()) == pytest.approx(math.sqrt(2 / math.pi), rel=0.02)  # E|z| of a normal z


def test_a_longer_run_moves_in_proportion():
    before = torch.zeros(2000)
    whole = moved(before, 1e-3, MOVES, rounding.keep_fp32, generator())
    torch.testing.assert_close(moved(before, 1e-3, 3 * MOVES, rounding.keep_fp32, generator()), 3 * whole)


def test_in_pure_bf16_only_weights_whose_grid_is_fine_enough_move():
    """Brute force: a step of lr·|z| moves w where it exceeds half of bfloat16's spacing there."""
    lr, steps = 7e-6, 40
    for exponent, most in ((-12, 1.0), (-9, 1.0), (-8, 1.0), (-7, 0.0), (-5, 0.0)):
        before = torch.full((4000,), 1.5 * 2.0**exponent)
        share = float((moved(before, lr, steps, rounding.nearest_bf16, generator()) != before).float().mean())
        half = 2.0 ** (exponent - 7) / 2
        stays = math.erf(half / lr / math.sqrt(2)) ** steps  # no step of so many is large enough
        if most == 0.0 or stays > 0.99:
            assert share <= 0.02
        else:
            assert share == pytest.approx(1 - stays, abs=0.05)


def test_kept_is_that_of_the_same_move_quantized_by_hand():
    """Round to nearest per row in numpy float64, over the matrices of a tiny model."""
    model, lr, steps = tiny_llama(), 2e-3, 10
    (row,) = predict(model, ["rtn-int4"], lr, steps, "fp32", seed=3)
    draws = torch.Generator().manual_seed(3)
    dot = norm = 0.0
    for _, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and module is not model.lm_head:
            t = module.weight.detach()
            u = moved(t, lr, steps, rounding.keep_fp32, draws)
            q = []
            for w in (t.double().numpy(), u.double().numpy()):
                scale = np.abs(w).max(1, keepdims=True) / 7
                q.append(np.round(w / scale) * scale)
            edit = (u - t).double().numpy()
            dot += float(((q[1] - q[0]) * edit).sum())
            norm += float((edit**2).sum())
    assert row.kept == pytest.approx(dot / norm, rel=1e-3)


def test_the_same_arguments_give_the_same_rows():
    model = tiny_llama()
    assert predict(model, ["bnb-fp4"], 1e-3, 5, "bf16-stochastic") == predict(
        model, ["bnb-fp4"], 1e-3, 5, "bf16-stochastic"
    )


def test_of_the_shipped_run_it_foresees_what_was_measured():
    result = json.loads((asset("recorded", "demo") / "result.json").read_text())
    assert result["spec"]["model"] == "pocket-target"
    measured = {row["precision"]: row["kept"] for row in result["weights"]}
    verdicts = {r["precision"]: r["verdict"] for r in result["recovery"] if r["metric"] == "knowmem_forget"}
    model = load_model(asset("pocket", "target"))
    spec = result["spec"]
    rows = predict(model, list(measured), spec["lr"], spec["steps"], spec["weights"])
    for row in rows:
        assert row.kept == pytest.approx(measured[row.precision], abs=0.15)
        assert row.says == {"recovered": "returns", "no": "stays"}[verdicts[row.precision]]
    for mode in ("fp32", "bf16-stochastic"):
        assert {r.says for r in predict(model, list(measured), spec["lr"], spec["steps"], mode)} == {"stays"}


def test_between_the_thresholds_it_is_not_sure():
    assert [says(k) for k in (None, 0.1, 0.5, 0.9)] == ["unsure", "returns", "unsure", "stays"]
