"""The Inspect screen: one prompt, every model and precision; tokens with their probabilities, answers, attacks."""

from __future__ import annotations

from unlearn_tui.report.text import cut, safe
from unlearn_tui.state.asked import Asked, asked
from unlearn_tui.state.inspect import InspectState, find, request
from unlearn_tui.tui.draw.answers import column_name, plain
from unlearn_tui.tui.draw.inspect_answers import answers, attack_label, attack_note, attacks, table
from unlearn_tui.tui.draw.inspect_tokens import LEGEND, alternatives, grid, visible
from unlearn_tui.tui.lines import Line, block, fit, joined, line, rule, text, width, wrap

WIDE = (120, 36)


def draw(state: InspectState, cells: int, height: int, note: str = "", ascii: bool = False) -> list[Line]:
    """The screen in `cells` × `height`; `note` (safe) says why nobody can be asked."""
    if not state.models or state.prompt is None:
        return empty(state, cells, height, note)
    now = state.asked
    if now is None:
        return _fresh(state, cells, height, note)
    head = _head(state, cells, height)
    room = height - len(head)
    said = _said(now, cells, note)
    room -= len(said)
    body = (
        _attacks(state, now, cells, room, ascii) if state.pane == "attacks" else _tokens(state, now, cells, room, ascii)
    )
    return [fit(spans, cells) for spans in block([*head, *block(body, room), *said], height)]


def row_at(state: InspectState, lines: list[Line], y: int) -> tuple[str, int] | None:
    """("column", its place) or ("attack", its row) of the row painted on line `y`: rows begin with their name."""
    now, painted = state.asked, text(lines[y])[1:] if 0 <= y < len(lines) else ""
    if now is None:
        return None
    names = {column_name(column.key): ("column", i) for i, column in enumerate(now.columns)}
    if state.pane == "attacks":
        names |= {attack_label(id): ("attack", i) for i, id in enumerate(("", *attacks()))}
    fitting = [name for name in names if painted.startswith(f"{name} ")]
    return names[max(fitting, key=len)] if fitting else None


def empty(state: InspectState, cells: int, height: int, note: str) -> list[Line]:
    """Nobody to ask, or nothing to ask yet: why, and what to do."""
    said = wrap(note, max(cells - 2, 10), 4) if note else []
    if state.models:
        said += ["", "a  ask a question of your own", "4  Compare: i there steps through its prompts here"]
    else:
        said += ["", "0  choose a run: its target and its unlearned model are asked side by side"]
        said += ["1  choose a model", "a  ask the shipped target a question"]
    lines: list[Line] = [rule("one prompt, every precision", cells), [], *([(f" {row}", "")] for row in said)]
    return [fit(spans, cells) for spans in block(lines, height)]


def _head(state: InspectState, cells: int, height: int) -> list[Line]:
    """The question, how it is asked, where it stands among the others."""
    prompt = state.prompt
    assert prompt is not None
    template = prompt.template or state.template
    way = f"sampled {state.temperature:g}, seed {state.seed}" if state.temperature else "greedy"
    where = f"‹ {state.at + 1} of {len(state.prompts)} ›" if state.at >= 0 else "own question"
    right = joined([line((template, "accent")), line(way), line((where, "dim"))], " · ")
    right = [*fit(right, min(width(right), cells * 2 // 3)), (" ", "")]
    number = f" #{prompt.index} " if not prompt.own else " "
    room = cells - width(right) - 1
    question = plain(prompt.question)
    tall = cells >= WIDE[0] and height >= WIDE[1]
    rows = (
        wrap(f"{number.lstrip()}{question}", max(room, 8), 3)
        if tall
        else [cut(f"{number.lstrip()}{question}", max(room, 8))]
    )
    made: list[Line] = [[*fit([(f" {rows[0]}", "bold")], room + 1), *right]]
    made += [line((f" {row}", "bold")) for row in rows[1:]]
    if tall:
        made.append(line((f" {plain(state.name)}", "dim")))
    return made


def _fresh(state: InspectState, cells: int, height: int, note: str) -> list[Line]:
    """A prompt that was not asked yet: all of it, and who will be asked."""
    prompt, wanted = state.prompt, request(state, -1)
    assert prompt is not None
    assert wanted is not None
    room = max(cells - 2, 10)
    columns = ", ".join(column_name(c.key) for c in asked(wanted).columns)
    made = [*_head(state, cells, height), rule("not asked yet", cells), []]
    made += [line((f" {row}", "bold")) for row in wrap(plain(prompt.question), room, 8)]
    made += [line((f" {row}", "good")) for row in wrap(f"gold: {plain(prompt.gold)}", room, 4)] if prompt.gold else []
    made += [[], line((" ⏎", "key"), (" asks", "dim"))]
    made += [line((f"   {row}", "dim")) for row in wrap(columns, max(room - 2, 8), 6)]
    made += [[], *(line((f" {row}", "warn")) for row in wrap(note, room, 4))] if note else []
    return [fit(spans, cells) for spans in block(made, height)]


def _said(now: Asked, cells: int, note: str) -> list[Line]:
    """What the program has to say about this request, in one line at the end; none where nothing is."""
    if now.refused:
        return [line((f" ✗ {safe(now.refused)}", "bad"))]
    return [line((f" {note}", "warn"))] if note else []


def _tokens(state: InspectState, now: Asked, cells: int, height: int, ascii: bool) -> list[Line]:
    """Grid, alternatives and answers, as the height allows: answers first, then the grid, then alternatives."""
    n = len(now.columns)
    if n == 0 or height < 2:
        return []
    more = 6
    shown = min((height - more - 3) // 2, n)
    if shown < min(n, 3):
        more, shown = 0, min((height - 3) // 2, n)
    if shown < 1:
        return answers(state, now, cells, visible(state, now, height - 1), height, ascii)
    columns = visible(state, now, shown)
    upper = grid(state, now, cells, columns)
    rest = height - len(upper) - more
    below: list[Line] = []
    if cells >= WIDE[0] and height >= WIDE[1] - 4:
        more, rest = more + 2, rest - 2
        tried = any(find(state, id) for id in attacks())
        rows = len(attacks()) + 4
        if tried and rest - rows > 2 * len(columns):
            below, rest = table(state, now, cells, rows), rest - rows
    middle = alternatives(state, now, cells, more)
    lower = answers(state, now, cells, columns, rest, ascii)
    if state.on_said and len(lower) < rest:
        lower = [*lower, line((f" {LEGEND}", "dim"))]
    return [*upper, *middle, *block(lower, rest), *below]


def _attacks(state: InspectState, now: Asked, cells: int, height: int, ascii: bool) -> list[Line]:
    """The table of attacks, and what the one under the cursor brings."""
    upper = table(state, now, cells, max(height - 4, 4))
    rest = height - len(upper) - 1
    columns = visible(state, now, max(min(rest - 1, len(now.columns)), 1))
    return [*upper, attack_note(state, cells), *answers(state, now, cells, columns, rest, ascii)]
