"""The plan beside the setup form: stages with time, memory, disk; what is far from the paper; the field in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn_tui import catalog
from unlearn_tui.report.text import duration, safe, size
from unlearn_tui.state import paper
from unlearn_tui.state.fields import BY_NAME, about, label, option_label
from unlearn_tui.state.plan import Facts, Plan
from unlearn_tui.state.plan import Stage as Stage_
from unlearn_tui.state.setup import Form, as_text
from unlearn_tui.tui.lines import Line, bar, block, cell, fit, line, rule, text, wrap

if TYPE_CHECKING:
    from unlearn_tui.tui.draw.setup import Sheet

ROOMY = 60
"""Cells from which on the stages get bars, which stand behind TIMES cells."""
TIMES = 46
LONG = 100
"""Characters of a fault that find no room beside their field."""
FREE = 12
"""Rows to spare from which on what is scored is spelt out."""


def plan_lines(sheet: Sheet, cells: int, height: int) -> list[Line]:
    """The whole pane."""
    plan, facts = sheet.plan, sheet.facts
    rows = [*_long_fault(sheet.form, cells), rule("plan", cells, plan.source if plan else "")]
    if plan is None:
        rows += _text("It shows once every value can be used.", cells, "dim", 2)
    else:
        rows += [_stage(s, plan, cells) for s in plan.stages]
        rows += [*_needs(plan, facts, cells), *_text(plan.doubt, cells, "dim", 3), []]
    said = _said(sheet, cells)
    rows += said
    if said:
        rows.append([])
    words, left = _help(sheet, cells), height - len(rows)
    if cells >= ROOMY and left > len(words) + FREE:
        words += [[], *_scored(sheet.form, cells)]
    if len(words) > left > 1:
        words = [*words[: left - 1], fit(line((text(words[left - 1]) + " …", words[left - 1][0][1])), cells)]
    return block([*rows, *(words if left > 1 else [])], height)


def brief_plan(sheet: Sheet, cells: int, height: int) -> list[Line]:
    """The same in a few lines, for narrow terminals."""
    plan = sheet.plan
    rows: list[Line] = []
    if plan:
        rows.append(fit(line((" plan  ", "title"), f"{_about(plan.seconds)} · {plan.source}"), cells))
        rows.append(fit(line(f"       {_bytes(plan.memory)} memory · {_bytes(plan.disk)} disk"), cells))
    rows += _said(sheet, cells)
    return block(rows, height)


def _stage(stage: Stage_, plan: Plan, cells: int) -> Line:
    time = "reused" if stage.reused else _about(stage.seconds)
    what, units = (20, TIMES - 27) if cells >= ROOMY else (17, cells - 25)
    row = [*cell(f" {stage.what}", what), *cell(stage.units, units, "dim"), *cell(time, 7, right=True)]
    if cells < ROOMY:
        return row
    share = (stage.seconds or 0.0) / plan.seconds if plan.seconds else 0.0
    return [*row, ("  ", ""), (bar(share, min(cells - TIMES - 3, 30)), "dim")]


def _about(seconds: float | None) -> str:
    """~1:02, from an hour on ~1.2 h: a rough figure should look like one."""
    if seconds is None:
        return "?"
    hours = seconds / 3600
    return f"~{duration(seconds)}" if hours < 1 else f"~{hours:.1f} h" if hours < 10 else f"~{hours:,.0f} h"


def _needs(plan: Plan, facts: Facts, cells: int) -> list[Line]:
    """Total time, memory and disk."""
    width = cells - 1 if cells < ROOMY else TIMES
    rows = [[*cell(" total", 10, "bold"), *cell(_about(plan.seconds), width - 10, "bold", right=True)]]
    where = "GPU memory" if facts.device == "cuda" else "memory"
    for name, need, free in ((where, plan.memory, facts.free_memory), ("disk", plan.disk, facts.free_disk)):
        much = bool(free) and need > free
        of = f" of {size(free)} free" if free else ""
        row = line(("!" if much else " ", "bad"), f"{name} {_bytes(need)}", (of, "bad" if much else "dim"))
        if cells >= ROOMY and free:
            row = [
                *fit(row, TIMES),
                ("  ", ""),
                (bar(need / free, min(cells - TIMES - 3, 30)), "bad" if much else "dim"),
            ]
        rows.append(row)
    return rows


def _bytes(count: int) -> str:
    return f"~ {size(count)}" if count else "?"


def _said(sheet: Sheet, cells: int) -> list[Line]:
    """Faults of the run as a whole, then values far from the paper's."""
    rows: list[Line] = []
    general = sheet.form.faults.get("", "")
    if general:
        rows += _marked(general, cells, "bad", 8)  # what to do about it stands at its end
    for hint in sheet.hints:
        rows += _marked(hint.text, cells, "warn")
    if sheet.hints:
        rows.append(line((" f", "key"), (" uses the paper's value", "dim")))
    return rows


def _long_fault(form: Form, cells: int) -> list[Line]:
    """What is wrong with the field under the cursor, where there is no room for it beside the field."""
    fault = form.faults.get(form.at, "")
    if len(fault) <= LONG or form.at not in BY_NAME:
        return []
    return [rule(label(form.at, form.task), cells), *_text(f"! {safe(fault)}", cells, "bad", 10)]


def _help(sheet: Sheet, cells: int) -> list[Line]:
    """The field under the cursor in plain words."""
    form = sheet.form
    record = BY_NAME.get(form.at)
    if record is None:
        return _text("Settings that seldom need a change. space unfolds them.", cells, "dim", 2)
    rows: list[Line] = [rule(label(record.name, form.task), cells)]
    rows += _text(record.help, cells, "", 6)
    if record.kind == "toggles":
        option = record.options[form.option]
        rows += _text(f"{option_label(record.name, option)} ({option}): {about(record.name, option)}.", cells, "dim", 3)
    elif cells >= ROOMY and record.kind == "choice":
        for option in record.options:
            said = about(record.name, option)
            rows += _text(f"{option}: {said}." if said else "", cells, "dim", 2)
    elif said := about(record.name, form.values[record.name]):
        rows += _text(f"{safe(form.values[record.name])}: {said}.", cells, "dim", 3)
    rows += _paper(form, cells)
    if record.name in catalog.RANGES:
        rows += _text(f"Allowed: {catalog.RANGES[record.name]}.", cells, "dim", 2)
    return rows


def _paper(form: Form, cells: int) -> list[Line]:
    """What the paper used here, and who says so."""
    known = paper.known(form).get(form.at)
    if known is None or form.task == "check":
        return []
    rows = _text(f"{known.whose[0].upper()}{known.whose[1:]}: {as_text(known.value)}, for 7B models.", cells, "", 2)
    return rows + (_text(f"Source: {known.source}.", cells, "dim", 2) if cells >= ROOMY else [])


def _scored(form: Form, cells: int) -> list[Line]:
    """Every precision and metric that is asked for, with what the catalog says of it."""
    spec = form.spec
    if spec is None:
        return []
    rows = [rule("scored at", cells)]
    for precision in map(catalog.precision, spec.precision):
        rows.append([*cell(f" {precision.label}", 17), *cell(precision.summary, cells - 17, "dim")])
    rows += [[], rule("asked", cells)]
    for metric in map(catalog.metric, spec.metric):
        rows.append([*cell(f" {metric.label}", 17), *cell(metric.summary, cells - 17, "dim")])
    return rows


def _marked(said: str, cells: int, style: str, rows: int = 3) -> list[Line]:
    parts = wrap(safe(said), cells - 3, rows)
    return [line((" ! " if not i else "   ", style), (part, style)) for i, part in enumerate(parts)]


def _text(said: str, cells: int, style: str, rows: int) -> list[Line]:
    return [line((f" {part}", style)) for part in wrap(said, cells - 2, rows)] if said else []
