"""Task vectors: the arithmetic against numpy, and that training is undisturbed by looking."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engine_models import tiny_llama
from test_training import run, same, training

from unlearn_tui import catalog


@pytest.mark.parametrize("alpha", [0.5, 1.0, 4.0])
def test_the_unlearned_weights_are_the_target_less_the_vector_in_float64(alpha):
    target = tiny_llama()
    job = training(model=target, method="task_vector", weights="fp32", task_alpha=alpha)
    tuned = run(job)
    with job.edited():
        for name, weight in job.model.named_parameters():
            before, after = dict(target.named_parameters())[name].double().numpy(), tuned[name].double().numpy()
            np.testing.assert_allclose(weight.detach().numpy(), before - alpha * (after - before), atol=1e-6)
    assert same(tuned, dict(job.model.named_parameters()))


@pytest.mark.parametrize("mode", list(catalog.UPDATE_MODES))
def test_looking_at_every_step_changes_nothing_and_what_is_seen_is_as_the_mode_stores_it(mode):
    unseen, seen = (training(method="task_vector", weights=mode, task_alpha=1.3) for _ in range(2))
    run(unseen)
    for _ in range(seen.total):
        seen.step()
        with seen.edited():
            if mode != "fp32":
                assert all(torch.equal(p, p.bfloat16().float()) for p in seen.model.parameters())
            assert seen.changed() > 0
    assert same(dict(seen.model.named_parameters()), dict(unseen.model.named_parameters()))


def test_the_forget_items_become_less_likely_where_fine_tuning_makes_them_more_likely():
    job = training(method="task_vector", weights="fp32", task_alpha=1.0)
    batch = job._forget_batch(job.forget)

    def loss() -> float:
        with torch.no_grad():
            return float(job.objective.forget(job.objective.rows(batch), batch).total)

    start = loss()
    run(job)
    tuned = loss()
    with job.edited():
        assert tuned < start < loss()
