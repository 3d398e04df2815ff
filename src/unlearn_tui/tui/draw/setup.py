"""The setup screen: the form at the left, the plan at the right, the command that does the same at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from unlearn_tui import catalog
from unlearn_tui.report.text import cut, safe
from unlearn_tui.state.fields import BY_NAME, FOLD, Field, about, label, option_label
from unlearn_tui.state.paper import Hint
from unlearn_tui.state.plan import Facts, Plan
from unlearn_tui.state.setup import TYPED, Form, chips
from unlearn_tui.tui.draw.plan import brief_plan, plan_lines
from unlearn_tui.tui.lines import Line, beside, block, cell, fit, line, rule, under, wrap

SIDE_BY_SIDE = 72
"""Cells from which on the plan stands beside the form."""
NAME = 9
"""Cells of a field's label on a row of its own."""


@dataclass(frozen=True)
class Sheet:
    """Everything the screen shows."""

    form: Form
    facts: Facts = field(default_factory=Facts)
    plan: Plan | None = None
    hints: tuple[Hint, ...] = ()
    command: str = ""


@dataclass(frozen=True)
class Spot:
    """Where a field's value, or one option of a list, stands: its first cell, its row, its cells, which may cover its
    neighbours while it is typed."""

    name: str
    x: int
    y: int
    cells: int
    option: int = -1


@dataclass(frozen=True)
class Page:
    """A drawn screen and where its fields are."""

    lines: list[Line]
    spots: tuple[Spot, ...]

    def spot(self, name: str) -> Spot | None:
        """Where a field is, if it is on the page."""
        return next((s for s in self.spots if s.name == name), None)

    def hit(self, x: int, y: int) -> Spot | None:
        """What is at a cell: the last field or option on its row that begins at or before it."""
        row = [s for s in self.spots if s.y == y]
        return next((s for s in reversed(row) if s.x - (0 if s.option >= 0 else NAME + 2) <= x), None)


def draw(sheet: Sheet, width: int, height: int) -> list[Line]:
    """The lines of the screen."""
    return lay_out(sheet, width, height).lines


def lay_out(sheet: Sheet, width: int, height: int) -> Page:
    """The screen at a size."""
    foot = _command(sheet.command, width, 4 if height >= 36 else 2 if height >= 18 else 1)
    room = max(height - len(foot), 1)
    if width >= SIDE_BY_SIDE:
        left = min(max(41, width * 2 // 5), 64)
        rows, spots = _form(sheet, left, room)
        beside_it = plan_lines(sheet, width - left - 3, room)
        return Page([*block(beside(rows, beside_it, left), room), *foot], spots)
    below = brief_plan(sheet, width, 4 if height >= 18 else 1)
    rows, spots = _form(sheet, width, max(room - len(below), 1))
    return Page([*block(rows, room - len(below)), *below, *foot], spots)


def _command(command: str, width: int, most: int) -> list[Line]:
    """In as many rows as it takes, at most so many."""
    if not command:
        return [rule("the same without this screen", width), line((" first correct what is marked with !", "dim"))]
    rows = wrap(safe(command), max(width - 2, 10), most)
    return [
        rule("the same without this screen", width, "y copies it" if width >= 50 else "y"),
        *(line(f" {row}") for row in rows),
    ]


def _form(sheet: Sheet, cells: int, height: int) -> tuple[list[Line], tuple[Spot, ...]]:
    """As much of the form as fits, the cursor on it."""
    form = sheet.form
    rows: list[Line] = []
    spots: list[Spot] = []
    here, group = 0, ""
    for names in form.rows:
        first = BY_NAME.get(names[0])
        if first and first.group != group and not first.more:
            group = first.group
            title = form.task if group == "unlearn" else group
            rows.append(rule(title, cells, _preset(form) if not spots else ""))
        if form.at in names:
            here = len(rows)
        if first is None:
            spots.append(Spot(FOLD, 1, len(rows), cells - 1))
            rows.append(_fold(form, cells))
        elif first.kind == "toggles":
            made, at = _toggles(form, first, cells, len(rows))
            rows += made
            spots += at
        else:
            made_row, at = _fields(sheet, names, cells, len(rows))
            rows.append(made_row)
            spots += at
        for name in names:
            rows += _faults(form.faults.get(name, ""), cells)
    top = max(0, min(here - height * 2 // 3, len(rows) - height))
    seen = [Spot(s.name, s.x, s.y - top, s.cells, s.option) for s in spots if top <= s.y < top + height]
    return [fit(row, cells) for row in rows[top : top + height]], tuple(seen)


def _preset(form: Form) -> str:
    return "" if form.task != "unlearn" else f"preset: {form.preset}" if form.preset else "your own settings"


def _fold(form: Form, cells: int) -> Line:
    names = ", ".join(f.label for f in BY_NAME.values() if f.more and form.task in f.tasks)
    row = fit(line((" ▼ less" if form.more else " ▶ more: ", "key"), ("" if form.more else names, "dim")), cells)
    return under(row, "cursor") if form.at == FOLD else row


def _fields(sheet: Sheet, names: tuple[str, ...], cells: int, y: int) -> tuple[Line, list[Spot]]:
    """The fields that share a row."""
    form, row, spots = sheet.form, [], []
    each = cells // BY_NAME[names[0]].share
    flagged = {hint.field for hint in sheet.hints}
    for i, name in enumerate(names):
        record, here = BY_NAME[name], form.at == name
        wide = NAME if record.share == 1 else 10 if record.share == 2 else 6
        wrong = name in form.faults
        mark = ("▸", "accent") if here else ("!", "bad") if wrong else ("!", "warn") if name in flagged else (" ", "")
        style = "bad" if wrong else "warn" if name in flagged else "" if _used(form, name) else "dim"
        room = each - wide - 2
        shown = [mark, *cell(label(name, form.task), wide, "dim"), (" ", ""), *_value(sheet, record, here, style, room)]
        shown = fit(shown, each)
        row += under(shown, "cursor") if here else shown
        x = i * each + wide + 2
        spots.append(Spot(name, x, y, cells - x))
    return row, spots


def _value(sheet: Sheet, record: Field, here: bool, style: str, room: int) -> Line:
    """A field's value, with what is known of it behind it where there is room."""
    value = safe(sheet.form.values[record.name]) or "–"
    cycles = here and record.kind in ("choice", "open") and record.share == 1
    shown = line(("‹ " if cycles else "", "dim"), (cut(value, room), style), (" ›" if cycles else "", "dim"))
    rest = room - cell_len(value) - (4 if cycles else 0) - 2
    more = safe(_known(sheet, record))
    if more and rest >= min(cell_len(more), 24):
        shown += line(("  ", ""), (cut(more, rest), "dim"))
    return shown


def _known(sheet: Sheet, record: Field) -> str:
    facts, name, value = sheet.facts, record.name, sheet.form.values[record.name]
    if record.share > 1:
        return ""
    if name == "task":
        return {"unlearn": "make it forget", "check": "has it forgotten?", "memorise": "make it know"}.get(value, "")
    if name == "model":
        return facts.model
    if name == "corpus" and facts.prompts:
        forget, retain, passages = (facts.prompts.get(name, 0) for name in catalog.MUSE_METRICS)
        return f"{forget}+{retain} questions, {passages} passages"
    return facts.canary if name == "canary" else about(name, value)


def _used(form: Form, name: str) -> bool:
    """Whether a field has any say, given the others."""
    values = form.values
    method = catalog.METHODS.get(values["method"])
    match name:
        case "alpha":
            return method is None or method.retain is not None
        case "beta" | "npo_length" | "delta" | "task_alpha" | "rmu_layer" | "rmu_coefficient" | "rmu_weights":
            return method is None or name in method.uses
        case "stop_at":
            return values["stop_rule"] == "muse"
        case "sure_unit" | "sure_percentile":
            return bool(values["sure"])
        case "lora_alpha":
            return values["lora_rank"] != "0"
        case "steps" | "epochs":
            return bool(values[name])
        case "canary":
            return values["canary_every"] != "0"
        case "canary_every" | "probe_every" | "save_every" | "clip" | "weight_decay" | "lora_rank":
            return values[name] != "0"
    return True


def _toggles(form: Form, record: Field, cells: int, y: int) -> tuple[list[Line], list[Spot]]:
    """A list of options in as many rows as it takes."""
    chosen = form.values[record.name].split(",")
    here = form.at == record.name
    indent = NAME + 1 if record.more else 0
    lead: Line = line((" ", ""), (record.label, "dim")) if record.more else []
    rows: list[Line] = []
    spots: list[Spot] = []
    row, at = fit(lead, indent), indent
    options = chips(form, record.name)
    for i, option in enumerate(options):
        shown = option if option == TYPED else option_label(record.name, option)
        size = cell_len(shown) + 3
        if at + size > cells and at > indent:
            rows.append(row)
            row, at = fit([], indent), indent
        on, under_cursor = option in chosen, here and i == form.option
        mark = "  " if option == TYPED else "● " if on else "○ "
        chip: Line = [("▸" if under_cursor else " ", "accent"), (mark, "accent" if on else "dim")]
        chip.append((shown, "" if on else "key" if option == TYPED else "dim"))
        row = row + (under(chip, "cursor") if under_cursor else chip)
        spots.append(Spot(record.name, at, y + len(rows), size, i))
        at += size
    unknown = [name for name in chosen if name and name not in options]
    rows.append(row + line((" " + safe(",".join(unknown)), "bad") if unknown else ""))
    return rows, spots


def _faults(text: str, cells: int) -> Sequence[Line]:
    if not text:
        return []
    return [
        line(("   " if i else " ! ", "bad"), (part, "bad")) for i, part in enumerate(wrap(safe(text), cells - 4, 3))
    ]
