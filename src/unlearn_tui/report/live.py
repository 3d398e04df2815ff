"""A run as it happens: one Rich view drawn from RunState, and one plain line per notable event."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.text import Text

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.events import AnyEvent
from unlearn_tui.protocol.result import ScoreRow
from unlearn_tui.report import sections, tables
from unlearn_tui.report.text import cut, duration, number, safe, size
from unlearn_tui.state.run import RunState, Stage

MARKS = {"waiting": "○", "running": "●", "done": "✓"}
COLOURS = {"waiting": "dim", "running": "bold cyan", "done": "green"}
ASKED = 4
"""How many of the canary's last answers are shown."""
EVERY = 10.0
"""Plain lines of steps and progress come at most this often, in seconds."""


def view(state: RunState, title: str, width: int) -> RenderableType:
    """The state in at most a screenful of `width` cells; `title` is safe text."""
    parts: list[RenderableType] = [Text(cut(title, width), "bold"), rail(state)]
    stage = state.stage
    if stage:
        parts.append(Text(cut(progress(stage, width), width)))
    if state.steps and stage and stage.id == state.training:
        parts += [Text(cut(losses(state), width)), Text(cut(pace(state.steps[-1]), width), "dim")]
    if state.canary:
        parts += _canary(state, width)
    if state.answered and stage and stage.id != state.training:
        parts.append(Text(cut(said(state.answered[-1]), width)))
    if state.scores:
        parts += map(tables.grid, sections.scores([score_row(s) for s in state.scores.values()]))
    warning = next((entry for entry in reversed(state.log) if entry.level == "warning"), None)
    if warning:
        parts.append(Text(cut(f"! {safe(warning.text)}", width), "yellow"))
    return Group(*parts)


def rail(state: RunState) -> Text:
    """✓ load 0:02 ▸ ● unlearn ▸ ○ weights."""
    text = Text()
    for i, stage in enumerate(state.stages):
        text.append(" ▸ " if i else "", "dim")
        took = f" {duration(stage.seconds)}" if stage.seconds is not None and stage.status == "done" else ""
        text.append(f"{MARKS[stage.status]} {safe(stage.id).replace('_', ' ')}{took}", COLOURS[stage.status])
    return text


def progress(stage: Stage, width: int) -> str:
    """unlearn  ████░░░░  40 %  160/400 steps  3.2/s  1:15 left: the bar fills `width` up, 0 for none."""
    parts = [safe(stage.title or stage.id)]
    if stage.total:
        parts += [f"{100 * stage.done / stage.total:3.0f} %", f"{stage.done}/{stage.total} {safe(stage.unit)}"]
    elif stage.done:
        parts.append(f"{stage.done} {safe(stage.unit)}")
    if stage.rate:
        parts.append(f"{stage.rate:.1f}/s")
    if stage.left is not None:
        parts.append(f"{duration(stage.left)} left")
    if stage.note:
        parts.append(safe(stage.note))
    room = min(width - sum(cell_len(p) + 2 for p in parts), 40)
    if stage.total and room >= 5:
        parts.insert(1, sections.bar(stage.done / stage.total, room))
    return "  ".join(parts)


def losses(state: RunState) -> str:
    """The newest step's numbers in one line."""
    new = state.steps[-1]
    old = state.steps[max(len(state.steps) - 20, 0)]
    name = "loss" if state.training == "memorise" else "forget"
    parts = [f"{name} {new.forget_loss:8.3f} {_arrow(old.forget_loss, new.forget_loss)}"]
    if new.retain_loss is not None:
        parts.append(f"retain {new.retain_loss:7.3f} {_arrow(old.retain_loss, new.retain_loss)}")
    if new.npo_weight is not None:
        parts.append(f"sequence weight {new.npo_weight:.3f}")
    if new.changed is not None:
        parts.append(f"changed {100 * new.changed:.1f} %")
    latest = {probe.metric: probe for probe in state.probes}
    parts += [f"{sections.metric_label(m)} {p.value:.1f} (n={p.n})" for m, p in latest.items()]
    return "  ".join(parts)


def pace(step: ev.Step) -> str:
    """Gradient, Adam's steps, speed and memory in one line."""
    parts = [f"grad {step.grad_norm:.2f}", f"Adam step max {step.adam_max:.1e} p99 {number(step.adam_p99, '.1e')}"]
    if step.tokens_per_second:
        parts.append(f"{step.tokens_per_second:.0f} tok/s")
    if step.memory:
        parts.append(size(step.memory))
    return "  ".join(parts)


def _arrow(old: float | None, new: float) -> str:
    if old is None or abs(new - old) <= 0.01 * max(abs(old), abs(new)):
        return "─"
    return "▲" if new > old else "▼"


def _canary(state: RunState, width: int) -> list[RenderableType]:
    newest = state.canary[-1]
    lines: list[RenderableType] = [
        Text(cut(f"canary  {safe(newest.question)}  (gold: {safe(newest.gold)})", width), "bold")
    ]
    shown = state.canary[-ASKED:]
    if len(state.canary) > ASKED:
        shown = (state.canary[0], *shown[1:])
    for asked in shown:
        head = f"  step {asked.step:>5}  p {asked.probability:5.3f}  "
        lines.append(Text(cut(head + safe(asked.answer.strip()), width)))
    return lines


def said(event: ev.Answered) -> str:
    """Which model, what it was asked, and what it said."""
    return f"{safe(event.model)} {safe(event.precision)}  {cut(safe(event.prompt), 60)}  → {safe(event.answer.strip())}"


def score_row(event: ev.Scored) -> ScoreRow:
    """The event as a row of a result."""
    return ScoreRow(
        model=event.model,
        precision=event.precision,
        metric=event.metric,
        value=event.value,
        ci_low=event.ci_low,
        ci_high=event.ci_high,
        n=event.n,
        exact=event.exact,
        reused=event.reused,
        batch=event.batch,
    )


class Lines:
    """Plain progress: `line` says what is worth a line of its own, steps and progress at most every EVERY seconds."""

    def __init__(self) -> None:
        self._said = 0.0

    def line(self, event: AnyEvent, state: RunState) -> str | None:
        """One safe line about `event` with the time since the run began, or None; `state` is the fold up to it."""
        text = self._text(event, state)
        return text and f"{duration(max(state.now - state.began, 0)):>7}  {text}"

    def _text(self, event: AnyEvent, state: RunState) -> str | None:
        match event:
            case ev.Step() | ev.Progress():
                stage = state.stage
                # the steps themselves say more than the progress of their stage
                doubled = isinstance(event, ev.Progress) and event.stage == state.training
                if stage is None or doubled or event.time - self._said < EVERY:
                    return None
                self._said = event.time
                if isinstance(event, ev.Progress):
                    return progress(stage, 0)
                left = f"  {duration(event.left)} left" if event.left is not None else ""
                return f"step {event.step}/{event.total}  {losses(state)}  {pace(event)}{left}"
            case ev.StageStarted():
                self._said = event.time
        return sentence(event)


def sentence(event: AnyEvent) -> str | None:
    """What an event says, safe and in one line; None for one that is nothing to read."""
    match event:
        case ev.Started():
            pid = f", pid {event.pid}" if event.pid else ""  # a shipped recording names no process
            return f"run {safe(event.run)} on {safe(event.device)}, {event.threads} threads{pid}"
        case ev.Resumed():
            after = f" after step {event.from_step}" if event.from_step else ""
            return f"resumed at stage {safe(event.stage)}{after}"
        case ev.StageStarted():
            return f"{safe(event.title or event.stage)} …"
        case ev.StageFinished():
            how = f"reused from {safe(event.reused)}" if event.reused else duration(event.seconds)
            return f"{safe(event.stage)} done ({how})"
        case ev.Probe():
            return f"step {event.step}  {sections.metric_label(event.metric)} {event.value:.1f} (n={event.n})"
        case ev.Epoch():
            what = f"{sections.metric_label(event.metric)} {event.value:.1f} (n={event.n})"
            line = (
                ""
                if event.line is None
                else f", {'ends here: at or' if event.chosen else 'ends when'} below {event.line:.1f}"
            )
            return f"epoch {event.epoch}, step {event.step}  {what}{line}"
        case ev.Canary():
            said, gold = cut(safe(event.answer.strip()), 60), cut(safe(event.gold), 30)
            return f"step {event.step}  canary: {said}  (gold {gold}, p {event.probability:.3f})"
        case ev.Scored():
            reused = f", reused from {safe(event.reused)}" if event.reused else ""
            who = f"{safe(event.model)} {safe(event.precision)}"
            halved = f", batch halved to {event.batch}" if event.batch else ""
            return f"{who}  {sections.metric_label(event.metric)} {event.value:.1f} (n={event.n}{reused}{halved})"
        case ev.Recovery():
            what = f"{safe(event.precision)} {sections.metric_label(event.metric)}"
            return f"{what}: {safe(event.verdict)} (share {number(event.share, '.2f')})"
        case ev.PrivLeak():
            who = f"{safe(event.model)} {safe(event.precision)}"
            return f"{who}  PrivLeak {number(event.value, '+.1f')} (AUC {number(event.auc, '.4f')}, n={event.n})"
        case ev.Saved():
            return f"saved {safe(event.path)} ({size(event.bytes)})"
        case ev.Log():
            return f"{safe(event.level)}: {safe(event.text)}"
        case _:
            return None
