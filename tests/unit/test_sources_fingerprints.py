from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from unlearn_tui.sources.fingerprints import fingerprint


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text(name * 3)
    return sorted(folder.iterdir())


def rewrite_unnoticed(file: Path) -> None:
    """Other bytes under the same size, time and inode: what the cache cannot see."""
    before = file.stat()
    with file.open("r+b") as stream:
        stream.write(b"#")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_order_and_the_place_of_files_do_not_matter(files: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(files[0].parent, copy)
    assert fingerprint(files, tmp_path) == fingerprint(reversed(list(copy.iterdir())), tmp_path / "other")


def test_no_files_have_no_fingerprint(tmp_path: Path) -> None:
    assert fingerprint([], tmp_path) == ""


def test_changed_contents_change_it(files: list[Path], tmp_path: Path) -> None:
    before = fingerprint(files, tmp_path)
    files[0].write_text("something else")
    assert fingerprint(files, tmp_path) != before


def test_contents_swapped_between_names_change_it(files: list[Path], tmp_path: Path) -> None:
    before = fingerprint(files, tmp_path)
    texts = [file.read_bytes() for file in files]
    for file, text in zip(files, reversed(texts), strict=True):
        file.write_bytes(text)
    assert fingerprint(files, tmp_path) != before


def test_a_file_that_looks_unchanged_is_not_read_again(files: list[Path], tmp_path: Path) -> None:
    before = fingerprint(files, tmp_path)
    rewrite_unnoticed(files[1])
    assert fingerprint(files, tmp_path) == before
    assert fingerprint(files, tmp_path / "another-home") != before


def test_a_new_time_makes_it_be_read_again(files: list[Path], tmp_path: Path) -> None:
    before = fingerprint(files, tmp_path)
    rewrite_unnoticed(files[1])
    os.utime(files[1], ns=(1, 1))
    assert fingerprint(files, tmp_path) != before


@pytest.mark.parametrize("damage", [b"", b"{torn", b'{"a": 1}', b"\xff\xfe"])
def test_a_damaged_cache_is_replaced(files: list[Path], tmp_path: Path, damage: bytes) -> None:
    before = fingerprint(files, tmp_path)
    cache = tmp_path / "cache" / "hashes.json"
    cache.write_bytes(damage)
    assert fingerprint(files, tmp_path) == before
    assert len(cache.read_bytes()) > 100
    assert [path.name for path in cache.parent.iterdir()] == ["hashes.json"]


def test_a_home_that_cannot_be_written_only_costs_time(files: list[Path], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file where a folder should be")
    assert fingerprint(files, home) == fingerprint(files, tmp_path)


def test_files_that_are_gone_are_forgotten(files: list[Path], tmp_path: Path) -> None:
    fingerprint(files, tmp_path)
    files[0].unlink()
    (tmp_path / "new").write_text("x")
    fingerprint([tmp_path / "new"], tmp_path)
    text = (tmp_path / "cache" / "hashes.json").read_text()
    assert "config.json" not in text
    assert "model.safetensors" in text


def test_a_file_name_that_is_not_utf8_is_hashed_like_any_other(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.safetensors"))
    odd.write_bytes(b"x")
    assert fingerprint([odd], tmp_path) == fingerprint([odd], tmp_path)
