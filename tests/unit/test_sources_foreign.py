"""What a stranger's checkpoint may bring beside weights, as headers tell it: links out, pickles, code."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest
from fake_checkpoints import COMMIT, CONFIG, TENSORS, safetensors, tokenizer

from unlearn_tui.errors import Refused
from unlearn_tui.sources.checkpoints import check, code_files, resolve
from unlearn_tui.sources.foreign import check_pickles, pickle_files


def archive(size: int = 64, compression: int = zipfile.ZIP_STORED, plans: int = 1) -> bytes:
    """As torch.save writes it, by its layout."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for number in range(plans):
            made.writestr(f"pytorch_model{number}/data.pkl", pickle.dumps({}))
        made.writestr("pytorch_model/data/0", bytes(size))
    return out.getvalue()


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "outside" / "checkpoint"
    made.mkdir(parents=True)
    (made / "config.json").write_text(json.dumps(CONFIG))
    (made / "tokenizer.json").write_text(json.dumps(tokenizer()))
    (made / "model.safetensors").write_bytes(safetensors(TENSORS))
    return made


def pickled(folder: Path, data: bytes) -> Path:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(data)
    return folder


def refused(folder: Path, home: Path, **ways: bool) -> str:
    with pytest.raises(Refused) as caught:
        check(resolve(str(folder), home), **ways)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def sound(folder: Path, home: Path, **ways: bool) -> None:
    check(resolve(str(folder), home), **ways)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "own.py"])
def test_a_link_out_of_the_checkpoint_is_refused(folder, tmp_path, name):
    outside = tmp_path / "elsewhere"
    (folder / name).write_bytes((folder / name).read_bytes() if (folder / name).exists() else b"x = 1")
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    assert "is a link out of the checkpoint: copy the file itself" in refused(folder, tmp_path)


def test_a_link_by_dots_or_through_a_linked_template_folder_is_one_too(folder, tmp_path):
    (tmp_path / "outside" / "secret").write_text("{}")
    (folder / "generation_config.json").symlink_to("../secret")
    assert "link out" in refused(folder, tmp_path)
    (folder / "generation_config.json").unlink()
    (tmp_path / "templates").mkdir()
    (folder / "additional_chat_templates").symlink_to(tmp_path / "templates")
    assert "link out" in refused(folder, tmp_path)


def test_links_within_it_are_fine_and_so_is_a_link_to_the_whole(folder, tmp_path):
    (folder / "model.safetensors").rename(folder / "real.safetensors")
    (folder / "model.safetensors").symlink_to("real.safetensors")
    (tmp_path / "link").symlink_to(folder)
    (folder / "original").symlink_to(tmp_path)  # a folder that nobody looks into
    sound(folder, tmp_path)
    sound(tmp_path / "link", tmp_path)


def test_the_hub_caches_links_to_its_blobs_are_fine_and_others_are_not(folder, tmp_path):
    repo = tmp_path / "hub" / "models--org--name"
    (repo / "blobs").mkdir(parents=True)
    snapshot = repo / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(folder.iterdir())):
        file.rename(repo / "blobs" / f"{number:064x}")
        (snapshot / file.name).symlink_to(Path("../../blobs") / f"{number:064x}")
    sound(snapshot, tmp_path)
    (tmp_path / "hub" / "models--org--other").mkdir()
    foreign = tmp_path / "hub" / "models--org--other" / "blob"
    foreign.write_text("{}")
    (snapshot / "added_tokens.json").symlink_to(foreign)
    assert "link out" in refused(snapshot, tmp_path)


def test_an_index_leads_nowhere_else(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    for name in ("../elsewhere.safetensors", "/etc/passwd", "a/b.safetensors", "..", "x\n.safetensors"):
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"t": name}}))
        assert "has no weight_map" in refused(folder, tmp_path)
    (folder / "model.safetensors.index.json").unlink()
    for name in ("../elsewhere.bin", "/etc/shadow.bin", 7, "x.safetensors"):
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"t": name}}))
        assert "has no weight_map" in refused(folder, tmp_path, pickles=True)


def test_pickles_need_to_be_named(folder, tmp_path):
    assert not pickle_files(folder)
    (folder / "pytorch_model.bin").write_bytes(b"whatever")
    sound(folder, tmp_path, pickles=True)  # nobody reads it beside safetensors
    pickled(folder, archive())
    assert "--pickle-weights" in refused(folder, tmp_path)
    sound(folder, tmp_path, pickles=True)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pickle.dumps({"a": 1}), "has written since PyTorch 1.6"),
        (b"", "has written since PyTorch 1.6"),
        (archive()[:-30], "cut short or damaged"),
        (archive(1 << 20, zipfile.ZIP_DEFLATED), "no archive as torch.save writes it"),
        (archive(plans=0), "no archive as torch.save writes it"),
        (archive(plans=2), "no archive as torch.save writes it"),
    ],
)
def test_only_what_torch_save_writes_is_looked_into(folder, tmp_path, data, said):
    assert said in refused(pickled(folder, data), tmp_path, pickles=True)


def test_sizes_in_an_archive_are_checked_against_the_file(folder, tmp_path):
    data = bytearray(archive(64))
    at = data.rindex(b"PK\x01\x02")  # the last entry of the directory: that of data/0
    for place in (at + 20, at + 24):  # its sizes, compressed and not
        data[place : place + 4] = (1 << 31).to_bytes(4, "little")
    assert "no archive as torch.save writes it" in refused(pickled(folder, bytes(data)), tmp_path, pickles=True)


def test_a_pipe_in_the_place_of_a_pickle_is_not_waited_for(folder):
    import os

    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "pytorch_model.bin")
    with pytest.raises(Refused, match="cannot be read"):
        check_pickles([folder / "pytorch_model.bin"])


def test_code_is_found_where_it_is_asked_for_and_from_nowhere_else(folder, tmp_path):
    (folder / "modeling_own.py").write_text("x = 1\n")
    assert code_files(folder) == []
    (folder / "config.json").write_text(json.dumps(CONFIG | {"auto_map": {"AutoConfig": "modeling_own.Own"}}))
    assert code_files(folder) == [folder / "modeling_own.py"]
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["org/other--tokenization.Own", None]}})
    )
    assert "asks for code of another repository" in refused(folder, tmp_path, code=True)
    sound(folder, tmp_path)
