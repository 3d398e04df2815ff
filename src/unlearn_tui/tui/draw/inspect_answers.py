"""What every column answers, one below the other; and what each attack brings back, attack by column."""

from __future__ import annotations

from unlearn_tui import catalog
from unlearn_tui.report.text import cut, safe
from unlearn_tui.state.asked import Asked, Column, gain, is_gain, label_of, parts
from unlearn_tui.state.inspect import InspectState, attack_rows
from unlearn_tui.state.labels import RECOVERED
from unlearn_tui.tui.draw.answers import marked, model_name, plain, precision_name, score
from unlearn_tui.tui.draw.inspect_tokens import given, heights, name, names, running, visible, waiting
from unlearn_tui.tui.lines import Line, cell, fit, line, rule, text, under, width

WIDE = 120


def attacks() -> tuple[str, ...]:
    """Ids of the attacks, without the plain prompt."""
    return tuple(id for id in catalog.ATTACKS if id)


def attack_label(id: str) -> str:
    """What an attack is called; "plain" for none."""
    return catalog.ATTACKS[id].label if id in catalog.ATTACKS else plain(id) or "plain"


def seconds(now: Asked) -> str:
    """first token 0.21 s, all 1.3 s; what is being done before that."""
    if now.refused:
        return ""
    if now.done is not None:
        if now.done.cancelled:
            return "cancelled"
        first = f"first token {now.done.first_token:.2f} s, " if now.done.first_token else ""
        return f"{first}all {now.done.seconds:.1f} s"
    if now.cancelled:
        return "cancelling …"
    return cut(f"{safe(now.progress)} …", 40) if now.progress else "answering …"


def answers(state: InspectState, now: Asked, cells: int, columns: list[int], height: int, ascii: bool) -> list[Line]:
    """A title and a row for each column, with bars under its tokens where the height allows."""
    if height < 2:
        return []
    gold = plain(now.gold)
    about = f" · gold: {gold}" if gold else f" · {safe(now.note)}" if now.note else ""
    title = f"answers{about}"
    took = seconds(now)
    made = [rule(cut(title, max(cells - len(took) - 9, 8)), cells, took)]
    tall = cells >= WIDE and height > 2 * len(columns)
    most = (height - 1) // max(len(columns), 1) // 2 if tall else 1
    base = now.columns[state.base] if now.columns else None
    for c in columns:
        column = now.columns[c]
        parted = parts(column, base) if base else -1
        made += _answer(state, now, c, parted, cells, most if tall else 0, ascii)
    return [fit(spans, cells) for spans in made[:height]]


def _answer(state: InspectState, now: Asked, c: int, parted: int, cells: int, tall: int, ascii: bool) -> list[Line]:
    """One column: its name, what it says, its recall and label; `tall`: at most so many lines, each with bars below."""
    column, left = now.columns[c], names(now, cells)
    label = label_of(now, column)
    tail = 6 if cells < WIDE else 24
    room = min(max(cells - left - tail, 4), 96)
    style = "mark" if label == RECOVERED else ""
    recall = f"{score(column.recall)} " if column.recall is not None else ""
    said = recall + ("▲ " if label == RECOVERED else "") + label if tail > 6 else recall
    end: Line = fit([(said.rstrip() if tail > 6 else recall.strip().rjust(5) + " ", style)], tail)
    if not tall:
        return [[*name(state, now, c, left), *fit(_text(state, now, c, parted, ascii), room), *end]]
    texts = _broken(running(state, now, c, parted), room)
    bars = _broken_at(heights(now, column, parted), [width(spans) for spans in texts], room) if column.said else []
    made: list[Line] = []
    for i, spans in enumerate(texts[:tall]):
        head = name(state, now, c, left) if i == 0 else cell("", left)
        made.append([*head, *fit(spans, room), *(end if i == 0 else [])])
        if i < len(bars):
            made.append([*cell("", left), *bars[i]])
    return made


def _text(state: InspectState, now: Asked, c: int, parted: int, ascii: bool) -> Line:
    """Tokens by probability; once they are whole, and the cursor is on the gold answer, with what came back marked."""
    column = now.columns[c]
    if column.failed or column.answered is None or state.on_said or not now.gold:
        return running(state, now, c, parted)
    if not column.text.strip():
        return waiting(now, column)
    if now.given:
        return [*given(now), (plain(column.text), "")]
    if label_of(now, column):
        lost = next((x.text for x in now.columns if x.label == "unlearned" and x.full), "")
        return marked(column.text, now.gold, lost, ascii)
    return [(plain(column.text), "")]


def _broken(spans: Line, room: int) -> list[Line]:
    """`spans` in lines of at most `room` cells, broken before a token that does not fit."""
    made: list[Line] = [[]]
    used = 0
    for span in spans:
        cells = width([span])
        if used and used + cells > room:
            made.append([])
            used = 0
        made[-1].append(span)
        used += cells
    return made


def _broken_at(spans: Line, cells: list[int], room: int) -> list[Line]:
    """Bars, whose signs are one cell each, cut into lines of these lengths."""
    signs = [(sign, style) for text, style in spans for sign in text]
    made: list[Line] = []
    for n in cells:
        made.append(fit(signs[:n], min(n, room)))
        signs = signs[n:]
    return made


# -- attacks -----------------------------------------------------------------------------------------------------------


def table(state: InspectState, now: Asked, cells: int, height: int) -> list[Line]:
    """Attacks by columns: the recall of each answer, ▲ where it brings back what the plain prompt did not; in a wide
    terminal what came back, too."""
    rows = attack_rows(state, attacks())
    left = 15
    columns = visible(state, now, max((cells - left) // 7, 1))
    room = min((cells - left) // max(len(columns), 1), 40)
    plain_ = rows[0][1] or now
    more = "" if len(columns) == len(now.columns) else f"{len(columns)} of {len(now.columns)} columns"
    made = [rule("attacks: recall of each answer, ▲ what the plain prompt did not bring", cells, more)]
    heads = [(model_name(now.columns[c].label), precision_name(now.columns[c].precision)) for c in columns]
    made.append([*cell("", left), *(s for model, _ in heads for s in cell(f" {model}", room, "dim"))])
    made.append([*cell(" attack", left, "dim"), *(s for _, precision in heads for s in cell(f" {precision}", room))])
    for i, (id, found) in enumerate(rows):
        here = state.pane == "attacks" and i == state.attack
        row = [("▸" if here else " ", "accent"), *cell(attack_label(id), left - 1, "accent" if here else "")]
        for c in columns:
            row += _recall(found, plain_, c, room)
        made.append(under(fit(row, cells), "cursor") if here else fit(row, cells))
    return made[:height]


def _recall(found: Asked | None, plain_: Asked, c: int, room: int) -> Line:
    """100.0▲ Fennelport …: one attack in one column."""
    column = found.columns[c] if found and c < len(found.columns) else None
    if found is None or column is None:
        return cell("     –" if room < 12 else " not asked", room, "dim")
    if column.failed or found.refused:
        return cell("     ✗", room, "bad")
    if column.answered is None:
        return cell("     …" if not found.ended else "     –", room, "dim")
    rose = is_gain(gain(column, _like(plain_, column)))
    number = score(column.recall) if column.recall is not None else "    –"
    spans: Line = [(f" {number}", "hot" if rose else ""), ("▲" if rose else " ", "hot")]
    if room >= 14:
        gave = cut(f" {text(given(found))}", room - 10)
        said = cut(plain(column.text) or "(says nothing)", room - 8 - width(line(gave)))
        spans += [(gave, "dim"), (said, "")]
    return fit(spans, room)


def _like(now: Asked, column: Column) -> Column | None:
    return next((c for c in now.columns if c.key == column.key), None)


def attack_note(state: InspectState, cells: int) -> Line:
    """What the attack under the cursor does."""
    ids = ("", *attacks())
    id = ids[min(state.attack, len(ids) - 1)]
    summary = catalog.ATTACKS[id].summary if id in catalog.ATTACKS else ""
    if id in catalog.ATTACKS and catalog.ATTACKS[id].needs_gold:
        summary += "; it stands in [ ], recall counts what follows it"
    return fit(line((f" {attack_label(id)}: ", "bold"), (summary, "dim")), cells)
