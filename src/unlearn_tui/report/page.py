"""What a report of one run says, in whatever form: gathered once; html.py and markdown_page.py write it down."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from unlearn_tui import catalog
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import RecoveryRow, Result
from unlearn_tui.report.answers import Example
from unlearn_tui.report.sections import VERDICTS, main_metric, metric_label, precision_label, updates
from unlearn_tui.report.text import brief, cut, duration, safe, size
from unlearn_tui.state import setup
from unlearn_tui.state.labels import foreseen
from unlearn_tui.state.matrices import OCTAVES, Bin, bins
from unlearn_tui.state.run import RunState

KINDS = {"recovered": "bad", "partly": "warn", "no": "good", "not_unlearned": "warn"}
"""How a verdict looks: nothing that was to be forgotten is good; the others are neither."""
SIGNS = {"bad": "▲", "warn": "◐", "good": "✓"}
CANARY_ROWS = 10
NAMES = 4
"""Precisions that the heading names at most; of more it says how many."""
_STATES = {"running": "is still running", "new": "has not begun", "stopped": "was stopped", "died": "died"}

GLOSSARY = (
    ("target, unlearned", "the model before unlearning, and after it; both are asked the same questions"),
    (
        "KnowMem, VerbMem",
        "as MUSE computes them: greedy answers to questions about the forget or the retain set (ten worked examples before "
        "each), continuations of forget passages; mean ROUGE-L F1, 0–100, with a bootstrap 95 % interval over prompts",
    ),
    (
        "share, delta",
        "unlearned score as a share of the target's at the same precision; that share less the share at full precision, "
        "with a 95 % interval",
    ),
    (
        "verdict",
        "recovered: delta's interval above 0 and share 0.8 or more; partly: interval above 0.05; no: interval below 0.10; "
        "not_unlearned: share 0.7 or more already at full precision; undefined: the target scores below 10",
    ),
    (
        "kept",
        "how much of the edit a quantizer keeps along the edit's own direction: ⟨Q(u) − Q(t), u − t⟩ / ‖u − t‖²; 1 is all "
        "of it, 0 none",
    ),
    (
        "zero bin",
        "the sizes |w| of weights that a quantizer stores as zero, or almost: half width, median over its blocks",
    ),
)


@dataclass(frozen=True)
class Page:
    """One run: its result, what its log tells of the training, and some of its answers."""

    result: Result
    state: RunState
    examples: Sequence[Example]


@dataclass(frozen=True)
class Verdict:
    """What became of the main metric at one precision; `kind` is one of KINDS' looks or dim."""

    precision: str
    words: str
    kind: str
    row: RecoveryRow


def verdicts(result: Result) -> list[Verdict]:
    """Of the main metric, at every precision but the full one."""
    metric = main_metric(result)
    return [
        Verdict(r.precision, VERDICTS.get(r.verdict, safe(r.verdict)), KINDS.get(r.verdict, "dim"), r)
        for r in result.recovery
        if r.metric == metric and r.precision != result.full_precision
    ]


def statement(result: Result) -> str:
    """The heading: what came back and what did not, in one sentence without numbers."""
    if not result.recovery:
        error = f": {safe(brief(result.error))}" if result.error else ""
        state = _STATES.get(result.status, safe(result.status))
        if result.status != "finished":
            return f"This run {state}{error}"
        made = result.spec.get("task") == "memorise"
        return "A target was made: it was taught the whole corpus" if made else "Nothing was quantized in this run"
    by: dict[str, list[str]] = {}
    for verdict in verdicts(result):
        by.setdefault(verdict.row.verdict, []).append(precision_label(verdict.precision))
    said = {name: _listed(labels) for name, labels in by.items()}
    others = f"{len(by['no'])} others" if len(by.get("no", ())) > NAMES else said.get("no")
    back = [
        f"came back{how} at {said[name]}" for name, how in (("recovered", ""), ("partly", " in part")) if name in said
    ]
    if back:
        stays = f", and did not at {others}" if others else ""
        return f"What was unlearned {' and '.join(back)}{stays}"
    if "no" in said:
        return f"What was unlearned did not come back at {said['no']}"
    if "not_unlearned" in said:
        return "It was not forgotten to begin with"
    if "undefined" in said:
        return "The target knew too little to tell whether anything came back"
    return "Whether anything came back cannot be told from so few questions"


def _listed(names: Sequence[str]) -> str:
    if len(names) > NAMES:
        return f"{len(names)} precisions"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def who(model: str, precision: str) -> str:
    """A column in words: unlearned INT4 (bnb-fp4); for an ablation, which part of the edit is in."""
    model, _, part = model.partition(":")
    half, _, bins = part.partition(":")
    label = precision_label(precision)
    if half in ("inside", "outside"):
        return safe(f"edit {half} {bins}'s zero bin, {label}")
    id = "" if label.lower() == precision else f" ({precision})"
    return safe(f"{model} {label}{id}")


def facts(page: Page) -> list[tuple[str, str]]:
    """The run in a few pairs of words: what was done to which model, where, when and how long it took."""
    result, state, spec = page.result, page.state, page.result.spec
    method = str(spec.get("method", ""))
    known = catalog.METHODS.get(method)
    mode = catalog.UPDATE_MODES.get(str(spec.get("weights", "")))
    task = str(spec.get("task", "unlearn"))
    steps = state.steps[-1].step if state.steps else spec.get("steps")
    machine = ", ".join(filter(None, (state.device, f"{state.threads} threads" if state.device == "cpu" else "")))
    pairs: list[tuple[str, object]] = [
        ("run", result.run),
        ("task", "" if task == "unlearn" else task),
        ("status", result.status),
        ("target", spec.get("model")),
        ("unlearned", spec.get("unlearned")),
        ("retrained", spec.get("retrain")),
        ("corpus", spec.get("corpus")),
        ("method", "" if task != "unlearn" else f"{method}: {known.summary}" if known else method),
        ("weights", "" if task == "check" or not mode else f"{mode.id}: {mode.summary}"),
        ("LoRA", _lora(spec)),
        ("training", "" if task == "check" or not steps else f"{steps} steps, learning rate {spec.get('lr')}"),
        ("machine", machine),
        ("began", _day(state.began)),
        ("took", duration(result.seconds) if result.seconds else ""),
        ("memory at its most", size(result.peak_memory) if result.peak_memory else ""),
    ]
    return [(name, safe(value)) for name, value in pairs if value]


def _lora(spec: dict[str, object]) -> str:
    rank, alpha = spec.get("lora_rank"), spec.get("lora_alpha")
    return f"a float32 adapter of rank {rank}, alpha {alpha}, merged at the end" if rank else ""


def _day(seconds: float) -> str:
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC) if seconds > 0 else None
    except (OverflowError, OSError, ValueError):  # a log may come from anywhere
        moment = None
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""


def command(result: Result) -> str:
    """The command line that asks for the same run; "" where the spec is none that could be run."""
    return safe(setup.command(setup.fill(setup.Form(), result.spec)))


def settings(result: Result) -> list[tuple[str, str]]:
    """Every field of the spec that says something, as text."""
    shown = {name: value for name, value in result.spec.items() if value not in (None, "", [])}
    return [(safe(name), safe(setup.as_text(value))) for name, value in shown.items()]


def made_with(result: Result) -> list[tuple[str, list[tuple[str, str]]]]:
    """Titles and pairs of what the result was made with, as far as it says."""
    found = {"Versions": result.versions, "Machine": result.hardware, "SHA-256": result.hashes}
    said = [(title, list(table.items())) for title, table in found.items() if table]
    return [("Every setting", settings(result)), *said] if result.spec else said


def canary(state: RunState) -> list[ev.Canary]:
    """The pinned question's answers, one for every change of what was said, the first and the last among them."""
    told = state.canary
    new = [c for i, c in enumerate(told) if i in (0, len(told) - 1) or c.answer != told[i - 1].answer]
    if len(new) > CANARY_ROWS:
        new = [new[round(i * (len(new) - 1) / (CANARY_ROWS - 1))] for i in range(CANARY_ROWS)]
    return new


def rated(result: Result) -> dict[str, str]:
    """By precision, whether what was measured is what was expected before training, where that can be told."""
    verdicts = {r.precision: r.verdict for r in result.recovery if r.metric == main_metric(result)}
    words = {"right": "as expected", "wrong": "not as expected"}
    found = {p.precision: words.get(foreseen(p.says, verdicts.get(p.precision, "")), "") for p in result.predictions}
    return {precision: said for precision, said in found.items() if said}


def edit_bins(result: Result) -> tuple[Bin, ...]:
    """The edit by size of weight; empty where the run has not measured it."""
    octaves = result.edit.octaves if result.edit else []
    return bins([o for o in octaves if abs(o.exponent) <= OCTAVES])


def kicker(result: Result) -> str:
    """The run's name and what it was made of, in one line."""
    spec = result.spec
    unlearned = spec.get("task", "unlearn") == "unlearn"
    made = [spec.get("method"), updates(spec)] if unlearned else [spec.get("task")]
    keys = ["unlearn-tui", result.run, *made, spec.get("model"), spec.get("corpus")]
    return " · ".join(cut(safe(key), 60) for key in keys if key)


def training_title(result: Result) -> str:
    """The heading of losses, probes and the pinned question."""
    return "While it learnt" if result.spec.get("task") == "memorise" else "While it unlearned"


def answer_columns(page: Page) -> tuple[list[tuple[str, str]], list[str]]:
    """Model and precision of every column of answers in order, and the head of the whole table."""
    keys = list(dict.fromkeys((c.model, c.precision) for e in page.examples for c in e.cells))
    return keys, ["question", "right answer", *(f"{model} {precision_label(p)}" for model, p in keys)]


def shortened(text: str, most: int = 200) -> str:
    """At most so many characters of a text, and … where there were more."""
    return text if len(text) <= most else text[:most].rstrip() + "…"


def answers_title(result: Result) -> str:
    """What the answers below it are answers to."""
    return f"Answers side by side: {metric_label(main_metric(result))}, most recovered first"
