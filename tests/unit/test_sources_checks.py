from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fake_checkpoints as fake
import pytest
from fake_checkpoints import info, refusal

from unlearn_tui.errors import Refused
from unlearn_tui.sources.checkpoints import check, free_space, resolve, same_shape


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return fake.make_checkpoint(tmp_path / "model")


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    return fake.make_checkpoint(tmp_path / "sharded", shards=2)


def why_not(folder: Path) -> str:
    return refusal(lambda: check(info(folder)))


def test_a_folder_without_config_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no config.json" in why_not(tmp_path / "empty")


def test_a_config_that_is_no_json_is_named_with_its_line(model: Path) -> None:
    (model / "config.json").write_text('{\n "model_type": "llama",\n')
    assert "config.json' is no JSON: " in why_not(model)
    assert "line 3" in why_not(model)


@pytest.mark.parametrize("text", ["[]", '"x"', "3", "{}", "9" * 5000, "[" * 100_000])
def test_a_config_that_says_nothing_is_refused(model: Path, text: str) -> None:
    (model / "config.json").write_text(text)
    assert "config.json" in why_not(model)


def test_a_quantized_checkpoint_asks_for_the_full_precision_one(tmp_path: Path) -> None:
    folder = fake.make_checkpoint(tmp_path / "m", quantization_config={"quant_method": "gptq"})
    assert info(folder).quantized
    assert "give the full-precision checkpoint" in why_not(folder)


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    assert "decoder-only" in why_not(fake.make_checkpoint(tmp_path / "m", is_encoder_decoder=True))


def test_an_adapter_alone_names_its_base_and_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base\x1b[2J"}))
    (folder / "adapter_model.safetensors").write_bytes(fake.safetensors({"lora_A": ("F32", (2, 2))}))
    assert info(folder).adapter
    message = why_not(folder)
    assert "'org/base␛[2J'" in message
    assert "merge" in message


def test_a_full_model_beside_an_adapter_is_refused_since_peft_would_load_another(model: Path) -> None:
    (model / "adapter_config.json").write_text("{}")
    assert "holds a full model and an adapter" in why_not(model)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("pytorch_model.bin", "pickle"),
        ("model-q4.gguf", "GGUF"),
        ("consolidated.safetensors", "rename 'consolidated.safetensors'"),
        ("model-00001-of-00002.safetensors", "its shards have no model.safetensors.index.json"),
        ("readme.md", "copy or download model.safetensors"),
    ],
)
def test_a_folder_without_safetensors_says_what_there_is_instead(model: Path, other: str, words: str) -> None:
    (model / "model.safetensors").rename(model / other)
    assert words in why_not(model)


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / "model-00002-of-00002.safetensors").unlink()
    assert "lacks 'model-00002-of-00002.safetensors'" in why_not(sharded)


def test_a_truncated_shard_is_named_with_how_much_is_there(sharded: Path) -> None:
    shard = sharded / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    message = why_not(sharded)
    assert shard.name in message
    assert "is cut short: 124 B of 224 B are there" in message


def test_a_tensor_that_the_index_promises_and_the_shard_lacks_is_named(sharded: Path) -> None:
    index = sharded / "model.safetensors.index.json"
    table = json.loads(index.read_text())
    table["weight_map"]["model.extra"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(table))
    assert "lacks tensor 'model.extra'" in why_not(sharded)


@pytest.mark.parametrize("weight_map", [None, [], {"w": 3}, {"w": "../../etc/passwd"}, {"w": "sub/x.safetensors"}])
def test_an_index_that_makes_no_sense_or_leads_elsewhere_is_refused(sharded: Path, weight_map: Any) -> None:
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert "has no weight_map from tensors to files" in why_not(sharded)


def test_a_checkpoint_without_tensors_is_refused(model: Path) -> None:
    (model / "model.safetensors").write_bytes(fake.safetensors({}))
    assert "holds no tensors" in why_not(model)


def test_a_missing_tokenizer_is_refused(model: Path) -> None:
    (model / "tokenizer.json").unlink()
    assert "has no tokenizer" in why_not(model)


def test_a_sentencepiece_tokenizer_alone_will_do(model: Path) -> None:
    (model / "tokenizer.json").rename(model / "tokenizer.model")
    check(info(model))


@pytest.mark.parametrize(
    "table",
    [
        fake.tokenizer(17),
        fake.tokenizer(16, added=(16,)),
        {"model": {"type": "Unigram", "vocab": [["a", 0.0]] * 17}, "added_tokens": []},
    ],
    ids=["vocabulary", "added token", "unigram"],
)
def test_a_tokenizer_with_more_ids_than_rows_does_not_match(model: Path, table: dict[str, Any]) -> None:
    (model / "tokenizer.json").write_text(json.dumps(table))
    message = why_not(model)
    assert "does not match its model: ids reach 16" in message
    assert "0 to 15" in message


@pytest.mark.parametrize(
    "table", [fake.tokenizer(9), {"model": {"type": "Unigram", "vocab": [["a", 0.0]] * 16}, "added_tokens": None}]
)
def test_a_tokenizer_smaller_than_a_padded_model_matches(model: Path, table: dict[str, Any]) -> None:
    (model / "tokenizer.json").write_text(json.dumps(table))
    check(info(model))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"model": {"vocab": {}}}', '{"model": {"vocab": {"a": "b"}}}', '{"model": 3}']
)
def test_a_tokenizer_file_that_holds_no_vocabulary_is_refused(model: Path, text: str) -> None:
    (model / "tokenizer.json").write_text(text)
    assert "tokenizer.json" in why_not(model)


def test_a_refusal_belongs_to_the_field_it_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        check(resolve(str(tmp_path), tmp_path), field="retrain")
    assert caught.value.field == "retrain"


def test_a_folder_name_with_a_newline_and_an_escape_stays_on_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "evil\n\x1b[31mred"
    folder.mkdir()
    assert "evil␊␛[31mred" in why_not(folder)


def test_two_states_of_one_model_have_the_same_shape_however_they_are_cut(model: Path, sharded: Path) -> None:
    same_shape(info(model), info(sharded))


def test_another_shape_is_named_with_both(model: Path, tmp_path: Path) -> None:
    tensors = {**fake.TENSORS, "model.layers.1.mlp.down_proj.weight": ("BF16", (8, 14))}
    other = fake.make_checkpoint(tmp_path / "other", tensors=tensors)
    message = refusal(lambda: same_shape(info(model), info(other)))
    assert "'model.layers.1.mlp.down_proj.weight' has shape 8×14, not 8×12" in message


def test_a_tensor_that_only_one_has_is_named_with_its_owner(model: Path, tmp_path: Path) -> None:
    other = fake.make_checkpoint(tmp_path / "other", tensors={**fake.TENSORS, "model.zz": ("F32", (1,))})
    assert "only 'other' has a tensor 'model.zz'" in refusal(lambda: same_shape(info(model), info(other)))
    assert "only 'other' has a tensor 'model.zz'" in refusal(lambda: same_shape(info(other), info(model)))


def test_another_vocabulary_is_said_first(model: Path, tmp_path: Path) -> None:
    other = fake.make_checkpoint(tmp_path / "other", vocab_size=20, tensors={})
    assert "20 tokens against 16" in refusal(lambda: same_shape(info(model), info(other)))


def test_a_head_tied_to_the_embedding_is_no_difference(model: Path, tmp_path: Path) -> None:
    stored = {**fake.TENSORS, "lm_head.weight": ("BF16", (16, 8)), "m.rotary_emb.inv_freq": ("F32", (4,))}
    same_shape(info(model), info(fake.make_checkpoint(tmp_path / "stored", tensors=stored)))
    untied = fake.make_checkpoint(tmp_path / "untied", tie_word_embeddings=False)
    with_head = fake.make_checkpoint(tmp_path / "with_head", tensors=stored, tie_word_embeddings=False)
    assert "lm_head" in refusal(lambda: same_shape(info(with_head), info(untied)))
    assert "lm_head" in refusal(lambda: same_shape(info(with_head), info(model)))


def test_room_that_is_there_passes_even_for_a_folder_to_be_made(tmp_path: Path) -> None:
    free_space(tmp_path / "not" / "yet", 1, "a save")


def test_a_disk_without_room_is_refused_with_both_numbers(tmp_path: Path) -> None:
    message = refusal(lambda: free_space(tmp_path / "not", 10**18, "a save"))
    assert "a save needs 1000000.0 TB" in message
    assert " free, " in message


def test_weights_of_another_model_than_the_config_are_refused(tmp_path: Path) -> None:
    deep = fake.make_checkpoint(tmp_path / "deep", num_hidden_layers=9)
    assert "they hold 2 layers, not 9" in why_not(deep)
    check(info(fake.make_checkpoint(tmp_path / "drafting", num_hidden_layers=1)))
    wide = fake.make_checkpoint(tmp_path / "wide", tensors=fake.TENSORS, vocab_size=64)
    assert "the embedding is 16×8, not 64×8" in why_not(wide)


@pytest.mark.parametrize("id", [-1, True])
def test_a_token_id_that_is_no_row_is_no_vocabulary(model: Path, id: Any) -> None:
    (model / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": id}}}))
    assert "no vocabulary" in why_not(model)


def test_tokenizer_settings_must_be_an_object(model: Path) -> None:
    (model / "tokenizer_config.json").write_text("[]")
    assert "tokenizer_config.json' does not hold an object" in why_not(model)


def test_weights_that_are_a_link_to_nothing_are_said_to_be(model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to("blobs/gone")
    assert "is a link to nothing" in why_not(model)
