"""LoRA: the adapter against plain matrix products, peft's own loading and merging, and runs that were broken off."""

from __future__ import annotations

import copy

import pytest
import torch
from engine_models import tiny_llama
from peft import PeftModel
from test_training import CPU, run, same, training
from transformers import GPT2Config, GPT2LMHeadModel

from unlearn_tui import catalog
from unlearn_tui.engine.checkpoints import load_adapter, save_adapter
from unlearn_tui.engine.quantization.prepare import implementation, linears
from unlearn_tui.engine.unlearning import lora

LORA = {"lora_rank": 4, "lora_alpha": 8.0, "lr": 3e-3, "steps": 6}
IDS = torch.arange(3, 19).reshape(2, 8)


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=IDS).logits


def tiny_gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=96, n_embd=64, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)
    return GPT2LMHeadModel(config).eval().requires_grad_(False)


@pytest.mark.parametrize("made", [tiny_llama, tiny_gpt2])
def test_every_matrix_that_a_quantizer_takes_trains_an_adapter_and_nothing_else_moves(made):
    target = made()
    job = training(target, weights="fp32", **LORA)
    expected = {
        f"{name}.lora_{side}.default.weight": shape
        for name, module in linears(target)
        for rows, columns in [module.weight.shape if type(module) is torch.nn.Linear else module.weight.T.shape]
        for side, shape in (("A", (4, columns)), ("B", (rows, 4)))
    }
    assert {n: tuple(p.shape) for n, p in job.optimizer.parameters.items()} == expected
    assert all(p.dtype is torch.float32 for p in job.optimizer.parameters.values())
    assert torch.equal(logits(job.model), logits(target))  # B is zero
    run(job)
    before = dict(target.named_parameters())
    kept = {n.replace(".base_layer", ""): p for n, p in job.model.named_parameters() if "lora_" not in n}
    assert kept.keys() == before.keys()
    assert all(torch.equal(kept[n], before[n]) for n in before)
    assert not torch.allclose(logits(job.model), logits(target), atol=1e-3)


@pytest.mark.parametrize("mode", list(catalog.UPDATE_MODES))
def test_merged_is_the_frozen_weight_and_the_scaled_product_rounded_once(mode):
    job = training(weights=mode, **LORA)
    trained = {n: p.double() for n, p in run(job).items()}
    before = dict(job.target.named_parameters())
    merged = job.merged()
    assert not any("lora_" in name for name, _ in merged.named_parameters())
    moved = 0
    for name, module in linears(merged):
        product = 8.0 / 4 * trained[f"{name}.lora_B.default.weight"] @ trained[f"{name}.lora_A.default.weight"]
        exact = before[f"{name}.weight"].double() + product
        weight = module.weight.double()
        if mode == "fp32":
            torch.testing.assert_close(weight, exact, rtol=1e-5, atol=1e-7)
            continue
        spacing = torch.exp2(torch.floor(torch.log2(exact.abs())) - 7)
        assert torch.equal(weight, weight.bfloat16().double())
        assert bool(((weight - exact).abs() <= spacing * (0.51 if mode == "bf16" else 1.01)).all())
        moved += int((weight != before[f"{name}.weight"]).sum())
    rest = {n: p for n, p in merged.named_parameters() if n.removesuffix(".weight") not in dict(linears(merged))}
    assert all(torch.equal(p, before[n]) for n, p in rest.items())
    assert mode == "fp32" or moved > 1000


def test_what_merging_would_change_is_what_it_changes():
    job = training(weights="bf16", **LORA)
    run(job)
    foreseen = job.changed()
    before = dict(job.target.named_parameters())
    merged = job.merged()
    changed = sum(int((p != before[n]).sum()) for n, p in merged.named_parameters())
    assert foreseen == changed / sum(p.numel() for p in before.values()) > 0


def test_stochastic_rounding_of_the_merge_is_the_same_for_the_same_seed():
    def merged(seed):
        job = training(weights="bf16-stochastic", **{**LORA, "lr": 1e-4})
        run(job)
        return dict(lora.merge(job.adapted, job.rounding, seed).named_parameters())

    first = merged(0)
    assert same(first, merged(0))
    assert not same(first, merged(1))


def test_peft_loads_the_saved_adapter_and_gives_the_same_logits(tmp_path):
    job = training(weights="fp32", method="npo_gdr", **LORA)
    run(job)
    ours = logits(job.model)
    save_adapter(job.adapted, tmp_path / "adapter", "some/base")
    assert sorted(p.name for p in (tmp_path / "adapter").glob("adapter*")) == [
        "adapter_config.json", "adapter_model.safetensors"
    ]  # fmt: skip
    loaded = PeftModel.from_pretrained(copy.deepcopy(job.target), tmp_path / "adapter").eval()
    assert torch.equal(logits(loaded), ours)
    assert loaded.peft_config["default"].base_model_name_or_path == "some/base"
    theirs = loaded.merge_and_unload()
    for (name, a), (_, b) in zip(linears(job.merged()), linears(theirs), strict=True):
        torch.testing.assert_close(a.weight, b.weight, rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.parametrize("method", list(catalog.METHODS))
@pytest.mark.parametrize("mode", ["bf16", "fp32"])
def test_every_method_trains_an_adapter_and_a_resumed_run_ends_with_the_same_bits(method, mode, tmp_path):
    spec = {"method": method, "weights": mode, **LORA}
    job = training(**spec)
    losses = [job.step().forget_loss for _ in range(6)]
    assert sum(losses[3:]) < sum(losses[:3])  # a pass over the forget items each
    unbroken = {n: p.detach().clone() for n, p in job.optimizer.parameters.items()}
    broken = training(**spec)
    run(broken, 3)
    save_adapter(broken.adapted, tmp_path / "training-3", "base", broken.save)
    resumed = training(**spec)
    resumed.restore(tmp_path / "training-3", load_adapter(tmp_path / "training-3"))
    assert resumed.done == 3
    assert same(run(resumed, 3), unbroken)


def test_the_seed_draws_the_adapter_whatever_the_generators_state():
    def drawn(seed):
        torch.rand(seed + 3)
        return {n: p.detach().clone() for n, p in training(seed=seed, **LORA).optimizer.parameters.items()}

    assert same(drawn(5), drawn(5))
    assert not same(drawn(5), drawn(6))
    model, before = tiny_llama(), torch.get_rng_state()
    lora.attach(model, 4, 8.0, 0, {"model.layers.0.self_attn.q_proj.weight"})
    assert torch.equal(torch.get_rng_state(), before)


def test_under_gradient_checkpointing_the_adapter_trains_to_the_same_bits():
    """The known trap: a reentrant checkpoint over inputs that ask for no gradient gives none, and no error."""
    spec = {"weights": "fp32", "method": "npo_klr", **LORA}
    plain, passes = run(training(**spec)), []
    job = training(**spec, checkpointing=True)
    job.model.model.layers[0].mlp.register_forward_pre_hook(lambda *_: passes.append(1))
    assert same(run(job), plain)
    assert len(passes) == 2 * job.total
    assert float(plain["model.layers.0.self_attn.q_proj.lora_B.default.weight"].abs().max()) > 0


def test_a_task_vector_of_an_adapter_goes_the_other_way_and_training_goes_on_as_before():
    job = training(weights="fp32", method="task_vector", task_alpha=1.5, **LORA)
    run(job, 3)
    before = {n: p.detach().clone() for n, p in job.optimizer.parameters.items()}
    forwards = dict(job.merged().named_parameters())
    with job.edited():
        backwards = dict(job.merged().named_parameters())
    assert same({n: p.detach() for n, p in job.optimizer.parameters.items()}, before)
    target = dict(job.target.named_parameters())
    moved = 0.0
    for name, weight in target.items():
        tuned, negated = forwards[name] - weight, backwards[name] - weight
        torch.testing.assert_close(negated, -1.5 * tuned, rtol=1e-3, atol=1e-6)
        moved += float(tuned.abs().sum())
    assert moved > 0.1


def test_update_rounding_of_an_adapter_is_none():
    job = training(weights="bf16", **LORA)
    run(job, 2)
    assert any(not torch.equal(p, p.bfloat16().float()) for p in job.optimizer.parameters.values())
    assert job.optimizer.rounding is implementation(catalog.update_mode("fp32").implementation)
    assert job.device == CPU
