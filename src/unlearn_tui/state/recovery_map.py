"""The recovery map of a sweep: what share of the target's knowledge an unlearned model has at each learning rate, quantizer
and update mode, and what was expected of each before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unlearn_tui import catalog
from unlearn_tui.protocol.result import RecoveryRow, Result
from unlearn_tui.protocol.sweep import Spread
from unlearn_tui.state.labels import foreseen
from unlearn_tui.state.spread import spread
from unlearn_tui.state.sweep import CellState, SweepState

RATINGS = ("right", "wrong", "undecided", "cannot tell")
"""Of a prediction against a verdict (state.labels.foreseen), in the order in which they are counted."""


@dataclass(frozen=True)
class Point:
    """One field of the map, over the seeds of its cells. Shares 0-1 of the target's score at the same precision.

    `expected`: what was said before training, "" where nothing was; `kept` and `kept_expected`: of the edit, means over
    seeds; `ratings`: how many seeds' predictions were what (RATINGS).
    """

    share: Spread | None
    verdicts: dict[str, int]
    expected: str = ""
    kept: float | None = None
    kept_expected: float | None = None
    ratings: dict[str, int] | None = None

    @property
    def wrong(self) -> bool:
        """Whether a prediction was made and the verdict of some seed is against it."""
        return bool(self.ratings and self.ratings.get("wrong"))


@dataclass(frozen=True)
class Panel:
    """One update mode (and whatever else differs but rate and seed): `points` by precision, then rate."""

    values: dict[str, Any]
    precisions: tuple[str, ...]
    points: dict[tuple[str, float], Point]


@dataclass(frozen=True)
class RecoveryMap:
    """All panels of a sweep over the same `rates`; `metric`: whose shares these are."""

    sweep: str
    metric: str
    full: str
    rates: tuple[float, ...]
    panels: tuple[Panel, ...]

    @property
    def ratings(self) -> dict[str, int]:
        """Predictions of all runs, counted."""
        found = dict.fromkeys(RATINGS, 0)
        for panel in self.panels:
            for point in panel.points.values():
                for rating, count in (point.ratings or {}).items():
                    found[rating] += count
        return found


def metrics(state: SweepState) -> list[str]:
    """What its finished runs have shares of: both kinds of memorization pooled, KnowMem forget, then the others."""
    found = dict.fromkeys(r.metric for cell in state.cells if cell.result for r in cell.result.recovery)
    return sorted(found, key=lambda m: (m != "knowmem_forget", m != catalog.MEMORIZATION))


def build(state: SweepState, metric: str = "") -> RecoveryMap:
    """The map of what has finished so far; `metric` "" takes KnowMem forget where it was scored."""
    metric = metric or next(iter(metrics(state)), "knowmem_forget")
    rates = tuple(sorted({cell.cell.spec.lr for cell in state.cells}))
    panels: dict[str, tuple[dict[str, Any], dict[float, list[Result]], dict[str, None]]] = {}
    full = ""
    for group in state.groups:
        values = {name: value for name, value in group.values.items() if name != "lr"}
        first = group.cells[0].cell.spec
        _, by_rate, precisions = panels.setdefault(repr(values), (values, {}, {}))
        by_rate.setdefault(first.lr, []).extend(group.results)
        precisions.update(dict.fromkeys(first.precision))
        full = full or next((r.full_precision for r in group.results), "")
    made = tuple(
        Panel(
            values,
            tuple(precisions),
            {
                (precision, rate): _point(results, precision, metric)
                for precision in precisions
                for rate, results in by_rate.items()
            },
        )
        for values, by_rate, precisions in panels.values()
    )
    return RecoveryMap(state.id, metric, full, rates, made)


def _point(results: Sequence[Result], precision: str, metric: str) -> Point:
    rows = [(result, row) for result in results if (row := _row(result, precision, metric)) is not None]
    verdicts: dict[str, int] = {}
    ratings: dict[str, int] = {}
    said: dict[str, int] = {}
    for result, row in rows:
        if precision == result.full_precision:
            continue
        verdicts[row.verdict] = verdicts.get(row.verdict, 0) + 1
        for prediction in result.predictions:
            if prediction.precision == precision:
                said[prediction.says] = said.get(prediction.says, 0) + 1
                rating = foreseen(prediction.says, row.verdict)
                ratings[rating] = ratings.get(rating, 0) + 1
    kept = [w.kept for result, _ in rows for w in result.weights if w.precision == precision and w.kept is not None]
    foretold = [
        p.kept for result, _ in rows for p in result.predictions if p.precision == precision and p.kept is not None
    ]
    return Point(
        share=spread(row.share for _, row in rows if row.share is not None),
        verdicts=verdicts,
        expected=max(said, key=lambda s: said[s], default=""),
        kept=sum(kept) / len(kept) if kept else None,
        kept_expected=sum(foretold) / len(foretold) if foretold else None,
        ratings=ratings or None,
    )


def _row(result: Result, precision: str, metric: str) -> RecoveryRow | None:
    """The verdict's row; for the full precision, which has none in some results, its share as the others tell it."""
    rows = [r for r in result.recovery if r.metric == metric]
    found = next((r for r in rows if r.precision == precision), None)
    if found is None and precision == result.full_precision and rows:
        share = rows[0].share_full
        return RecoveryRow(
            precision=precision,
            metric=metric,
            share_full=share,
            share=share,
            delta=None,
            ci_low=None,
            ci_high=None,
            gap_share=None,
            verdict="",
        )
    return found


def waiting(state: SweepState) -> list[CellState]:
    """Cells that the map knows nothing of yet."""
    return [cell for cell in state.cells if not cell.finished]
