"""Sums of gradients: against plain addition in float64, and that float32 is summed in place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unlearn_tui.engine.unlearning.gradients import Gradients


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_micro_batches_add_up_and_parameters_without_a_gradient_have_none(dtype):
    generator = torch.Generator().manual_seed(0)
    weight, idle = (torch.nn.Parameter(torch.zeros(50, dtype=dtype)) for _ in range(2))
    gradients = Gradients({"w": weight, "idle": idle})
    expected = np.zeros(50)
    for _ in range(200):  # small ones, that bf16 would lose against their sum
        part = (1 + torch.rand(50, generator=generator)).to(dtype)
        expected += part.double().numpy()
        (weight * part).sum().backward()
        gradients.collect()
    assert gradients.sums.keys() == {"w"}
    assert gradients.sums["w"].dtype is torch.float32
    np.testing.assert_allclose(gradients.sums["w"].double().numpy(), expected, rtol=1e-5)
    assert (weight.grad is gradients.sums["w"]) is (dtype is torch.float32)
    gradients.clear()
    assert not gradients.sums
    assert weight.grad is None
