"""The Models screen: the list of checkpoints, and what there is to know about the one under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn_tui.report.sections import precision_label as label
from unlearn_tui.report.text import ago, cut, number, safe, size
from unlearn_tui.state.models import Models, Row, four_bit
from unlearn_tui.tui.draw import table
from unlearn_tui.tui.draw.model import SIGNS, detail
from unlearn_tui.tui.draw.table import Column
from unlearn_tui.tui.lines import Line, beside, block, fit, line, wrap

if TYPE_CHECKING:
    from unlearn_tui.sources.fits import Room

COLUMNS = (
    Column("KIND", 9, False, 5),
    Column("METHOD", 8, False, 4),
    Column("STEP", 5, True, 8),
    Column("KM_f", 5, True, 1),
    Column("4 BIT", 7, True, 2),
    Column("KM_r", 5, True, 3),
    Column("SIZE", 8, True, 6),
    Column("AGE", 4, True, 7),
)
NAME = 22
START = "pocket-target"
"""The model that a first run is of."""
WIDE = 120
"""Cells from which the detail stands beside the list."""
LIST = 84
DETAIL = 10
"""Lines of the detail below the list at 80x24."""
FILTER_AT = 11
"""Where the filter is typed: cells from the left of the first line."""


def draw(state: Models, room: Room | None, width: int, height: int, now: float, typing: bool = False) -> list[Line]:
    """The whole screen. `room`: free memory, None before it is known; `typing`: the filter is being typed."""
    if width >= WIDE:
        left = _list(state, LIST, height, now, room is None, typing)
        foot = [*first_steps(state, width - LIST - 3), *legend(width - LIST - 3)]
        right = detail(state, room, width - LIST - 3, height - len(foot), now)
        return beside(block(left, height), [*block(right, height - len(foot)), *foot], LIST)
    shown = list_height(state, width, height)
    lines = _list(state, width, shown + 2, now, room is None, typing)
    below = height - len(lines)
    if below < 2:
        return lines
    foot = [*first_steps(state, width), *legend(width)[-1:]] if below >= DETAIL else []
    return [*lines, *block(detail(state, room, width, below - len(foot), now), below - len(foot)), *foot]


def list_height(state: Models, width: int, height: int) -> int:
    """Lines that the rows get: all beside a detail pane, else what the detail below leaves."""
    if width >= WIDE:
        return height - 2
    below = DETAIL if height >= 18 else 4 if height >= 12 else 0
    return max(min(max(len(state.list.rows), 3), height - 2 - below), 1)


def row_at(state: Models, width: int, height: int, x: int, y: int) -> int | None:
    """The row painted at this cell, or None."""
    if width >= WIDE and x >= LIST:
        return None
    return table.index_at(state.list, list_height(state, width, height), y - 2)


def _list(state: Models, cells: int, height: int, now: float, loading: bool, typing: bool) -> list[Line]:
    count = f"{len(state.list.rows)} of {state.count}" if state.filter else str(state.count)
    right = f"{count}   sort: {state.sort} ▼"
    made = [table.title("MODELS", safe(state.filter), typing, cut(safe(right), max(cells - 20, 1)), cells)]
    columns = table.layout(COLUMNS, cells, NAME)
    made.append(table.head(columns, "NAME"))
    if not state.list.rows:
        if state.filter:
            said = f"nothing fits {safe(state.filter)!r}: esc shows all"
        else:
            said = "looking for checkpoints …" if loading else "no checkpoints here: + adds a folder or a hub id"
        return [*made, [], line((f"   {cut(said, cells - 4)}", "dim"))]
    return made + table.rows(
        state.list, columns, height - 2, lambda row: SIGNS[row.status], lambda row, head: _content(row, head, now)
    )


def _content(row: Row, head: str, now: float) -> Line:
    gone = "dim" if row.status in ("failed", "missing") else ""
    inner = row.kind == "quantized"
    match head:
        case "":
            return line(("  └ ", "rule"), (safe(row.name), "dim")) if inner else line((safe(row.name), gone))
        case "KIND":
            return line((row.kind, "dim" if inner else gone))
        case "METHOD":
            return (
                line((label(row.name), "dim")) if inner else line((safe(row.method) or "–", gone or _faint(row.method)))
            )
        case "STEP":
            return line(("" if inner or row.step is None else str(row.step), gone))
        case "KM_f":
            return _score(row, row.forget, "mark" if inner and _back(row) else gone)
        case "4 BIT":
            return _four_bit(row)
        case "KM_r":
            return _score(row, row.retain, gone)
        case "SIZE":
            return line((size(row.size) if row.size else "–", "" if row.size and not inner else "dim"))
        case _:
            return line(("" if inner else ago(now - row.modified) if row.modified else "–", "dim"))


def _faint(text: str) -> str:
    return "" if text else "dim"


def _back(row: Row) -> bool:
    return any(score.back for score in row.scores)


def _score(row: Row, value: float | None, style: str) -> Line:
    if value is None:
        return line(("–" if row.status in ("failed", "missing", "scored") else "?", "dim"))
    return line((number(value), style))


def _four_bit(row: Row) -> Line:
    if row.kind == "quantized":
        return line(("▲", "mark")) if _back(row) else []
    score = four_bit(row.scores)
    if score is None or score.forget is None:
        return []
    return line((number(score.forget), "mark" if score.back else ""), (" ▲", "mark") if score.back else ("  ", ""))


def first_steps(state: Models, cells: int) -> list[Line]:
    """What to do where nothing has been done yet, in words that expect nothing; [] once there is a run."""
    if not any(row.ref == START for row in state.rows) or any(row.run for row in state.rows):
        return []
    keys = f"New here? ⏎ on {START}, then r:"
    said = (
        "it unlearns some made-up people, is quantized, and is asked about them again. "
        "About a minute on this machine, no network. h explains a screen."
    )
    rows = wrap(f"{keys} {said}", max(cells - 2, 10), 5)
    return [line((f" {row}", "accent" if index == 0 else "")) for index, row in enumerate(rows)] + [[]]


def legend(cells: int) -> list[Line]:
    """What the columns and the signs mean, the signs last."""
    words = " KM_f: KnowMem on the forget set (low = forgotten)  KM_r: retain set"
    signs = line(" ", ("●", "good"), " scored  ○ not scored  ", ("▶", "accent"), " live  ", ("✗", "bad"), " failed  ")
    signs += line(("▲", "mark"), " came back")
    if cells >= 78:
        signs += line(("  KM_f: low = forgotten", "dim"))
    return [line((cut(words, cells), "dim")), fit(signs, cells)]
