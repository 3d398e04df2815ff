"""Pages to read: an engine's log."""

from __future__ import annotations

from collections.abc import Sequence

from unlearn_tui.report.text import safe
from unlearn_tui.tui.lines import Line, line, wrap


def log(reason: str, said: Sequence[str], cells: int) -> list[Line]:
    """The last that an engine printed, then why its run ended: such a page opens at its end."""
    room = max(cells - 2, 10)
    made: list[Line] = [] if said else [line((" the engine printed nothing", "dim"))]
    for text in said:
        text = safe(text.expandtabs()).rstrip()
        indent = min(len(text) - len(text.lstrip()), room // 3)
        made += [line(" " * (indent + 1) + part) for part in wrap(text.strip(), room - indent)]
    return [*made, [], *(line((f" {part}", "bad")) for part in wrap(safe(reason), room))] if reason else made
