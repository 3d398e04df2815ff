"""The tables that e writes from the Models screen and from the runs screen: numbers in full, nothing cut."""

from __future__ import annotations

from collections.abc import Sequence

from unlearn_tui.report.export import Table
from unlearn_tui.state.models import Row
from unlearn_tui.state.runs import Run

MODELS = (
    *("name", "kind", "status", "method", "step", "full", "forget", "retain", "size", "modified", "family"),
    *("parameters", "dtype", "path", "run", "reason"),
)
RUNS = (
    *("id", "status", "task", "method", "weights", "model", "corpus", "full", "target", "forget", "four", "back"),
    *("verdict", "stage", "done", "total", "size", "created", "seconds", "peak", "path", "reason"),
)


def models(rows: Sequence[Row]) -> Table:
    """The rows as shown; bytes, seconds since the epoch, scores 0-100 at the precision `full`."""
    names = [
        "precision" if name == "full" else f"KM {name}" if name in ("forget", "retain") else name for name in MODELS
    ]
    return Table(names, [[getattr(row, name) for name in MODELS] for row in rows])


def runs(rows: Sequence[Run]) -> Table:
    """The runs as shown; `four` is the precision of 4 bits that `back` and `verdict` speak of."""
    return Table(list(RUNS), [[getattr(row, name) for name in RUNS] for row in rows])
