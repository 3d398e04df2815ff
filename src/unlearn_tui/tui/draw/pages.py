"""Pages to read: an engine's log, the answers to a question of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from unlearn_tui.report.sections import Grid
from unlearn_tui.report.text import safe
from unlearn_tui.tui.draw.model import label
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


def answers(grid: Grid, cells: int) -> list[Line]:
    """What each model said at each precision; ⟦words⟧ that came back stand out."""
    room = max(cells - 16, 10)
    made: list[Line] = [line((f" {part}", "bold")) for part in wrap(grid.title, max(cells - 2, 10))]
    made += [line((f" {part}", "good")) for part in wrap(grid.note, max(cells - 2, 10))] if grid.note else []
    for precision, *said in grid.rows:
        made += [[], line((f" {label(precision)}", "title"), (f"  {precision}", "dim"))]
        for name, text in zip(grid.head[1:], said, strict=True):
            rows = wrap(text or "(nothing)", room)
            made += [
                line((f"   {name if index == 0 else '':<11} ", "dim"), *_marked(row)) for index, row in enumerate(rows)
            ]
    return made


def _marked(text: str) -> Line:
    """`text` with what stands between ⟦ and ⟧ in the style of recovered words."""
    spans: Line = []
    inside = False
    for part in text.replace("⟦", "\0⟦").replace("⟧", "⟧\0").split("\0"):
        inside = part.startswith("⟦")
        spans.append((part, "mark" if inside else ""))
    return spans
