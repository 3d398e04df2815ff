"""What Compare reads from a run's directory, and what it hands to an export."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

from unlearn_tui.protocol.answers import Answer
from unlearn_tui.protocol.result import Result
from unlearn_tui.report import sections
from unlearn_tui.report.answers import column
from unlearn_tui.report.export import Table as Exported
from unlearn_tui.report.text import brief, safe
from unlearn_tui.state.compare import CompareState
from unlearn_tui.state.inspect import Prompt
from unlearn_tui.state.labels import shown
from unlearn_tui.state.table import Key, Row, Table, build
from unlearn_tui.tui.watcher import Opened


def why(opened: Opened | None, state: CompareState | None, metrics: list[str]) -> list[str]:
    """Why there is no grid, and what to do; all text is safe."""
    if opened is None:
        said = "no run is open: answers of a finished or a live run stand here side by side"
        return [said, "", "0  choose one of the runs", "2  set up a new one"]
    if state is not None:
        said = f"{sections.metric_label(state.table.metric)} has scores, but none of its answers can be read"
        return [
            said,
            "(the run's answers/ is empty, damaged or was removed)",
            "",
            "t  another set of prompts",
            "0  runs",
        ]
    if opened.reading or metrics:
        return ["reading the answers …"]
    if not opened.state.ended:
        said = "nothing is scored yet: answers appear here as soon as the target's are scored"
        return [said, "", "3  watch the run"]
    said = "this run ended before anything was scored"
    reason = [brief(safe(opened.state.reason))] if opened.state.reason else []
    return [said, *reason, "", "3  the run: r there goes on with it", "0  other runs"]


def main_metric(result: Result, metrics: list[str]) -> str:
    """The set shown first: the one that the result's headline is about."""
    metric = sections.main_metric(result)
    return metric if metric in metrics else metrics[0]


def read_table(run: Path, result: Result, metric: str, read: dict[Hashable, dict[int, Answer]]) -> Table:
    """The answers of one metric, from `read` where they have been read before; in a thread."""
    columns: dict[Key, dict[int, Answer]] = {}
    for row in result.scores:
        if row.metric == metric:
            known = (row.model, row.precision, metric, row.value, row.n)
            if not read.get(known):
                read[known] = column(run, result, row.model, row.precision, metric)
            columns[row.model, row.precision] = read[known]
    return build(metric, result.full_precision, columns, result.scores, result.recovery)


def prompts(state: CompareState) -> tuple[Prompt, ...]:
    """The rows that are shown, in their order, for Inspect; passages are continued, not asked."""
    template = "free" if state.table.passages else ""
    rows = (state.table.rows[i] for i in state.order)
    return tuple(Prompt(row.prompt, row.gold, row.index, template) for row in rows)


def exported(state: CompareState) -> dict[str, Exported]:
    """Answers of the rows that are shown, in their order, and the means of every column."""
    table = state.table
    words = "exact" in table.measures
    names = ["f1", "recall", "rouge_precision", "exact"] if words else list(table.measures.values())
    head = ["index", "prompt", "gold", "model", "precision", "answer", *names, "tokens", "label"]

    def line(row: Row, column: int) -> list[object]:
        cell, (model, precision) = row.cells[column], table.columns[column]
        label = shown(table.label(row, column), table.subset)
        assert cell is not None
        numbers = [getattr(cell, measure) for measure in table.measures]
        return [row.index, row.prompt, row.gold, model, precision, cell.answer, *numbers, cell.tokens, label]

    rows = [table.rows[i] for i in state.order]
    answers = [line(row, c) for row in rows for c in range(len(table.columns)) if row.cells[c] is not None]
    means: list[list[object]] = []
    for model, precision in table.columns:
        score = table.scores.get((model, precision))
        verdict = table.verdicts.get(precision) if model == "unlearned" else None
        mean: tuple[object, ...] = (None,) * 6
        if score:
            mean = (score.value, score.ci_low, score.ci_high, score.n, score.exact, score.batch or None)
        back = (verdict.share, verdict.delta, verdict.verdict) if verdict else (None, None, None)
        means.append([model, precision, *mean, *back])
    columns = [
        "model",
        "precision",
        "mean",
        "ci_low",
        "ci_high",
        "n",
        "exact",
        "halved_to",
        "share",
        "delta",
        "verdict",
    ]
    return {"answers": Exported(head, answers), "means": Exported(columns, means)}
