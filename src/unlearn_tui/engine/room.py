"""Room on the disk: looked at before each save, and put into words where a disk gave out."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import sys
from pathlib import Path

from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.home import reason
from unlearn_tui.sources.wording import plain, shown, size

SMALL_FILES = 1 << 18
"""Bytes of what stands beside the weights in a save: configuration, tokenizer, block sizes."""
BALLAST = 1 << 14
"""Bytes that a run keeps on its disk and gives up on a full one, so that its log can hold the last word."""
FULL = (errno.ENOSPC, errno.EDQUOT)
LOCKED = (errno.EROFS, errno.EACCES, errno.EPERM)
BROKEN = (errno.EIO, errno.ESTALE, errno.ENODEV)


def check_room(path: Path, needed: int) -> None:
    """Raise OSError (ENOSPC, naming `path`) where its disk has fewer than `needed` bytes free."""
    there = next(folder for folder in path.absolute().parents if folder.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"a save needs {size(needed)} and {size(free)} is free", str(path))


def as_os_error(error: BaseException, path: Path) -> OSError | None:
    """The OSError that a library of Rust put into words of its own, as safetensors does; None where it is none."""
    number = re.search(r"\(os error (\d+)\)", str(error))
    if isinstance(error, OSError) or number is None:
        return None
    return OSError(int(number[1]), os.strerror(int(number[1])), str(path))


def is_gone(rundir: RunDir) -> bool:
    """Whether the run's directory was removed or moved away."""
    return not rundir.spec_path.exists()


def is_full(error: BaseException) -> bool:
    """Whether there was no room to write."""
    return isinstance(error, OSError) and error.errno in FULL


def of_disk(error: OSError) -> bool:
    """Whether a file system refused: full, over quota, read-only, not ours to write, or not there any more."""
    return error.errno in (*FULL, *LOCKED, *BROKEN)


def said(error: OSError, rundir: RunDir, needed: int) -> str:
    """What a disk refused and what to do, in one line; `needed`: bytes that the whole run may take."""
    path = error.filename if isinstance(error.filename, str) else str(rundir.path)
    what, again = f"{shown(path, 400)}: {plain(reason(error))}", f"then run unlearn-tui resume {rundir.id}"
    if error.errno in FULL:
        try:
            room = f", {size(shutil.disk_usage(rundir.path).free)} is free and"
        except OSError:
            room = ","
        return f"{what}{room} the run needs up to {size(needed)} in all: make room, {again}"
    if error.errno in LOCKED:
        return f"{what}: make it writable, {again}"
    return f"{what}: see to the disk, {again}"


class Spoken(io.TextIOWrapper):
    """A stream into a file on a disk that may fill up: what does not fit is lost, and nothing stops for it."""

    def write(self, text: str, /) -> int:
        """As much as there is room for."""
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """The same."""
        with contextlib.suppress(OSError):
            super().flush()


def speak() -> None:
    """Let progress bars and warnings, which go to engine.log, stop nothing on a full disk."""
    for name, number in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, Spoken(open(number, "wb", buffering=0, closefd=False), write_through=True))  # noqa: SIM115


def load_ballast(rundir: RunDir) -> None:
    """Put the ballast down, if there is room for it."""
    try:
        with _ballast(rundir).open("wb") as file:
            file.write(os.urandom(BALLAST))  # zeros would take nothing on a disk that compresses
            os.fsync(file.fileno())
    except OSError:
        drop_ballast(rundir)


def drop_ballast(rundir: RunDir) -> None:
    """Give its room back."""
    try:
        _ballast(rundir).unlink(missing_ok=True)
    except OSError:
        return


def sweep(rundir: RunDir) -> None:
    """Remove what an engine that was killed, or whose disk gave out, had begun to write; only its successor may.

    A checkpoint that it had put aside, to rename the next into its place (checkpoints.publish), is put back.
    """
    for old in rundir.checkpoints.glob(".*.old"):
        place = old.with_name(old.name[1:].removesuffix(".old"))
        if place.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(place)
    for folder in (rundir.path, rundir.answers, rundir.checkpoints):
        for path in folder.glob(".*.tmp"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _ballast(rundir: RunDir) -> Path:
    return rundir.path / "engine.ballast"
