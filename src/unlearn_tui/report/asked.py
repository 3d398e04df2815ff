"""The answers to one question of one's own, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unlearn_tui import catalog
from unlearn_tui.report.answers import mark
from unlearn_tui.report.sections import Grid
from unlearn_tui.report.text import safe


def grid(request: dict[str, Any], answers: Sequence[dict[str, Any]]) -> Grid:
    """A row for each precision, a column for each model; gold words that came back are marked. All texts are safe."""
    labels = [m["label"] for m in request["models"]]
    said = {(a["label"], a["precision"]): a for a in answers}
    gold = next((a["gold"] for a in answers if a.get("gold")), None)
    full = next((p for p in request["precisions"] if catalog.PRECISIONS[p].full), "")
    lost = said.get(("unlearned", full), {}).get("answer", "")

    def cell(label: str, precision: str) -> str:
        answer = said.get((label, precision))
        if answer is None:
            return "–"
        text = safe(answer["answer"].strip())
        return mark(text, safe(gold), safe(lost)) if gold and label == "unlearned" and precision != full else text

    rows = [(p, *(cell(label, p) for label in labels)) for p in request["precisions"]]
    note = f"gold: {safe(gold)}" if gold else ""
    return Grid(safe(request["question"]), ("precision", *labels), rows, len(labels) + 1, note)
