"""? lists the keys, h says in plain words what a screen shows."""

from __future__ import annotations

from collections.abc import Collection

from unlearn_tui.tui import keys
from unlearn_tui.tui.lines import Line, line, wrap


def key_lines(view: str, width: int) -> list[Line]:
    """Every key of a screen, its own first."""
    rows: list[Line] = []
    for title, chosen in ((f"on this screen ({view})", view), ("everywhere", "")):
        rows += [[], line((f" {title}", "title"))]
        grouped: dict[tuple[str, str], list[str]] = {}
        for key in keys.KEYS:
            if key.view == chosen:
                grouped.setdefault((key.action, key.help), []).append(keys.name(key.key))
        for (_, help), names in grouped.items():
            said = wrap(help, max(width - 16, 10))
            rows.append(line(("  " + " ".join(names).ljust(12), "key"), (said[0], "")))
            rows += [line(" " * 14 + more) for more in said[1:]]
    rows += [[], line((" mouse", "title"))]
    rows += [line(" " * 2 + row) for row in wrap(MOUSE, max(width - 4, 10))]
    return rows


MOUSE = (
    "A click chooses a row, or a screen by its name above; the wheel moves. To select text with the mouse hold shift "
    "(option on a Mac), or start with --no-mouse. y copies without a mouse."
)


def word_lines(view: str, width: int, metrics: Collection[str] = ()) -> list[Line]:
    """The screen for someone who has not read the paper, and the metrics on it that need a word of their own."""
    from unlearn_tui.tui.words import METRIC_WORDS, WORDS

    rows: list[Line] = [[]]
    for paragraph in [*WORDS[view].split("\n\n"), *(METRIC_WORDS[m] for m in metrics if m in METRIC_WORDS)]:
        rows += [line(" " + row) for row in wrap(" ".join(paragraph.split()), max(min(width, 88) - 2, 10))]
        rows.append([])
    return rows
