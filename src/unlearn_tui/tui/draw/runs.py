"""The runs screen: every run with how it stands or what it found, and more of the one under the cursor."""

from __future__ import annotations

from unlearn_tui.report.sections import precision_label as label
from unlearn_tui.report.text import ago, cut, duration, number, safe, size
from unlearn_tui.state.models import COME_BACK
from unlearn_tui.state.runs import Run, Runs, can_resume
from unlearn_tui.tui.draw import table
from unlearn_tui.tui.draw.model import VERDICTS, tail
from unlearn_tui.tui.draw.table import Column
from unlearn_tui.tui.lines import Line, bar, beside, block, cell, fit, line, rule, wrap

STANDS = "HOW IT STANDS"
SIGNS = {
    "running": ("●", "accent"),
    "finished": ("✓", "good"),
    "stopped": ("◐", "warn"),
    "failed": ("✗", "bad"),
    "died": ("✗", "bad"),
    "new": ("○", ""),
}
NAME = 21
"""Cells of a run's id, at least."""
WIDE = 120
LIST = 100
DETAIL = 9
FILTER_AT = 9


def draw(state: Runs, width: int, height: int, now: float, loaded: bool = True, typing: bool = False) -> list[Line]:
    """The whole screen; `loaded`: the disk has been looked at; `typing`: the filter is being typed."""
    if width >= WIDE:
        left = _list(state, LIST, height, now, loaded, typing)
        return beside(block(left, height), detail(state.list.current, width - LIST - 3, height, now), LIST)
    shown = list_height(state, width, height)
    lines = _list(state, width, shown + 2, now, loaded, typing)
    below = height - len(lines)
    return [*lines, *detail(state.list.current, width, below, now)] if below >= 2 else lines


def list_height(state: Runs, width: int, height: int) -> int:
    """Lines that the rows get: all beside a detail pane, else what the detail below leaves."""
    if width >= WIDE:
        return height - 2
    below = DETAIL if height >= 18 else 4 if height >= 12 else 0
    return max(min(max(len(state.list.rows), 3), height - 2 - below), 1)


def row_at(state: Runs, width: int, height: int, x: int, y: int) -> int | None:
    """The row painted at this cell, or None."""
    if width >= WIDE and x >= LIST:
        return None
    return table.index_at(state.list, list_height(state, width, height), y - 2)


def _columns(cells: int) -> table.Layout:
    name = min(NAME, cells // 2)
    columns = (
        Column("METHOD", 7, False, 3),
        Column("MODEL", 16, False, 5),
        Column(STANDS, min(33, max(cells - name - table.LEAD - 1, 1)), False, 1),
        Column("SIZE", 8, True, 4),
        Column("AGE", 4, True, 2),
    )
    return table.layout(columns, cells, name, STANDS)


def _list(state: Runs, cells: int, height: int, now: float, loaded: bool, typing: bool) -> list[Line]:
    live = len(state.live)
    counted = f"{len(state.list.rows)} of {len(state.rows)}" if state.filter else str(len(state.rows))
    right = f"{counted} run{'' if counted == '1' else 's'}" + (f", {live} live" if live else "")
    made = [table.title("RUNS", safe(state.filter), typing, right, cells)]
    columns = _columns(cells)
    made.append(table.head(columns, "RUN"))
    if not state.list.rows:
        if state.filter:
            said = f"nothing fits {safe(state.filter)!r}: esc shows all"
        else:
            said = "no runs yet: 2 sets one up, T shows a recorded one" if loaded else "looking for runs …"
        return [*made, [], line((f"   {cut(said, cells - 4)}", "dim"))]
    return made + table.rows(
        state.list,
        columns,
        height - 2,
        lambda run: SIGNS.get(run.status, ("?", "")),
        lambda run, head: _content(run, head, now),
    )


def _content(run: Run, head: str, now: float) -> Line:
    match head:
        case "":
            return line(safe(run.id))
        case "METHOD":
            return line(safe(run.method))
        case "MODEL":
            return line((tail(safe(run.model), 16), "dim"))
        case "SIZE":
            return line(size(run.size))
        case "AGE":
            return line((ago(now - run.created) if run.created else "–", "dim"))
        case _:
            return stands(run)


def stands(run: Run) -> Line:
    """One short line: progress, what was found at 4 bits, or why it ended."""
    if run.status == "running":
        share = f" {100 * run.share:3.0f} %" if run.share is not None else ""
        left = f"  {duration(run.left)} left" if run.left is not None else ""
        return line((f"{_stage(run) or 'starting'}{share}", "accent"), (left, "dim"))
    if run.status == "finished":
        return _found(run)
    if run.status == "new":
        return line(("has not begun", "dim"))
    where = f" in {_stage(run)}" if run.stage else ""
    where += f" at {run.done}/{run.total}" if run.total else ""
    style = SIGNS.get(run.status, ("", ""))[1]
    return line((f"{run.status}{where}" if not run.reason else safe(run.reason), style))


def _stage(run: Run) -> str:
    return safe(run.stage).replace("_", " ")


def _found(run: Run) -> Line:
    if run.forget is None:
        return line(("finished", "dim"))
    made = line((f"{number(run.forget):>5}", ""))
    if run.back is None:
        return made
    back = run.verdict in COME_BACK
    made += line((" → ", "dim"), (label(run.four), "dim"), (f" {number(run.back)} ", "mark" if back else ""))
    word = VERDICTS.get(run.verdict, safe(run.verdict))
    return [*made, *line(("▲ " if back else "", "mark"), (word, "mark" if back else "dim"))]


def detail(run: Run | None, cells: int, height: int, now: float) -> list[Line]:
    """More of the run under the cursor, the most important first; exactly `height` lines."""
    if run is None:
        return block([rule("", cells)], height)
    made = [rule(cut(safe(run.id), max(cells - 20, 8)), cells, ago(now - run.created) if run.created else "")]
    what = "check" if run.task == "check" else " · ".join(part for part in (run.method, run.weights) if part)
    said = f"{what} · {run.model} · {run.corpus}"
    made += [line(f" {part}") for part in wrap(safe(said), cells - 2, 2)]
    gap: list[Line] = [[]] if height >= 20 else []
    if run.status == "running":
        made += _progress(run, cells)
    if run.reason and run.status != "running":
        style = SIGNS.get(run.status, ("", ""))[1]
        made += [line((f" {part}", style)) for part in wrap(safe(run.reason), cells - 2, 4)]
    if run.forget is not None:
        made += gap + _scores(run, cells)
    if run.explanation:
        made += [
            *gap,
            *(line((f" {part}", "dim")) for part in wrap(safe(run.explanation), cells - 2, 12 if gap else 4)),
        ]
    facts = [f"{size(run.size)} on disk"]
    if run.seconds:
        facts.append(f"took {duration(run.seconds)}")
    if run.peak:
        facts.append(f"at most {size(run.peak)} of memory")
    made += [*gap, line((" " + " · ".join(facts), "dim"))]
    made.append(line((" " + tail(safe(run.path), cells - 1), "dim")))
    foot = [line((f" {part}", "dim")) for part in wrap(hints(run), cells - 2, 2)]
    room = max(height - len(foot), 1)
    return [*block([fit(part, cells) for part in made], room), *foot][:height]


def hints(run: Run) -> str:
    """What can be done with it now, in words."""
    if run.status == "running":
        return "⏎ watches it   X stops it after its current step"
    if can_resume(run):
        return "r goes on with it from its last save   l reads its log   x removes it"
    return "⏎ or c reads its answers   x removes it with all its files"


def _progress(run: Run, cells: int) -> list[Line]:
    done = f"{run.done}/{run.total}" if run.total else ""
    made = [line(" ", (_stage(run) or "starting", "accent"), f"  {done}")]
    if run.share is not None:
        left = f"  {duration(run.left)} left" if run.left is not None else ""
        length = max(min(cells - 24, 60), 4)
        made.append(line(" ", (bar(run.share, length), "accent"), f" {100 * run.share:3.0f} %", (left, "dim")))
    return made


def _scores(run: Run, cells: int) -> list[Line]:
    length = max(min(cells - 34, 20), 4)
    rows = [("target", run.full, run.target, ""), ("unlearned", run.full, run.forget, "")]
    if run.back is not None:
        rows.append(("unlearned", run.four, run.back, run.verdict))
    made = []
    for who, precision, value, verdict in rows:
        back = verdict in COME_BACK
        row = [*line(" "), *cell(who, 10), *cell(label(precision), 8, "dim")]
        if value is not None:
            style = "mark" if back else "dim" if who == "target" else "cool"
            row += line(f"{number(value):>5} ", (bar(value / 100, length), style))
        word = VERDICTS.get(verdict, safe(verdict)) if verdict else ""
        made.append([*row, *line((" ▲ " if back else "   ", "mark"), (word, "mark" if back else "dim"))])
    return made
