"""Where runs live (home), and where the sockets of live engines stand (the runtime directory)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from unlearn_tui.errors import Refused

SOCKET_PATH_LIMIT = 104
"""Bytes of a Unix socket's path with its closing NUL: 108 on Linux, 104 on macOS."""
SOCKET_NAME_BYTES = len("/0123456789abcdef.sock") + 1


def reason(error: Exception) -> str:
    """The human part of an OSError, without number and path."""
    return getattr(error, "strerror", None) or str(error)


def home(override: str | Path | None = None) -> Path:
    """Where runs and caches live: `override`, else $UNLEARN_TUI_HOME, else the platform's user data directory.

    Creates it, open to nobody else (0700), with its `runs` folder. Raises Refused (field "home") where
    that is impossible or it cannot be written.
    """
    given = override or os.environ.get("UNLEARN_TUI_HOME")
    try:
        path = Path(given).expanduser().absolute() if given else _platform_home()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (path / "runs").mkdir(exist_ok=True)
        why = "" if os.access(path / "runs", os.W_OK | os.X_OK) else "it is read-only"
    except (OSError, ValueError, RuntimeError) as error:
        path, why = Path(given or "~"), reason(error)
    if why:
        raise Refused(f"home {str(path)!r} cannot be used: {why}; give a writable folder with --home", "home")
    return path


def _platform_home() -> Path:
    import platformdirs

    return platformdirs.user_data_path("unlearn-tui", appauthor=False)


def runtime_dir() -> Path:
    """The private directory (0700) of control sockets: $XDG_RUNTIME_DIR/unlearn-tui, else /tmp/unlearn-tui-UID.

    Outside home, because home may be a network disk, which holds no sockets, or have too long a path for one.
    Raises Refused if the directory is not ours alone: whoever else can write there could pose as an engine.
    """
    path = Path(os.environ.get("XDG_RUNTIME_DIR", ""), "unlearn-tui")
    if not _is_ours(path.parent) or len(os.fsencode(path)) + SOCKET_NAME_BYTES > SOCKET_PATH_LIMIT:
        path = Path(f"/tmp/unlearn-tui-{os.getuid()}")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise Refused(f"no place for control sockets: {str(path)!r}: {reason(error)}; set XDG_RUNTIME_DIR") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise Refused(f"{str(path)!r} belongs to somebody else: remove it, or set XDG_RUNTIME_DIR to a folder of yours")
    if stat.S_IMODE(found.st_mode) != 0o700:
        raise Refused(f"{str(path)!r} is open to others: run chmod 700 on it, or remove it")
    return path


def _is_ours(folder: Path) -> bool:
    """An absolute, existing directory of this user (after `su`, XDG_RUNTIME_DIR names somebody else's)."""
    try:
        return folder.is_absolute() and folder.is_dir() and folder.stat().st_uid == os.getuid()
    except OSError:
        return False
