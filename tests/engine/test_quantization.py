"""Every precision against the library's own loading, or brute force."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from engine_models import tiny_llama
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GPT2Config, GPT2LMHeadModel

from unlearn_tui import catalog
from unlearn_tui.engine.quantization import rtn
from unlearn_tui.engine.quantization.prepare import linears, matrix, prepare

CPU = torch.device("cpu")
IDS = torch.randint(3, 96, (4, 24), generator=torch.Generator().manual_seed(1))
CONFIGS = {
    "bnb-int8": {"load_in_8bit": True},
    "bnb-fp4": {"load_in_4bit": True},
    "bnb-nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
}


@torch.no_grad()
def logits(model):
    return model(input_ids=IDS).logits.float()


@pytest.mark.parametrize("precision", list(CONFIGS))
@pytest.mark.parametrize("tie", [True, False])
def test_logits_equal_those_of_from_pretrained_on_the_saved_checkpoint(precision, tie, tmp_path):
    model = tiny_llama(tie=tie)
    copy.deepcopy(model).bfloat16().save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path, quantization_config=BitsAndBytesConfig(**CONFIGS[precision]), dtype=torch.float32
    ).eval()
    from unlearn_tui.engine.checkpoints import load_model

    ours = prepare(load_model(tmp_path), precision, CPU).model
    assert torch.equal(logits(ours), logits(theirs))


@pytest.mark.parametrize("hidden", [48, 96])
def test_four_bits_work_on_widths_that_the_librarys_fast_kernel_refuses(hidden):
    with torch.no_grad():
        assert torch.isfinite(logits(prepare(tiny_llama(hidden=hidden), "bnb-fp4", CPU).model)).all()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_full_precisions_compute_in_float32_on_rounded_weights(precision, tiny):
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    expected = copy.deepcopy(tiny)
    for weight in expected.parameters():  # not .to(dtype), which rounds the rotary frequencies too
        weight.data = weight.data.to(dtype).float()
    assert torch.equal(logits(prepare(tiny, precision, CPU).model), logits(expected))


BY_THEMSELVES = {p for p, record in catalog.PRECISIONS.items() if not record.calibrated}
"""What needs no text to quantize by (that is in test_calibrated.py)."""


@pytest.mark.parametrize("precision", sorted(BY_THEMSELVES - {"quanto-int4"}))
def test_preparing_leaves_the_base_model_and_its_head_and_embeddings_alone(precision, tiny):
    before = {n: p.clone() for n, p in tiny.named_parameters()}
    twin = prepare(tiny, precision, CPU).model
    for name, weight in tiny.named_parameters():
        assert torch.equal(weight, before[name])
    if not catalog.precision(precision).full:
        assert torch.equal(twin.model.embed_tokens.weight.float(), before["model.embed_tokens.weight"])
        assert type(twin.lm_head) is torch.nn.Linear
        assert twin.lm_head.weight is twin.model.embed_tokens.weight


@pytest.mark.parametrize("precision", sorted(BY_THEMSELVES - {"quanto-int4", "bnb-int8"}))
def test_matrix_gives_the_very_weights_that_the_prepared_model_multiplies_with(precision, tiny):
    """Column j of a linear layer is its output for the unit vector e_j."""
    name, module = next(iter(linears(tiny)))
    prepared = dict(prepare(tiny, precision, CPU).model.named_modules())[name]
    for part in prepared.modules():
        if hasattr(part, "support_avx512bf16_for_cpu"):
            part.support_avx512bf16_for_cpu = False  # its products are rounded to bf16, which is not the question here
    with torch.no_grad():
        columns = prepared(torch.eye(module.in_features)).T
    torch.testing.assert_close(matrix(module.weight, precision).values, columns, rtol=1e-6, atol=1e-7)


TORCHAO = {
    "torchao-int8": (256, 0, "int8"),
    "torchao-int8:group=32": (256, 32, "int8"),
    "torchao-int4": (16, 128, "int4"),
    "torchao-int4:group=64": (16, 64, "int4"),
    "torchao-int4:group=64+asymmetric": (16, 64, "asymmetric"),
}


@pytest.mark.parametrize("precision", list(TORCHAO))
def test_torchao_integers_equal_a_computation_in_float64(precision):
    levels, group, kind = TORCHAO[precision]
    weight = torch.randn(3, 128, generator=torch.Generator().manual_seed(7)) + 0.2
    found = matrix(weight, precision)
    size = group or 128
    assert found.size == size
    for r, row in enumerate(weight.double().tolist()):
        for g in range(128 // size):
            part = row[size * g : size * (g + 1)]
            low, high = min(*part, 0.0), max(*part, 0.0)
            most = max(-low, high)
            scale = {"int8": most / 127.5, "int4": most / 7.5, "asymmetric": (high - low) / 15}[kind]
            zero = round(-levels / 2 - low / scale) if kind == "asymmetric" else 0
            for v, got in zip(part, found.values[r, size * g : size * (g + 1)].tolist(), strict=True):
                # the largest weight lies half way between two codes: float32's last bit decides
                codes = {max(-levels // 2, min(levels // 2 - 1, round(v / scale + by) + zero)) for by in (-1e-4, 1e-4)}
                assert any(got == pytest.approx(scale * (c - zero), abs=2e-5) for c in codes)
            assert float(found.high[r * (128 // size) + g]) == pytest.approx(scale / 2, rel=1e-4)


def test_torchao_float8_is_e4m3_under_a_scale_for_each_row():
    weight = torch.randn(4, 64, generator=torch.Generator().manual_seed(8))
    weight[0, :8] = torch.tensor([0.9, 1.1, -0.9, -1.1, 3.0, -3.0, 5.0, 0.4]) * 2.0**-10 * weight[0].abs().max() / 448
    found = matrix(weight, "torchao-float8")
    scale = weight.abs().amax(1, keepdim=True) / 448
    torch.testing.assert_close(found.values, (weight / scale).to(torch.float8_e4m3fn).float() * scale)
    inside = weight.abs() < found.high[:, None]
    assert ((found.values == 0) == inside).all()
    assert inside[0, :8].tolist() == [True, False, True, False, False, False, False, True]


def test_a_group_that_does_not_divide_a_row_takes_its_largest_part_that_does_and_says_so(tiny):
    widths = {m.in_features for _, m in linears(tiny)}
    found = prepare(tiny, "torchao-int4:group=96", CPU)
    assert widths == {64, 128}
    assert found.note == "groups of 32 where 96 does not divide a row"
    assert found.compute == "float32"


VARIANTS = [
    *("bnb-fp4:block=32", "bnb-fp4:block=128+double", "bnb-fp4:block=4096", "bnb-nf4:block=256", "bnb-nf4:double"),
    *("rtn-int4:group=32", "rtn-int4:group=48+asymmetric", "rtn-int8:asymmetric", "rtn-int4-paper:group=32"),
    *("torchao-int4:group=32", "torchao-int4:asymmetric", "torchao-int8:group=32"),
]


@pytest.mark.parametrize("precision", VARIANTS)
def test_options_reach_the_prepared_model_and_matrix_alike(precision, tiny):
    test_matrix_gives_the_very_weights_that_the_prepared_model_multiplies_with(precision, tiny)
    _, module = next(iter(linears(tiny)))
    without = matrix(module.weight, precision.partition(":")[0]).values
    assert not torch.equal(matrix(module.weight, precision).values, without)


@pytest.mark.parametrize("precision", ["bnb-fp4:block=128+double", "bnb-nf4:block=512", "bnb-nf4:double"])
def test_bnb_options_equal_the_librarys_own_functions(precision):
    from bitsandbytes import functional

    weight = torch.randn(96, 160, generator=torch.Generator().manual_seed(4))
    options = catalog.precision(precision).options
    codes, state = functional.quantize_4bit(
        weight, blocksize=options["block"], quant_type=precision[4:7], compress_statistics="double" in precision
    )
    assert state.nested is ("double" in precision)
    assert torch.equal(matrix(weight, precision).values, functional.dequantize_4bit(codes, state))


def test_int8_at_another_threshold_multiplies_other_columns_in_16_bits(tiny):
    """At 0 there are no outlier columns: what stands out drowns the rest of its row."""
    name, module = next(iter(linears(tiny)))
    x = torch.randn(5, module.in_features, generator=torch.Generator().manual_seed(2))
    x[:, 7] = 40.0
    exact = x @ matrix(module.weight, "bnb-int8").values.T
    with torch.no_grad():
        found = {p: dict(prepare(tiny, p, CPU).model.named_modules())[name](x) for p in OUTLIERS}
    wrong = {p: float((y - exact).abs().max()) for p, y in found.items()}
    assert wrong["bnb-int8:threshold=0"] > 3 * wrong["bnb-int8"]
    assert torch.equal(found["bnb-int8"], found["bnb-int8:threshold=39"])
    assert not torch.equal(found["bnb-int8"], found["bnb-int8:threshold=41"])


OUTLIERS = ("bnb-int8", "bnb-int8:threshold=0", "bnb-int8:threshold=39", "bnb-int8:threshold=41")


def test_asymmetric_rtn_equals_brute_force_in_float64():
    weight = torch.randn(4, 40, generator=torch.Generator().manual_seed(6)) + 0.5
    weight[1] = weight[1].abs()  # nothing below zero: the levels begin there
    weight[2] = 0
    found = matrix(weight, "rtn-int4:group=20+asymmetric")
    for r, row in enumerate(weight.double().tolist()):
        for g in range(2):
            part = row[20 * g : 20 * g + 20]
            low, high = min(*part, 0.0), max(*part, 0.0)
            scale = (high - low) / 15
            zero = round(-low / scale) if scale else 0
            expected = [scale * (max(0, min(15, round(v / scale) + zero)) - zero) if scale else 0.0 for v in part]
            got = found.values[r, 20 * g : 20 * g + 20].tolist()
            assert got == pytest.approx(expected, abs=1e-6)
            assert float(found.high[2 * r + g]) == pytest.approx(scale / 2)


def test_int8_quantizes_activations_and_keeps_outlier_columns_apart(tiny):
    """Without an outlier the output is the int8 product of rounded rows; an outlier column is multiplied in 16 bits."""
    name, module = next(iter(linears(tiny)))
    prepared = dict(prepare(tiny, "bnb-int8", CPU).model.named_modules())[name]
    weight = matrix(module.weight, "bnb-int8").values
    x = torch.randn(5, module.in_features, generator=torch.Generator().manual_seed(2))

    def rounded(rows):
        scale = rows.half().float().abs().amax(1, keepdim=True) / 127
        return (rows.half().float() / scale).round() * scale

    with torch.no_grad():
        plain = prepared(x)
    torch.testing.assert_close(plain, rounded(x) @ weight.T, rtol=2e-2, atol=2e-3)
    assert (plain - x @ weight.T).abs().max() > (plain - rounded(x) @ weight.T).abs().max()
    outlier = x.clone()
    outlier[:, 7] = 40.0
    rest = outlier.clone()
    rest[:, 7] = 0
    expected = rounded(rest) @ weight.T + 40.0 * weight[:, 7]
    with torch.no_grad():
        got = prepared(outlier)
    torch.testing.assert_close(got, expected, rtol=2e-2, atol=2e-2)
    assert (rounded(outlier) @ weight.T - got).abs().max() > 3 * (expected - got).abs().max()


def by_hand(row: list[float], levels: int, low: int, high: int) -> list[float]:
    scale = max(abs(v) for v in row) / levels
    if scale == 0:
        return [0.0 for _ in row]
    return [max(low, min(high, round(v / scale))) * scale for v in row]  # Python's round is half to even


@pytest.mark.parametrize(
    ("precision", "levels", "low", "high"),
    [("rtn-int8", 127, -127, 127), ("rtn-int4", 7, -7, 7), ("rtn-int4-paper", 8, -8, 7)],
)
def test_rtn_per_row_equals_brute_force(precision, levels, low, high):
    weight = torch.randn(5, 33, generator=torch.Generator().manual_seed(0)).double().float()
    weight[2] = 0
    expected = [by_hand(row.tolist(), levels, low, high) for row in weight]
    torch.testing.assert_close(matrix(weight, precision).values, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_rtn_in_groups_equals_brute_force_with_a_short_last_group():
    weight = torch.randn(3, 300, generator=torch.Generator().manual_seed(0))
    found = matrix(weight, "rtn-int4-g128")
    for r, row in enumerate(weight.tolist()):
        expected = [v for i in range(0, 300, 128) for v in by_hand(row[i : i + 128], 7, -7, 7)]
        torch.testing.assert_close(found.values[r], torch.tensor(expected), rtol=1e-5, atol=1e-6)
    assert found.low.numel() == weight.numel()


def test_rtn_ties_go_to_even():
    codes, _ = rtn.quantize(torch.tensor([[7.0, 0.5, 1.5, 2.5, -0.5, -1.5]]), 7, 0)
    assert codes.flatten().tolist() == [7, 0, 2, 2, 0, -2]


@pytest.mark.parametrize(
    "precision", ["bnb-fp4", "bnb-nf4", "bnb-nf4:block=32", "bnb-int8", "rtn-int4", "rtn-int8", "rtn-int4-g128"]
)
def test_the_zero_bin_is_exactly_where_small_weights_vanish(precision):
    """Scan a block: inside the bin |Q(w)| is within 0.0053 absmax of zero, just outside it is not."""
    block = torch.zeros(1, 64)
    block[0, 0] = 1.0  # absmax
    found = matrix(block, precision)
    low, high = float(found.low.flatten()[0]), float(found.high.flatten()[0])
    for edge in (low, high):
        for factor, vanishes in ((0.98, True), (1.02, False)):
            block[0, 1] = edge * factor
            assert (abs(float(matrix(block, precision).values[0, 1])) < 0.0053) is vanishes, (edge, factor)
    assert math.isclose(low, -high, rel_tol=0.2)


def test_gpt2s_transposed_layers_are_quantized_too():
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=96, n_embd=64, n_layer=1, n_head=4, n_positions=64)).eval()
    model.requires_grad_(False)
    assert torch.allclose(logits(prepare(model, "fp32", CPU).model), logits(model), atol=1e-5)
    assert not torch.allclose(logits(prepare(model, "rtn-int4", CPU).model), logits(model), atol=1e-3)


def test_qint4_has_no_level_at_zero_and_its_bin_around_zero_holds_one_value():
    """Weights on both sides of zero, unequally far: the levels reach from the least to the largest."""
    weight = torch.randn(4, 256, generator=torch.Generator().manual_seed(3)) + 0.4
    found = matrix(weight, "quanto-int4")
    assert not (found.values == 0).any()
    assert found.low.numel() == weight.numel() // found.size
    for block, (low, high) in enumerate(zip(found.low.tolist(), found.high.tolist(), strict=True)):
        part = slice(block * found.size, (block + 1) * found.size)
        w, value = weight.flatten()[part], found.values.flatten()[part]
        inside = (w > low * 0.999) & (w < high * 0.999)
        assert low <= 0 <= high
        assert inside.any()
        assert len(value[inside].unique()) == 1
        assert not torch.isin(value[(w < low * 1.001) | (w > high * 1.001)], value[inside]).any()


@pytest.mark.parametrize(
    "precision", ["bnb-fp4", "bnb-fp4:block=128+double", "quanto-int8", "quanto-int4", "torchao-int4"]
)
def test_memory_counts_packed_codes_and_scales(precision, tiny):
    """Codes of the matrices, their scales and shifts, and the rest in float32; but for a few buffers."""
    weights = sum(m.weight.numel() for _, m in linears(tiny))
    rest = 4 * (sum(p.numel() for p in tiny.parameters()) - weights)
    rows = sum(m.weight.shape[0] for _, m in linears(tiny))
    twin = prepare(tiny, precision, CPU)
    if precision == "quanto-int4":
        groups = [m.weight for m in twin.model.modules() if hasattr(getattr(m, "weight", None), "_shift")]
        expected = weights / 2 + 8 * sum(w._scale.numel() for w in groups)
        assert len(groups) == len(list(linears(tiny)))
    elif precision == "torchao-int4":  # a code and a part of a scale and a zero point a weight
        expected = sum(m.weight.numel() + 5 * m.weight.numel() // min(128, m.in_features) for _, m in linears(tiny))
    else:
        scales = {"bnb-fp4": 4 * weights / 64, "bnb-fp4:block=128+double": weights / 128 * (1 + 4 / 256)}
        expected = weights / 2 + scales[precision] if precision in scales else weights + 4 * rows
    assert twin.memory == pytest.approx(rest + expected, abs=1024)
