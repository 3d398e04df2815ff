"""What the app remembers between two starts: home/app.json."""

from __future__ import annotations

from pathlib import Path

import msgspec

from unlearn_tui.runs.directory import write_atomic

LARGEST = 1_000_000
"""Bytes of a settings file that are read."""


class Settings(msgspec.Struct, kw_only=True):
    """Colours, added folders and hub ids, and each view's sort order and panes ("compare.sort": "recovered")."""

    theme: str = "unlearn-dark"
    folders: list[str] = []
    choices: dict[str, str] = {}


def load(home: Path) -> Settings:
    """The settings of a home; the defaults where there are none or they are damaged."""
    try:
        with (home / "app.json").open("rb") as file:
            return msgspec.json.decode(file.read(LARGEST), type=Settings)
    except (OSError, ValueError, RecursionError):
        return Settings()


def save(home: Path, settings: Settings) -> None:
    """Write them whole or not at all. Raises OSError."""
    write_atomic(home / "app.json", msgspec.json.format(msgspec.json.encode(settings), indent=2))
