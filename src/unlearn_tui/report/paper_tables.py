"""The paper's tables as grids of text and as files: ours, and the paper's own figures beside them where it has some."""

from __future__ import annotations

import re

from unlearn_tui import catalog
from unlearn_tui.report.export import Table, md_text
from unlearn_tui.report.sections import Grid, precision_label
from unlearn_tui.report.sweeps import halved, spread
from unlearn_tui.report.text import number, safe
from unlearn_tui.state.paper_tables import Line, PaperTable

_WITHIN = re.compile(r"(?<=\w)\\_(?=\w)")
TITLES = {
    1: "Table 1: unlearned, at full precision, 8 and 4 bits",
    2: "Table 2: unlearned, at 4 bits by other quantizers",
    3: "Table 3: SURE, at full precision and 4 bits",
}
_SHORT = {
    "verbmem_forget": "VerbMem f",
    "knowmem_forget": "KnowMem f",
    "privleak": "PrivLeak",
    "knowmem_retain": "KnowMem r",
}


def title(table: PaperTable) -> str:
    """Which table, of which corpus."""
    return f"{TITLES[table.number]} ({safe(table.corpus)})"


def column(metric: str) -> str:
    """A short head: VerbMem f(orget), KnowMem r(etain)."""
    return _SHORT.get(metric) or (catalog.METRICS[metric].label if metric in catalog.METRICS else safe(metric))


def grid(table: PaperTable) -> Grid:
    """Methods × precisions down, the paper's four figures across."""
    heads = []
    for metric in table.columns:
        heads += [column(metric), *(["paper"] if table.paper else [])]
    rows = []
    for line in table.lines:
        cells = []
        for i, figure in enumerate(line.figures):
            cells.append(spread(figure))
            if table.paper:
                cells.append(number(line.paper[i] if line.paper else None))
        rows.append((line.label, precision_label(line.precision), _n(line), *cells))
    return Grid(title(table), ("", "precision", "n", *heads), rows, left=2)


def _n(line: Line) -> str:
    """Seeds of the row."""
    return str(max((f.n for f in line.figures if f is not None), default=0))


def notes(table: PaperTable) -> list[str]:
    """What stands under it."""
    made = [f"n: seeds; mean [least–largest]; f: forget, r: retain. {_better(table)}"]
    if less := halved(figure for line in table.lines for figure in line.figures):
        made.append(less)
    if table.missing:
        made.append(f"no finished run yet: {', '.join(table.missing)} (--run makes them)")
    return [*made, *map(safe, table.notes)]


def _md(text: str) -> str:
    """md_text, but an underscore within a word, which Markdown leaves alone, stays readable."""
    return _WITHIN.sub("_", md_text(text))


def _better(table: PaperTable) -> str:
    last = " PrivLeak nearer 0." if "privleak" in table.columns else ""
    return f"Forgotten: VerbMem f and KnowMem f low; useful: KnowMem r high.{last}"


def export(table: PaperTable) -> Table:
    """The same as plain values: mean, least, largest, seeds, the paper's."""
    columns = ["row", "precision"]
    for metric in table.columns:
        columns += [metric, f"{metric} least", f"{metric} largest", f"{metric} seeds"]
        columns += [f"{metric} paper"] if table.paper else []
    columns.append("runs")
    rows: list[list[object]] = []
    for line in table.lines:
        row: list[object] = [line.label, line.precision]
        for i, figure in enumerate(line.figures):
            row += [figure.mean, figure.low, figure.high, figure.n] if figure else [None, None, None, 0]
            if table.paper:
                row.append(line.paper[i] if line.paper else None)
        rows.append([*row, " ".join(line.runs)])
    return Table(columns, rows)


def markdown(table: PaperTable) -> str:
    """A pipe table with its notes, as `docs/pocket-tables.md` has it."""
    drawn = grid(table)
    head = [h or "row" for h in drawn.head]
    right = ["--:" if i >= drawn.left else "---" for i in range(len(head))]
    # behind the labels stand our own figures, whose brackets are no links
    rows = [[_md(c) if i < drawn.left else c for i, c in enumerate(row)] for row in drawn.rows]
    lines = [[_md(h) for h in head], right, *rows]
    body = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    own = len(notes(table)) - len(table.notes)
    said = [note if i < own else _md(note) for i, note in enumerate(notes(table))]
    return f"**{_md(drawn.title)}**\n\n{body}\n" + "".join(f"- {note}\n" for note in said)
