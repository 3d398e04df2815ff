"""The Run screen's panes of a training: losses, probes, the canary."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from unlearn_tui.report import sections
from unlearn_tui.report.text import cut
from unlearn_tui.state.run import RunState
from unlearn_tui.tui.draw.answers import plain
from unlearn_tui.tui.draw.chart import Point, Series, binned, chart, spark
from unlearn_tui.tui.draw.run_look import Look
from unlearn_tui.tui.lines import Line, bar, fit, line

BACK = 20
"""Points between the two values that an arrow compares."""


def loss_series(state: RunState, name: str) -> tuple[list[Point], list[Point]]:
    """(step, value) of the steps that count, and of those that a resume set aside."""
    both = attrgetter("step", name)
    return list(map(both, state.steps)), list(map(both, state.void))


def losses(look: Look, names: Sequence[str], cells: int, rows: int) -> list[Line]:
    """One chart of one or more of forget_loss, retain_loss, grad_norm, over all steps of the run."""
    state = look.state
    if rows < 3:
        return []

    def made() -> list[Line]:
        series = []
        for i, name in enumerate(names):
            points, void = loss_series(state, name)
            series.append(Series(points, "" if i else "accent", dotted=i > 0))
            series.append(Series(void, "dim", dotted=True))
        # the engine says a few steps a second, and long series are thinned
        few = f", {len(state.steps)} drawn" if state.steps and len(state.steps) < state.steps[-1].step else ""
        end = f"{last_step(look)} steps{few}"
        return chart(series, cells, rows, last_step(look), look.log_scale, look.ascii, end)

    return look.kept.get(
        "chart " + " ".join(names),
        made,
        state.steps,
        state.void,
        cells,
        rows,
        look.log_scale,
        look.ascii,
        last_step(look),
    )


def last_step(look: Look) -> int:
    """Steps of the whole training."""
    return look.state.steps[-1].total if look.state.steps else look.spec.steps or 1


def trend(values: Sequence[float | None]) -> str:
    """▲ ▼ ─: the newest value against the one BACK points before."""
    old, new = values[max(len(values) - BACK, 0)], values[-1]
    if old is None or new is None or abs(new - old) <= 0.01 * max(abs(old), abs(new)):
        return "─"
    return "▲" if new > old else "▼"


def number(value: float | None) -> str:
    """Nine cells, whatever the size."""
    if value is None or value != value:
        return f"{'–':>9}"
    return f"{value:9.3f}" if abs(value) < 9999 else f"{value:9.2e}"


def forget_line(look: Look, cells: int, sign: str = "━ ") -> Line:
    """The forget loss now, and which way is forgetting: down for every method, as it is what training minimizes. Where
    it memorises, the loss on the corpus."""
    steps = look.state.steps
    learns = look.spec.task == "memorise"
    values = [s.forget_loss for s in steps[-BACK:]]
    return fit(
        line(
            ("* " if sign and look.ascii else sign, "accent"),
            "loss  " if learns else "forget",
            number(values[-1]),
            f" {trend(values)}",
            (f" lower: {'learns' if learns else 'forgets'}" if cells >= 34 else "", "dim"),
        ),
        cells,
    )


def retain_line(look: Look, cells: int, sign: str = "┄ ") -> Line:
    """The retain loss now; nothing for a method without one."""
    values = [s.retain_loss for s in look.state.steps[-BACK:]]
    sign = ". " if sign and look.ascii else sign
    if values[-1] is None:
        return fit(line(sign, "retain", (" no retain term here", "dim")), cells)
    return fit(
        line(
            sign, "retain", number(values[-1]), f" {trend(values)}", (" higher: drifts" if cells >= 34 else "", "dim")
        ),
        cells,
    )


def gradient_line(look: Look, cells: int) -> Line:
    """The gradient norm now, and over the whole run."""
    steps = look.state.steps
    head = f"  grad  {number(steps[-1].grad_norm)}  "
    room = min(cells - len(head), 24)

    def made() -> str:
        points, _ = loss_series(look.state, "grad_norm")
        return spark(binned(points, room, last_step(look)), room, low=0.0)

    over = look.kept.get("gradient", made, steps, room, last_step(look))
    return fit(line(head, (over, "cool")), cells)


def pace_line(look: Look, cells: int) -> Line:
    """Speed and step size."""
    step = look.state.steps[-1]
    parts = [f"  {step.tokens_per_second:7.0f} tok/s", f"lr {step.lr:g}", f"Adam max {step.adam_max:.1e}"]
    if step.npo_weight is not None:
        parts.insert(1, f"sequence weight {step.npo_weight:.3f}")
    return fit(line(("  ".join(parts), "dim")), cells)


def probes(look: Look, cells: int) -> list[Line]:
    """KnowMem of n questions, 0-100, from before the first step to now."""
    return look.kept.get(
        "probes", lambda: _probes(look, cells), look.state.probes, look.state.epochs, cells, last_step(look)
    )


def _probes(look: Look, cells: int) -> list[Line]:
    made = []
    for metric in dict.fromkeys(p.metric for p in look.state.probes):
        points = [(p.step, p.value) for p in look.state.probes if p.metric == metric]
        first, now = points[0][1], points[-1][1]
        n = next(p.n for p in look.state.probes if p.metric == metric)
        name = sections.metric_label(metric)
        if cells < 50:
            name = name.replace("KnowMem", "KM") if cells >= 34 else name.removeprefix("KnowMem ")
        room = 14 if cells >= 50 else 9 if cells >= 34 else 6
        head = f"{cut(plain(name), room):<{room}} {f'n={n}':<4}{first:6.1f} →{now:6.1f} {trend([first, now])} "
        room = min(max(cells - len(head), 0), 20)
        made.append(fit(line(head, (spark(binned(points, room, last_step(look)), room, 0, 100), "cool")), cells))
    return made + epochs(look, cells)


def epochs(look: Look, cells: int) -> list[Line]:
    """The whole metric after each epoch, where a stopping rule has it scored: the newest scores, and where it ends."""
    scored = look.state.epochs
    if not scored:
        return []
    last = scored[-1]
    head = f"epoch {last.epoch:<4} "
    tail = "" if last.line is None else f" {'ended at' if last.chosen else 'ends at'} {last.line:.1f}"
    room = max(cells - len(head) - len(tail), 0)
    shown = [f"{e.value:.1f}" for e in scored]
    while len(shown) > 1 and len(" → ".join(shown)) > room:
        del shown[1 if len(shown) > 2 else 0]
    return [fit(line((head, "dim"), (" → ".join(shown), "cool"), (tail, "dim")), cells)]


def canary(look: Look, cells: int, rows: int) -> list[Line]:
    """The pinned question, the right answer, what the target says, and the answers as they dissolve."""
    asked = look.state.canary
    if not asked or rows < 3:
        return []
    newest = asked[-1]
    made = [fit(line(("Q ", "dim"), plain(newest.question)), cells)]
    said = asked[0].step == 0 and cells >= 36
    gold = line(("gold ", "dim"), (cut(plain(newest.gold), cells // 2 - 8 if said else cells - 5), "bold"))
    if said:
        gold += line(("  target says ", "dim"), plain(asked[0].answer))
    made.append(fit(gold, cells))
    bars = 4 if cells < 60 else 10
    if rows >= 5:
        made.append(fit(line((f" {'step':>5} {'p(gold)':<{bars + 6}} R-L answer", "dim")), cells))
    room = rows - len(made)
    shown = asked if len(asked) <= room else (asked[0], *asked[len(asked) - room + 1 :]) if room > 1 else asked[-1:]
    for entry in shown:
        mark = "▸" if entry is newest and look.state.stage is not None else " "
        p = (
            f"{entry.probability:.3f}"
            if entry.probability >= 0.0005 or not entry.probability
            else f"{entry.probability:.0e}"
        )
        style = "bold" if entry.rouge >= 1 else "" if entry.rouge > 0 else "dim"
        head = line((mark, "accent"), f"{entry.step:>5} {p:>5} ", (bar(entry.probability, bars), "accent"))
        made.append(fit([*head, (f" {100 * entry.rouge:3.0f} ", ""), (plain(entry.answer), style)], cells))
    return made
