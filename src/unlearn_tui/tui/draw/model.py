"""The pane about one model: facts, what fits, and its lineage, target → unlearned → precisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn_tui.report.sections import precision_label as label
from unlearn_tui.report.text import ago, cut, number, safe, size
from unlearn_tui.state.fields import about
from unlearn_tui.state.models import Models, Row, Score, four_bit, made_from, run_row, target_of
from unlearn_tui.tui.lines import Line, bar, cell, fit, line, rule, width, wrap

if TYPE_CHECKING:
    from unlearn_tui.sources.fits import Room

SIGNS = {
    "scored": ("●", "good"),
    "quantized": ("◐", "dim"),
    "unscored": ("○", ""),
    "live": ("▶", "accent"),
    "failed": ("✗", "bad"),
    "missing": ("✗", "warn"),
}
VERDICTS = {
    "recovered": "came back",
    "partly": "partly back",
    "no": "not back",
    "not_unlearned": "was never gone",
    "inconclusive": "cannot be told",
    "undefined": "target knew too little",
}
"""A verdict in the fewest words."""


def detail(state: Models, room: Room | None, cells: int, height: int, now: float) -> list[Line]:
    """Facts, what fits, and lineage of the row under the cursor, the most important first."""
    row = state.list.current
    if row is None:
        return [rule("", cells)]
    subject = run_row(state, row)
    free = f"{size(room.free)} of {cut(safe(room.name), 24)} free" if room and cells >= 60 else ""
    made = [rule(cut(safe(subject.name), max(cells - len(free) - 12, 8)), cells, free)]
    made += _facts(subject, cells)
    if subject.reason and subject.status != "scored":
        style = {"failed": "bad", "missing": "warn", "live": "accent"}.get(subject.status, "dim")
        hint = _hint(subject)
        made += [line((f" {part}", style)) for part in wrap(safe(subject.reason), cells - 2, 3)]
        made += [line((f" {hint}", "dim"))] if hint else []
    tall = height >= 24
    if room and subject.holding:
        made += [*([[]] if tall else []), *_fits(subject, room, cells, tall)]
    made += [*([[]] if tall else []), *_tree(state, subject, row, cells, height - len(made) - tall, now)]
    return [fit(part, cells) for part in made[:height]]


def _hint(row: Row) -> str:
    if row.status == "missing":
        return "- takes it off the list" if row.added else ""
    if row.status == "live":
        return "A goes to it"
    if row.kind == "hub":
        return "⏎ sets up a run with it, which downloads it first"
    if row.run:
        return "l reads its log; 0 and r resume it"
    return ""


def _facts(row: Row, cells: int) -> list[Line]:
    count = f"{row.parameters / 1e9:.2f} B" if row.parameters >= 1e9 else f"{row.parameters / 1e6:.2f} M"
    facts = [safe(row.family) if row.family else "", f"{count} parameters" if row.parameters else "", safe(row.dtype)]
    if row.shards:
        facts.append(f"{row.shards} shard{'s' if row.shards > 1 else ''}, {size(row.size)}")
    if row.layers:
        facts.append(f"{row.layers} layers × {row.hidden}")
    made = [line((" " + cut(" · ".join(fact for fact in facts if fact), cells - 1), ""))] if any(facts) else []
    if row.kind == "shipped" and (known := about("model", row.ref)):
        made.append(line((" " + cut(known, cells - 1), "")))
    if row.path:
        made.append(line((" " + tail(safe(row.path), cells - 1), "dim")))
    return made


def tail(text: str, cells: int) -> str:
    """The end of a path in at most so many cells, … in front where something was left out."""
    from rich.cells import cell_len

    if cell_len(text) <= cells:
        return text
    while text and cell_len(text) > cells - 1:
        text = text[max(1, (len(text) - cells) // 2) :]
    return "…" + text


def _fits(row: Row, room: Room, cells: int, tall: bool) -> list[Line]:
    """Precisions with the bytes of their weights and ✓ where these fit into what is free."""

    def entry(name: str, need: int, width: int) -> Line:
        fine = need + row.beside <= room.free
        sign = ("✓", "good") if fine else ("✗", "bad")
        return [*cell(f"{name} ", width - 10, "dim"), *cell(size(need), 8, "", True), (" ", ""), sign]

    if not tall:
        names = [p for p in (row.full, "fp16", "bnb-int8", "bnb-fp4") if p in row.holding and p != "bf16"]
        parts = [entry(label(p), row.holding[p], 15) for p in dict.fromkeys(names)]
        parts.append(entry("unlearn", row.unlearning["bf16"], 18))
        return [_spread([cell(" fits", 6, "dim"), *parts], " ")]
    each = max((cells - 1) // 3, 20)
    held = [entry(label(p), need, min(each - 2, 23)) for p, need in row.holding.items()]
    trained = [entry(m, need, min(each * 2, 34)) for m, need in row.unlearning.items()]
    made = [line((" fits: room to hold its weights at", "title"))]
    made += [_spread([cell("", 1), *(fit(part, each) for part in held[i : i + 3])], "") for i in range(0, len(held), 3)]
    made.append(line((" and to unlearn it, its updates kept in", "title")))
    return [*made, *(_spread([cell("", 1), part], "") for part in trained)]


def _spread(parts: list[Line], between: str) -> Line:
    made: Line = []
    for part in parts:
        made += [*([(between, "")] if made and between else []), *part]
    return made


def _tree(state: Models, subject: Row, row: Row, cells: int, height: int, now: float) -> list[Line]:
    """target → unlearned → precisions, as far as the lines reach."""
    target = target_of(state, subject)
    if target is None or height < 2:
        return []
    length = 20 if cells >= 90 else 12 if cells >= 60 else 6
    if subject is target:
        made = [_root(target, length, "made from it:" if cells >= 60 else "")]
        runs = made_from(state, target)
        shown = runs if len(runs) < height else runs[: height - 2]
        for index, run in enumerate(shown):
            last = index == len(runs) - 1
            made.append(_branch(run, "└─" if last else "├─", cells, length, now))
        if len(shown) < len(runs):
            made.append(line(("  └─ ", "rule"), (f"and {len(runs) - len(shown)} more", "dim")))
        return made
    relation = "what it began as" if subject.kind == "memorised" else "its target"
    made = [_root(target, length, relation if cells >= 60 else "")]
    for index, score in enumerate(subject.scores[: height - 1]):
        here = row.kind == "quantized" and row.name == score.precision
        made.append(_precision(score, "└─" if index == len(subject.scores) - 1 else "├─", here, length))
    return made


def _root(target: Row, length: int, what: str) -> Line:
    made = line(" ", (cut(safe(target.name), 24), "bold"), "  ")
    if target.forget is not None:
        made += line(("KM_f ", "dim"), f"{number(target.forget):>5} ", (bar(target.forget / 100, length), "dim"))
        made += line((f"  KM_r {number(target.retain):>5}", "dim"))
    return [*made, *line((f"  {what}", "dim"))]


def _branch(run: Row, edge: str, cells: int, length: int, now: float) -> Line:
    made = [
        *line((f"  {edge} ", "rule")),
        *cell(safe(run.method) or "?", 9),
        *cell(ago(now - run.modified), 5, "dim", True),
    ]
    if run.forget is None:
        word = {"unscored": "", "scored": "", "live": "running"}.get(run.status, run.status)
        said = ": ".join(part for part in (word, safe(run.reason)) if part) or "no KnowMem score"
        return [*made, ("  ", ""), (cut(said, max(cells - width(made) - 3, 4)), SIGNS[run.status][1])]
    made += line("  ", f"{number(run.forget):>5} ", (bar(run.forget / 100, length), "cool"))
    four = four_bit(run.scores)
    if four is not None and four.forget is not None:
        made += line(("  → ", "dim"), (label(four.precision), "dim"), " ")
        made += line((f"{number(four.forget):>5}", "mark" if four.back else ""), *_verdict(four))
    return made


def _precision(score: Score, edge: str, here: bool, length: int) -> Line:
    made = [*line((f"  {edge} ", "rule")), *cell(label(score.precision), 9, "bold" if here else "")]
    if score.forget is None:
        return [*made, *line(("not scored with KnowMem", "dim"))]
    made += line(f"{number(score.forget):>5} ", (bar(score.forget / 100, length), "mark" if score.back else "cool"))
    return [*made, *line((f"  KM_r {number(score.retain):>5}", "dim")), *_verdict(score)]


def _verdict(score: Score) -> Line:
    if not score.verdict:
        return []
    sign = (" ▲ ", "mark") if score.back else ("   ", "")
    return line(sign, (VERDICTS.get(score.verdict, safe(score.verdict)), "mark" if score.back else "dim"))
