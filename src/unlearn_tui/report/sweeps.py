"""A sweep as grids of text: its cells as they stand, and mean and spread over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from unlearn_tui.protocol.sweep import Spread
from unlearn_tui.report import live, tables
from unlearn_tui.report.sections import HALVED, HALVED_NOTE, Grid, metric_label, precision_label
from unlearn_tui.report.text import cut, duration, number, safe
from unlearn_tui.state.run import RunState
from unlearn_tui.state.setup import as_text
from unlearn_tui.state.sweep import CellState, SweepState, varying

SIGNS = {"finished": "✓", "running": "●", "stopped": "◐", "failed": "✗", "died": "✗", "new": "○", "waiting": "·"}


def headline(state: SweepState) -> str:
    """sweep rates-1234abcd: 3 of 12 cells finished, 1 running."""
    parts = [f"{state.finished} of {len(state.cells)} cells finished"]
    for status in ("running", "stopped", "failed", "died"):
        count = sum(cell.status == status for cell in state.cells)
        if count:
            parts.append(f"{count} {status}")
    return f"sweep {safe(state.id)}: {', '.join(parts)}"


def cells(state: SweepState, expected: Mapping[int, float | None] | None = None) -> Grid:
    """A row a cell. `expected`: seconds of those that are not finished, by number."""
    fields = varying([cell.cell for cell in state.cells])
    rows = []
    for i, cell in enumerate(state.cells):
        values = [_value(cell.cell.values[field]) for field in fields]
        if cell.result is not None and cell.finished:
            time = duration(cell.result.seconds)
        else:
            seconds = (expected or {}).get(i)
            time = f"~{duration(seconds)}" if seconds is not None else "–"
        said = f"{cell.status}: {safe(cell.reason)}" if cell.reason else cell.status
        rows.append((*values, cut(said, 60), safe(cell.run) or "–", time))
    return Grid("Cells", (*fields, "state", "run", "time"), rows, left=len(fields) + 2)


def figures(state: SweepState) -> list[Grid]:
    """A grid a metric: a row for each group of cells, a column for each precision."""
    groups = state.groups
    found = [(group, row) for group in groups for row in group.figures]
    names = list(groups[0].values) if groups else []
    made = []
    for metric in dict.fromkeys(row.metric for _, row in found):
        precisions = list(dict.fromkeys(row.precision for _, row in found if row.metric == metric))
        heads = names or [""]
        lines: list[tuple[str, ...]] = []
        target = {r.precision: r.spread for r in groups[0].figures if r.metric == metric and r.model == "target"}
        if target and "model" not in names:
            blank = [""] * (len(heads) - 1)
            lines.append(("target", *blank, "", *_row(target, precisions, 0)))
        for group in groups:
            mine = {r.precision: r.spread for r in group.figures if r.metric == metric and r.model == "unlearned"}
            count = len(group.results)
            labels = [_value(value) for value in group.values.values()] or ["unlearned"]
            lines.append((*labels, str(count), *_row(mine, precisions, count)))
        made.append(
            Grid(
                f"{metric_label(metric)}: mean over seeds [least–largest]",
                (*heads, "n", *map(precision_label, precisions)),
                lines,
                left=len(heads),
                note=halved(row.spread for _, row in found if row.metric == metric),
            )
        )
    return made


def _row(found: Mapping[str, Spread], precisions: Sequence[str], count: int) -> list[str]:
    return [spread(found.get(precision), count) for precision in precisions]


def spread(over: Spread | None, count: int = 0) -> str:
    """12.3 ±1.1 [11.0–13.2]; the number of seeds only where it is not `count` (0: never); † behind it where a batch had to
    be halved.
    """
    if over is None:
        return "–"
    said = number(over.mean)
    if over.sd is not None:
        said += f" ±{number(over.sd)}"
    if over.n > 1:
        said += f" [{number(over.low)}–{number(over.high)}]"
    if count and over.n != count:
        said += f" n={over.n}"
    return said + (f" {HALVED}" if over.halved else "")


def halved(found: Iterable[Spread | None]) -> str:
    """The footnote to such a sign; "" where none stands."""
    return HALVED_NOTE if any(over and over.halved for over in found) else ""


def _value(value: object) -> str:
    return safe(as_text(value)) or "–"


def board(state: SweepState, width: int) -> RenderableType:
    """The cells by group as they stand, a sign a seed, with what was found so far; for a live view."""
    parts: list[RenderableType] = [Text(cut(headline(state), width), "bold")]
    groups = state.groups
    metric = main_metric(state)
    precisions = list(dict.fromkeys(p for cell in state.cells for p in cell.cell.spec.precision))
    rows = []
    for group in groups:
        found = {r.precision: r.spread for r in group.figures if r.metric == metric and r.model == "unlearned"}
        signs = " ".join(sign(cell) for cell in group.cells)
        labels = [_value(v) for v in group.values.values()] or ["all"]
        rows.append((*labels, signs, *(spread(found.get(p)) for p in precisions)))
    heads = [
        *(groups[0].values if groups else []),
    ] or [""]
    less = halved(r.spread for group in groups for r in group.figures if r.metric == metric)
    said = [metric_label(metric), *([less] if less else [])]
    grid = Grid(
        "", (*heads, "seeds", *map(precision_label, precisions)), rows, left=len(heads) + 1, note="; ".join(said)
    )
    parts.append(tables.grid(grid))
    return Group(*parts)


def sign(cell: CellState) -> str:
    """✓ finished, ● 40 % running, · waiting."""
    mark = SIGNS.get(cell.status, "?")
    return f"{mark}{100 * cell.share:.0f}%" if cell.status == "running" and cell.share is not None else mark


def main_metric(state: SweepState) -> str:
    """The metric of the board: KnowMem forget where it is scored."""
    metrics = list(dict.fromkeys(m for cell in state.cells for m in cell.cell.spec.metric))
    return "knowmem_forget" if "knowmem_forget" in metrics or not metrics else metrics[0]


def beside_run(board: RenderableType, run: RunState, title: str, width: int) -> RenderableType:
    """The board above the run at work."""
    return Group(board, Text(), live.view(run, title, width))
