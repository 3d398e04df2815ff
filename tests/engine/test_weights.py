"""The weight analysis against brute force in float64."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from engine_models import tiny_llama

from unlearn_tui.engine.quantization.prepare import linears, matrix
from unlearn_tui.engine.weights import analyse, inside_bins, restrict


def edited(step: float, below: float) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A model and a copy of which every linear weight under `below` in size moved by ±step."""
    target, unlearned = tiny_llama(), tiny_llama()
    generator = torch.Generator().manual_seed(5)
    for _, module in linears(unlearned):
        w = module.weight.data
        sign = torch.randint(0, 2, w.shape, generator=generator) * 2.0 - 1
        module.weight.data = torch.where(w.abs() < below, w + step * sign, w)
    return target, unlearned


@pytest.mark.parametrize("precision", ["bnb-fp4", "bnb-nf4", "bnb-int8", "rtn-int4"])
def test_kept_cosine_and_same_value_equal_their_definitions(precision):
    target, unlearned = edited(0.004, 0.02)
    row = analyse(target, unlearned, [precision], None).rows[0]
    dot = moved = edit = 0.0
    same = n = 0
    for (_name, t), (_, u) in zip(linears(target), linears(unlearned), strict=True):
        qt, qu = matrix(t.weight, precision).values, matrix(u.weight, precision).values
        for a, b, c, d in zip(
            qt.flatten().tolist(),
            qu.flatten().tolist(),
            t.weight.flatten().tolist(),
            u.weight.flatten().tolist(),
            strict=True,
        ):
            dot += (b - a) * (d - c)
            moved += (b - a) ** 2
            edit += (d - c) ** 2
            same += a == b
            n += 1
    assert row.kept == pytest.approx(dot / edit, rel=1e-6)
    assert row.cosine == pytest.approx(dot / math.sqrt(moved * edit), rel=1e-6)
    assert row.same_value == same / n


def test_octaves_count_weights_by_size_and_what_share_of_them_changed():
    target, unlearned = edited(0.004, 2.0**-6)
    edit = analyse(target, unlearned, [], 5e-6).edit
    weights = torch.cat([m.weight.flatten() for _, m in linears(target)])
    for octave in edit.octaves:
        low = 2.0**octave.exponent
        inside = (weights.abs() >= low) & (weights.abs() < 2 * low)
        if octave.exponent > -24:
            assert octave.n == int(inside.sum())
        assert octave.changed == (1.0 if octave.exponent < -6 else 0.0)
    assert edit.freeze_line_nominal == 2.0**-9
    assert edit.freeze_line_effective == 2.0**-6
    assert edit.unquantized_share == 0.0


def test_an_edit_in_the_embeddings_is_counted_as_not_quantized():
    target, unlearned = edited(0.004, 0.02)
    whole = sum(
        float((a - b).double().square().sum()) for a, b in zip(target.parameters(), unlearned.parameters(), strict=True)
    )
    unlearned.model.embed_tokens.weight.data = unlearned.model.embed_tokens.weight.data + 0.01
    extra = float(unlearned.model.embed_tokens.weight.numel() * 0.01**2)
    assert analyse(target, unlearned, [], None).edit.unquantized_share == pytest.approx(
        extra / (whole + extra), rel=1e-3
    )


def test_no_edit_keeps_nothing_and_says_so_without_dividing_by_zero():
    target = tiny_llama()
    row = analyse(target, copy.deepcopy(target), ["bnb-fp4"], 5e-6).rows[0]
    assert (row.kept, row.cosine, row.same_value) == (None, None, 1.0)


def test_an_edit_inside_the_zero_bin_is_swallowed_and_one_across_its_edge_is_not():
    target, unlearned = edited(1e-5, 1e-3)
    assert analyse(target, unlearned, ["rtn-int4"], None).rows[0].kept == pytest.approx(0.0, abs=1e-6)
    target, unlearned = edited(0.5, 1e9)
    assert analyse(target, unlearned, ["rtn-int4"], None).rows[0].kept == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("precision", ["bnb-fp4", "rtn-int4", "rtn-int4-g128"])
def test_ablation_splits_the_edit_into_two_halves_that_add_up(precision):
    target, unlearned = edited(0.004, 0.02)
    inside, outside = copy.deepcopy(unlearned), copy.deepcopy(unlearned)
    restrict(target, inside, precision, True)
    restrict(target, outside, precision, False)
    for (_, t), (_, u), (_, i), (_, o) in zip(*(linears(m) for m in (target, unlearned, inside, outside)), strict=True):
        assert torch.equal(
            (i.weight != t.weight) & (o.weight != t.weight), torch.zeros_like(t.weight, dtype=torch.bool)
        )
        assert torch.equal(torch.where(i.weight != t.weight, i.weight, o.weight), u.weight)
        bins = matrix(t.weight, precision)
        vanish = inside_bins(t.weight, bins)
        assert bool((i.weight == t.weight)[~vanish].all())
        assert bool((o.weight == t.weight)[vanish].all())


def test_blocks_run_along_the_flattened_matrix_whatever_its_shape():
    """193 weights make blocks of 64, 64, 64 and 1: not four of 49."""
    weight = torch.full((1, 193), 0.05)
    weight[0, 64] = weight[0, 0] = weight[0, 128] = 1.0
    weight[0, 192] = 0.06
    vanish = inside_bins(weight, matrix(weight, "bnb-fp4"))
    expected = torch.ones(193, dtype=torch.bool)
    expected[[0, 64, 128, 192]] = False
    assert torch.equal(vanish[0], expected)


def test_a_tied_and_an_untied_model_can_be_compared():
    row = analyse(tiny_llama(tie=False), tiny_llama(tie=True), ["rtn-int4"], None).rows[0]
    assert row.precision == "rtn-int4"
