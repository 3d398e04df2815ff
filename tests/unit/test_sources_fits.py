"""Bytes that a checkpoint needs, against what engines said they held (`Loaded.memory`) and against arithmetic by hand."""

from __future__ import annotations

from pathlib import Path

import fake_checkpoints as fake
import pytest

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.sources import fits
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.checkpoints import CheckpointInfo, resolve

# result.json of a run on the pocket model at every precision, on a CPU: arithmetic[].memory
RECORDED = {
    "fp32": 13_640_960,
    "bf16": 13_640_960,
    "fp16": 13_640_960,
    "bnb-int8": 4_637_952,
    "bnb-fp4": 3_278_080,
    "bnb-nf4": 3_278_080,
    "quanto-int8": 4_638_176,
    "rtn-int8": 13_640_960,
    "rtn-int8-g128": 13_640_960,
    "rtn-int4": 13_640_960,
    "rtn-int4-g128": 13_640_960,
    "rtn-int4-paper": 13_640_960,
}
EMBEDDING, NORMS, MATRICES = 1536 * 256, 9 * 256, 4 * (4 * 256 * 256 + 3 * 640 * 256)


@pytest.fixture
def pocket(tmp_path: Path) -> CheckpointInfo:
    try:
        asset("pocket", "target", "model.safetensors")
    except Refused:
        pytest.skip("the shipped checkpoints are not built")
    return resolve("pocket-target", tmp_path)


@pytest.mark.parametrize("precision", RECORDED)
def test_the_weights_of_the_pocket_model_take_what_its_engine_held(pocket: CheckpointInfo, precision: str) -> None:
    needed = fits.to_hold(fits.sizes_of(pocket), precision, gpu=False)
    assert needed == pytest.approx(RECORDED[precision], rel=0.001)


def test_quantos_four_bits_take_half_a_byte_and_a_scale_and_a_zero_point_a_group(pocket: CheckpointInfo) -> None:
    by_hand = 4 * (EMBEDDING + NORMS) + MATRICES / 2 + 2 * 4 * MATRICES / 128 + 28 * 8
    assert fits.to_hold(fits.sizes_of(pocket), "quanto-int4", gpu=False) == by_hand


def test_embeddings_norms_and_a_head_of_their_own_stay_full() -> None:
    block = {"model.layers.0.self_attn.q_proj.weight": (8, 8), "model.layers.0.mlp.up_proj.weight": (32, 8)}
    rest = {
        "model.embed_tokens.weight": (100, 8),
        "model.layers.0.input_layernorm.weight": (8,),
        "lm_head.weight": (100, 8),
    }
    rest |= {"model.layers.0.self_attn.q_proj.bias": (8,)}
    model = fits.sizes(block | rest)
    assert sorted(model.matrices) == [(8, 8), (32, 8)]
    assert model.rest == 100 * 8 + 8 + 100 * 8 + 8
    assert fits.sizes(block | rest, tied=True).rest == 100 * 8 + 8 + 8


def test_experts_and_routers_are_no_linear_layers() -> None:
    model = fits.sizes(
        {
            "model.layers.0.mlp.experts.3.up_proj.weight": (8, 8),
            "model.layers.0.mlp.gate.weight": (4, 8),
            "model.layers.0.mlp.gate_proj.weight": (16, 8),
        }
    )
    assert model.matrices == ((16, 8),)


def llama_2_7b() -> fits.Sizes:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (32000, 4096), "lm_head.weight": (32000, 4096)}
    for layer in range(32):
        head = f"model.layers.{layer}"
        shapes |= {f"{head}.self_attn.{name}_proj.weight": (4096, 4096) for name in "qkvo"}
        shapes |= {f"{head}.mlp.{name}_proj.weight": (11008, 4096) for name in ("gate", "up")}
        shapes |= {f"{head}.mlp.down_proj.weight": (4096, 11008)}
        shapes |= {f"{head}.{name}_layernorm.weight": (4096,) for name in ("input", "post_attention")}
    return fits.sizes(shapes | {"model.norm.weight": (4096,)})


def test_a_7b_model_has_the_sizes_that_are_published_for_it() -> None:
    model = llama_2_7b()
    assert model.parameters == 6_738_415_616  # its model card
    assert fits.to_hold(model, "bf16", gpu=True) == 2 * 6_738_415_616
    # 6.476e9 weights in 224 matrices, 2 x 131e6 in embedding and head, 266e3 in norms
    assert fits.to_hold(model, "bnb-int8", gpu=True) / 1e9 == pytest.approx(6.476 + 2 * 0.2624 + 0.005, abs=0.001)
    assert fits.to_hold(model, "bnb-fp4", gpu=True) / 1e9 == pytest.approx(
        6.476 * (1 / 2 + 4 / 64) + 2 * 0.2624, abs=0.001
    )


def test_simulated_quantizers_hold_dense_weights() -> None:
    model = llama_2_7b()
    assert fits.to_hold(model, "rtn-int4", gpu=True) == fits.to_hold(model, "fp16", gpu=True)


@pytest.mark.parametrize(
    ("mode", "gpu", "method", "each"),
    [
        ("bf16", True, "ga", 2 + 4 + 8),
        ("bf16", True, "ga_gdr", 2 + 4 + 2 + 8),
        ("bf16", True, "npo", 2 + 4 + 8),
        ("bf16", True, "ga_klr", 2 + 4 + 2 + 8 + 2),
        ("bf16-stochastic", False, "ga_klr", 4 + 4 + 8 + 4),
        ("fp32", True, "npo_klr", 4 + 4 + 8 + 4),
    ],
)
def test_unlearning_holds_weights_gradients_sums_moments_and_what_it_compares_with(
    mode: str, gpu: bool, method: str, each: int
) -> None:
    model = fits.Sizes(((10, 10),), 5)
    assert fits.to_unlearn(model, mode, gpu, method) == 105 * each


def test_moments_in_bf16_save_four_bytes_a_weight() -> None:
    model = fits.Sizes((), 100)
    wide, narrow = (fits.to_unlearn(model, "bf16", True, "ga_klr", state) for state in ("fp32", "bf16"))
    assert wide - narrow == 400


def test_every_precision_and_update_mode_of_the_catalog_has_a_size(tmp_path: Path) -> None:
    info = fake.info(fake.make_checkpoint(tmp_path / "model"))
    for gpu in (False, True):
        found = fits.needs(info, gpu)
        assert list(found.holding) == list(catalog.PRECISIONS)
        assert list(found.unlearning) == list(catalog.UPDATE_MODES)
        assert all(count > 0 for count in (*found.holding.values(), *found.unlearning.values()))
    assert fits.needs(info, gpu=True).beside == 0
    assert fits.needs(info, gpu=False).beside == 2 * fake.PARAMETERS


def test_what_is_on_the_hub_or_damaged_cannot_be_measured(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="on the hub"):
        fits.needs(CheckpointInfo(name="org/name", path=None, source="hub", home=tmp_path), gpu=False)
    folder = fake.make_checkpoint(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(Refused, match="cut short"):
        fits.needs(fake.info(folder), gpu=False)


def test_there_is_room_somewhere() -> None:
    room = fits.room()
    assert 0 < room.free <= room.total
    assert room.gpu or room.name == "main memory"


def test_a_run_on_the_cpu_works_in_main_memory() -> None:
    assert not fits.room("cpu").gpu
