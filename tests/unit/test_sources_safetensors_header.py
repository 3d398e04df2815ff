from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fake_checkpoints import safetensors, with_header
from safetensors.numpy import save_file

from unlearn_tui.errors import Refused
from unlearn_tui.sources.safetensors_header import read_header


def refusal(path: Path) -> str:
    with pytest.raises(Refused) as caught:
        read_header(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_header_written_by_the_safetensors_library_is_read_exactly(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    arrays = {"b": np.zeros((3, 5), np.float32), "a": np.zeros((7,), np.float16), "scalar": np.zeros((), np.int64)}
    save_file(arrays, path, metadata={"format": "pt"})
    header = read_header(path)
    assert {name: (t.dtype, t.shape, t.numel) for name, t in header.items()} == {
        "b": ("F32", (3, 5), 15),
        "a": ("F16", (7,), 7),
        "scalar": ("I64", (), 1),
    }


def test_a_header_without_tensors_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(with_header(b"{}", b""))
    assert read_header(path) == {}


@pytest.mark.parametrize("kept", [0, 5, 8, 60, -1])
def test_a_file_cut_anywhere_is_refused_as_cut_short(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors({"w": ("F32", (4, 4))})[:kept])
    assert "is cut short" in refusal(path)


def test_data_longer_than_the_header_says_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors({"w": ("F32", (4, 4))}) + b"!!!")
    assert "3 B too long" in refusal(path)


def tensor(dtype: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    "header",
    [
        {"w": tensor(shape=[3])},
        {"w": tensor(offsets=[4, 12])},
        {"w": tensor(), "v": tensor(offsets=[4, 12])},
        {"w": tensor(), "v": tensor(offsets=[16, 24])},
        {"w": tensor("??", offsets=[0, 8]), "v": tensor("??", offsets=[8, 4])},
    ],
    ids=["wrong size", "hole at the start", "overlap", "hole", "backwards"],
)
def test_a_header_that_misplaces_a_tensor_is_refused(tmp_path: Path, header: dict[str, object]) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(with_header(json.dumps(header).encode(), bytes(24)))
    assert "misplaces tensor" in refusal(path)


@pytest.mark.parametrize(
    "header",
    [
        b"not json",
        b"[]",
        b'{"w": 3}',
        b'{"w": {"dtype": "F32"}}',
        b'{"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
        b'{"\xff": 1}',
        b"[" * 100_000,
    ],
)
def test_a_header_that_is_no_table_of_tensors_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(with_header(header, b""))
    assert "its header cannot be read" in refusal(path)


def test_a_header_length_beyond_the_format_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\xff" * 64)
    assert "its header cannot be read" in refusal(path)


def test_a_git_lfs_pointer_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    assert "git lfs pull" in refusal(path)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path)


def test_a_tensor_name_with_control_characters_stays_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(with_header(json.dumps({"a\n\x1b[31m": tensor(shape=[3])}).encode(), bytes(8)))
    assert "'a␊␛[31m'" in refusal(path)
