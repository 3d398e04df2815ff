"""From scores and weights to the result: recovery rows, verdicts, the explaining sentence."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from unlearn_tui import catalog
from unlearn_tui.engine.evaluation.intervals import percentiles, resamples
from unlearn_tui.engine.evaluation.verdict import Recovered, Scores, recovery
from unlearn_tui.engine.explain import explain
from unlearn_tui.engine.scorebook import Scorebook
from unlearn_tui.engine.weights import Analysis
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import PredictionRow, RecoveryRow, Result, ScoreRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import MADE, RunDir, made_by


def full_precision(spec: RunSpec) -> str:
    """The full precision that shares are measured against: the first one named."""
    return next(p for p in spec.precision if catalog.precision(p).full)


def forget_metrics(spec: RunSpec) -> dict[str, list[str]]:
    """Metrics that a verdict is about, each with the metrics it pools."""
    named = [m for m in spec.metric if catalog.metric(m).subset == "forget"]
    found = {m: [m] for m in named}
    if {"knowmem_forget", "verbmem_forget"} <= set(named):
        found[catalog.MEMORIZATION] = ["verbmem_forget", "knowmem_forget"]
    return found


def recovery_rows(spec: RunSpec, book: Scorebook) -> list[RecoveryRow]:
    """One row per precision other than the full one, and metric."""
    full = full_precision(spec)
    rows = []
    for metric, pooled in forget_metrics(spec).items():
        for precision in spec.precision:
            if precision == full:
                continue
            scores = Scores(
                *([book.per_prompt[model, p, m] for m in pooled] for p in (full, precision) for model in MODELS)
            )
            found: Recovered = recovery(scores, spec.seed, bool(spec.retrain))
            rows.append(RecoveryRow(precision=precision, metric=metric, **vars(found)))
    return rows


def pooled_rows(spec: RunSpec, book: Scorebook) -> list[ScoreRow]:
    """Memorization: the mean of VerbMem's and KnowMem's means on the forget set, each resampled on its own."""
    pooled = forget_metrics(spec).get(catalog.MEMORIZATION)
    if pooled is None:
        return []
    rows = []
    for model, precision in dict.fromkeys((m, p) for m, p, _ in book.scores):
        arrays = [book.per_prompt[model, precision, metric] for metric in pooled]
        draws = [a[resamples(a.size, spec.seed + i)].mean(1) for i, a in enumerate(arrays)]
        low, high = percentiles(np.mean(draws, axis=0))
        parts = [book.scores[model, precision, metric] for metric in pooled]
        rows.append(
            ScoreRow(
                model=model,
                precision=precision,
                metric=catalog.MEMORIZATION,
                value=sum(p.value for p in parts) / len(parts),
                ci_low=low,
                ci_high=high,
                n=sum(p.n for p in parts),
                exact=sum(p.exact for p in parts) / len(parts),
                reused=parts[0].reused if len({p.reused for p in parts}) == 1 else "",
            )
        )
    return rows


MODELS = ("target", "unlearned")


def headline(spec: RunSpec) -> str:
    """The metric whose verdict a run is judged by: KnowMem forget where it was measured."""
    named = list(forget_metrics(spec))
    return "knowmem_forget" if "knowmem_forget" in named else (named[0] if named else "")


def result(
    rundir: RunDir,
    spec: RunSpec,
    versions: dict[str, str],
    book: Scorebook,
    analysis: Analysis | None,
    seconds: float,
    memory: int,
) -> Result:
    """The final table; `analysis` is None where two models answer together, which are no edit of the target."""
    table = _scores(rundir, spec, versions, book, seconds, memory)
    rows = recovery_rows(spec, book)
    return msgspec.structs.replace(
        table,
        full_precision=full_precision(spec),
        recovery=rows,
        weights=analysis.rows if analysis else [],
        predictions=predictions(rundir),
        edit=analysis.edit if analysis else None,
        explanation=explain(analysis.edit, analysis.rows, rows, headline(spec)) if analysis else together(spec),
    )


def together(spec: RunSpec) -> str:
    """What stands in the place of an explanation by weights where two models answer together."""
    return (
        f"The unlearned model is two ({spec.method}): the target, and one trained on the forget set, whose gains are held "
        f"back {spec.task_alpha:g} times; each precision quantizes both. It is no edit of the target's weights, and no "
        "single checkpoint."
    )


def predictions(rundir: RunDir) -> list[PredictionRow]:
    """What was said before training, in order of precisions."""
    said = {e.precision: e for e in rundir.events() if isinstance(e, ev.Predicted)}
    return [PredictionRow(precision=p, kept=e.kept, says=e.says) for p, e in said.items()]


def memorised(
    rundir: RunDir, spec: RunSpec, versions: dict[str, str], book: Scorebook, seconds: float, memory: int
) -> Result:
    """The final table of a run that made a target: its scores alone."""
    known = [f"{catalog.metric(r.metric).label} {r.value:.1f} at {r.precision}" for r in book.scores.values()]
    return msgspec.structs.replace(
        _scores(rundir, spec, versions, book, seconds, memory),
        full_precision=next((p for p in spec.precision if catalog.precision(p).full), spec.precision[0]),
        explanation=f"The model was trained on all of the corpus, to be a target: {', '.join(known)}.",
    )


def _scores(
    rundir: RunDir, spec: RunSpec, versions: dict[str, str], book: Scorebook, seconds: float, memory: int
) -> Result:
    """What every final table has: what was asked, what was scored, and how."""
    asked: Any = msgspec.to_builtins(spec)
    return Result(
        run=rundir.id,
        status="finished",
        spec=asked,
        versions=versions,
        scores=[*book.scores.values(), *pooled_rows(spec, book)],
        arithmetic=book.arithmetic,
        seconds=seconds,
        peak_memory=memory,
        notes=book.notes,
        answers=book.files,
        checkpoint=f"checkpoints/{made_by(spec)}" if spec.task in MADE else None,
    )
