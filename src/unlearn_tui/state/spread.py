"""Mean and spread over seeds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev
from typing import Any

from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.sweep import Spread, SpreadRow

ENOUGH = 3
"""Seeds from which on a standard deviation is told; of two it says nothing that least and largest do not."""


def spread(values: Iterable[float], halved: int = 0) -> Spread | None:
    """Mean, least and largest, and the sample's standard deviation of three or more; NaN is left out, None of nothing."""
    found = [v for v in values if math.isfinite(v)]
    if not found:
        return None
    sd = stdev(found) if len(found) >= ENOUGH else None
    return Spread(mean=fmean(found), low=min(found), high=max(found), n=len(found), sd=sd, halved=halved)


def rows(values: dict[str, Any], results: Sequence[Result]) -> list[SpreadRow]:
    """Every figure that some of `results` (repetitions of one cell) has, in the order in which they come first."""
    found: dict[tuple[str, str, str], list[float]] = {}
    halved: Counter[tuple[str, str, str]] = Counter()
    verdicts: dict[tuple[str, str, str], dict[str, int]] = {}
    for result in results:
        for score in result.scores:
            found.setdefault((score.model, score.precision, score.metric), []).append(score.value)
            halved[score.model, score.precision, score.metric] += bool(score.batch)
        for row in result.recovery:
            if row.precision != result.full_precision:
                count = verdicts.setdefault(("unlearned", row.precision, row.metric), {})
                count[row.verdict] = count.get(row.verdict, 0) + 1
    made = []
    for (model, precision, metric), numbers in found.items():
        over = spread(numbers, halved[model, precision, metric])
        if over is not None:
            said = verdicts.get((model, precision, metric), {})
            made.append(
                SpreadRow(values=values, model=model, precision=precision, metric=metric, spread=over, verdicts=said)
            )
    return made
