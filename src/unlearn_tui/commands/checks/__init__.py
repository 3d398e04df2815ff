"""What doctor looks at, a module for each kind of thing; nothing here loads torch or Textual."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple


class Check(NamedTuple):
    """One line: what was looked at, whether it is fine, what was found, and what to do if it is not."""

    what: str
    ok: bool
    found: str
    todo: str = ""


def looked(what: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    """What `look` finds; one line named `what` where looking itself breaks, so that the others are still told."""
    try:
        return list(look())
    except Exception as error:
        return [Check(what, False, f"cannot be looked at: {type(error).__name__}: {error}", "put this into a report")]


def asked(command: Sequence[str], seconds: float = 2.0) -> str | None:
    """The first line that a program prints, "" for none; None where it is missing, fails or does not answer in time."""
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return next(iter(done.stdout.splitlines()), "") if done.returncode == 0 else None
