"""How a sweep stands: its cells with the runs that fill them, put together by seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.sweep import Cell, CellRow, SpreadRow, Sweep, SweepResult
from unlearn_tui.state.setup import as_text
from unlearn_tui.state.spread import rows

WAITING = "waiting"
"""The status of a cell without a run; any other is its run's."""
OPEN = (WAITING, "new", "running", "stopped", "failed", "died")


@dataclass(frozen=True)
class CellState:
    """A cell and the run that fills it, if there is one. `left` and `seconds` in seconds; texts are untrusted."""

    cell: Cell
    run: str = ""
    status: str = WAITING
    reason: str = ""
    stage: str = ""
    done: int = 0
    total: int = 0
    left: float | None = None
    result: Result | None = None
    """Of a finished run."""

    @property
    def finished(self) -> bool:
        return self.status == "finished" and self.result is not None

    @property
    def share(self) -> float | None:
        """How much of the stage at work is done, 0-1."""
        return min(self.done / self.total, 1.0) if self.total else None


@dataclass(frozen=True)
class Group:
    """Cells that differ in their seed alone. `values`: those of the swept fields that differ within the sweep."""

    values: dict[str, Any]
    cells: tuple[CellState, ...]

    @property
    def results(self) -> list[Result]:
        """Of its finished runs."""
        return [cell.result for cell in self.cells if cell.finished and cell.result is not None]

    @property
    def id(self) -> str:
        """The same group after every look."""
        return self.label

    @cached_property
    def figures(self) -> list[SpreadRow]:
        """Mean and spread of everything that its finished runs scored."""
        return rows(self.values, self.results)

    @property
    def label(self) -> str:
        """method npo · lr 1e-5."""
        return " · ".join(f"{k} {as_text(v) or '–'}" for k, v in self.values.items()) or "all"


@dataclass(frozen=True)
class SweepState:
    """One sweep as it stands. `created` in seconds since the epoch; `fault`: why it cannot be read, "" where it can."""

    id: str
    sweep: Sweep = field(default_factory=Sweep)
    cells: tuple[CellState, ...] = ()
    created: float = 0.0
    driver: bool = False
    """Whether a process is at work on this home's sweeps."""
    fault: str = ""

    @property
    def finished(self) -> int:
        """How many cells are."""
        return sum(cell.finished for cell in self.cells)

    @property
    def running(self) -> CellState | None:
        """The cell at work."""
        return next((cell for cell in self.cells if cell.status == "running"), None)

    @property
    def complete(self) -> bool:
        return self.finished == len(self.cells)

    @cached_property
    def groups(self) -> list[Group]:
        """Cells by everything but their seed, in order."""
        fields = varying([cell.cell for cell in self.cells])
        found: dict[str, list[CellState]] = {}
        for cell in self.cells:
            found.setdefault(repr(cell.cell.group), []).append(cell)
        return [Group({f: c[0].cell.values[f] for f in fields if f != "seed"}, tuple(c)) for c in found.values()]


def varying(cells: Sequence[Cell]) -> list[str]:
    """Swept fields with more than one value among `cells`."""
    names = list(cells[0].values) if cells else []
    return [name for name in names if len({repr(cell.values[name]) for cell in cells}) > 1]


def label(cell: Cell, fields: Iterable[str]) -> str:
    """npo_klr 1e-5 seed 0: the values by which a cell differs."""
    said = (f"seed {cell.values[f]}" if f == "seed" else as_text(cell.values[f]) for f in fields)
    return " · ".join(part for part in said if part) or cell.spec.method


def result(state: SweepState) -> SweepResult:
    """Everything about a sweep as one record."""
    cells = [
        CellRow(
            values=cell.cell.values,
            status=cell.status,
            run=cell.run,
            error=cell.reason,
            seconds=cell.result.seconds if cell.result else 0.0,
        )
        for cell in state.cells
    ]
    return SweepResult(sweep=state.id, cells=cells, figures=[row for g in state.groups for row in g.figures])
