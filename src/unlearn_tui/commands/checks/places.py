"""Folders: home, runtime directory, disk, shipped models; who may write there."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from unlearn_tui.commands.checks import Check
from unlearn_tui.errors import Refused

ROOM = 300_000_000
"""Bytes that the demo writes at most."""
NETWORKED = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "lustre", "gpfs", "beegfs", "afs")
"""Beginnings of the names of file systems that are another machine's."""


def places(override: Path | None) -> Iterator[Check]:
    """Home, the disk it is on, the runtime directory, shipped models."""
    from unlearn_tui.runs.home import home, runtime_dir

    try:
        base = home(override)
    except Refused as error:
        yield Check("home", False, str(error), "give a writable folder with --home or $UNLEARN_TUI_HOME")
    else:
        yield Check("home", True, f"{base}, writable")
        yield _permissions("home's permissions", base)
        yield _disk(base)
    try:
        sockets = runtime_dir()
    except Refused as error:
        yield Check("runtime folder", False, str(error), "runs cannot be stopped or asked before it is put right")
    else:
        yield Check("runtime folder", True, f"{sockets}, {_mode(sockets.stat())}")
    yield _assets()


def _permissions(what: str, folder: Path) -> Check:
    found = folder.stat()
    mine = found.st_uid == os.geteuid()
    said = f"{_mode(found)}, {'owned by you' if mine else f'owned by user {found.st_uid}'}"
    if found.st_mode & stat.S_IWOTH:
        return Check(what, False, f"{said}, anybody may write there", f"chmod o-w {shlex.quote(str(folder))}")
    return Check(what, mine, said, "what somebody else owns may change under a run: give a --home of your own")


def _mode(found: os.stat_result) -> str:
    return f"mode {stat.S_IMODE(found.st_mode):04o}"


def _disk(base: Path) -> Check:
    from unlearn_tui.sources.wording import size

    usage, room = shutil.disk_usage(base), os.statvfs(base)
    kind = _file_system(base)
    over = ", over the network" if kind.startswith(NETWORKED) else ""
    found = f"{size(usage.free)} of {size(usage.total)} free, {kind}{over}"
    if room.f_files and not room.f_favail:
        return Check("disk", False, f"{found}, no file more can be made", "remove files: every inode is taken")
    return Check("disk", usage.free > ROOM, found, f"free some room: the demo writes up to {size(ROOM)}")


def _file_system(path: Path) -> str:
    import psutil  # type: ignore[import-untyped, unused-ignore]

    real = path.resolve()
    under = [p for p in psutil.disk_partitions(all=True) if real.is_relative_to(p.mountpoint)]
    # of two mounted on one another the later one counts
    return str(max(enumerate(under), key=lambda p: (len(p[1].mountpoint), p[0]))[1].fstype) if under else "unknown"


def _assets() -> Check:
    from unlearn_tui import catalog
    from unlearn_tui.sources.assets import asset

    missing = []
    for name in catalog.CHECKPOINTS:
        try:
            asset(*name.split("-", 1))
        except Refused:
            missing.append(name)
    found = ", ".join(missing or catalog.CHECKPOINTS)
    return Check("shipped models", not missing, found, "not installed: install again")
