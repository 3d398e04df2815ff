"""A result as plain text: no colour, no boxes, the same bytes on every terminal."""

from __future__ import annotations

from rich.cells import cell_len

from unlearn_tui.protocol.result import Result
from unlearn_tui.report.answers import Example
from unlearn_tui.report.sections import Grid, grids, headline, subtitle
from unlearn_tui.report.text import cut, number, pad, safe


def result(result: Result, examples: list[Example], brief: bool = False) -> str:
    """The report of one run, ending in a newline."""
    parts = [f"{subtitle(result)}\n{headline(result)}"]
    parts += [grid(g) for g in grids(result, brief)]
    if examples:
        parts.append("Answers (⟦…⟧ words that full precision had lost)\n" + "\n".join(map(example, examples)))
    if result.explanation:
        parts.append(safe(result.explanation))
    if result.notes:
        parts.append("\n".join(f"note: {safe(n)}" for n in result.notes))
    return "\n\n".join(parts) + "\n"


def grid(grid: Grid) -> str:
    """Columns two spaces apart, numbers to the right."""
    rows = [grid.head, *grid.rows]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(grid.head))]
    lines = ["  ".join(pad(c, widths[i], right=i >= grid.left) for i, c in enumerate(row)).rstrip() for row in rows]
    return "\n".join([*([grid.title] if grid.title else []), *lines, *([grid.note] if grid.note else [])])


def example(example: Example) -> str:
    """One prompt, its gold answer and what each model said, a line each."""
    lines = [f"#{example.index} {cut(example.prompt, 150)}", f"  {'gold':<26}{cut(example.gold, 150)}"]
    for c in example.cells:
        rise = " ▲" if c.gain > 0 else ""
        who = pad(cut(f"{c.model} {c.precision}", 20), 21)
        lines.append(f"  {who}{number(100 * c.recall, '.0f'):>3}  {cut(c.text, 150)}{rise}")
    return "\n".join(lines)
