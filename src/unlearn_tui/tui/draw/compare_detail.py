"""One prompt of the Compare screen in full: under the grid, as a page to read, as text to copy."""

from __future__ import annotations

from unlearn_tui.report.text import cut
from unlearn_tui.state.compare import CompareState
from unlearn_tui.state.labels import LOST, PARTLY, RECOVERED, RULES, shown
from unlearn_tui.state.table import Row, is_quantized
from unlearn_tui.tui.draw import compare_parts as parts
from unlearn_tui.tui.draw.answers import (
    answer,
    column_name,
    differing,
    flow,
    marked,
    model_name,
    plain,
    precision_name,
    score,
)
from unlearn_tui.tui.lines import Line, cell, fit, line, rule

LONGEST = 2000
"""Lines of one answer on the page at most."""


def detail(state: CompareState, width: int, height: int, columns: list[int], ascii: bool) -> list[Line]:
    """The chosen prompt with its gold answer and what columns say: target, base, the chosen one, those in the grid first."""
    row, table = state.row, state.table
    if row is None or height < 3:
        return []
    label = shown(row.label, table.subset)
    head = cut(f"#{row.index} {plain(row.prompt)}", max(width - len(label) - 10, 4))
    order = dict.fromkeys(
        c for c in (table.target, state.base, state.column, *columns, *range(len(table.columns))) if c >= 0
    )
    fitting = sorted(list(order)[: max(height - 3, 1)])
    names = {c: f"{model_name(table.columns[c][0]):<9} {precision_name(table.columns[c][1])}" for c in fitting}
    name = min(max(map(len, names.values()), default=9) + 2, width // 3)
    made = [rule(head, width, label)]
    made.append([*cell(" gold", name + 1, "dim"), *fit([(plain(row.gold), "bold")], width - name - 9)])
    for c in fitting:
        mark, style = parts.head(state, c)
        text = fit(answer(state, row, c, ascii), width - name - 9)
        spans = [*line((mark, "accent")), *cell(names[c], name, style if c == state.column else ""), *text]
        made.append([*spans, *line(f" {score(parts.measured(state, row, c))} ", parts.direction(state, row, c))])
    if label and len(made) < height:
        made.append(line((f" {_ruled(state, row)}", "dim")))
    return [fit(spans, width) for spans in made]


def _ruled(state: CompareState, row: Row) -> str:
    """recovered at INT4: … The label, the precisions that it comes from where they differ, and its rule."""
    table, where = state.table, ""
    if row.label in (RECOVERED, PARTLY, LOST):
        own = [c for c, key in enumerate(table.columns) if is_quantized(key) and table.label(row, c) == row.label]
        where = f" at {', '.join(precision_name(table.columns[c][1]) for c in own)}" if own else ""
    return f"{shown(row.label, table.subset)}{where}: {RULES[row.label]}"


def page(state: CompareState, row: Row, width: int, ascii: bool = False) -> list[Line]:
    """Everything about a prompt: it, its gold answer, every column's whole answer with its numbers and label."""
    table, room = state.table, max(width - 4, 10)
    made: list[Line] = []

    def texts(name: str, lines: list[Line]) -> None:
        made.append([(f" {name}", "dim")])
        made.extend([("   ", ""), *spans] for spans in lines)
        made.append([])

    texts("prompt", _paragraphs(row.prompt, room))
    texts("gold answer", _paragraphs(row.gold, room))
    if row.label:
        texts("label", flow([(_ruled(state, row), "")], room, 5))
    for c, key in enumerate(table.columns):
        mark, style = parts.head(state, c)
        found = row.cells[c]
        made.append([*line((mark, "accent"), (f"{column_name(key)}", style or "title"), f"  {plain(key[1])}")])
        if found is None:
            made.extend([[("   no answer could be read", "dim")], []])
            continue
        words = "exact" in table.measures  # else there is one number, which compares no words
        names = {"f1": "ROUGE-L F1", "recall": "recall", "precision": "precision"} if words else table.measures
        numbers = [f"{name} {score(getattr(found, measure)).strip()}" for measure, name in names.items()]
        if words:
            numbers.append("exact match" if found.exact else "no exact match")
        if found.tokens:
            numbers.append(f"{found.tokens} tokens")
        label = shown(table.label(row, c), table.subset)
        for spans in flow([(" · ".join(numbers), "dim"), (f" · {label}" if label else "", "bold")], room, 9):
            made.append([("   ", ""), *spans])
        made.extend([("   ", ""), *spans] for spans in _whole(state, row, c, room, ascii))
        made.append([])
    return [fit(spans, width) for spans in made]


def _whole(state: CompareState, row: Row, column: int, room: int, ascii: bool) -> list[Line]:
    """A column's answer in its own lines, recovered words marked; in a diff, as a difference."""
    found, base = row.cells[column], row.cells[state.base] if state.base >= 0 else None
    full = row.cells[state.table.base] if state.table.base >= 0 else None
    if found is None:
        return []
    if state.diff and base is not None and column != state.base:
        return flow(differing(base.answer, found.answer), room, LONGEST)
    if state.table.compared(column) and full is not None and found.recall > full.recall:
        paragraphs = [marked(part, row.gold, full.answer, ascii) for part in found.answer.strip().split("\n")]
        return [spans for part in paragraphs for spans in flow(part, room, LONGEST)][:LONGEST]
    return _paragraphs(found.answer, room)


def _paragraphs(text: str, room: int) -> list[Line]:
    parts_ = [flow([(plain(part), "")], room, LONGEST) for part in text.strip().split("\n")[:LONGEST]]
    return [spans for part in parts_ for spans in part][:LONGEST]


def as_text(state: CompareState, row: Row) -> str:
    """A prompt with every answer as plain text, one line each: what is copied."""
    lines = [f"#{row.index} {plain(row.prompt)}", f"gold: {plain(row.gold)}"]
    for c, key in enumerate(state.table.columns):
        found = row.cells[c]
        if found is not None:
            label = shown(state.table.label(row, c), state.table.subset)
            numbers = f"{state.table.measures[state.measure]} {score(getattr(found, state.measure)).strip()}"
            lines.append(f"{plain(':'.join(key))}: {plain(found.answer)}  ({numbers}{', ' if label else ''}{label})")
    return "\n".join(lines) + "\n"
