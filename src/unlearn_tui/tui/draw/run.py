"""The Run screen: a run as it happens, wherever it was started; losses and canary first, then answers and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from unlearn_tui.report import sections
from unlearn_tui.report.text import cut
from unlearn_tui.tui.draw import run_scoring as scoring
from unlearn_tui.tui.draw import run_training as training
from unlearn_tui.tui.draw.run_look import Look, ending, expected, head, progress, rail, replaying
from unlearn_tui.tui.lines import Line, block, fit, line, rule, text

WIDE = (120, 30)
"""Cells and rows from which on every loss has a chart of its own."""
ROOMY = 16
"""Rows from which on what was expected before training has one."""
NARROW = 64
"""Cells below which panes stand below each other."""


def draw(look: Look, cells: int, rows: int) -> list[Line]:
    """At most `rows` lines of at most `cells` cells."""
    return [merged(row) for row in _drawn(look, cells, rows)]


def merged(row: Line) -> Line:
    """Neighbours of one style as one span: every span costs a terminal about 40 bytes."""
    made: Line = []
    for part, style in row:
        if made and made[-1][1] == style:
            made[-1] = (made[-1][0] + part, style)
        else:
            made.append((part, style))
    return made


def _drawn(look: Look, cells: int, rows: int) -> list[Line]:
    played = [replaying(look.replay, cells, look.covered)] if look.replay is not None else []
    top = [head(look, cells), *played, rail(look.state, cells), *(ending(look, cells) or [progress(look, cells)])]
    if rows >= ROOMY:
        top += expected(look, cells)
    top = [fit(row, cells) for row in top[: max(rows, 0)]]
    left = rows - len(top)
    if left < 2:
        return top
    if look.large_log:
        return [*top, *_log(look, cells, left)]
    wide = cells >= WIDE[0] and rows >= WIDE[1]
    return [*top, *(_wide(look, cells, left) if wide else _small(look, cells, left))]


def nothing(cells: int, live: int = 0) -> list[Line]:
    """What to do where no run is opened; `live`: how many are going on."""
    going = f"{live} run is going on: " if live == 1 else f"{live} runs are going on: "
    return [
        [],
        line("  No run is opened."),
        [],
        *([line("  ", (going, "accent"), ("A", "key"), " shows it")] if live else []),
        line(("  2", "key"), " set up a new run"),
        line(("  0", "key"), " runs: open one that is going on, finished or failed"),
        line(("  1", "key"), " models: choose what to unlearn, or to check"),
    ]


def in_training(look: Look) -> bool:
    """Whether losses and canary are what there is to see: while it trains, and where a run ended in training."""
    state = look.state
    if state.stage is not None:
        return state.stage.id == (state.training or "unlearn")
    return bool(state.steps) and not any(s.id == state.training and s.status == "done" for s in state.stages)


def join(panes: Sequence[tuple[Sequence[Line], int]], rows: int) -> list[Line]:
    """Panes side by side, each with its width, three cells between them; rules of neighbours run into each other."""
    made = []
    for i in range(rows):
        row: Line = []
        before = False
        for n, (lines, cells) in enumerate(panes):
            own = lines[i] if i < len(lines) else []
            ruled = bool(own) and own[0] == ("── ", "rule")
            if n:
                sign = (
                    ("─┬─" if not i else "─┼─") if before and ruled else "─┤ " if before else " ├─" if ruled else " │ "
                )
                row.append((sign, "rule"))
            row += fit(own, cells)
            before = ruled
        made.append(row)
    return made


def _titled(title: str, cells: int, lines: Sequence[Line], rows: int, end: str = "") -> list[Line]:
    """A pane of at most `rows` rows with its title; nothing where it has nothing to show."""
    return [rule(title, cells, end), *lines[: rows - 1]] if lines and rows > 1 else []


def _log(look: Look, cells: int, rows: int) -> list[Line]:
    count = sum(1 for entry in look.state.log if entry.level == "warning")
    end = "warnings only" if look.warnings else f"{count} warning{'s' if count != 1 else ''}" if count else ""
    below = min(look.scroll, max(len(scoring.entries(look)) - 1, 0))
    end = f"{below} below" if below else end
    lines = scoring.log(look, cells, rows - 1)
    return [rule("log", cells, end), *block(lines, rows - 1)]


def _small(look: Look, cells: int, rows: int) -> list[Line]:
    logged = max(min(rows // 4 + 1, 12), 3) if rows >= 8 else 0
    middle = rows - logged
    if cells >= NARROW and middle >= 4:
        left = (cells - 3) * (46 if in_training(look) or look.state.ended else 57) // 100
        sides = [(_left(look, left, middle), left), (_right(look, cells - 3 - left, middle), cells - 3 - left)]
        body = join(sides, middle)
    else:
        asks = in_training(look) and bool(look.state.canary)
        upper = _left(look, cells, middle // 2 if middle >= 12 else max(middle - 4, 2) if asks else middle)
        rest = _right if middle >= 12 else _canary
        body = block([*upper, *rest(look, cells, middle - len(upper))], middle)
    return [*body, *(_log(look, cells, logged) if logged else [])]


def _left(look: Look, cells: int, rows: int) -> list[Line]:
    """Losses and probes of a training; else the answers that arrive, or the scores."""
    if in_training(look):
        return _losses_small(look, cells, rows)
    if look.answered and scoring.at_work(look):
        now = cut(scoring.now_scored(look), max(cells - 24, 0))
        return _titled("answers arriving", cells, scoring.answers(look, cells, rows - 1), rows, now)
    if look.state.stage is not None and look.state.stage.id == "weights" and look.state.matrices:
        return _titled("what is kept of the edit", cells, scoring.matrices(look, cells, rows - 1), rows)
    if look.state.ended and look.state.steps:
        made = _scores(look, cells, rows, most=1)
        room = rows - len(made)
        return [*made, *(_both_losses(look, cells, room) if room >= 7 else [])]
    return _scores(look, cells, rows)


def _right(look: Look, cells: int, rows: int) -> list[Line]:
    """The engine and the canary; scores where they are what happens."""
    made: list[Line] = []
    if look.state.stage is not None or in_training(look):
        made += _titled("engine", cells, scoring.meters(look, cells), rows)
    if not in_training(look) and look.answered and scoring.at_work(look):
        made += _scores(look, cells, rows - len(made), most=1)
    return [*made, *_canary(look, cells, rows - len(made))]


def _canary(look: Look, cells: int, rows: int) -> list[Line]:
    return _titled("canary", cells, training.canary(look, cells, rows - 1), rows)


def _scores(look: Look, cells: int, rows: int, most: int = 9) -> list[Line]:
    """A table for every metric that has room, the main one first."""
    made: list[Line] = []
    for metric in scoring.metrics(look)[:most]:
        table = scoring.scores(look, metric, cells)
        if made and len(made) + len(table) + 1 > rows:
            break
        n = scoring.prompts(look, metric)
        title = f"{sections.metric_label(metric)}, 0–100{f', n={n}' if n else ''}"
        made += _titled(title, cells, table, rows - len(made))
    if look.state.privleak and len(made) + 3 <= rows:
        leak = scoring.privleak(look, cells)
        made += _titled("PrivLeak, %: 0 as if retrained", cells, leak, rows - len(made))
    return made


def _both_losses(look: Look, cells: int, rows: int) -> list[Line]:
    title = "losses: * forget, . retain" if look.ascii else "losses: ━ forget, ┄ retain"
    return _titled(title, cells, training.losses(look, ["forget_loss", "retain_loss"], cells, rows - 1), rows)


def _losses_small(look: Look, cells: int, rows: int) -> list[Line]:
    if not look.state.steps:
        return _titled("losses", cells, [line(("no step yet", "dim"))], rows)
    numbers = [
        training.forget_line(look, cells),
        training.retain_line(look, cells),
        training.gradient_line(look, cells),
    ]
    numbers += training.probes(look, cells)
    if rows - 1 - len(numbers) < 4:
        numbers = numbers[: max(rows - 1, 0)]
    chart = training.losses(look, ["forget_loss", "retain_loss"], cells, rows - 1 - len(numbers))
    return _titled("losses", cells, [*chart, *numbers], rows)


def _wide(look: Look, cells: int, rows: int) -> list[Line]:
    side = (cells - 6) // 3
    main = cells - 3 - side
    busy = in_training(look)
    finished = look.state.status == "finished"
    tall = 14 if busy else 12 if finished and look.state.steps else 0
    made: list[Line] = _charts(look, cells, tall) if tall and look.state.steps else []
    rows -= len(made)
    asked = len(look.state.canary) + 4 if look.state.canary else 0
    upper: list[Line] = []
    if not busy and not finished:
        upper = _arriving(look, main, max(rows - asked - 12, 9))
    canary = _canary(look, main, min(asked, max(rows - len(upper) - 8, 6))) if asked else []
    upper += canary
    left = [*upper, *_log(look, main, rows - len(upper))]
    return [*made, *join([(left, main), (_side(look, side, rows), side)], rows)]


def _arriving(look: Look, cells: int, rows: int) -> list[Line]:
    stage = look.state.stage
    if stage is not None and stage.id == "weights":
        lines = scoring.matrices(look, cells, rows - 1)
        return block(_titled("what each quantizer keeps of the edit, matrix by matrix", cells, lines, rows), rows)
    lines = scoring.answers(look, cells, rows - 1)
    if not lines:
        return []
    return block(_titled("answers arriving", cells, lines, rows, scoring.now_scored(look)), rows)


def _charts(look: Look, cells: int, rows: int) -> list[Line]:
    """Forget loss, retain loss, gradient norm, each over all steps."""
    one = (cells - 6) // 3
    widths = (one, cells - 6 - 2 * one, one)
    parts: tuple[tuple[str, str, Callable[[Look, int], Line]], ...] = (
        ("forget loss, lower = forgetting", "forget_loss", partial(training.forget_line, sign="")),
        ("retain loss, higher = drifting", "retain_loss", partial(training.retain_line, sign="")),
        ("gradient norm", "grad_norm", training.pace_line),
    )
    panes = []
    for (title, name, numbers), room in zip(parts, widths, strict=True):
        chart = training.losses(look, [name], room, rows - 2)
        panes.append((_titled(title, room, [*chart, numbers(look, room)], rows), room))
    return join(panes, rows)


def _side(look: Look, cells: int, rows: int) -> list[Line]:
    """The right column of a wide screen: engine, probes, stages, scores, as far as there is room."""
    state = look.state
    scores = _scores(look, cells, rows) if state.scores else []
    parts = [
        _titled("engine", cells, scoring.meters(look, cells), rows),
        _titled("probes: KnowMem of a few questions", cells, training.probes(look, cells), rows),
        _titled("stages", cells, scoring.stages(look, cells), rows),
    ]
    order = [*parts, scores] if in_training(look) else [scores, parts[0], parts[2], parts[1]]
    made: list[Line] = []
    for part in order:
        if len(made) + min(len(part), 4) <= rows:
            made += part
    room = min(rows - len(made), 12)
    if room >= 8 and not in_training(look) and look.state.steps and look.state.status != "finished":
        made += _both_losses(look, cells, room)
    return block(made, rows)


def painted(lines: Sequence[Line]) -> str:
    """The lines as plain text, for whoever has no colours."""
    return "\n".join(text(row).rstrip() for row in lines)
