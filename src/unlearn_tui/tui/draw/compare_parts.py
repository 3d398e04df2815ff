"""What the compact and the wide grid of the Compare screen have in common: names, numbers, which columns and rows fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from unlearn_tui.report.sections import HALVED, HALVED_NOTE, metric_label
from unlearn_tui.report.text import cut, number
from unlearn_tui.state.compare import SORTS, CompareState
from unlearn_tui.state.labels import BACK, GAIN, LABELS, RECOVERED, shown
from unlearn_tui.state.table import Row, is_quantized
from unlearn_tui.tui.draw.answers import column_name, plain, precision_name
from unlearn_tui.tui.lines import Line, fit, joined, line
from unlearn_tui.tui.lines import width as cells_of

BRIEF = {"f1": "F1", "recall": "recall", "precision": "ROUGE-L precision", "exact": "exact match"}
"""MEASURES where room is short."""


@dataclass
class Frame:
    """A drawn screen, and what stands where: the state with its window moved to the cursor, the position in state.order
    by line, (first cell, column) of every column from the left, and how many rows are shown at once.
    """

    lines: list[Line]
    state: CompareState
    rows: dict[int, int] = field(default_factory=dict)
    columns: list[tuple[int, int]] = field(default_factory=list)
    page: int = 1


def window(cursor: int, top: int, room: int, n: int) -> int:
    """The first of `room` of n things so that `cursor` is among them, moved from `top` no further than needed."""
    if cursor < top:
        top = cursor
    elif cursor >= top + room:
        top = cursor - room + 1
    return max(0, min(top, n - room))


def columns_in(state: CompareState, n: int) -> tuple[CompareState, list[int]]:
    """Which columns stand in a grid with room for n: all of them; or a window of them and always the base of the diff,
    in front where its neighbours are out of sight.
    """
    every = list(range(len(state.table.columns)))
    if len(every) <= n:
        return replace(state, left=0), every
    base = state.base if n > 1 else -1
    others = [c for c in every if c != base]
    room = max(n - (base >= 0), 1)
    left = max(min(state.left, len(others) - room), 0)
    if state.column != base:
        left = window(others.index(state.column), left, room, len(others))
    columns = others[left : left + room]
    if base >= 0:
        beside = min(columns) - 1 <= base <= max(columns) + 1
        columns = sorted([base, *columns]) if beside else [base, *columns]
    return replace(state, left=left), columns


def columns_said(state: CompareState, columns: list[int]) -> str:
    """◂ 3–6 of 13 ▸; the base in front of columns that are not its neighbours is not counted."""
    n = len(state.table.columns)
    if len(columns) == n:
        return f"{n} column" + ("s" if n != 1 else "")
    own = columns if columns == sorted(columns) and columns[-1] - columns[0] < len(columns) else columns[1:]
    before, after = "◂ " if own[0] else "", " ▸" if own[-1] < n - 1 else ""
    said = f"{own[0] + 1}–{own[-1] + 1}" if len(own) > 1 else f"{own[0] + 1}"
    return f"{before}{said} of {n}{after}"


def title(state: CompareState, width: int, right: Line | None = None) -> Line:
    """What is shown and how: set, number, order; at its end `right`, or the filter, or counts where there is room."""
    table = state.table
    n, every = len(state.order), len(table.rows)
    unit = ("passage" if table.passages else "question") + ("s" if every != 1 else "")
    order = column_name(state.by) if state.sort == "column" and state.by else SORTS[state.sort]
    up = state.sort in ("index", "prompt")
    count = f" {n} of {every}" if state.narrowed else f" {every} {unit}"
    parts = [
        line((f" {plain(metric_label(table.metric))}", "title"), count),
        line((BRIEF if width < 100 and "exact" in table.measures else table.measures)[state.measure]),
        line(("▲ " if up else "▼ ", "dim"), order),
        line(("changed only", "accent")) if state.changed else [],
    ]
    if state.diff and state.base >= 0:
        parts.append(
            line(("diff to ●", "accent"), f" {column_name(table.columns[state.base])}" if width >= 100 else "")
        )
    left = joined(parts, " · ")
    room = width - cells_of(left) - 3
    if right is None and state.filter:
        right = [("/", "key"), (cut(plain(state.filter), max(width // 4, 8)), "accent"), (" ", "")]
    elif right is None:
        right = [(f"{counts(state, room)} ", "bold")] if width >= 120 and room >= 20 else []
    return [*fit(left, width - cells_of(right)), *right]


def counts(state: CompareState, width: int) -> str:
    """INT4: 45 recovered, 1 stays forgotten; where the cursor's column has no labels, of prompts over all quantizers."""
    table = state.table
    if not 0 <= state.column < len(table.columns):
        return ""
    labelled = table.labelled(state.column)
    found = table.counts[state.column] if labelled else table.total
    parts = [f"{found[id]} {shown(id, table.subset)}" for id in LABELS if found.get(id)]
    where = f"{precision_name(table.columns[state.column][1])}: " if labelled else ""
    if not labelled and any(map(is_quantized, table.columns)):
        where = "at any quantizer: "
    return cut(where + ", ".join(parts), max(width, 1)) if parts else ""


def head(state: CompareState, column: int) -> tuple[str, str]:
    """The mark before a column's name, and the name's style: ▸ under the cursor, ● the base of the diff."""
    mark = "▸" if column == state.column else "●" if column == state.base else " "
    return mark, "accent" if column == state.column else "title"


def measured(state: CompareState, row: Row, column: int) -> float | None:
    """The number of an answer that is shown, 0-1."""
    found = row.cells[column]
    return None if found is None else float(getattr(found, state.measure))


def direction(state: CompareState, row: Row, column: int) -> tuple[str, str]:
    """▲ ▼ ─ by the shown number against full precision, with its style; nothing for other models."""
    table = state.table
    if table.base < 0 or not table.compared(column):
        return " ", ""
    here, full = measured(state, row, column), measured(state, row, table.base)
    if here is None or full is None:
        return " ", ""
    return arrow(here - full, table.subset, abs(here - full) >= GAIN)


def rise(state: CompareState, column: int) -> tuple[str, str]:
    """The same of a column's mean: ─ where the interval of the difference, paired by prompt, has no change in it."""
    table = state.table
    interval = table.difference(column, state.measure) if table.base >= 0 and table.compared(column) else None
    if interval is None:
        return " ", ""
    low, high = interval
    verdict = share(state, column)[1]
    gap = 0.0 if low <= 0 <= high else (low + high) / 2
    return arrow(gap, table.subset, verdict in BACK if verdict else abs(gap) >= GAIN)


def arrow(difference: float, subset: str, much: bool) -> tuple[str, str]:
    """The sign of a difference of scores (0-1) and its style: coloured if it is `much`; on a retain set up is good."""
    if abs(difference) < 5e-4:
        return "─", "dim"
    style = "cool" if difference < 0 else "hot" if subset == "forget" else "good"
    return "▲" if difference > 0 else "▼", style if much else ""


def bar_style(value: float | None, sign: tuple[str, str]) -> str:
    """A bar that rose has its sign's colour, an empty one none."""
    return sign[1] if value and sign[0] == "▲" and sign[1] else "cool" if value else "dim"


def label_style(label: str, subset: str) -> str:
    """What came back stands out: an alarm on a forget set, good news on a retain set."""
    return "" if label != RECOVERED else "mark" if subset == "forget" else "good"


def mean(state: CompareState, column: int) -> float | None:
    """The mean over a column, 0-1: the run's own where it has one (F1, exact), else that of the answers."""
    row = state.table.scores.get(state.table.columns[column])
    if row is not None and state.measure in ("f1", "exact"):
        return (row.value if state.measure == "f1" else row.exact) / 100
    found = state.table.means.get((column, state.measure))
    return None if found is None else found / 100


def interval(state: CompareState, column: int) -> str:
    """The mean's 95 % interval; only F1, or what stands in its place, has one."""
    row = state.table.scores.get(state.table.columns[column])
    if row is None or state.measure != "f1":
        return ""
    return f"{number(row.ci_low)}–{number(row.ci_high)}".replace("100.0", "100")


def share(state: CompareState, column: int) -> tuple[float | None, str]:
    """A column's share of the target's score, and the verdict on it ("" at full precision); None, "" without."""
    table = state.table
    model, precision = table.columns[column]
    if column == table.base:
        return next((v.share_full for v in table.verdicts.values() if v.share_full is not None), None), ""
    found = table.verdicts.get(precision) if model == "unlearned" else None
    return (found.share, found.verdict) if found else (None, "")


def torn(state: CompareState) -> str:
    """Which columns lack answers that their means were made from; "" where all are there."""
    table = state.table
    for c, key in enumerate(table.columns):
        row = table.scores.get(key)
        if row is not None and table.answered[c] < row.n:
            return f"{column_name(key)}: only {table.answered[c]} of {row.n} answers can be read; the mean is of all"
    return ""


def halved(state: CompareState, column: int) -> str:
    """What stands behind the name of a column whose batch had to be halved, "" behind others."""
    row = state.table.scores.get(state.table.columns[column])
    return HALVED if row is not None and row.batch else ""


def smaller(state: CompareState) -> str:
    """Which columns were answered in smaller batches than asked, in words; "" where none was."""
    found = [(key, state.table.scores.get(key)) for key in state.table.columns]
    told = [f"{column_name(key)} to {row.batch}" for key, row in found if row is not None and row.batch]
    return f"{HALVED_NOTE}: {', '.join(told)}" if told else ""


def nothing(state: CompareState) -> str:
    """Why no row is shown, and the way back."""
    if state.filter:
        return f"no prompt or answer has “{plain(state.filter)}” in it; esc shows all again"
    return "no answer differs from full precision's; f shows all again" if state.changed else "no answers"
