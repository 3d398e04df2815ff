"""The sweeps screen: the list above, below it the grid of cells, and the recovery map beside it where there is room."""

from __future__ import annotations

from unlearn_tui.protocol.result import ScoreRow
from unlearn_tui.report import maps
from unlearn_tui.report.sections import HALVED, HALVED_NOTE, metric_label, precision_label
from unlearn_tui.report.sweeps import SIGNS, main_metric
from unlearn_tui.report.text import ago, cut, duration, number, safe
from unlearn_tui.state.labels import BACK
from unlearn_tui.state.listing import window
from unlearn_tui.state.recovery_map import RecoveryMap, build, metrics
from unlearn_tui.state.sweep import CellState, Group, SweepState, label, varying
from unlearn_tui.state.sweeps import Sweeps, figure
from unlearn_tui.tui.draw import table
from unlearn_tui.tui.draw.table import Column
from unlearn_tui.tui.lines import Line, beside, block, cell, fit, line, rule, under, wrap

STYLES = {"finished": "good", "running": "accent", "stopped": "warn", "failed": "bad", "died": "bad"}
WIDE = 120
LISTED = 5
"""Sweeps that are listed at most while the grid is below."""
SEED, MEAN = 8, 8
"""Cells of a seed's column, and of a precision's mean."""
FOOT = 4
"""Lines about the cell under the cursor, where the screen is not too low for them."""
LOW = 16


def foot(height: int) -> int:
    """Lines about the cell, on a screen of this height."""
    return FOOT if height >= LOW else 0


def draw(state: Sweeps, width: int, height: int, now: float, loaded: bool = True) -> list[Line]:
    """The whole screen; `loaded`: the disk has been looked at."""
    made = _list(state, width, now, loaded)
    sweep = state.sweep
    if sweep is None:
        return made
    below = height - len(made)
    if width >= WIDE and metrics(sweep):
        left = width * 3 // 5
        right = width - left - 3
        grid = block(_grid(state, sweep, left, below, foot(height)), below)
        return [*made, *beside(grid, _map_pane(sweep, right, below), left)]
    return [*made, *_grid(state, sweep, width, below, foot(height))]


def listed(state: Sweeps) -> int:
    """Lines of the list's rows."""
    return max(min(len(state.sweeps.rows), LISTED), 1)


def grid_top(state: Sweeps) -> int:
    """The line of the grid's first row."""
    return 2 + listed(state) + 2


def grid_height(state: Sweeps, height: int) -> int:
    """Lines of the grid's rows."""
    return max(height - grid_top(state) - foot(height), 1)


def _list(state: Sweeps, width: int, now: float, loaded: bool) -> list[Line]:
    driven = any(s.driver for s in state.sweeps.rows)
    right = "at work" if driven else ""
    made = [table.title("SWEEPS", "", False, right, width)]
    layout = (Column("CELLS", 9, True, 1), Column("STANDS", 34, False, 2), Column("AGE", 4, True, 3))
    columns = table.layout(layout, width, 24, "STANDS")
    made.append(table.head(columns, "SWEEP"))
    if not state.sweeps.rows:
        said = "no sweeps yet: unlearn-tui sweep SWEEP.toml makes one (esc: back)"
        return [*made, [], line((f"   {said if loaded else 'looking for sweeps …'}", "dim"))]
    rows = table.rows(
        state.sweeps,
        columns,
        listed(state),
        _sign,
        lambda sweep, head: _content(sweep, head, now),
    )
    return [
        *made,
        *(rows if not state.inside else [[(t, s.replace("cursor", "").strip()) for t, s in r] for r in rows]),
    ]


def _sign(sweep: SweepState) -> tuple[str, str]:
    if sweep.fault:
        return "✗", "bad"
    if sweep.running:
        return "●", "accent"
    return ("✓", "good") if sweep.complete else ("◐", "warn") if sweep.finished else ("○", "")


def _content(sweep: SweepState, head: str, now: float) -> Line:
    match head:
        case "":
            return line(safe(sweep.id))
        case "CELLS":
            return line(f"{sweep.finished}/{len(sweep.cells)}" if not sweep.fault else "–")
        case "AGE":
            return line((ago(now - sweep.created) if sweep.created else "–", "dim"))
        case _:
            return _stands(sweep)


def _stands(sweep: SweepState) -> Line:
    if sweep.fault:
        return line((safe(sweep.fault), "bad"))
    at = sweep.running
    if at is not None:
        share = f" {100 * at.share:.0f} %" if at.share is not None else ""
        return line((f"{label(at.cell, varying([c.cell for c in sweep.cells]))}: {safe(at.stage)}{share}", "accent"))
    if sweep.complete:
        return line(("finished", "dim"))
    failed = sum(cell.status in ("failed", "died") for cell in sweep.cells)
    return line((f"{failed} failed; r goes on" if failed else "r goes on", "warn"))


def _grid(state: Sweeps, sweep: SweepState, width: int, height: int, about: int) -> list[Line]:
    """Rule, head, a row a group, and the cell under the cursor in words; exactly `height` lines."""
    if sweep.fault:
        return block(
            [rule("", width), *(line((f" {p}", "bad")) for p in wrap(safe(sweep.fault), width - 2, 4))], height
        )
    metric, precision = main_metric(sweep), state.precision
    title = f"{metric_label(metric)}, {precision_label(precision)}; to the right means over seeds"
    if any(r.spread.halved for group in sweep.groups for r in group.figures if r.metric == metric):
        title += f"; {HALVED} batch halved"
    made = [rule(title, width, f"{sweep.finished} of {len(sweep.cells)}")]
    seeds = max((len(group.cells) for group in sweep.groups), default=1)
    means = state.precisions[: max((width - 24 - SEED * min(seeds, 4)) // MEAN, 0)]
    room = max((width - 24 - MEAN * len(means)) // SEED, 1)
    first = max(0, min(state.seed - room // 2, seeds - room))
    shown = range(first, min(first + room, seeds))
    name = width - 1 - SEED * len(shown) - MEAN * len(means)
    made.append(_head(sweep, name, shown, means))
    rows = max(height - 2 - about, 1)
    top = window(state.grid, rows)
    for index, group in enumerate(state.grid.rows[top : top + rows], top):
        made.append(_row(state, group, index, name, shown, means, metric))
    return [*block(made, height - about), *block(_foot(state, sweep, width), about)]


def _head(sweep: SweepState, name: int, shown: range, means: list[str]) -> Line:
    groups = sweep.groups
    says = " · ".join(groups[0].values) if groups and groups[0].values else ""
    made = [*line(" "), *cell(says, name, "dim")]
    widest = max(groups, key=lambda g: len(g.cells)).cells if groups else ()
    for i in shown:
        seed = widest[i].cell.spec.seed if i < len(widest) else ""
        made += cell(f"seed {seed}", SEED, "dim", True)
    for precision in means:
        made += cell(cut(precision_label(precision), MEAN - 1), MEAN, "dim", True)
    return made


def _row(state: Sweeps, group: Group, index: int, name: int, shown: range, means: list[str], metric: str) -> Line:
    here = state.inside and index == state.grid.at
    made = [("▸" if here else " ", "accent"), *cell(safe(_values(group)), name)]
    for i in shown:
        own = group.cells[i] if i < len(group.cells) else None
        part = fit(_cell(own, state.precision, metric), SEED, True) if own else cell("", SEED)
        made += under(part, "cursor") if here and i == min(state.seed, len(group.cells) - 1) else part
    found = {r.precision: r for r in group.figures if r.metric == metric and r.model == "unlearned"}
    for precision in means:
        row = found.get(precision)
        back = row is not None and any(v in BACK for v in row.verdicts)
        less = HALVED if row is not None and row.spread.halved else ""
        made += cell(
            number(row.spread.mean if row else None) + less, MEAN, "mark" if back else "" if row else "dim", True
        )
    return made


def _values(group: Group) -> str:
    return group.label if len(group.values) == 1 else " · ".join(p.partition(" ")[2] for p in group.label.split(" · "))


def _cell(own: CellState, precision: str, metric: str) -> Line:
    sign = (SIGNS.get(own.status, "?"), STYLES.get(own.status, "dim"))
    if own.status == "running":
        return line(sign, (f" {100 * own.share:.0f} %" if own.share is not None else "", "accent"))
    row = figure(own, precision, metric)
    return line(sign, (f" {_figure(row)}" if row else "", ""))


def _figure(row: ScoreRow | None) -> str:
    """12.3, with a sign where the batch had to be halved."""
    return number(row.value if row else None) + (HALVED if row and row.batch else "")


def _foot(state: Sweeps, sweep: SweepState, width: int) -> list[Line]:
    own = state.cell
    if own is None:
        return []
    made = [rule(cut(label(own.cell, varying([c.cell for c in sweep.cells])), max(width - 30, 8)), width, own.status)]
    said = [safe(own.run) or "no run yet"]
    if own.status == "running":
        share = f" {100 * own.share:.0f} %" if own.share is not None else ""
        said.append(f"{safe(own.stage)}{share}" + (f", {duration(own.left)} left" if own.left is not None else ""))
    if own.result is not None:
        metric = main_metric(sweep)
        said.append(f"took {duration(own.result.seconds)}")
        said += [f"{precision_label(p)} {_figure(figure(own, p, metric))}" for p in own.cell.spec.precision]
        said += [HALVED_NOTE] if any(HALVED in part for part in said) else []
    made += [line((f" {part}", "dim")) for part in wrap(" · ".join(said), width - 2, 2)]
    if own.reason:
        made.append(line((f" {cut(safe(own.reason), width - 2)}", STYLES.get(own.status, ""))))
    return made


def _map_pane(sweep: SweepState, width: int, height: int) -> list[Line]:
    return block([rule("RECOVERY MAP", width), *map_lines(build(sweep), width)], height)


def map_lines(found: RecoveryMap, width: int) -> list[Line]:
    """The recovery map: a block a panel, what came back marked, wrong expectations pointed out."""
    made: list[Line] = [line((f" {metric_label(found.metric)}: share of the target's", "dim"))]
    name = 11
    each = max(min((width - name - 1) // max(len(found.rates), 1), 12), 6)
    for panel, drawn in zip(found.panels, maps.grids(found), strict=True):
        made += [[], line((f" {maps.name(panel)}", "title"))]
        made.append([*cell("", name), *(part for head in drawn.head[1:] for part in cell(head, each, "dim", True))])
        for precision in panel.precisions:
            row = cell(f" {precision_label(precision)}", name)
            for rate in found.rates:
                point = panel.points.get((precision, rate))
                back = point is not None and any(v in BACK for v in point.verdicts)
                wrong = point is not None and point.wrong
                row += cell(maps.cell(point), each, "mark" if back else "bad" if wrong else "", True)
            made.append(row)
    made.append([])
    for part in (*maps.LEGEND.split("; "), maps.counted(found)):
        made += [line((f" {row}", "dim")) for row in wrap(part, width - 2)]
    return made
