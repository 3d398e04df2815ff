"""A run as one Markdown file: the words and numbers of html.py's page; where that has pictures, tables."""

from __future__ import annotations

from collections.abc import Sequence

from unlearn_tui.report import page as pg
from unlearn_tui.report.export import md_text
from unlearn_tui.report.page import Page
from unlearn_tui.report.sections import Grid, grids, headline, metric_label
from unlearn_tui.report.text import brief, number

STEPS = 12
"""Rows of the table of losses at most."""


def markdown(page: Page) -> str:
    """The whole file, ending in a newline. The same run gives the same bytes."""
    result = page.result
    parts = [f"# {md_text(pg.statement(result))}"]
    if result.recovery:
        parts.append(md_text(brief(headline(result))))
    if result.explanation:
        parts.append(md_text(brief(result.explanation, limit=4000)))
    made = [_grid(grid) for grid in grids(result)]
    parts += ["## Scores and verdicts", *made[:2]] if made else []
    parts += _answers(page) + _training(page)
    parts += ["## Weights", *made[2:]] if made[2:] else []
    parts += ["## How it was made", _list(pg.facts(page))]
    if command := pg.command(result):
        parts.append(f"The same again:\n\n    {command}")
    for title, pairs in pg.made_with(result):
        parts += [f"### {title}", _list(pairs)]
    if result.notes:
        parts += ["### Notes", "\n".join(f"- {md_text(brief(note, limit=400))}" for note in result.notes[:50])]
    return "\n\n".join([*parts, "## What the words mean", _list(pg.GLOSSARY)]) + "\n"


def _answers(page: Page) -> list[str]:
    if not page.examples:
        return []
    keys, head = pg.answer_columns(page)
    rows = []
    for example in page.examples:
        said = {(c.model, c.precision): c for c in example.cells}
        cells = []
        for cell in (said.get(key) for key in keys):
            rise = " ▲" if cell and cell.gain > 0 else ""
            cells.append(
                f"{pg.shortened(cell.text) or '–'} ({number(100 * cell.recall, '.0f')}{rise})" if cell else "–"
            )
        rows.append((pg.shortened(example.prompt, 400), pg.shortened(example.gold), *cells))
    note = (
        "⟦…⟧: words that the unlearned model had lost at full precision; brackets: ROUGE-L recall, 0–100, ▲ where more."
    )
    return [f"## {md_text(pg.answers_title(page.result))}", _table(head, rows, len(head)), note]


def _training(page: Page) -> list[str]:
    state = page.state
    parts = []
    if state.steps:
        few = min(len(state.steps), STEPS)
        spread = [state.steps[round(i * (len(state.steps) - 1) / max(few - 1, 1))] for i in range(few)]
        rows = [(str(s.step), number(s.forget_loss, ".3f"), number(s.retain_loss, ".3f")) for s in spread]
        parts.append("### Loss\n\n" + _table(("step", "forget", "retain"), rows, 0))
    if state.probes:
        metrics = list(dict.fromkeys(p.metric for p in state.probes))
        by = {(p.step, p.metric): p.value for p in state.probes}
        steps = dict.fromkeys(p.step for p in state.probes)
        known = [(str(step), *(number(by.get((step, m))) for m in metrics)) for step in steps]
        parts.append("### What it still knows\n\n" + _table(("step", *map(metric_label, metrics)), known, 0))
    if told := pg.canary(state):
        rows = [(pg.shortened(c.answer.strip()) or "–", str(c.step), f"{c.probability:.2g}") for c in told]
        asked = f"{md_text(pg.shortened(told[0].question, 300))} **{md_text(pg.shortened(told[0].gold, 100))}**"
        table = _table(("answer", "step", "probability of the right one"), rows, 1)
        parts.append(f"### The pinned question\n\n{asked}\n\n{table}")
    return [f"## {pg.training_title(page.result)}", *parts] if parts else []


def _grid(grid: Grid) -> str:
    shown = grid.columns
    rows = [tuple(row[i] for i in shown) for row in grid.rows]
    note = f"\n\n{md_text(grid.note)}" if grid.note else ""
    return f"### {md_text(grid.title)}\n\n{_table([grid.head[i] for i in shown], rows, grid.left)}{note}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """A pipe table: `left` columns of text, then numbers to the right."""
    lines = [head, ["---" if i < left else "--:" for i in range(len(head))], *rows]
    return "\n".join(f"| {' | '.join(c if i == 1 else md_text(c) for c in line)} |" for i, line in enumerate(lines))


def _list(pairs: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"- **{md_text(name)}**: {md_text(brief(str(value)))}" for name, value in pairs)
