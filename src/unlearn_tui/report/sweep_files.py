"""A sweep's cells and its recovery map as plain values, for CSV, JSON and Markdown files."""

from __future__ import annotations

from unlearn_tui.report.export import Table
from unlearn_tui.state.recovery_map import RATINGS, RecoveryMap
from unlearn_tui.state.sweep import SweepState, varying


def cells(state: SweepState) -> Table:
    """The cells as plain values: what was asked, how it stands, and what its unlearned model scored."""
    fields = varying([cell.cell for cell in state.cells])
    found = dict.fromkeys(
        (s.precision, s.metric)
        for cell in state.cells
        if cell.result
        for s in cell.result.scores
        if s.model == "unlearned"
    )
    columns = [*fields, "status", "run", "seconds", "reason", *(f"{metric} {precision}" for precision, metric in found)]
    rows: list[list[object]] = []
    for cell in state.cells:
        scores = (
            {(s.precision, s.metric): s.value for s in cell.result.scores if s.model == "unlearned"}
            if cell.result
            else {}
        )
        row: list[object] = [cell.cell.values[field] for field in fields]
        row += [cell.status, cell.run, cell.result.seconds if cell.result else None, cell.reason]
        rows.append([*row, *(scores.get(key) for key in found)])
    return Table(columns, rows)


def recovery(found: RecoveryMap) -> Table:
    """A row for each field of the map."""
    names = list(found.panels[0].values) if found.panels else []
    columns = [*names, "lr", "precision", "metric", "share", "least", "largest", "seeds"]
    columns += ["expected", "kept expected", "kept", "verdicts", *RATINGS]
    rows: list[list[object]] = []
    for panel in found.panels:
        for (precision, rate), point in panel.points.items():
            share = point.share
            row: list[object] = [*panel.values.values(), rate, precision, found.metric]
            row += [share.mean, share.low, share.high, share.n] if share else [None, None, None, 0]
            row += [point.expected, point.kept_expected, point.kept]
            row.append(" ".join(f"{verdict}:{count}" for verdict, count in point.verdicts.items()))
            rows.append([*row, *((point.ratings or {}).get(rating, 0) for rating in RATINGS)])
    return Table(columns, rows)
