"""A result as Rich renderables. Every cell is rich.text.Text: nothing that a model said is ever markup."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from unlearn_tui.protocol.result import Result
from unlearn_tui.report.answers import Example
from unlearn_tui.report.sections import Grid, grids, headline, precision_label, subtitle
from unlearn_tui.report.text import cut, number, safe

STYLES = {
    "recovered": "bold red",
    "partly": "yellow",
    "no": "green",
    "not_unlearned": "magenta",
    "finished": "green",
    "running": "cyan",
    "failed": "red",
    "died": "red",
    "stopped": "yellow",
    "ok": "green",
    "warn": "yellow",
    "fail": "red",
}


def result(result: Result, examples: list[Example], brief: bool = False) -> RenderableType:
    """The report of one run: headline, scores, verdicts, weights, answers, explanation."""
    parts: list[RenderableType] = [Text(subtitle(result), "dim"), Text(headline(result), "bold"), Text()]
    for g in grids(result, brief):
        parts += [grid(g), Text()]
    if examples:
        parts += [answers(examples), Text()]
    if result.explanation:
        parts.append(Text(safe(result.explanation)))
    parts += [Text(f"note: {safe(n)}", "dim") for n in result.notes]
    return Group(*parts)


def grid(grid: Grid) -> RenderableType:
    """A grid without boxes; words that have a colour (verdicts, states) wear it."""
    table = Table(box=None, pad_edge=False)
    for i, name in enumerate(grid.head):
        table.add_column(Text(name, "dim"), justify="left" if i < grid.left else "right")
    for row in grid.rows:
        table.add_row(*(Text(cell, STYLES.get(cell, "")) for cell in row))
    parts: list[RenderableType] = [Text(grid.title, "bold")] if grid.title else []
    # as the table's own title and caption they would be wrapped to its width
    return Group(*parts, table, *([Text(grid.note, "dim")] if grid.note else []))


def answers(examples: list[Example]) -> RenderableType:
    """One row per prompt, one column per model and precision, recovered words in ⟦…⟧ and bold."""
    table = Table(box=None, pad_edge=False)
    table.add_column(Text("question", "dim"), ratio=2)
    table.add_column(Text("gold", "dim"), ratio=1)
    keys = list(dict.fromkeys((c.model, c.precision) for e in examples for c in e.cells))
    for model, precision in keys:
        table.add_column(Text(f"{model} {precision_label(precision)}", "dim"), ratio=1)
    for e in examples:
        said = {(c.model, c.precision): c for c in e.cells}
        cells = [Text(cut(e.prompt, 120)), Text(cut(e.gold, 80))]
        for key in keys:
            cell = said.get(key)
            cells.append(Text() if cell is None else _answer(cell.text, cell.recall, cell.gain))
        table.add_row(*cells)
    return Group(Text("Answers (⟦…⟧ words that full precision had lost)", "bold"), table)


def _answer(text: str, recall: float, gain: float) -> Text:
    shown = Text(cut(text, 80) or "–")
    shown.highlight_regex(r"⟦[^⟧]*⟧", "bold red")
    shown.append(f" {number(100 * recall, '.0f')}{'▲' if gain > 0 else ''}", "dim")
    return shown
