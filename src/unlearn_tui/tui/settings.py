"""What the app remembers between two starts: home/app.json."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from unlearn_tui.files import SMALL, read_limited
from unlearn_tui.runs.directory import write_atomic

TOUR = "tour"
"""The choice that says that the guided tour has been shown."""


class Settings(msgspec.Struct, kw_only=True):
    """Colours, added folders and hub ids, and each view's sort order and panes ("compare.sort": "recovered")."""

    theme: str = "unlearn-dark"
    folders: list[str] = []
    choices: dict[str, str] = {}


def load(home: Path) -> Settings:
    """The settings of a home; the defaults where there are none or they are damaged."""
    return _read(home / "app.json") or Settings()


def save(home: Path, settings: Settings) -> None:
    """Write them whole or not at all; what stood there and could not be read is kept as app.json.damaged.

    Raises OSError.
    """
    path = home / "app.json"
    if os.path.lexists(path) and _read(path) is None:
        path.replace(path.with_name("app.json.damaged"))
    write_atomic(path, msgspec.json.format(msgspec.json.encode(settings), indent=2))


def _read(path: Path) -> Settings | None:
    try:
        return msgspec.json.decode(read_limited(path, SMALL), type=Settings)
    except (OSError, ValueError, RecursionError):
        return None
