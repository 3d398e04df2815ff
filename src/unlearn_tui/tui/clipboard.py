"""Copying: OSC 52 to the terminal, tmux's own buffer inside tmux, and a file that always works."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from unlearn_tui.runs.directory import write_atomic

LONGEST = 74_994
"""Bytes of text whose base64 stays under the 100 kB that terminals take as a rule."""


def osc52(text: str, send: Callable[[str], None]) -> None:
    """Let the terminal have it, if it is not too long for one."""
    if len(text.encode(errors="replace")) <= LONGEST:
        send(text.encode(errors="replace").decode())


def keep(text: str, home: Path) -> str:
    """Put `text` into tmux's buffer and a file; says in one line where it went. Nothing answers, so no "copied"."""
    path = home / "last-copy.txt"
    data = text.encode(errors="replace")
    kept = f", kept in {_short(path)}"
    try:
        write_atomic(path, data)
    except OSError as error:
        kept = f"; {_short(path)} cannot be written: {error.strerror}"
    if len(data) > LONGEST:
        return f"is too long for a terminal's clipboard{kept}"
    if "TMUX" in os.environ and _tmux(data):
        return f"sent to tmux and its terminal{kept}"
    return f"sent to the terminal{kept}"


def _short(path: Path) -> str:
    """With ~ for the user's own folder: a line of the footer has 80 cells."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)


def _tmux(data: bytes) -> bool:
    """tmux keeps applications' OSC 52 to itself by default; its own buffer goes on to the terminal (-w, tmux 3.2)."""
    for flags in (["-w"], []):
        try:
            done = subprocess.run(
                ["tmux", "load-buffer", *flags, "-"], input=data, capture_output=True, timeout=2, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode == 0:
            return True
    return False
