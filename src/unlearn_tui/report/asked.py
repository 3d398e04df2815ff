"""The answers to one question of one's own, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from unlearn_tui import catalog
from unlearn_tui.report.answers import mark
from unlearn_tui.report.sections import Grid
from unlearn_tui.report.text import cut, number, safe
from unlearn_tui.state.asked import Asked, Column

LONGEST = 60
"""Cells of an answer in a table."""
GIVEN = "[…] was given by the attack: recall counts what follows it alone"


def answers(asked: Asked) -> Grid:
    """A row for each model and precision: its answer, ROUGE-L recall 0-100 and the probability of the gold answer.

    Gold words that came back are marked.
    """
    rows = []
    for column in asked.columns:
        p = column.taught.product if column.taught else None
        recall = None if column.recall is None else 100 * column.recall
        text = cut(_text(asked, column), LONGEST)
        rows.append((safe(column.label), safe(column.precision), text, number(recall, ".0f"), probability(p)))
    head = ("model", "precision", "answer", "R-L", "p(gold)")
    return Grid(cut(safe(asked.request.question), 150), head, rows, 3, _note(asked))


def tokens(asked: Asked) -> Grid:
    """A row for each token of the gold answer: its probability and rank in each column; then product and mean log."""
    columns = [c for c in asked.columns if c.taught]
    head = ("gold token", *(safe(f"{c.label} {c.precision}") for c in columns))
    rows = []
    for i, piece in enumerate(asked.tokens):
        cells = [f"{probability(p.probability)} #{p.rank}" for c in columns for p in c.gold[i : i + 1]]
        rows.append((f"\N{LEFT CEILING}{safe(piece.text)}\N{RIGHT CEILING}", *cells))
    taught = [c.taught for c in columns if c.taught]
    rows.append(("product", *(probability(t.product) for t in taught)))
    rows.append(("mean log", *(f"{t.mean_log:.2f}" for t in taught)))
    return Grid("Probability and rank of each token of the gold answer", head, rows, 1)


def attacks(asked: Sequence[Asked]) -> Grid:
    """A row for each way of asking: what each column answered to it, and its recall 0-100."""
    head = ("attack", *(safe(f"{c.label} {c.precision}") for c in asked[0].columns))
    rows = []
    for one in asked:
        cells = []
        for column in one.columns:
            recall = None if column.recall is None else 100 * column.recall
            cells.append(f"{number(recall, '.0f'):>3} {cut(_text(one, column), 24)}")
        rows.append((catalog.ATTACKS[one.request.attack].label, *(cells if not one.refused else ["–"] * len(cells))))
    notes = [GIVEN] if any(one.given for one in asked) else []
    notes += [
        f"{catalog.ATTACKS[a.request.attack].label}: {safe(a.refused or a.note)}" for a in asked if a.refused or a.note
    ]
    return Grid("Recall and what came back", head, rows, len(head), "\n".join(notes))


def growing(asked: Asked, width: int, height: int) -> RenderableType:
    """Every column's answer so far, a line each with its newest words in view, in at most a screen of this size."""
    attack = f"{catalog.ATTACKS[asked.request.attack].label}: " if asked.request.attack else ""
    doing = f"  {safe(asked.progress)} …" if asked.progress else ""
    lines = [Text(cut(f"{attack}{safe(asked.request.question)}{doing}", width - 1), "bold")]
    names = [safe(f"{c.label} {c.precision}") for c in asked.columns]
    room = max(map(cell_len, names), default=0) + 2
    for name, column in zip(names, asked.columns, strict=True):
        said = safe(column.text.strip()) if not column.failed else safe(column.failed)
        while cell_len(said) > max(width - room - 3, 8):
            said = "…" + said[max(len(said) - (width - room - 4), 2) :]
        style = "red" if column.failed else "" if column.answered else "cyan"
        lines.append(Text.assemble((f"{name}{' ' * (room - cell_len(name))}", "dim"), (said, style)))
    return Group(*lines[: max(height - 1, 1)])


def table(asked: Sequence[Asked]) -> dict[str, Any]:
    """The same as data: an entry for each way of asking and column."""
    found = []
    for one in asked:
        for column in one.columns:
            said, taught = column.answered, column.taught
            entry: dict[str, Any] = {"attack": one.request.attack, "label": column.label, "precision": column.precision}
            if one.given:
                entry["given"] = one.given
            if said:
                entry |= {name: getattr(said, name) for name in ("answer", "ended", "seconds")}
                scored = said.recall >= 0
                entry |= {name: getattr(said, name) if scored else None for name in ("recall", "f1", "exact")}
                entry["tokens"] = list(column.said)
            if taught:
                entry["gold"] = {"product": taught.product, "mean_log": taught.mean_log, "tokens": taught.pieces}
            found.append(entry | {"error": column.failed or one.refused or None})
    first = asked[0]
    return {"schema": 1, "question": first.request.question, "gold": first.gold or None, "answers": found}


def probability(p: float | None) -> str:
    """.878, 1.000 or 7.8e-04; – where there is none."""
    if p is None:
        return "–"
    return f"{p:.3f}".removeprefix("0") if p >= 0.001 else f"{p:.1e}"


def _text(asked: Asked, column: Column) -> str:
    """What a column answered, on one line; gold words that full precision had lost are marked."""
    if column.failed:
        return "–"
    text = safe(column.text.strip())
    if asked.given:
        return f"[{safe(asked.given)}]{safe(column.text.rstrip())}"
    if column.label != "unlearned" or column.full or not asked.gold:
        return text
    full = next((c.text for c in asked.columns if c.label == "unlearned" and c.full), None)
    return text if full is None else mark(text, safe(asked.gold), safe(full))


def _note(asked: Asked) -> str:
    parts = [f"gold: {cut(safe(asked.gold), 150)}"] if asked.gold else []
    parts += [GIVEN] if asked.given else []
    return "\n".join([*parts, *([f"note: {safe(asked.note)}"] if asked.note else [])])
