"""All prompts at once: how many have which score at full precision and quantized; and the counts of every label."""

from __future__ import annotations

from unlearn_tui.report.text import cut
from unlearn_tui.state.compare import CompareState
from unlearn_tui.state.labels import LABELS, RULES, shown
from unlearn_tui.state.table import Table, step
from unlearn_tui.tui.draw.answers import column_name, precision_name
from unlearn_tui.tui.draw.compare_parts import window
from unlearn_tui.tui.lines import Line, block, cell, fit, line, rule

STEPS = (11, 6, 5, 3)
"""Scores are put to the nearest of so many steps from 0 to 100: the most that have room are taken."""
_AXIS = 6
_WIDEST = 7


def scatter(state: CompareState, width: int, height: int) -> list[Line]:
    """Counts of prompts by score at full precision (across) and in the quantized column (up), its diagonal drawn.

    The column under the cursor where it is a quantized one, else the one that gained most. Above the diagonal is what
    quantizing gave back; the chosen prompt stands in brackets.
    """
    table = state.table
    x, y = table.base, table.quantizer(state.column)
    if x < 0 or y < 0:
        return block(
            [rule("all prompts", width), [(" nothing to compare: no quantized column is scored yet", "dim")]], height
        )
    n = next((n for n in STEPS if height >= n + 4 and width >= _AXIS + 3 * n), STEPS[-1])
    cells = min(max((width - _AXIS) // n, 3), _WIDEST)
    counts = table.bins(x, y, state.measure, n)
    row = state.row
    a, b = (row.cells[x], row.cells[y]) if row else (None, None)
    chosen = (step(getattr(a, state.measure), n), step(getattr(b, state.measure), n)) if a and b else None
    names = [column_name(table.columns[c]) for c in (x, y)]
    if table.columns[x][0] == table.columns[y][0]:
        names[1] = precision_name(table.columns[y][1])
    title = f"{names[0]} across, {names[1]} up"
    measure = table.measures[state.measure] if width >= 60 else ""
    made = [rule(cut(title, max(width - len(measure) - 8, 1)), width, measure)]
    for j in reversed(range(n)):
        axis = f"{100 * j / (n - 1):4.0f} ┤"
        spans: Line = [(axis, "dim")]
        for i in range(n):
            spans.append(_bin(counts.get((i, j), 0), (i, j), chosen == (i, j), cells, table.subset))
        made.append(spans)
    made.append([("     └" + "─" * (n * cells), "dim")])
    ticks = "".join(f"{100 * i / (n - 1):.0f}".center(cells) for i in range(n))
    made.append(line((" " * _AXIS + ticks, "dim")))
    above, below, same = table.sides(x, y, state.measure)
    spans = line((f" ▲ {above} above  ", _up(table)), f"/ {same} on the line  ", (f"▼ {below} below  ", "cool"))
    made.append([*spans, (f"{above + below + same} prompts", "dim")])
    return [fit(spans, width) for spans in block(made, height)]


def _bin(count: int, at: tuple[int, int], chosen: bool, cells: int, subset: str) -> tuple[str, str]:
    i, j = at
    text = _short(count, cells - 1 - chosen) if count else ("/" if i == j else "")
    style = "dim" if not count or i == j else ("cool" if j < i else "hot" if subset == "forget" else "good")
    if chosen:
        return f"[{text}]".center(cells), f"{style} cursor".strip()
    return text.center(cells), style


def _short(count: int, cells: int) -> str:
    """46, 999, 12k, or + where not even that fits into `cells`."""
    for text in (str(count), f"{count // 1000}k"):
        if len(text) <= cells and text != "0k":
            return text
    return "+"


def _up(table: Table) -> str:
    return "hot" if table.subset == "forget" else "good"


def labels(state: CompareState, columns: list[int], width: int) -> list[Line]:
    """How many prompts have which label, a row a label and a column a quantizer, and what the label means."""
    table = state.table
    columns = [c for c in columns if table.labelled(c)]
    fitting, chosen = (width - 18) // 9, table.quantizer(state.column)
    first = window(columns.index(chosen) if chosen in columns else 0, 0, fitting, len(columns))
    columns = columns[first : first + max(fitting, 0)]
    name = 18
    head: Line = [*cell(" prompts by label", name)]
    for c in columns:
        head += cell(precision_name(table.columns[c][1]), 9, "accent" if c == chosen else "", right=True)
    room = width - name - 9 * len(columns) - 2
    made = [head]
    for id in LABELS:
        counts = [table.counts[c].get(id, 0) for c in columns] if columns else [table.total.get(id, 0)]
        if not any(counts):
            continue
        spans = cell(f" {shown(id, table.subset)}", name)
        for count in counts:
            spans += cell(str(count) if count else "·", 9, "" if count else "dim", right=True)
        if room >= 20:
            spans += line("  ", (cut(RULES[id], room), "dim"))
        made.append(spans)
    if room < 20 and width >= 60:
        used = [id for id in LABELS if any(table.counts[c].get(id) for c in columns)]
        made += [[], *([(f" {shown(id, table.subset)}: {RULES[id]}", "dim")] for id in used)]
    return [fit(spans, width) for spans in made]
