"""The Run screen's panes of scoring, and those that every stage has: the engine's meters, the log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.cells import cell_len

from unlearn_tui import catalog
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.events import AnyEvent
from unlearn_tui.report import live, sections
from unlearn_tui.report.text import cut, duration, number, size
from unlearn_tui.state.labels import BACK, LIKE
from unlearn_tui.tui.draw.answers import column_name, model_name, plain, precision_name
from unlearn_tui.tui.draw.chart import spark
from unlearn_tui.tui.draw.run_look import Look, mark
from unlearn_tui.tui.lines import Line, bar, cell, fit, line, width, wrap

RECALL_BAR = 4


def metrics(look: Look) -> list[str]:
    """The metrics of the run, the main one first."""
    found = list(look.spec.metric) or list(dict.fromkeys(key[2] for key in look.state.scores))
    return sorted(found, key=lambda m: m != "knowmem_forget")


def at_work(look: Look) -> tuple[str, ...]:
    """Model, precision and metric that are being scored, as far as the stage's note says."""
    stage = look.state.stage
    return tuple(stage.note.split()) if stage is not None and stage.unit == "answers" else ()


def now_scored(look: Look) -> str:
    """The same in words: unlearned INT4 KnowMem forget."""
    now = at_work(look)
    return " ".join([*map(model_name, now[:1]), *map(precision_name, now[1:2]), *map(sections.metric_label, now[2:3])])


def scores(look: Look, metric: str, cells: int) -> list[Line]:
    """Precisions × models of one metric: the means so far, … where one is being made, ▲ where it came back."""
    found = {key[:2]: score for key, score in look.state.scores.items() if key[2] == metric}
    now = at_work(look)
    models = ["target", "unlearned", *(["retrain"] if look.spec.retrain else [])]
    room = min(max((cells - 10) // max(len(models), 1), 8), 13)
    made = [line((" " * 9, ""), *((f"{cut(m, room - 1):>{room}}", "dim") for m in models))]

    def value(model: str, precision: str) -> Line:
        score = found.get((model, precision))
        if score is None:
            waits = "…" if now[:2] == (model, precision) and (len(now) < 3 or now[2] == metric) else "·"
            return cell(f"{waits}  ", room, "accent" if waits == "…" else "dim", right=True)
        back = model == "unlearned" and came_back(look, metric, precision)
        return cell(
            f"{number(score.value)}{sections.HALVED if score.batch else ' '}{'▲' if back else ' '}",
            room,
            "mark" if back else "",
            right=True,
        )

    halves = [
        [*cell(column_name((m, p)), 9 + room * (len(models) - 1)), *value(m, p)]
        for m, p in found
        if m not in models  # half of the edit alone
    ]
    whole = [
        [*cell(precision_name(p), 9), *(span for m in models for span in value(m, p))] for p in look.spec.precision
    ]
    made += [*halves, *whole] if now and now[0] not in models else [*whole, *halves]
    return [fit(row, cells) for row in made]


def privleak(look: Look, cells: int) -> list[Line]:
    """Precisions × models of PrivLeak: per cent with sign."""
    found = look.state.privleak
    models = list(dict.fromkeys(model for model, _ in found))
    room = min(max((cells - 10) // max(len(models), 1), 8), 13)
    made = [line((" " * 9, ""), *((f"{cut(plain(m), room - 1):>{room}}", "dim") for m in models))]
    for precision in dict.fromkeys(p for _, p in found):
        values = (found.get((m, precision)) for m in models)
        spans = (cell(f"{number(v.value, '+.1f') if v else '·'}  ", room, "", right=True) for v in values)
        made.append([*cell(precision_name(precision), 9), *(span for one in spans for span in one)])
    return [fit(row, cells) for row in made]


def came_back(look: Look, metric: str, precision: str) -> bool:
    """What the verdict says; before there is one, a mean above full precision's interval where that one was forgotten."""
    if known := look.state.recovery.get((precision, metric)):
        return known.verdict in BACK
    record = catalog.METRICS.get(metric)
    if record is None or record.subset != "forget" or not record.shares:
        return False
    full = next((p for p in look.spec.precision if catalog.is_full(p)), "")
    keys = (("target", full), ("unlearned", full), ("unlearned", precision))
    target, base, score = (look.state.scores.get((*key, metric)) for key in keys)
    if target is None or base is None or score is None:
        return False
    return base.value < LIKE * target.value and score.ci_low > base.ci_high


def prompts(look: Look, metric: str) -> int:
    """How many prompts the means of a metric are of; 0 before there is one."""
    return max((score.n for key, score in look.state.scores.items() if key[2] == metric), default=0)


def answers(look: Look, cells: int, rows: int) -> list[Line]:
    """What the models have just answered, the newest first: the question, then who says what, and how right it is."""
    made: list[Line] = []
    for event in reversed(look.answered):
        if len(made) + 2 > rows:
            break
        made.append(fit(line((plain(event.prompt), "")), cells))
        column = (event.model, event.precision)
        who = f"{column_name(column, 18):<18}" if cells >= 70 else f"{cut(precision_name(column[1]), 8):<8}"
        right = event.recall >= 1
        head = line((f"  {who} ", "accent"), (bar(event.recall, RECALL_BAR), "accent"), f" {100 * event.recall:3.0f} ")
        said = plain(event.answer)
        room = max(cells - width(head), 8)
        if not right:
            said = cut(said, max(room - 9 - cell_len(plain(event.gold)), room // 2))
        gold = "" if right else f"  gold: {plain(event.gold)}"
        style = "bold" if right else "" if event.recall > 0 else "dim"
        made.append(fit([*head, *line((said, style), (gold, "dim"))], cells))
    return made


def matrices(look: Look, cells: int, rows: int) -> list[Line]:
    """The matrices that were compared last: what changed, and what each quantizer keeps of it."""
    made: list[Line] = []
    for event in list(look.state.matrices.values())[-max(rows, 0) :]:
        kept = "  ".join(f"{precision_name(p)} {number(v, '5.2f')}" for p, v in event.kept.items())
        changed = f"{100 * event.changed:5.1f} % changed  " if cells >= 70 else ""
        name = plain(event.tensor).removeprefix("model.").removesuffix(".weight")
        room = max(cells - len(changed) - len(kept) - 2, 12)
        made.append(fit([*cell(name, min(room, 34)), *line("  ", (changed, "dim"), kept)], cells))
    return made


def stages(look: Look, cells: int) -> list[Line]:
    """Every stage with its mark and time."""
    made = []
    for stage in look.state.stages:
        took = stage.seconds if stage.status == "done" else None
        tail = f"{duration(took):>8}" if took is not None else f"{duration(stage.left):>8} left" if stage.left else ""
        reused = f" reused from {plain(stage.reused)}" if stage.reused else ""
        name = plain(stage.title or stage.id.replace("_", " ")) + reused
        sign, style = mark(look.state, stage)
        body = cell(f"{sign} {name}", max(cells - 14, 8), style)
        made.append(fit([*body, (tail, "")], cells))
    return made


def entries(look: Look) -> Sequence[AnyEvent]:
    """What the log pane scrolls through."""
    if look.warnings:
        return [entry for entry in look.state.log if entry.level == "warning"]
    return look.state.notable


def log(look: Look, cells: int, rows: int) -> list[Line]:
    """The newest lines at the bottom, `look.scroll` of them passed over; a large log wraps them."""
    shown = entries(look)
    made: list[Line] = []
    room = max(cells - 10, 8)
    for i in range(len(shown) - 1 - min(look.scroll, max(len(shown) - 1, 0)), -1, -1):
        if len(made) >= rows:
            break
        event = shown[i]
        warns = isinstance(event, ev.Log) and event.level == "warning"
        said = event.text if isinstance(event, ev.Log) else _told(event)
        clock = time.strftime("%H:%M:%S", time.localtime(event.time)) if 0 < event.time < 1e11 else "        "
        texts = wrap(plain(said), room, 8) if look.large_log else [cut(plain(said), room)]
        style = "warn" if warns else ""
        block = [
            line((clock if not n else "        ", "dim"), ("! " if warns and not n else "  ", style), (text, style))
            for n, text in enumerate(texts)
        ]
        made = [*block, *made]
    return made[-rows:] if rows > 0 else []


def _told(event: AnyEvent) -> str:
    if isinstance(event, ev.Loaded):
        where = f"{plain(event.model)} {precision_name(event.precision)}"
        return f"{where} in memory: {size(event.memory)}, {plain(event.compute)} arithmetic, {duration(event.seconds)}"
    if isinstance(event, ev.Finished):
        return f"finished in {duration(event.seconds)}"
    if isinstance(event, ev.Stopped):
        return f"stopped in stage {event.stage.replace('_', ' ')}"
    if isinstance(event, ev.Failed):
        return f"failed ({event.kind}): {event.message}"
    if isinstance(event, ev.StageFinished):
        return (live.sentence(event) or "").replace("_", " ", 1)
    return live.sentence(event) or ""


def meters(look: Look, cells: int) -> list[Line]:
    """Memory and processor, or GPU, of an engine on this machine; else what its events say."""
    state, sample = look.state, look.samples[-1] if look.samples else None
    if sample is None or sample.memory is None or state.ended:
        peak = f"peak memory {size(state.memory)}" if state.memory else "peak memory –"
        where = "" if state.ended or not state.host else f", on {plain(state.host)}"
        return [fit(line((peak + where, "dim")), cells)]
    narrow = max(min(cells - 35, 20), 4)

    def gauge(name: str, used: int, total: int | None) -> Line:
        share = used / total if total else 0.0
        of = f" {100 * share:3.0f} %" if total and cells >= 40 else ""
        of += f" of {size(total)}" if total else ""
        return fit(line((f"{name:<7}", "dim"), f"{size(used):>8} ", (bar(share, narrow), "accent"), (of, "")), cells)

    def history(name: str, values: list[float | None], more: str) -> Line:
        now = values[-1]
        told = "   –" if now is None else f"{now:3.0f} %"
        return fit(line((f"{name:<7}", "dim"), f"{told:>8} ", (spark(values, narrow, 0, 100), "accent"), more), cells)

    gpu = sample.gpu
    if gpu is None:
        cpu = [s.cpu for s in look.samples]
        return [gauge("memory", sample.memory, sample.total), history("cpu", cpu, f" {state.threads} threads")]
    load = [s.gpu.load if s.gpu else None for s in look.samples]
    heat = f" {gpu.temperature:.0f} °C" if gpu.temperature is not None else ""
    heat += f" {gpu.watts:.0f} W" if gpu.watts is not None else ""
    return [
        gauge("GPU", gpu.used, gpu.total),
        history("load", load, heat),
        fit(
            line(
                ("host   ", "dim"),
                f"{size(sample.memory):>8} ",
                (f"cpu {sample.cpu or 0:3.0f} %  ", ""),
                (plain(gpu.name), "dim"),
            ),
            cells,
        ),
    ]
