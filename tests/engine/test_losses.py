"""Losses against independent float64 forms, and their gradients against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unlearn_tui.engine.unlearning import ga, gdr, idkdpo, klr, npo, simnpo
from unlearn_tui.engine.unlearning.terms import count, token_logprobs

B, T, V = 3, 7, 11


@pytest.fixture
def case() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    mask = torch.rand(B, T - 1, generator=generator) > 0.4
    mask[:, 0] = True
    return {
        "logits": torch.randn(B, T, V, generator=generator) * 3,
        "other": torch.randn(B, T, V, generator=generator) * 3,
        "ids": torch.randint(0, V, (B, T), generator=generator),
        "mask": mask,
    }


def by_hand(logits: torch.Tensor, ids: torch.Tensor) -> np.ndarray:
    """log p of each next token in float64, with loops and exponentials only."""
    x = logits.double().numpy()
    out = np.zeros((B, T - 1))
    for b in range(B):
        for t in range(T - 1):
            z = x[b, t]
            out[b, t] = z[ids[b, t + 1]] - (z.max() + math.log(np.exp(z - z.max()).sum()))
    return out


def test_token_logprobs_equal_a_float64_loop(case):
    got = token_logprobs(case["logits"], case["ids"]).numpy()
    np.testing.assert_allclose(got, by_hand(case["logits"], case["ids"]), atol=1e-5)


def test_gradient_ascent_is_minus_the_mean_cross_entropy(case):
    expected = by_hand(case["logits"], case["ids"])[case["mask"].numpy()].mean()
    term = ga.forget_loss(token_logprobs(case["logits"], case["ids"]), case["mask"])
    assert float(term.total) / count(case["mask"], term.per) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("length", ["sum", "mean"])
def test_npo_equals_its_formula_on_sequence_log_probabilities(case, length):
    mask, beta = case["mask"].numpy(), 0.1
    ours, theirs = by_hand(case["logits"], case["ids"]), by_hand(case["other"], case["ids"])
    ratios = []
    for b in range(B):
        scale = 1 if length == "sum" else mask[b].sum()
        ratios.append((ours[b][mask[b]].sum() - theirs[b][mask[b]].sum()) / scale)
    expected = np.mean([-(2 / beta) * -math.log1p(math.exp(beta * r)) for r in ratios])
    weight = np.mean([2 / (1 + math.exp(-beta * r)) for r in ratios])
    reference = npo.sequence_logprobs(token_logprobs(case["other"], case["ids"]), case["mask"], length)
    term = npo.forget_loss(
        token_logprobs(case["logits"], case["ids"]), case["mask"], reference=reference, beta=beta, length=length
    )
    assert float(term.total) / count(case["mask"], term.per) == pytest.approx(expected, rel=1e-5)
    assert float(term.weight) / B == pytest.approx(weight, rel=1e-5)


@pytest.mark.parametrize("delta", [0.0, 1.5])
def test_simnpo_equals_its_formula_on_mean_log_probabilities(case, delta):
    """Fan et al. 2024, eq. 4, with the margin as open-unlearning writes it: -logsigmoid(beta (nll / length - delta))."""
    mask, beta = case["mask"].numpy(), 2.5
    ours = by_hand(case["logits"], case["ids"])
    nll = [-ours[b][mask[b]].sum() / mask[b].sum() - delta for b in range(B)]
    expected = np.mean([(2 / beta) * math.log1p(math.exp(-beta * n)) for n in nll])
    weight = np.mean([2 / (1 + math.exp(beta * n)) for n in nll])
    term = simnpo.forget_loss(token_logprobs(case["logits"], case["ids"]), case["mask"], beta=beta, delta=delta)
    assert float(term.total) / count(case["mask"], term.per) == pytest.approx(expected, rel=1e-5)
    assert float(term.weight) / B == pytest.approx(weight, rel=1e-5)


def test_idkdpo_equals_dpo_with_the_refusal_preferred(case):
    """Rafailov et al. 2023, eq. 7, by loops: answers are rows 0-2, their refusals the same ids reversed, rows 3-5."""
    beta = 0.3
    logits = torch.cat([case["logits"], case["logits"].flip(2)])
    other = torch.cat([case["other"], case["other"].flip(1)])
    ids, mask = torch.cat([case["ids"], case["ids"].flip(1)]), torch.cat([case["mask"], case["mask"].flip(1)])
    logp, anchor = token_logprobs(logits, ids), token_logprobs(other, ids)
    reference = npo.sequence_logprobs(anchor, mask, "sum")
    halves = [slice(0, B), slice(B, 2 * B)]
    ratio = []
    for half in halves:
        ours, theirs, keep = by_hand(logits[half], ids[half]), by_hand(other[half], ids[half]), mask[half].numpy()
        ratio.append([(ours[b][keep[b]].sum() - theirs[b][keep[b]].sum()) for b in range(B)])
    margins = [beta * (win - lose) for lose, win in zip(*ratio, strict=True)]
    expected = np.mean([(2 / beta) * math.log1p(math.exp(-m)) for m in margins])
    term = idkdpo.forget_loss(logp, mask, reference=reference, beta=beta)
    assert count(mask, term.per) == B
    assert float(term.total) / B == pytest.approx(expected, rel=1e-5)
    assert float(term.weight) / B == pytest.approx(np.mean([2 / (1 + math.exp(m)) for m in margins]), rel=1e-5)


def test_refusals_are_drawn_by_seed_and_say_nothing_else():
    drawn = [idkdpo.refusal(3, i) for i in range(200)]
    assert drawn == [idkdpo.refusal(3, i) for i in range(200)]
    assert drawn != [idkdpo.refusal(4, i) for i in range(200)]
    assert set(drawn) == set(idkdpo.REFUSALS)


def test_npo_starts_with_weight_one_and_the_gradient_of_gradient_ascent(case):
    """At θ = ref, NPO's gradient is Σ ∇log p over sequences: the reference code's form on raw logits is not."""
    logits = case["logits"].clone().requires_grad_()
    logp = token_logprobs(logits, case["ids"])
    reference = npo.sequence_logprobs(logp.detach(), case["mask"], "sum")
    term = npo.forget_loss(logp, case["mask"], reference=reference, beta=0.1)
    assert float(term.weight) / B == pytest.approx(1.0)
    (from_npo,) = torch.autograd.grad(term.total, logits, retain_graph=True)
    (from_ga,) = torch.autograd.grad(ga.forget_loss(logp, case["mask"]).total, logits)
    torch.testing.assert_close(from_npo, from_ga)


def test_gdr_is_the_mean_cross_entropy_that_torch_computes(case):
    logp = token_logprobs(case["logits"], case["ids"])
    term = gdr.retain_loss(logp, case["mask"])
    labels = case["ids"][:, 1:].masked_fill(~case["mask"], -100)
    expected = torch.nn.functional.cross_entropy(case["logits"][:, :-1].double().reshape(-1, V), labels.reshape(-1))
    assert float(term.total) / count(case["mask"], term.per) == pytest.approx(float(expected), rel=1e-5)


def test_klr_is_kl_from_target_to_model_per_token_and_never_negative(case):
    def softmax(z: np.ndarray) -> np.ndarray:
        e = np.exp(z - z.max())
        return e / e.sum()

    p, q, mask = case["other"].double().numpy(), case["logits"].double().numpy(), case["mask"].numpy()
    expected = np.mean(
        [
            sum(a * (math.log(a) - math.log(b)) for a, b in zip(softmax(p[b_, t]), softmax(q[b_, t]), strict=True))
            for b_ in range(B)
            for t in range(T - 1)
            if mask[b_, t]
        ]
    )
    ours, theirs = (case[name][:, :-1][case["mask"]] for name in ("logits", "other"))
    term = klr.retain_loss(None, case["mask"], divergence=klr.divergence(ours, theirs))
    assert float(term.total) / count(case["mask"], term.per) == pytest.approx(expected, rel=1e-5)
    assert float(klr.divergence(theirs, theirs)) == pytest.approx(0.0, abs=1e-5)


def test_klr_does_not_care_about_a_constant_added_to_the_logits(case):
    """The reference code's kl_div of raw logits does: a divergence of distributions must not."""
    ours, theirs = (case[name][:, :-1][case["mask"]] for name in ("logits", "other"))
    one, two = klr.divergence(ours, theirs), klr.divergence(ours + 50.0, theirs - 20.0)
    assert float(one) == pytest.approx(float(two), rel=1e-4)


@pytest.mark.parametrize("name", ["ga", "npo", "simnpo", "idkdpo", "gdr", "klr"])
def test_gradients_agree_with_finite_differences(case, name):
    ids, mask = case["ids"], case["mask"]
    reference = case["other"].double()[:, :-1][mask]
    anchor = npo.sequence_logprobs(token_logprobs(case["other"], ids).double(), mask, "sum")

    def loss(logits: torch.Tensor) -> torch.Tensor:
        shifted = logits[:, :-1]
        logp = shifted.gather(-1, ids[:, 1:, None]).squeeze(-1) - shifted.logsumexp(-1)
        if name == "ga":
            return ga.forget_loss(logp, mask).total
        if name == "npo":
            return npo.forget_loss(logp, mask, reference=anchor, beta=0.1).total
        if name == "simnpo":
            return simnpo.forget_loss(logp, mask, beta=2.5, delta=0.5).total
        if name == "idkdpo":
            twice, both = torch.cat([logp, logp.flip(0)]), torch.cat([mask, mask.flip(0)])
            return idkdpo.forget_loss(twice, both, reference=torch.cat([anchor, anchor]), beta=0.1).total
        if name == "gdr":
            return gdr.retain_loss(logp, mask).total
        return klr.divergence(shifted[mask], reference)

    assert torch.autograd.gradcheck(loss, case["logits"].double().requires_grad_())
