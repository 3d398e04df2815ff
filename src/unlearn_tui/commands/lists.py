"""models, methods, precisions, metrics: what there is to name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from typer import Argument

from unlearn_tui import catalog
from unlearn_tui.catalog.parameters import shown
from unlearn_tui.commands import console
from unlearn_tui.commands import options as o


def models(
    ref: Annotated[
        str | None, Argument(metavar="MODEL", help="Check this one: a folder, a hub id, a run or a shipped name.")
    ] = None,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
) -> None:
    """List checkpoints on this machine (shipped, unlearned by runs, Hugging Face cache), or check one."""
    from unlearn_tui.report.text import safe, size
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.sources import checkpoints

    base = home_of(home)
    if ref is None:
        found = checkpoints.list_local(base)
    else:
        found = [checkpoints.resolve(ref, base)]
        checkpoints.check(found[0])
    fields = ("name", "source", "family", "parameters", "dtype", "layers", "hidden", "vocab", "bytes")
    if json:
        rows: list[dict[str, Any]] = [{f: getattr(i, f) for f in fields} | {"path": str(i.path or "")} for i in found]
        console.show_json(rows if ref is None else rows[0])
        return
    table(
        ("model", "from", "family", "dtype", "path", "weights", "layers", "hidden", "vocab", "size"),
        [
            (
                safe(i.name),
                i.source,
                safe(i.family),
                safe(i.dtype),
                safe(i.path or "on the hub, not downloaded"),
                f"{i.parameters / 1e6:,.2f} M",
                str(i.layers),
                str(i.hidden),
                str(i.vocab),
                size(i.bytes),
            )
            for i in found
        ],
        plain,
        left=5,
    )


def methods(plain: o.Plain = False, json: o.Json = False) -> None:
    """List unlearning methods, and how their updates can reach the weights."""
    tables: dict[str, Sequence[Any]] = {
        "methods": list(catalog.METHODS.values()),
        "update modes": list(catalog.UPDATE_MODES.values()),
    }
    if json:
        console.show_json({k.replace(" ", "_"): [_public(r) for r in rows] for k, rows in tables.items()})
        return
    table(("--method", "", "source"), [(m.id, m.summary, m.source) for m in tables["methods"]], plain, left=3)
    console.write("\n")
    table(("--weights", "", "source"), [(u.id, u.summary, u.source) for u in tables["update modes"]], plain, left=3)


def precisions(plain: o.Plain = False, json: o.Json = False) -> None:
    """List precisions to score at: what becomes of the weights and the arithmetic; and the options of each."""
    from unlearn_tui.versions import lacking

    known = list(catalog.PRECISIONS.values())
    if json:
        console.show_json([_public(p) | {"install": p.install if lacking(p.package) else ""} for p in known])
        return
    rows = [
        (p.id, p.label, p.summary, f"not installed: {p.install}" if lacking(p.package) else p.source, str(p.bits))
        for p in known
    ]
    table(("--precision", "label", "", "source", "bits"), rows, plain, left=4)
    console.write("\noptions, as in bnb-fp4:block=128+double\n")
    options = [
        (p.id, q.name if q.flag else f"{q.name}={q.said}", "off" if q.flag else shown(p.options[q.name]), q.help)
        for p in known
        for q in p.parameters
    ]
    table(("--precision", "option", "default", ""), options, plain, left=4)


def metrics(plain: o.Plain = False, json: o.Json = False) -> None:
    """List metrics to score by, and the names that stand for several."""
    known = list(catalog.METRICS.values())
    if json:
        console.show_json([_public(m) for m in known])
        return
    table(("--metric", "label", "", "source"), [(m.id, m.label, m.summary, m.source) for m in known], plain, left=4)
    console.write("\n")
    sets = [(name, ", ".join(ids)) for name, ids in catalog.METRIC_SETS.items()]
    table(("--metric", "stands for"), sets, plain, left=2)


def _public(record: Any) -> dict[str, Any]:
    public = {k: v for k, v in vars(record).items() if k not in ("implementation", "forget", "retain")}
    if isinstance(record, catalog.Precision):
        public["parameters"] = [
            {"name": q.name, "allowed": q.said, "default": record.options[q.name], "help": q.help}
            for q in record.parameters
        ]
    return public


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], plain: bool, left: int) -> None:
    """A small table on stdout: `left` columns of text, then columns of numbers."""
    from unlearn_tui.report.sections import Grid

    console.show_grids([Grid("", head, rows, left=left)], plain)
