"""SHA-256 of files, remembered by path, size, modification time and inode, so that weights are read once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from unlearn_tui.files import open_regular, read_limited


class _Known(msgspec.Struct):
    size: int
    mtime: int
    """Nanoseconds since the epoch."""
    inode: int
    sha256: str


def fingerprint(files: Iterable[Path], home: Path) -> str:
    """One SHA-256 over the names and contents of `files`, whatever their order; "" where there are none.

    Remembered in `home`/cache/hashes.json. Raises OSError for a file that cannot be read.
    """
    listed = sorted(files, key=lambda file: file.name)
    if not listed:
        return ""
    cache = home / "cache" / "hashes.json"
    known = _load(cache)
    fresh: dict[str, _Known] = {}
    digest = hashlib.sha256()
    for file in listed:
        # links in the Hugging Face cache point at blobs that several snapshots share
        real = file.resolve()
        key = str(real).encode(errors="backslashreplace").decode()
        # taken before reading: a change while we read then looks like a change afterwards
        stat = real.stat()
        entry = known.get(key)
        if entry is None or (entry.size, entry.mtime, entry.inode) != (stat.st_size, stat.st_mtime_ns, stat.st_ino):
            with open_regular(real) as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            entry = fresh[key] = _Known(stat.st_size, stat.st_mtime_ns, stat.st_ino, sha256)
        digest.update(f"{file.name}\0{entry.sha256}\n".encode(errors="backslashreplace"))
    if fresh:
        _remember(cache, fresh)
    return digest.hexdigest()


def _load(cache: Path) -> dict[str, _Known]:
    try:
        return msgspec.json.decode(read_limited(cache), type=dict[str, _Known])
    except (OSError, ValueError, RecursionError):
        return {}


def _remember(cache: Path, fresh: dict[str, _Known]) -> None:
    """Merge `fresh` into the cache file. The last writer wins; a home that cannot be written is no error."""
    merged = {**_load(cache), **fresh}
    # os.path.exists, because Path.exists raises where a folder on the way cannot be read
    still_there = {path: entry for path, entry in merged.items() if os.path.exists(path)}  # noqa: PTH110
    with contextlib.suppress(OSError):
        cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=cache.parent, prefix="hashes-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(still_there))
            Path(name).replace(cache)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
