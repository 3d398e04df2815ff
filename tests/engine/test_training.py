"""The training loop on a tiny model: accumulation, seeds, resuming, update modes."""

from __future__ import annotations

import copy

import pytest
import torch
from engine_models import tiny_llama

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_model, save_model
from unlearn_tui.engine.numerics import NotFinite
from unlearn_tui.engine.unlearning import training as module
from unlearn_tui.engine.unlearning.data import Item, collate
from unlearn_tui.engine.unlearning.reference import Reference, unheard
from unlearn_tui.engine.unlearning.training import Training, saved_dtype
from unlearn_tui.protocol.spec import RunSpec

CPU = torch.device("cpu")


def items(prefix: str, n: int, seed: int) -> list[Item]:
    """Sequences of different lengths, so that wrong divisors show."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for i in range(n):
        length = 4 + i % 5
        ids = [1, *torch.randint(3, 96, (length,), generator=generator).tolist()]
        made.append(Item(f"{prefix}:{i}", ids, [False, False] + [True] * (length - 1)))
    return made


def training(model=None, told=unheard, **spec) -> Training:
    values = {"method": "npo_klr", "lr": 1e-3, "steps": 6, "batch": 4, "beta": 0.5, "alpha": 0.5, **spec}
    target = model or tiny_llama()
    refused = items("refusal", 12, 2) if catalog.method(values["method"]).refuses else []
    return Training(
        copy.deepcopy(target),
        target,
        items("forget", 12, 0),
        items("retain", 12, 1),
        RunSpec(**values),
        0,
        CPU,
        refused,
        told,
    )


def run(job: Training, steps: int | None = None) -> dict[str, torch.Tensor]:
    for _ in range(steps or job.total):
        job.step()
    return {n: p.detach().clone() for n, p in job.optimizer.parameters.items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[n], b[n]) for n in a)


@pytest.mark.parametrize("method", list(catalog.METHODS))
def test_accumulated_small_batches_give_the_gradient_of_the_large_batch(method):
    def gradient(**sizes):
        job = training(method=method, weights="fp32", steps=1, **sizes)
        seen = {}
        job.optimizer.step = lambda gradients, *_: (seen.update(gradients), (0.0, None))[1]
        return seen, job.step()

    large, one = gradient(batch=8)
    small, two = gradient(batch=2, grad_accum=4)
    assert one.forget_ids == two.forget_ids
    assert two.loss == pytest.approx(one.loss, rel=1e-5)
    for name, value in large.items():
        torch.testing.assert_close(small[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", list(catalog.METHODS))
def test_every_method_runs_and_unlearns_the_forget_items(method):
    job = training(method=method, weights="fp32")
    first = job.step()
    for _ in range(5):
        last = job.step()
    assert last.forget_loss < first.forget_loss
    assert (last.retain_loss is None) is (catalog.method(method).retain is None)
    assert (last.npo_weight is None) is not ("beta" in catalog.method(method).uses)


@pytest.mark.parametrize("method", ["ga_gdr", "npo_klr"])
def test_forget_and_retain_give_the_same_gradient_together_as_one_after_the_other(method, monkeypatch):
    def gradient() -> tuple[dict[str, torch.Tensor], float]:
        job, seen = training(method=method, weights="fp32", steps=1, batch=4, grad_accum=2), {}
        job.optimizer.step = lambda gradients, *_: (seen.update(gradients), (0.0, None))[1]
        return seen, job.step().loss

    together, one = gradient()
    monkeypatch.setattr(module, "TOGETHER", 0)
    apart, two = gradient()
    assert one == pytest.approx(two, rel=1e-5)
    for name, value in apart.items():
        torch.testing.assert_close(together[name], value, rtol=1e-4, atol=1e-6)


def test_npos_weight_starts_at_one_and_falls():
    job = training(method="npo", weights="fp32")
    weights = [job.step().npo_weight for _ in range(6)]
    assert weights[0] == pytest.approx(1.0, abs=1e-5)
    assert weights[-1] < 0.95


@pytest.mark.parametrize("mode", list(catalog.UPDATE_MODES))
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(mode):
    first = run(training(weights=mode))
    assert same(first, run(training(weights=mode)))
    assert not same(first, run(training(weights=mode, seed=1)))


@pytest.mark.parametrize("mode", ["bf16", "bf16-stochastic"])
def test_bf16_modes_hold_bf16_values_after_every_step(mode):
    job = training(weights=mode)
    for _ in range(3):
        job.step()
        assert all(torch.equal(p, p.bfloat16().float()) for p in job.optimizer.parameters.values())


def test_the_klr_reference_of_an_item_does_not_depend_on_the_batch_it_is_first_seen_in(monkeypatch):
    monkeypatch.setattr(Reference, "know", lambda self, told: None)
    job = training(method="ga_klr", weights="fp32")
    a, b = job.retain[0], job.retain[4]
    alone = collate([a], 0, CPU)
    together = collate([b, a], 0, CPU)
    first = job.objective.reference.rows(together)[int(together.mask[0].sum()) :]
    job.objective.reference.kept.clear()
    assert torch.equal(first, job.objective.reference.rows(alone))


@pytest.mark.parametrize("steps", [1, 9])
def test_the_frozen_target_says_all_that_will_be_asked_before_training_and_leaves_memory(steps):
    told: list[tuple[int, int]] = []
    job = training(method="npo_klr", weights="fp32", steps=steps, told=lambda *far: told.append(far))
    assert job.objective.reference.head.model is None
    read = len(job.objective.reference.kept)
    assert told[-1] == (read, read)
    assert read == min(steps * job.spec.batch, len(job.retain))
    run(job, steps)  # nothing else is asked
    assert len(job.objective.reference.kept) == read


@pytest.mark.parametrize("room", [0, 3000])
def test_a_reference_without_room_for_all_gives_the_same_weights_and_stays(room, monkeypatch):
    kept = run(training(method="npo_klr", weights="fp32"))
    monkeypatch.setattr("unlearn_tui.engine.unlearning.reference.CACHE_BYTES", room)
    job = training(method="npo_klr", weights="fp32")
    assert len(job.objective.reference.kept) < len(job.objective.reference.group)
    assert same(run(job), kept)
    assert job.objective.reference.room >= 0
    assert job.objective.reference.head.model is not None


@pytest.mark.parametrize("mode", list(catalog.UPDATE_MODES))
def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(mode, tmp_path):
    unbroken = run(training(weights=mode))
    broken = training(weights=mode)
    run(broken, 3)
    save_model(broken.model, None, tmp_path / "training-3", saved_dtype(mode), extra=broken.save)
    resumed = training(weights=mode)
    kept = load_model(tmp_path / "training-3")
    resumed.restore(tmp_path / "training-3", dict(kept.named_parameters()))
    assert resumed.done == 3
    assert same(run(resumed, 3), unbroken)


def test_a_tiny_bf16_step_moves_only_small_weights_and_fp32_moves_all():
    moved = {}
    for mode in ("bf16", "fp32"):
        job = training(weights=mode, lr=1e-5, method="ga", steps=1)
        job.step()
        moved[mode] = job.changed()
    assert moved["bf16"] < 0.1
    assert moved["fp32"] > 0.8


def test_alpha_scales_the_retain_term_and_may_be_a_fraction():
    one = training(alpha=0.5, steps=1).step()
    assert one.loss == pytest.approx(one.forget_loss + 0.5 * one.retain_loss)


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_touched():
    job = training(weights="fp32")
    before = {n: p.detach().clone() for n, p in job.optimizer.parameters.items()}
    job.objective.forget_loss = lambda logp, mask, **_: __import__(
        "unlearn_tui.engine.unlearning.terms", fromlist=["Term"]
    ).Term(logp.sum() * float("nan"), "token")
    with pytest.raises(NotFinite, match="--lr"):
        job.step()
    assert same(before, {n: p.detach() for n, p in job.optimizer.parameters.items()})


def test_clipping_bounds_the_gradient_that_reaches_the_optimizer():
    job = training(clip=1e-3, weights="fp32", steps=1)
    seen = []
    honest = job.optimizer.step

    def spy(gradients, *args):
        seen.append(float(torch.nn.utils.get_total_norm(gradients.values())))
        return honest(gradients, *args)

    job.optimizer.step = spy
    report = job.step()
    assert report.grad_norm > 1e-3
    assert seen[0] == pytest.approx(1e-3, rel=1e-3)


def test_epochs_are_passes_over_the_forget_items():
    assert training(steps=None, epochs=2.0, batch=4).total == 6
    assert training(steps=None, epochs=1.0, batch=5, grad_accum=2).total == 2
