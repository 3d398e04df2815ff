"""What a checkpoint from a stranger may bring beside weights: links that lead out of it, pickles, code of its own.

None of it is followed, unpickled or run unless a person says so for one run (--pickle-weights, --trust-remote-code).
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

from unlearn_tui.errors import Refused
from unlearn_tui.files import open_regular
from unlearn_tui.sources.folders import CheckpointInfo, describe, indexed, read_config, read_json, weight_files
from unlearn_tui.sources.wording import shown, size

PICKLE = "pytorch_model.bin"
PICKLE_INDEX = "pytorch_model.bin.index.json"
_ZIP = b"PK\x03\x04"
_PLAN = 1 << 24
"""Bytes of the pickle in an archive, at most: it says where tensors are and holds none."""


def check_links(folder: Path, field: str = "") -> None:
    """Raise Refused where a file of the folder is a link out of it. In the Hugging Face cache, files are links to the
    blobs of their repository (models--ORG--NAME/snapshots/COMMIT to models--ORG--NAME/blobs), which is no way out.
    """
    inside = [folder.resolve()]
    if inside[0].parent.name == "snapshots":
        inside.append(inside[0].parent.parent / "blobs")
    for place in (folder, folder / "additional_chat_templates"):
        for entry in sorted(os.scandir(place), key=lambda e: e.name) if place.is_dir() else ():
            if not entry.is_symlink():
                continue
            target = Path(os.path.realpath(entry.path))  # realpath: a loop is no error
            if target.is_dir() and entry.name != "additional_chat_templates":
                continue  # nobody looks into it
            if not any(target.is_relative_to(root) for root in inside):
                raise Refused(
                    f"{shown(entry.path)} is a link out of the checkpoint: copy the file itself into the folder", field
                )


def pickle_files(folder: Path, field: str = "") -> list[Path]:
    """The weights that PyTorch pickled, of a folder that has none in another format; empty where there are none.

    Raises Refused for an index that makes no sense.
    """
    if weight_files(folder, field)[0]:
        return []
    if (folder / PICKLE).is_file():
        return [folder / PICKLE]
    return indexed(folder / PICKLE_INDEX, ".bin", field)[0] if (folder / PICKLE_INDEX).is_file() else []


def bytes_of(files: list[Path]) -> int:
    """Of those that are there."""
    return sum(file.stat().st_size for file in files if file.is_file())


def check_pickles(files: list[Path], field: str = "") -> None:
    """Raise Refused for a file that is no archive of torch.save, or whose parts are larger than what is there.

    torch.save writes a zip archive without compression (since PyTorch 1.6); anything else is an older format, whose sizes
    nothing bounds, or a bomb. Nothing is unpickled here.
    """
    for file in files:
        where = shown(file)
        try:
            with open_regular(file) as stream:
                if stream.read(4) != _ZIP:
                    raise Refused(
                        f"{where} is not what torch.save has written since PyTorch 1.6: load it where it was made and "
                        "save_pretrained it",
                        field,
                    )
                total = stream.seek(0, 2)
                with zipfile.ZipFile(stream) as archive:
                    parts = archive.infolist()
        except OSError as error:
            raise Refused(f"{where} cannot be read: {error.strerror or error}", field) from None
        except (zipfile.BadZipFile, ValueError, RecursionError, NotImplementedError):
            raise Refused(f"{where} is cut short or damaged: copy or download it again", field) from None
        honest = all(p.compress_type == zipfile.ZIP_STORED and p.file_size == p.compress_size for p in parts)
        plans = [p.file_size for p in parts if p.filename.endswith("data.pkl")]
        if not honest or sum(p.file_size for p in parts) > total or len(plans) != 1 or plans[0] > _PLAN:
            raise Refused(f"{where} is no archive as torch.save writes it: copy or download it again", field)


def as_safetensors(info: CheckpointInfo) -> Path:
    """Where the weights of a pickled checkpoint stand as safetensors once an engine has read them: home/cache/safetensors,
    by a hash of the pickles and config.json. Raises OSError, Refused.
    """
    from unlearn_tui.sources.fingerprints import fingerprint

    assert info.path is not None
    files = [*pickle_files(info.path), info.path / "config.json"]
    return info.home / "cache" / "safetensors" / fingerprint(files, info.home)[:32]


def unpickled(info: CheckpointInfo, field: str = "model") -> CheckpointInfo:
    """The same checkpoint in safetensors where an engine has made that; itself where it has not, or needs none."""
    if info.path is None or not pickle_files(info.path, field):
        return info
    try:
        place = as_safetensors(info)
    except OSError as error:
        raise Refused(f"{shown(info.path)} cannot be read: {error.strerror or error}", field) from None
    return describe(info.name, place, info.source, info.home) if (place / "config.json").is_file() else info


def code_files(folder: Path, field: str = "") -> list[Path]:
    """The Python files of a checkpoint whose config.json or tokenizer asks for code of its own; empty where none does.

    Raises Refused where code of another repository is asked for: nobody could look at it first.
    """
    asked = [auto for table in _tables(folder, field) if isinstance(auto := table.get("auto_map"), dict)]
    for value in (v for auto in asked for v in auto.values()):
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and "--" in name:
                raise Refused(
                    f"{shown(folder)} asks for code of another repository, {shown(name)}: copy its Python files into the "
                    "folder and name them in config.json without it",
                    field,
                )
    return sorted(folder.glob("*.py")) if asked else []


def _tables(folder: Path, field: str) -> list[dict[str, Any]]:
    found = [read_config(folder, field)]
    if (folder / "tokenizer_config.json").is_file():
        table = read_json(folder / "tokenizer_config.json", field)
        found += [table] if isinstance(table, dict) else []
    return found


def said_of_pickles(folder: Path, files: list[Path]) -> str:
    """How a checkpoint that has only pickles is refused."""
    return (
        f"{shown(folder)} has no weights in safetensors, only in PyTorch's pickle format ({size(bytes_of(files))}), which "
        "can hold code: a run with --pickle-weights reads them without running any; or give the folder in safetensors"
    )
