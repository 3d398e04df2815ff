"""What the Run screen is given to draw, and the rows at its top: what runs, how far each stage is, how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, TypeVar

from unlearn_tui import catalog
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.report import live, sections
from unlearn_tui.report.text import cut, duration
from unlearn_tui.state.machine import Sample
from unlearn_tui.state.replay import Playing
from unlearn_tui.state.run import RunState, Stage
from unlearn_tui.tui.draw.answers import plain, precision_name
from unlearn_tui.tui.lines import Line, bar, fit, line, width, wrap

WORDY = 76
"""Cells from which on there is room to say how the view is let go."""
REPLAY_ROW = 1
"""The row of the Run screen on which a replay says where it stands: the second, below the run's name."""
STYLES = {"waiting": "dim", "running": "accent", "done": "good"}
T = TypeVar("T")


class Kept:
    """Parts that are dear to draw, made again only when something that they are made from is another object."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[tuple[object, ...], Any]] = {}

    def get(self, name: str, make: Callable[[], T], *of: object) -> T:
        """`make()`, or what it made last time from the same `of` (numbers and texts by value, all else by identity)."""
        before = self._parts.get(name)
        if before is not None and len(before[0]) == len(of) and all(map(_same, before[0], of)):
            made: T = before[1]
            return made
        made = make()
        self._parts[name] = (of, made)
        return made


def _same(a: object, b: object) -> bool:
    return a is b or (isinstance(a, str | int | float) and a == b)


@dataclass(frozen=True)
class Look:
    """All that the screen shows, and how. `now` is the wall clock; `ahead` says how far the run is from a held view."""

    id: str
    spec: RunSpec
    state: RunState
    result: Result | None = None
    now: float = 0.0
    samples: tuple[Sample, ...] = ()
    answered: tuple[ev.Answered, ...] = ()
    ahead: str = ""
    log_scale: bool = False
    large_log: bool = False
    warnings: bool = False
    scroll: int = 0
    ascii: bool = False
    resuming: bool = False
    replay: Playing | None = None
    covered: bool = False
    """Something lies over the screen and takes the keys."""
    kept: Kept = field(default_factory=Kept)


def model(ref: str) -> str:
    """A checkpoint as people call it: the run it is from, or the last part of a path."""
    path = PurePath(ref)
    if path.is_absolute():
        return plain(path.parts[-3] if path.parts[-2:] == ("checkpoints", "unlearned") else path.name)
    return plain(ref)


def what(spec: RunSpec) -> str:
    """pocket-target → ga_klr, bf16 → FP16 INT8 INT4."""
    precisions = " ".join(map(precision_name, spec.precision))
    if spec.task == "check":
        return f"check {model(spec.unlearned)} against {model(spec.model)} → {precisions}"
    updates = catalog.updates(spec.weights, spec.lora_rank, spec.sure, spec.resist)
    return f"{model(spec.model)} → {plain(spec.method)} {plain(updates)} → {precisions}"


RATED = {"right": (" ✓", "good"), "wrong": (" ✗", "bad")}
"""Signs of an expectation that came true, or did not."""


def mark(state: RunState, stage: Stage) -> tuple[str, str]:
    """A stage's sign and style: ✓ ● ○, and where a run ended too early ✗ or ◐."""
    if state.status in ("failed", "stopped") and stage is next((s for s in state.stages if s.status != "done"), None):
        return ("✗", "bad") if state.status == "failed" else ("◐", "warn")
    return live.MARKS[stage.status], STYLES[stage.status]


def rail(state: RunState, cells: int) -> Line:
    """✓ load 0:02 ▸ ● unlearn ▸ ○ weights, in the longest form that fits."""

    def made(times: bool, short: bool) -> Line:
        spans: Line = [(" ", "")]
        for i, stage in enumerate(state.stages):
            name = plain(stage.id).replace("_", " ")
            name = name.removeprefix("score ") if short else name
            took = (
                f" {duration(stage.seconds)}" if times and stage.status == "done" and stage.seconds is not None else ""
            )
            spans += line((" ▸ " if i else "", "dim"), (f"{mark(state, stage)[0]} {name}{took}", mark(state, stage)[1]))
        return spans

    forms = [made(True, False), made(False, False), made(True, True), made(False, True)]
    return next((form for form in forms if width(form) <= cells), forms[-1])


def progress(look: Look, cells: int) -> Line:
    """The stage at work: a bar, then numbers that keep their place."""
    state = look.state
    stage = state.stage
    elapsed = f"{duration(max(look.now - state.began, 0.0)) if state.began else '–':>8} "
    if stage is None:
        said = "the engine is starting: it loads torch first" if state.status == "new" else "between two stages"
        return [*fit(line(" ", (said, "dim")), cells - len(elapsed)), (elapsed, "dim")]
    if not stage.total:
        return [
            *fit(line(" ", (plain(stage.title or stage.id) + " …", "accent")), cells - len(elapsed)),
            (elapsed, "dim"),
        ]
    n = len(str(stage.total))
    parts = [
        f"{min(100 * stage.done / stage.total, 100):3.0f} %",
        f"{stage.done:>{n}}/{stage.total} {plain(stage.unit)}",
    ]
    if cells >= 76:
        parts.append(_rate(stage))
    parts.append(f"{duration(stage.left):>7} left")
    numbers = "  ".join(parts) + (elapsed if cells >= 60 else "")
    room = cells - len(numbers) - 3
    filled = bar(stage.done / stage.total, room) if room >= 5 else ""
    return [(" ", ""), (filled, "accent"), ("  ", ""), (cut(numbers, cells - 1), "")]


def expected(look: Look, cells: int) -> list[Line]:
    """What was expected before training, in one row, and whether it came so; [] where nothing was said."""
    state = look.state
    if not state.predictions:
        return []
    metric = sections.judged(m for _, m in state.recovery)
    verdicts = {p: r.verdict for (p, m), r in state.recovery.items() if m == metric}
    row = line((" expected", "dim"))
    says = {p: said.says for p, said in state.predictions.items()}
    for i, (said, precisions) in enumerate(sections.expectations(says, verdicts)):
        row += line((" · " if i else "  ", "dim"), (f"{plain(said)} ", "dim"))
        for n, (name, rating) in enumerate(precisions):
            row += line((", " if n else "", "dim"), plain(name), *[RATED[rating]] if rating else [])
    return [fit(row, cells)]


def _rate(stage: Stage) -> str:
    """Eleven cells: 12.3/s, or seconds for each where it is slow."""
    if not stage.rate or stage.rate <= 0:
        return " " * 11
    each = 1 / stage.rate
    return f"{stage.rate:9.1f}/s" if each <= 1 else f"{min(each, 9999):4.{int(each < 99)}f} s each"


def head(look: Look, cells: int) -> Line:
    """The run's id and what it does; whether the view is held."""
    held = f" FROZEN {look.ahead}{': space lets go' if cells >= WORDY else ''} " if look.ahead else ""
    name = line(" ", (cut(plain(look.id), max(cells // 3, 16)), "title"), "  ")
    room = cells - width(name) - width([(held, "")])
    return [*name, *fit(line((what(look.spec), "")), max(room, 0)), *line((held, "warn reverse"))]


def replaying(shown: Playing, cells: int, covered: bool = False) -> Line:
    """Where a replay stands and the keys that move it, as many as there is room for; a bar where room is left."""
    row, hints, room = _replaying(shown, cells, covered)
    filled = bar(shown.position / shown.length if shown.length else 1.0, room) + "  " if room else ""
    return fit([*row, *line((filled, "accent")), *(span for hint in hints for span in hint)], cells)


def replay_share(shown: Playing, cells: int, x: int) -> float | None:
    """The share of the recording, 0-1, that cell `x` of the bar of `replaying` stands for; None beside the bar."""
    row, _, room = _replaying(shown, cells, False)
    at = x - width(row)
    return at / max(room - 1, 1) if 0 <= at < room else None


def _replaying(shown: Playing, cells: int, covered: bool) -> tuple[Line, list[Line], int]:
    """What stands before the bar, the keys behind it, and the bar's cells, 0 for no bar."""
    sign = "■" if shown.over else "‖" if shown.paused else "▶"
    times = f"{duration(shown.position)} of {duration(shown.length)}"
    row = line((f" {sign} REPLAY ×{shown.speed:g} ", "warn reverse"), (f" {times:>13}  ", ""))
    does = [("space", "go on" if shown.paused else "pause"), ("< >", "stage"), (".", "step"), ("+ -", "speed")]
    hints = [line((key, "key"), (f" {said}  ", "")) for key, said in ([("< >", "stage")] if shown.over else does)]
    hints = [] if covered else [*hints, line(("R", "key"), (" again  ", ""))]
    while hints and width(row) + sum(map(width, hints)) > cells:
        hints.pop()
    room = min(cells - width(row) - sum(map(width, hints)) - 2, 40)
    return row, hints, room if room >= 5 else 0


def ending(look: Look, cells: int) -> list[Line]:
    """How an ended run ended, and what can be done next; [] while it goes on."""
    state = look.state
    room = max(cells - 4, 10)
    if state.status == "finished":
        said = sections.headline(look.result) if look.result is not None else "finished"
        lines = [
            line(" " if i else (" ✓ ", "good"), "" if not i else "  ", (text, "bold"))
            for i, text in _wrapped(said, room)
        ]
        took = f"   finished in {duration(state.seconds)}"
        return [*lines, line(("   4", "key"), " compare answers   ", ("5", "key"), " why (weights)", (took, "dim"))]
    if state.status not in ("stopped", "failed"):
        return []
    mark, style = (" ◐ ", "warn") if state.status == "stopped" else (" ✗ ", "bad")
    said = state.reason if state.status == "stopped" else f"{state.status} ({state.failure}): {state.reason}"
    lines = [line("   " if i else (mark, style), (text, "" if i else style)) for i, text in _wrapped(said, room)]
    if look.resuming:
        return [*lines, line(("   resuming: a new engine is on its way, it loads torch first", "accent"))]
    if look.replay is not None:
        return lines
    return [*lines, line(("   r", "key"), " resume: ", (from_where(state), "dim"))]


def _wrapped(said: str, room: int) -> list[tuple[int, str]]:
    return list(enumerate(wrap(plain(said), room, 3)))


def from_where(state: RunState) -> str:
    """Where a resume would go on."""
    trained = any(s.id == state.training and s.status == "done" for s in state.stages)
    if state.steps and not trained:
        saved = state.saved.step if state.saved else 0
        return f"goes on after step {saved}, the last save" if saved else "starts the training again: nothing was saved"
    return "what is done is not done again"
