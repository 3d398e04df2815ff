"""One request in full: as a page to read, as text to copy."""

from __future__ import annotations

from unlearn_tui import catalog
from unlearn_tui.protocol.inspect import Ask
from unlearn_tui.report.text import safe
from unlearn_tui.state.asked import Asked, Column, label_of
from unlearn_tui.tui.draw.answers import column_name, flow, plain, score
from unlearn_tui.tui.draw.inspect_tokens import share, shown, small, style
from unlearn_tui.tui.lines import Line, fit, line

LONGEST = 2000
"""Lines of one text at most."""


def page(now: Asked, width: int) -> list[Line]:
    """The question, the whole prompt, and every column's answer token by token."""
    room = max(width - 4, 10)
    made: list[Line] = []

    def texts(name: str, text: str) -> None:
        made.append([(f" {name}", "dim")])
        for part in text.strip().split("\n")[-LONGEST:]:
            made.extend([("   ", ""), *spans] for spans in flow([(plain(part), "")], room, LONGEST))
        made.append([])

    texts("asked", now.request.question)
    if now.gold or now.note:
        texts("gold answer", now.gold or now.note)
    texts("how", way(now))
    for column in now.columns:
        made.append(line((f" {column_name(column.key)}", "title"), f"  {plain(column.precision)}"))
        for spans in flow([(numbers(now, column), "dim")], room, 9):
            made.append([("   ", ""), *spans])
        if column.failed:
            made.extend([("   ", ""), *spans] for spans in flow([(safe(column.failed), "bad")], room, 9))
        spans = [(shown(p.text) if p.text.strip() else " ", style(p.probability)) for p in column.said]
        made.extend([("   ", ""), *row] for row in flow(spans or [(plain(column.text), "")], room, LONGEST))
        if column.counted < len(column.said):
            made.append(
                [
                    ("   ", ""),
                    (
                        f"the answer is its first {column.counted} of {len(column.said)} tokens; the rest is cut off",
                        "dim",
                    ),
                ]
            )
        made.append([])
    if now.prompt:
        texts("the whole prompt", now.prompt)
    return [fit(spans, width) for spans in made]


def how(ask: Ask) -> str:
    """Template and sampling in words."""
    drawn = f"sampled at temperature {ask.temperature:g}, seed {ask.seed}" if ask.temperature else "greedy"
    return f"template {plain(ask.template)}, {drawn}"


def way(now: Asked) -> str:
    """The same with the attack and the longest answer."""
    ask = now.request
    attack = f", attack {catalog.ATTACKS[ask.attack].label}" if ask.attack in catalog.ATTACKS and ask.attack else ""
    return f"{how(ask)}{attack}, at most {ask.max_new_tokens} tokens"


def numbers(now: Asked, column: Column) -> str:
    """recall 100.0 · F1 100.0 · gold answer: product 0.97, mean log -0.01 · recovered"""
    found = []
    if column.recall is not None and column.answered:
        found += [f"recall {score(column.recall).strip()}", f"F1 {score(column.answered.f1).strip()}"]
    if column.taught:
        found.append(f"gold answer: product {small(column.taught.product)}, mean log {column.taught.mean_log:.2f}")
    if column.answered:
        found.append(f"{column.answered.seconds:.2f} s")
    if label_of(now, column):
        found.append(label_of(now, column))
    return " · ".join(found) or "no answer"


def as_text(now: Asked) -> str:
    """What is copied: the question, how it was asked, and a line for every column with its tokens' probabilities."""
    lines = [plain(now.request.question), f"gold: {plain(now.gold)}" if now.gold else "no gold answer", way(now)]
    if now.given:
        lines.append("[…] was given by the attack: recall counts what follows it alone")
    for column in now.columns:
        said = (
            (f"[{plain(now.given)}]" if now.given else "") + plain(column.text)
            if not column.failed
            else f"failed: {safe(column.failed)}"
        )
        lines.append(f"{plain(':'.join(column.key))}: {said}  ({numbers(now, column)})")
        if column.gold:
            tokens = (f"{shown(p.text).strip()} {share(p.probability)} #{p.rank}" for p in column.gold)
            lines.append("    " + "  ".join(tokens))
    return "\n".join(lines) + "\n"
