"""A GGUF file written by the gguf package: the model loaded from it computes what the original does, and is saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from unlearn_tui.engine.checkpoints import load_model, save_model
from unlearn_tui.sources.checkpoints import resolve, same_shape
from unlearn_tui.sources.folders import describe

gguf = pytest.importorskip("gguf")
WORDS = 32


@pytest.fixture(scope="module")
def original() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96,
        vocab_size=WORDS, max_position_embeddings=64, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def packed(original: LlamaForCausalLM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a GGUF file in llama.cpp's layout: rows of q and k reordered for its rotary embedding."""
    folder = tmp_path_factory.mktemp("packed")
    config = original.config
    writer = gguf.GGUFWriter(folder / "tiny.gguf", "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(WORDS)
    writer.add_token_list([f"t{i}" for i in range(WORDS)])
    parts = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }  # fmt: skip
    for name, tensor in original.state_dict().items():
        values = tensor.float().numpy()
        if name in ("model.embed_tokens.weight", "model.norm.weight"):
            writer.add_tensor("token_embd.weight" if "embed" in name else "output_norm.weight", values)
        elif name.startswith("model.layers."):
            number, part = name.removeprefix("model.layers.").removesuffix(".weight").split(".", 1)
            heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
            if part in heads:
                split = values.reshape(heads[part], 2, -1, values.shape[1])
                values = split.swapaxes(1, 2).reshape(values.shape)
            writer.add_tensor(f"blk.{number}.{parts[part]}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder


def test_it_computes_what_the_original_does(original: LlamaForCausalLM, packed: Path) -> None:
    ids = torch.arange(12)[None] % WORDS
    with torch.no_grad():
        torch.testing.assert_close(load_model(packed)(ids).logits, original(ids).logits, atol=1e-5, rtol=1e-5)


def test_its_header_names_and_measures_the_tensors_as_transformers_does(
    original: LlamaForCausalLM, packed: Path, tmp_path: Path
) -> None:
    found = describe("tiny", packed, "folder", tmp_path)
    assert (found.parameters, found.dtype) == (original.num_parameters(), "fp32")
    original.save_pretrained(tmp_path / "safe")
    same_shape(resolve(str(tmp_path / "safe"), tmp_path), found)


def test_what_is_saved_of_it_is_an_ordinary_checkpoint(packed: Path, tmp_path: Path) -> None:
    model = load_model(packed)
    save_model(model, None, tmp_path / "saved", torch.float32)
    assert "quantization_config" not in json.loads((tmp_path / "saved" / "config.json").read_text())
    again = load_model(tmp_path / "saved")
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
