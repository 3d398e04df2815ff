"""One checkpoint folder, or one run, as a row of the Models screen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.overview import Overview, at, scores
from unlearn_tui.sources import fits
from unlearn_tui.sources.folders import CheckpointInfo, Source
from unlearn_tui.state.models import Kind, Row, Score, Status

KINDS: dict[Source, Kind] = {
    "shipped": "shipped",
    "cache": "cache",
    "folder": "folder",
    "hub": "hub",
    "run": "unlearned",
}
STATUS: dict[str, Status] = {"running": "live", "failed": "failed", "died": "failed"}
"""Of a run that has no result, by how it stands; any other is unscored."""
FACTS = (
    *("size", "family", "parameters", "dtype", "shards", "layers", "hidden", "vocab"),
    *("holding", "unlearning", "beside"),
)
"""What a row says of the files of its checkpoint."""


def of_checkpoint(info: CheckpointInfo, folder: Path, gpu: bool) -> Row:
    """A checkpoint by its headers; one that cannot be read is failed, and says why."""
    kind = KINDS[info.source]
    needs, reason = fits.Needs({}, {}, 0), ""
    try:
        needs = fits.needs(info, gpu)
        if not info.parameters:
            reason = "it has no weights in safetensors"
    except (Refused, OSError) as error:
        reason = str(error)
    modified = 0.0
    with contextlib.suppress(OSError):
        modified = (folder / "config.json").stat().st_mtime
    ref = str(folder) if kind == "folder" else info.name
    return Row(
        id=f"{kind}:{ref}",
        name=info.name,
        kind=kind,
        status="failed" if reason else "unscored",
        ref="" if reason else ref,
        path=str(folder),
        reason=reason,
        size=info.bytes,
        modified=modified,
        family=info.family,
        parameters=info.parameters,
        dtype=info.dtype,
        shards=info.shards,
        layers=info.layers,
        hidden=info.hidden,
        vocab=info.vocab,
        holding=needs.holding,
        unlearning=needs.unlearning,
        beside=needs.beside,
    )


def of_run(found: Overview, checkpoint: Row | None) -> Row:
    """A run's own row: the checkpoint that it made (`checkpoint`, None before there is one), or what became of it."""
    info, spec, result = found.info, found.spec or RunSpec(), found.result
    unlearned = scores(result, "target" if spec.task == "memorise" else "unlearned") if result else ()
    mean = at(unlearned, result.full_precision if result else "")
    status: Status = "scored" if unlearned else STATUS.get(info.status, "unscored")
    if status == "unscored" and checkpoint is not None:
        status = checkpoint.status
    base = checkpoint or Row(id="", name="", kind="unlearned", status=status, path=str(info.path))
    made = replace(
        base,
        id=f"run:{info.id}",
        name=info.id,
        status=status,
        ref=info.id if base.ref else "",
        run=info.id,
        reason=how_it_stands(found) or base.reason,
        method=info.method,
        step=spec.steps if info.status == "finished" else found.tail.step or None,
        modified=max(info.created, base.modified),
        full=mean.precision,
        forget=mean.forget,
        retain=mean.retain,
        scores=unlearned,
    )
    if spec.task == "check":
        return replace(made, kind="checked", ref=spec.unlearned, path=spec.unlearned, step=None)
    return replace(made, kind="memorised") if spec.task == "memorise" else made


def how_it_stands(found: Overview) -> str:
    """Why a run has nothing to show, or how far it has come; "" for one that finished."""
    info, tail = found.info, found.tail
    if info.status == "running":
        share = f" {100 * tail.done / tail.total:.0f} %" if tail.total else ""
        return f"{tail.stage.replace('_', ' ') or 'starting'}{share}"
    if info.status in ("stopped", "new"):
        return {"stopped": "stopped before its end", "new": "has not begun"}[info.status]
    return info.reason


def scored(row: Row, found: Overview, model: str) -> Row:
    """The row with what a run found of it as `model`; as it is where the run scored no such model."""
    column = scores(found.result, model) if found.result else ()
    if not column or found.result is None:
        return row
    mean = at(column, found.result.full_precision)
    return replace(
        row,
        status="scored",
        run=found.info.id,
        full=mean.precision,
        forget=mean.forget,
        retain=mean.retain,
        scores=column,
    )


def missing(id: str, name: str, kind: Kind, path: str, why: str, added: bool = False) -> Row:
    """A checkpoint that is spoken of and not there."""
    return Row(id, name, kind, "missing", path=path, reason=why, added=added)


def precisions(row: Row) -> Iterable[Row]:
    """The unlearned model of a run at every precision that quantizes it."""
    for score in row.scores:
        record = catalog.find_precision(score.precision)
        if record is not None and not record.full:
            yield Row(
                id=f"{row.id}:{score.precision}",
                name=score.precision,
                kind="quantized",
                status="quantized",
                run=row.run,
                parent=row.id,
                method=row.method,
                step=row.step,
                size=row.holding.get(score.precision, 0),
                modified=row.modified,
                family=row.family,
                parameters=row.parameters,
                full=score.precision,
                forget=score.forget,
                retain=score.retain,
                scores=(Score(score.precision, score.forget, score.retain, score.verdict),),
            )
