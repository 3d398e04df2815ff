from __future__ import annotations

import json
from pathlib import Path

import fake_checkpoints as fake
import pytest
from fake_checkpoints import info

from unlearn_tui.sources.checkpoints import check, shapes


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return fake.make_checkpoint(tmp_path / "model")


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    return fake.make_checkpoint(tmp_path / "sharded", shards=2)


def test_a_folder_is_described_from_its_config_and_headers(model: Path) -> None:
    found = info(model)
    assert (found.name, found.path, found.source) == ("model", model, "folder")
    assert (found.family, found.layers, found.hidden, found.vocab) == ("llama", 2, 8, 16)
    assert (found.parameters, found.dtype, found.shards) == (fake.PARAMETERS, "bf16", 1)
    assert found.bytes == (model / "model.safetensors").stat().st_size
    assert not found.quantized
    assert not found.adapter
    check(found)


def test_shards_are_described_as_one_model(model: Path, sharded: Path) -> None:
    found = info(sharded)
    assert (found.shards, found.parameters) == (2, fake.PARAMETERS)
    assert shapes(found) == shapes(info(model)) == {name: shape for name, (_, shape) in fake.TENSORS.items()}
    check(found)


def test_integer_buffers_are_no_parameters(tmp_path: Path) -> None:
    folder = fake.make_checkpoint(tmp_path / "m", tensors={**fake.TENSORS, "mask": ("U8", (999, 999))})
    assert (info(folder).parameters, info(folder).dtype) == (fake.PARAMETERS, "bf16")


def test_a_nested_text_config_is_read(tmp_path: Path) -> None:
    inner = {"hidden_size": 8, "num_hidden_layers": 2, "vocab_size": 16}
    folder = fake.make_checkpoint(
        tmp_path / "m",
        model_type="gemma3",
        text_config=inner,
        hidden_size=None,
        num_hidden_layers=None,
        vocab_size=None,
    )
    found = info(folder)
    assert (found.family, found.layers, found.hidden, found.vocab) == ("gemma3", 2, 8, 16)
    check(found)


def test_the_old_names_of_sizes_are_read(tmp_path: Path) -> None:
    folder = fake.make_checkpoint(
        tmp_path / "m", model_type="gpt2", hidden_size=None, num_hidden_layers=None, n_embd=8, n_layer=2
    )
    assert (info(folder).layers, info(folder).hidden) == (2, 8)


def test_a_single_file_wins_over_shards_as_in_transformers(sharded: Path) -> None:
    (sharded / "model.safetensors").write_bytes(fake.safetensors({"w": ("F16", (2, 2))}))
    assert (info(sharded).parameters, info(sharded).dtype) == (4, "fp16")


@pytest.mark.parametrize("damage", ["", "{", "[1, 2]", "\xff", '{"model_type": 3, "vocab_size": "many"}'])
def test_a_broken_folder_is_described_without_raising(model: Path, damage: str) -> None:
    (model / "config.json").write_text(damage, encoding="latin-1")
    (model / "model.safetensors").write_bytes(b"short")
    found = info(model)
    assert (found.family, found.vocab, found.parameters) == ("", 0, 0)


def test_the_fingerprint_follows_weights_and_config_but_not_the_tokenizer(model: Path) -> None:
    before = info(model)
    prints = before.fingerprint, before.tokenizer_fingerprint
    (model / "tokenizer.json").write_text(json.dumps(fake.tokenizer(9)))
    after = info(model)
    assert after.fingerprint == prints[0]
    assert after.tokenizer_fingerprint != prints[1]
    (model / "config.json").write_text("{}")
    assert info(model).fingerprint != prints[0]
