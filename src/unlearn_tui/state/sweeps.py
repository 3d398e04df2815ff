"""The sweeps screen: the list, the grid of the sweep under the cursor, and which figure its cells show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from unlearn_tui import catalog
from unlearn_tui.protocol.result import ScoreRow
from unlearn_tui.state.listing import Listing, put
from unlearn_tui.state.sweep import CellState, Group, SweepState


@dataclass(frozen=True)
class Sweeps:
    """`inside`: the cursor is in the grid. `seed`: the column under it; `precision` "": the first of 4 bits."""

    sweeps: Listing[SweepState] = field(default_factory=Listing)
    grid: Listing[Group] = field(default_factory=Listing)
    seed: int = 0
    inside: bool = False
    wanted: str = ""

    @property
    def sweep(self) -> SweepState | None:
        """The one under the cursor."""
        return self.sweeps.current

    @property
    def cell(self) -> CellState | None:
        """The one under the cursor of the grid."""
        group = self.grid.current
        return group.cells[min(self.seed, len(group.cells) - 1)] if group else None

    @property
    def precisions(self) -> list[str]:
        """Everything that some run of the sweep scores."""
        cells = self.sweep.cells if self.sweep else ()
        return list(dict.fromkeys(p for cell in cells for p in cell.cell.spec.precision))

    @property
    def precision(self) -> str:
        """Whose figures the cells show."""
        known = self.precisions
        if self.wanted in known:
            return self.wanted
        four = (p for p in known if p.partition(":")[0] in catalog.PRECISIONS and catalog.precision(p).bits == 4)
        return next(four, known[-1] if known else "")


def refreshed(state: Sweeps, rows: Sequence[SweepState]) -> Sweeps:
    """New facts; the cursors stay where they are."""
    return entered(replace(state, sweeps=put(state.sweeps, rows)))


def entered(state: Sweeps) -> Sweeps:
    """With the grid of the sweep under the cursor."""
    groups = state.sweep.groups if state.sweep else []
    widest = max((len(group.cells) for group in groups), default=1)
    return replace(
        state, grid=put(state.grid, groups), seed=min(state.seed, widest - 1), inside=state.inside and bool(groups)
    )


def sideways(state: Sweeps, by: int) -> Sweeps:
    """The cell to the left or right."""
    group = state.grid.current
    return replace(state, seed=max(0, min(state.seed + by, len(group.cells) - 1 if group else 0)))


def next_precision(state: Sweeps) -> Sweeps:
    """The figures at the next precision."""
    known = state.precisions
    return replace(state, wanted=known[(known.index(state.precision) + 1) % len(known)]) if known else state


def figure(cell: CellState, precision: str, metric: str) -> ScoreRow | None:
    """What the cell's unlearned model scored."""
    rows = cell.result.scores if cell.result else []
    found = (r for r in rows if (r.model, r.precision, r.metric) == ("unlearned", precision, metric))
    return next(found, None)
