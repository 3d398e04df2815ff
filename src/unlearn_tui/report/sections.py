"""A result as headed grids of text, made once; tables.py draws them with Rich, plain.py as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unlearn_tui import catalog
from unlearn_tui.protocol.result import Edit, MembershipRow, PrivLeakRow, RecoveryRow, Result, ScoreRow
from unlearn_tui.report.text import duration, number, safe, size
from unlearn_tui.state.labels import foreseen

VERDICTS = {
    "undefined": "the target knew too little to tell",
    "not_unlearned": "was not forgotten to begin with",
    "recovered": "came back",
    "partly": "came back in part",
    "no": "did not come back",
    "inconclusive": "cannot be told at this n",
}


HALVED = "†"
"""Stands beside a score whose batch had to be halved for lack of memory (ScoreRow.batch)."""
HALVED_NOTE = f"{HALVED} batch halved for lack of memory, last digits may differ"


@dataclass(frozen=True)
class Grid:
    """A small table: `left` columns of text, then columns of numbers; `note` stands under it. `drawn`: the last column is
    a bar of text, for whoever has no picture."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    left: int = 1
    note: str = ""
    drawn: bool = False

    @property
    def columns(self) -> range:
        """Those that are numbers or words."""
        return range(len(self.head) - self.drawn)


def metric_label(id: str) -> str:
    """KnowMem forget for knowmem_forget; the safe name itself where the catalog has none."""
    return catalog.METRICS[id].label if id in catalog.METRICS else catalog.AGGREGATES.get(id) or safe(id)


def precision_label(id: str) -> str:
    """INT4 for bnb-fp4; the safe id itself where the catalog has none."""
    found = catalog.find_precision(id)
    return found.label if found else safe(id)


def is_groups(metric: str) -> bool:
    """Whether a metric tells two groups of texts apart, so that no single text has a score."""
    return metric in catalog.METRICS and bool(catalog.METRICS[metric].groups)


def main_metric(result: Result) -> str:
    """The metric of the headline and the examples: KnowMem forget where it was scored."""
    return judged(r.metric for r in result.recovery) or judged(r.metric for r in result.scores) or "knowmem_forget"


def judged(found: Iterable[str]) -> str:
    """The one of these metrics that a run is judged by, "" of none."""
    metrics = list(dict.fromkeys(found))
    metrics = [m for m in metrics if not is_groups(m)] or metrics  # one that something was answered to
    return "knowmem_forget" if "knowmem_forget" in metrics else next(iter(metrics), "")


def headline(result: Result) -> str:
    """The one sentence: what was forgotten, what came back at which precision."""
    if result.status != "finished" and not result.recovery:
        return f"{safe(result.status)}: {safe(result.error)}" if result.error else safe(result.status)
    metric, full = main_metric(result), result.full_precision
    value = {(r.model, r.precision): r.value for r in result.scores if r.metric == metric}
    if result.spec.get("task") == "memorise":
        return f"{metric_label(metric)} {number(value.get(('target', full)))} after memorising ({safe(full)})."
    parts = [
        f"{metric_label(metric)} {number(value.get(('target', full)))} → {number(value.get(('unlearned', full)))}"
        f" after unlearning ({safe(full)})"
    ]
    for row in result.recovery:
        if row.metric == metric and row.precision != full:
            score = number(value.get(("unlearned", row.precision)))
            parts.append(f"{safe(row.precision)}: {score}, {VERDICTS.get(row.verdict, safe(row.verdict))}")
    return "; ".join(parts) + "."


def updates(spec: dict[str, object]) -> str:
    """How a spec's updates reach the weights."""
    return catalog.updates(spec.get("weights", ""), *(spec.get(name) for name in ("lora_rank", "sure", "resist")))


def subtitle(result: Result) -> str:
    """What ran, in one line."""
    spec = result.spec
    what = "check" if spec.get("task") == "check" else spec.get("method", "")
    keys = [result.run, what, updates(spec), spec.get("model"), spec.get("unlearned"), spec.get("corpus")]
    parts = [safe(k) for k in keys if k] + [safe(result.status)]
    if result.seconds:
        parts.append(duration(result.seconds))
    if result.peak_memory:
        parts.append(f"peak {size(result.peak_memory)}")
    return " · ".join(parts)


def grids(result: Result, brief: bool = False) -> list[Grid]:
    """Scores, verdicts, weights and where the edit is, each only where there is something to say; `brief`: scores."""
    made = scores(result.scores)
    if not brief:
        made += [
            recovery(result.recovery),
            privleak(result.privleak),
            membership(result.membership),
            weights(result),
            predictions(result),
        ]
    if result.edit and not brief:
        made.append(octaves(result.edit))
    return [grid for grid in made if grid.rows]


SIDE_BY_SIDE = 4
"""Metrics in one table of scores."""


def scores(rows: list[ScoreRow]) -> list[Grid]:
    """One row per model and precision, one column per metric: mean and 95 % interval. Several tables for many metrics."""
    rows = [r for r in rows if r.metric != catalog.MEMORIZATION]  # a mean of two columns: the verdicts speak of it
    metrics = list(dict.fromkeys(r.metric for r in rows))
    return [_scores(rows, metrics[at : at + SIDE_BY_SIDE], at) for at in range(0, len(metrics), SIDE_BY_SIDE)]


def _scores(rows: list[ScoreRow], metrics: list[str], at: int) -> Grid:
    rows = [r for r in rows if r.metric in metrics]
    cells = {(r.model, r.precision, r.metric): r for r in rows}

    def cell(row: ScoreRow | None) -> str:
        if row is None:
            return "–"
        interval = "" if row.ci_low is None else f" [{number(row.ci_low)}–{number(row.ci_high)}]"
        return number(row.value) + interval + (f" {HALVED}" if row.batch else "")

    keys = dict.fromkeys((r.model, r.precision) for r in rows)
    counts = {r.metric: r.n for r in rows}
    notes = [", ".join(f"{metric_label(m)} n={counts[m]}" for m in metrics)]
    notes += [f"reused from {safe(source)}" for source in sorted({r.reused for r in rows if r.reused})]
    if batches := sorted({r.batch for r in rows if r.batch}):
        notes.append(f"{HALVED_NOTE}: to {', '.join(map(str, batches))}")
    return Grid(
        "More scores" if at else "Scores (0–100, mean and 95 % interval)",
        ("model", "precision", *map(metric_label, metrics)),
        [(safe(m), safe(p), *(cell(cells.get((m, p, metric))) for metric in metrics)) for m, p in keys],
        left=2,
        note="; ".join(notes),
    )


def recovery(rows: list[RecoveryRow]) -> Grid:
    """What share of the target's score is left, and whether more than at full precision."""

    def delta(row: RecoveryRow) -> str:
        interval = "" if row.delta is None else f" [{number(row.ci_low, '+.2f')} {number(row.ci_high, '+.2f')}]"
        return number(row.delta, "+.2f") + interval

    return Grid(
        "Recovery (share of the target's score at the same precision)",
        ("precision", "metric", "verdict", "full", "share", "delta", "gap"),
        [
            (
                safe(r.precision),
                metric_label(r.metric),
                safe(r.verdict),
                number(r.share_full, ".2f"),
                number(r.share, ".2f"),
                delta(r),
                number(r.gap_share, ".2f"),
            )
            for r in rows
        ],
        left=3,
    )


def privleak(rows: list[PrivLeakRow]) -> Grid:
    """How far each model's membership AUC is from that of a model which never saw the texts."""
    sources = sorted({f"AUC of the retrained model {number(r.auc_retrain, '.4f')}: {safe(r.source)}" for r in rows})
    counts = sorted({f"{r.n} texts" for r in rows})
    return Grid(
        "PrivLeak (per cent; 0 as if retrained, below: too little forgotten, above: too much)",
        ("model", "precision", "PrivLeak", "95 % interval", "AUC"),
        [
            (
                safe(r.model),
                safe(r.precision),
                number(r.value, "+.1f"),
                f"[{number(r.ci_low, '+.1f')} {number(r.ci_high, '+.1f')}]",
                number(r.auc, ".4f"),
            )
            for r in rows
        ],
        left=2,
        note="; ".join([*counts, *sources]),
    )


def membership(rows: list[MembershipRow]) -> Grid:
    """What else texts to forget could be told by."""
    columns = list(dict.fromkeys(column for row in rows for column in row.aucs))
    return Grid(
        "AUC of membership (texts to forget against texts never seen; 0.5: no difference, below: better known)",
        ("model", "precision", *(safe(c).removesuffix("%") for c in columns)),
        [(safe(r.model), safe(r.precision), *(number(r.aucs.get(c), ".3f") for c in columns)) for r in rows],
        left=2,
        note="Min-k: the k % least likely tokens of a text" if columns else "",
    )


def weights(result: Result) -> Grid:
    """How much of the edit each quantizer keeps along the edit's own direction."""
    return Grid(
        "Weights (what a quantizer keeps of the edit)",
        ("precision", "kept", "cosine", "same value", "zero bin p10", "median", "p90"),
        [
            (
                safe(r.precision),
                number(r.kept, ".2f"),
                number(r.cosine, ".2f"),
                number(100 * r.same_value, ".1f") + " %",
                *(number(v, ".1e") for v in (r.zero_bin_p10, r.zero_bin_median, r.zero_bin_p90)),
            )
            for r in result.weights
        ],
    )


FORESEEN = {"returns": "comes back", "stays": "stays away", "unsure": "unsure"}


def predictions(result: Result) -> Grid:
    """What was expected of each quantizer before training, beside what was measured."""
    metric = main_metric(result) if result.recovery else ""
    measured = {w.precision: w.kept for w in result.weights}
    verdicts = {r.precision: r.verdict for r in result.recovery if r.metric == metric}
    return Grid(
        "Expected before training (from lr, steps and weights alone)",
        ("precision", "expected", "measured", "foreseen", "kept, expected", "kept, measured"),
        [
            (
                safe(r.precision),
                FORESEEN.get(r.says, safe(r.says)),
                safe(verdicts.get(r.precision, "–")),
                foreseen(r.says, verdicts.get(r.precision, "")),
                number(r.kept, ".2f"),
                number(measured.get(r.precision), ".2f"),
            )
            for r in result.predictions
        ],
        left=4,
    )


def expectations(says: Mapping[str, str], verdicts: Mapping[str, str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What was expected, and the precisions of which it was: each with right, wrong or "" where that is not known.

    Args: by precision, what was said before training, and the verdict as far as there is one.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for precision, said in says.items():
        rating = foreseen(said, verdicts.get(precision, ""))
        entry = (precision_label(precision), rating if rating in ("right", "wrong") else "")
        found.setdefault(FORESEEN.get(said, safe(said)), []).append(entry)
    return list(found.items())


def octaves(edit: Edit) -> Grid:
    """What share of the weights changed, by their size in the target."""
    note = f"{number(100 * edit.changed)} % of the weights changed"
    if edit.freeze_line_nominal is not None:
        note += f"; a bf16 step of size lr moves |w| up to {number(edit.freeze_line_nominal, '.2g')}"
    if edit.freeze_line_effective is not None:
        note += f", seen up to {number(edit.freeze_line_effective, '.2g')}"
    note += f"; {number(100 * edit.unquantized_share)} % of the edit lies in tensors that stay unquantized"
    return Grid(
        "Where the edit is (weights by size in the target)",
        ("|w| from", "to", "weights", "changed", "of them"),
        [
            (low, high, f"{n:,}", number(100 * changed) + " %", bar(changed, 20))
            for low, high, n, changed in _sizes(edit)
        ],
        note=note,
        drawn=True,
    )


def _sizes(edit: Edit) -> list[tuple[str, str, int, float]]:
    """From, to, weights, share changed; the octaves at either end that hold almost nothing are put together."""
    octaves = edit.octaves
    enough = 0.005 * sum(o.n for o in octaves)
    full = [i for i, o in enumerate(octaves) if o.n >= enough]
    if not full:
        return []
    first, last = full[0], full[-1]
    groups = [octaves[:first], *([o] for o in octaves[first : last + 1]), octaves[last + 1 :]]
    rows = []
    for group in groups:
        n = sum(o.n for o in group)
        if n:
            low = "0" if group[0] is octaves[0] and len(group) > 1 else f"2^{group[0].exponent}"
            rows.append((low, f"2^{group[-1].exponent + 1}", n, sum(o.n * o.changed for o in group) / n))
    return rows


def bar(share: float, width: int) -> str:
    """A bar of `width` cells, filled to `share` (0-1)."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    return "█" * filled + "░" * (width - filled)
