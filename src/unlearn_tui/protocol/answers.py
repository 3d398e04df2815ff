"""Answer: one line of an answers side file, answers/*.jsonl."""

from __future__ import annotations

import msgspec


class Answer(msgspec.Struct):
    """What one model said to one prompt. recall, precision, f1: ROUGE-L, 0-1; exact 0 or 1; tokens: generated; score:
    the metric's own, 0-1, where its mean is not made of F1; columns: whatever else was measured of a text, by name.
    """

    index: int
    prompt: str
    gold: str
    answer: str
    recall: float = 0.0
    precision: float = 0.0
    f1: float = 0.0
    exact: int = 0
    tokens: int = 0
    score: float | None = None
    columns: dict[str, float] = {}
