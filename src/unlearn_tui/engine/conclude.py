"""From scores and weights to the result: recovery rows, verdicts, the explaining sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from unlearn_tui import catalog
from unlearn_tui.engine.evaluation.aggregates import forget_quality, pooled
from unlearn_tui.engine.evaluation.privleak import Groups, auc, groups, privleak
from unlearn_tui.engine.evaluation.verdict import Recovered, Scores, recovery
from unlearn_tui.engine.explain import explain
from unlearn_tui.engine.scorebook import Scorebook
from unlearn_tui.engine.weights import Analysis
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import MembershipRow, PredictionRow, PrivLeakRow, RecoveryRow, Result, ScoreRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import MADE, RunDir, made_by
from unlearn_tui.sources.corpora import Corpus


@dataclass(frozen=True)
class Made:
    """What a result was made with: library versions, the machine, and hashes of what was read (protocol.result)."""

    versions: dict[str, str]
    hardware: dict[str, str]
    hashes: dict[str, str]


def full_precision(spec: RunSpec) -> str:
    """The full precision that shares are measured against: the first one named."""
    return next(p for p in spec.precision if catalog.precision(p).full)


def forget_metrics(spec: RunSpec) -> dict[str, list[str]]:
    """Metrics that a verdict is about, each with the metrics it pools."""
    named = [m for m in spec.metric if catalog.metric(m).subset == "forget" and catalog.metric(m).shares]
    found = {m: [m] for m in named}
    pool = catalog.POOLED[catalog.MEMORIZATION]
    if set(pool) <= set(named):
        found[catalog.MEMORIZATION] = [*pool]
    return found


def recovery_rows(spec: RunSpec, book: Scorebook) -> list[RecoveryRow]:
    """One row per precision other than the full one, and metric."""
    full = full_precision(spec)
    rows = []
    for metric, parts in forget_metrics(spec).items():
        for precision in spec.precision:
            if precision == full:
                continue
            scores = Scores(
                *([book.per_prompt[model, p, m] for m in parts] for p in (full, precision) for model in MODELS)
            )
            found: Recovered = recovery(scores, spec.seed, bool(spec.retrain))
            rows.append(RecoveryRow(precision=precision, metric=metric, **vars(found)))
    return rows


def privleak_rows(spec: RunSpec, book: Scorebook) -> tuple[list[PrivLeakRow], str]:
    """A row for each model and precision whose AUC was measured; or none, and why not."""
    if "privleak" not in spec.metric:
        return [], ""
    full, column = full_precision(spec), f"Min-{spec.min_k}%"
    measured = book.members.get(("retrain", full, "privleak"))
    given = dict(book.corpus.privleak_retrain).get(column)
    base: Groups | float
    if measured is not None:
        base, source = measured, f"measured on --retrain at {full}"
    elif given is not None:
        base, source = given, "privleak/retrain.json of the corpus"
    elif known := muse_auc(book.corpus, column):
        base, source = known, f"MUSE's retrained model: {catalog.AUC_SOURCE}"
    else:
        return [], (
            f"PrivLeak is left out, its AUC is not: nothing tells the {column} AUC of a retrained model; name one with "
            "--retrain, or write privleak/retrain.json"
        )
    rows = []
    for (model, precision, _), found in book.members.items():
        made = privleak(found, base, spec.seed)
        if made is None:
            return (
                [],
                f"PrivLeak is left out: the {column} AUC of the retrained model is 0, nothing can be divided by it",
            )
        value, low, high = made
        rows.append(
            PrivLeakRow(
                model=model, precision=precision, auc=auc(found),
                auc_retrain=base if isinstance(base, float) else auc(base), value=value, ci_low=low, ci_high=high,
                n=len(found.forget) + len(found.holdout), source=source,
            )
        )  # fmt: skip
    return rows, ""


def membership_rows(book: Scorebook) -> list[MembershipRow]:
    """Every column that all texts are long enough for."""
    return [
        MembershipRow(
            model=model, precision=precision, n=len(answers),
            aucs={
                column: auc(groups(answers, column))
                for column in catalog.MEMBERSHIP
                if all(column in a.columns for a in answers)
            },
        )
        for (model, precision, _), answers in book.texts.items()
    ]  # fmt: skip


def muse_auc(corpus: Corpus, column: str) -> float | None:
    """What MUSE's own retrained model has on a corpus that is MUSE's by name and size."""
    texts = (len(corpus.privleak_forget), len(corpus.privleak_holdout))
    name = next((c for c in catalog.AUC_RETRAIN if c in corpus.name.casefold()), "")
    return catalog.AUC_RETRAIN[name] if name and column == "Min-40%" and texts == (catalog.AUC_TEXTS,) * 2 else None


def pooled_rows(spec: RunSpec, book: Scorebook) -> list[ScoreRow]:
    """Scores made of others (catalog.AGGREGATES), for every model and precision that has all of their parts."""
    rows = []
    for model, precision in dict.fromkeys((m, p) for m, p, _ in book.scores):
        for aggregate, metrics in catalog.POOLED.items():
            if not set(metrics) <= set(spec.metric):
                continue
            parts = [book.scores[model, precision, metric] for metric in metrics]
            arrays = [book.per_prompt[model, precision, metric] for metric in metrics]
            value, low, high = pooled(arrays, spec.seed, aggregate == catalog.MODEL_UTILITY)
            rows.append(_aggregate(parts, aggregate, value, low, high))
        quality = _forget_quality(spec, book, model, precision)
        rows += [quality] if quality else []
    return rows


def _forget_quality(spec: RunSpec, book: Scorebook, model: str, precision: str) -> ScoreRow | None:
    """Against the retrained model at full precision: what it would say had it never been quantized."""
    key, full = (model, precision, "tofu_truth_forget"), ("retrain", full_precision(spec), "tofu_truth_forget")
    if model == "retrain" or key not in book.ratios or full not in book.ratios:
        return None
    p = forget_quality(book.ratios[key], book.ratios[full])
    book.notes.append(f"TOFU forget quality, {model} at {precision}: p = {p:.3g}")
    return _aggregate([book.scores[key]], catalog.FORGET_QUALITY, 100 * p, None, None)


def _aggregate(parts: list[ScoreRow], metric: str, value: float, low: float | None, high: float | None) -> ScoreRow:
    return ScoreRow(
        model=parts[0].model,
        precision=parts[0].precision,
        metric=metric,
        value=value,
        ci_low=low,
        ci_high=high,
        n=sum(p.n for p in parts),
        exact=sum(p.exact for p in parts) / len(parts),
        reused=parts[0].reused if len({p.reused for p in parts}) == 1 else "",
        batch=min((p.batch for p in parts if p.batch), default=0),
    )


MODELS = ("target", "unlearned")


def headline(spec: RunSpec) -> str:
    """The metric whose verdict a run is judged by: KnowMem forget where it was measured."""
    named = list(forget_metrics(spec))
    return "knowmem_forget" if "knowmem_forget" in named else (named[0] if named else "")


def result(
    rundir: RunDir,
    spec: RunSpec,
    made: Made,
    book: Scorebook,
    analysis: Analysis | None,
    seconds: float,
    memory: int,
) -> Result:
    """The final table; `analysis` is None where two models answer together, which are no edit of the target."""
    table = _scores(rundir, spec, made, book, seconds, memory)
    rows = recovery_rows(spec, book)
    leak, why = privleak_rows(spec, book)
    if why:
        table.notes.append(why)
    return msgspec.structs.replace(
        table,
        full_precision=full_precision(spec),
        recovery=rows,
        privleak=leak,
        membership=membership_rows(book),
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


def memorised(rundir: RunDir, spec: RunSpec, made: Made, book: Scorebook, seconds: float, memory: int) -> Result:
    """The final table of a run that made a target: its scores alone."""
    known = [f"{catalog.metric(r.metric).label} {r.value:.1f} at {r.precision}" for r in book.scores.values()]
    return msgspec.structs.replace(
        _scores(rundir, spec, made, book, seconds, memory),
        full_precision=next((p for p in spec.precision if catalog.precision(p).full), spec.precision[0]),
        explanation=f"The model was trained on all of the corpus, to be a target: {', '.join(known)}.",
    )


def _scores(rundir: RunDir, spec: RunSpec, made: Made, book: Scorebook, seconds: float, memory: int) -> Result:
    """What every final table has: what was asked, what was scored, and how."""
    asked: Any = msgspec.to_builtins(spec)
    return Result(
        run=rundir.id,
        status="finished",
        spec=asked,
        versions=made.versions,
        hardware=made.hardware,
        hashes=made.hashes,
        scores=[*book.scores.values(), *pooled_rows(spec, book)],
        arithmetic=book.arithmetic,
        seconds=seconds,
        peak_memory=memory,
        notes=book.notes,
        answers=book.files,
        checkpoint=f"checkpoints/{made_by(spec)}" if spec.task in MADE else None,
    )
