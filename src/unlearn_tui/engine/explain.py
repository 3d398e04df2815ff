"""One sentence that explains a verdict, made from this run's measured numbers and nothing else."""

from __future__ import annotations

from unlearn_tui import catalog
from unlearn_tui.protocol.result import Edit, RecoveryRow, WeightsRow

SAID = {
    "recovered": "the knowledge came back",
    "partly": "part of the knowledge came back",
    "no": "it stayed forgotten",
    "inconclusive": "whether knowledge came back is not settled at this n",
    "not_unlearned": "it was not unlearned at full precision in the first place",
    "undefined": "the target itself does not know it",
}
BACK = ("recovered", "partly")


def where(edit: Edit) -> str:
    """Where the edit is, by size of weight."""
    line = edit.freeze_line_effective
    if edit.changed >= 0.5:
        return f"the edit moved {share(edit.changed)} of the weights, of every size"
    if line is None:
        return f"the edit moved {share(edit.changed)} of the weights"
    below, above = split(edit, line)
    return (
        f"the edit moved {share(edit.changed)} of the weights: {share(below)} of those below {line:.2g} in size, "
        f"{share(above)} of the larger ones"
    )


def split(edit: Edit, line: float) -> tuple[float, float]:
    """Share of weights changed below and above a line that is a power of two."""
    parts = []
    for below in (True, False):
        rows = [o for o in edit.octaves if (2.0**o.exponent < line) is below]
        n = sum(o.n for o in rows)
        parts.append(sum(o.changed * o.n for o in rows) / n if n else 0.0)
    return parts[0], parts[1]


def share(value: float) -> str:
    """A share in words of one significant kind: 100 %, 12 %, 0.03 %, none."""
    percent = 100 * value
    if percent == 0:
        return "none"
    return f"{percent:.0f} %" if percent >= 1 else f"{percent:.1g} %"


def explain(edit: Edit, weights: list[WeightsRow], recovery: list[RecoveryRow], metric: str) -> str:
    """'Why: the edit moved …; bnb-fp4 keeps 0.18 of it (zero bin ±0.0057): the knowledge came back; …'"""
    kept = {w.precision: w for w in weights}
    rows = [
        r for r in recovery if r.metric == metric and r.precision in kept and not catalog.precision(r.precision).full
    ]
    if not rows:
        return f"Why: {where(edit)}."
    parts = []
    for row in sorted(rows, key=lambda r: (r.verdict not in BACK, r.precision)):
        measured = kept[row.precision]
        amount = "nothing to keep" if measured.kept is None else f"keeps {measured.kept:.2f} of it"
        bins = f" (zero bin ±{measured.zero_bin_median:.2g})" if catalog.precision(row.precision).zero else ""
        parts.append(f"{row.precision} {amount}{bins}: {SAID[row.verdict]}")
    return f"Why: {where(edit)}; {'; '.join(parts)}."
