"""Screen 5: what each quantizer keeps of the edit, matrix by matrix, and why knowledge came back or did not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from unlearn_tui.files import open_regular
from unlearn_tui.report.export import Table
from unlearn_tui.report.outcome import of_state
from unlearn_tui.report.sections import main_metric
from unlearn_tui.report.text import number, safe, size
from unlearn_tui.state import matrices as mx
from unlearn_tui.state import weights as ws
from unlearn_tui.state.weights import WeightsState
from unlearn_tui.tui.draw import weights as picture
from unlearn_tui.tui.lines import Line
from unlearn_tui.tui.view import View

if TYPE_CHECKING:
    from unlearn_tui.tui.watcher import Opened

ROWS = 100_000
BYTES = 64_000_000
"""What is read of a weights.jsonl at most: 20,000 matrices of a mixture of experts under ten quantizers."""
PAGE = 8


class WeightsView(View):
    """Keys change `state`, a WeightsState; None while there is nothing to show."""

    name_: ClassVar[str] = "weights"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id)
        self.state: WeightsState | None = None
        self._asked: object = None
        self._file: tuple[object, list[mx.Matrix], str] = (None, [], "")

    def draw(self, width: int, height: int) -> list[Line]:
        """The screen, or why there is none."""
        opened = self.app.opened
        if self.state is not None:
            return picture.draw(self.state, width, height)
        if opened is not None and opened.reading:
            return picture.absent("Waiting for this run's log …", width)
        return picture.absent(ws.absent(opened.state if opened else None), width)

    def shown(self) -> None:
        """It came to the front."""
        self._refresh()

    def told(self) -> None:
        """The run has news."""
        self._refresh()

    def can(self, action: str) -> bool:
        """Every key needs a map."""
        state = self.state
        if state is None:
            return False
        if action == "quantizer":
            return len(state.quantizers) > 1
        if action == "measure":
            return len(state.measures) > 1
        return len(state.rows) > 1 if action in ("all", "sort") else True

    # -- what is shown -------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Build the map again where the opened run has news for it; the work is done in a thread."""
        opened = self.app.opened
        if opened is None or (self.state is not None and self.state.run != opened.rundir.id):
            self.state = None
        if opened is None or opened.reading:
            self._asked = None
            self.redraw()
            return
        run, result = opened.state, opened.result
        whole = bool(run.weights) or run.ended
        settled = result is not None and result.edit is not None
        asked = (opened.rundir, run.attempt, whole, settled, run.ended, len(run.matrices), len(run.scores))
        if asked != self._asked:
            self._asked = asked
            self.app.work(lambda: self._build(opened, whole), self._built, group="weights")
        if self.state is None:
            self.redraw()

    def _build(self, opened: Opened, whole: bool) -> WeightsState | None:
        """In a thread: the matrices of the file once it is there, else those that the log has named so far."""
        matrices, note = self._read(opened.rundir.path / "weights.jsonl") if whole else ([], "")
        expected = 0
        if not matrices:
            matrices = mx.so_far(opened.state.matrices.values())
            expected = next((s.total for s in opened.state.stages if s.id == "weights"), 0) or len(matrices)
        if not matrices:
            return None
        result = opened.result or of_state(opened.rundir.id, opened.spec, opened.state)
        # a run is what its folder is called now, whatever it was when its result was written
        result = msgspec.structs.replace(result, run=opened.rundir.id)
        return ws.build(result, matrices, main_metric(result), expected, note)

    def _read(self, path: Path) -> tuple[list[mx.Matrix], str]:
        """The file's matrices, read once as long as it does not change."""
        if not path.is_file():
            return [], ""
        about = path.stat()
        key = (path, about.st_mtime_ns, about.st_size)
        if self._file[0] != key:
            self._file = (key, *load(path))
        return self._file[1], self._file[2]

    def _built(self, state: WeightsState | None) -> None:
        opened = self.app.opened
        if opened is None or (state is not None and state.run != opened.rundir.id):
            return
        if state is not None and self.state is None:
            kept = self.app.settings.choices
            state = ws.choose(
                state,
                kept.get("weights_quantizer"),
                kept.get("weights_measure"),
                kept.get("weights_order"),
                kept.get("weights_every") == "yes",
            )
        self.state = state if state is None else ws.carry(self.state, state)
        self.redraw()
        self.app.chrome()

    # -- keys ----------------------------------------------------------------------------------------------------------

    def _change(self, operation: Callable[[WeightsState], WeightsState]) -> None:
        if self.state is not None:
            self.state = operation(self.state)
            self.redraw()

    def _remember(self, operation: Callable[[WeightsState], WeightsState]) -> None:
        self._change(operation)
        if state := self.state:
            every = "yes" if state.every else "no"
            self.app.remember(
                weights_quantizer=state.precision,
                weights_measure=state.measure,
                weights_order=state.order,
                weights_every=every,
            )

    def action_up(self) -> None:
        """The layer above."""
        self._change(lambda s: ws.move(s, rows=-1))

    def action_down(self) -> None:
        """The layer below."""
        self._change(lambda s: ws.move(s, rows=1))

    def action_page_up(self) -> None:
        """Several layers up."""
        self._change(lambda s: ws.move(s, rows=-PAGE))

    def action_page_down(self) -> None:
        """Several layers down."""
        self._change(lambda s: ws.move(s, rows=PAGE))

    def action_first(self) -> None:
        """The first layer."""
        self._change(lambda s: ws.move(s, rows=-len(s.rows)))

    def action_last(self) -> None:
        """The last layer."""
        self._change(lambda s: ws.move(s, rows=len(s.rows)))

    def action_left(self) -> None:
        """The module to the left."""
        self._change(lambda s: ws.move(s, columns=-1))

    def action_right(self) -> None:
        """The module to the right."""
        self._change(lambda s: ws.move(s, columns=1))

    def action_quantizer(self) -> None:
        """The next quantizer."""
        self._remember(ws.next_quantizer)

    def action_measure(self) -> None:
        """The next measure."""
        self._remember(ws.next_measure)

    def action_all(self) -> None:
        """Every layer, or a few of them."""
        self._remember(lambda s: ws.choose(s, every=not s.every))

    def action_sort(self) -> None:
        """By layer, or those first that keep least."""
        self._remember(ws.next_order)

    def action_copy(self) -> None:
        """The chosen matrix's numbers."""
        if self.state is not None:
            self.app.copy(matrix_text(self.state), "matrix")

    def action_export(self) -> None:
        """Every cell, and the summaries."""
        if self.state is not None:
            self.app.export(f"{self.state.run}-weights", tables(self.state))

    def clicked(self, x: int, y: int) -> None:
        """A cell of the map."""
        if self.state is not None and (cell := picture.clicked(self.state, *self.size, x, y)):
            self._change(lambda s: ws.choose(s, cursor=cell))

    def scrolled(self, by: int) -> None:
        """A layer up or down."""
        self._change(lambda s: ws.move(s, rows=by))


def load(path: Path, rows: int = ROWS, most: int = BYTES) -> tuple[list[mx.Matrix], str]:
    """The matrices of a weights.jsonl, and what had to be left out. Raises OSError."""
    found: list[mx.Matrix] = []
    damaged = read = 0
    with open_regular(path) as file:
        while line := file.readline(most - read + 1):
            read += len(line)
            if read > most:
                return found, f"weights.jsonl is longer than {size(most)}: these are its first {len(found)} matrices."
            if len(found) == rows:
                return found, f"weights.jsonl has more than {rows:,} matrices: these are the first."
            matrix = mx.parse(line)
            if matrix is not None:
                found.append(matrix)
            elif line.strip():
                damaged += 1
    return found, f"{damaged} damaged lines of weights.jsonl are left out." if damaged else ""


def tables(state: WeightsState) -> dict[str, Table]:
    """Every cell under every quantizer; the quantizers; the octaves. Shares are 0 to 1."""
    cells: list[list[object]] = []
    for q in state.quantizers or (None,):
        sheet = state.sheets[q.precision if q else ""]
        for layer in state.grid.layers:
            for column in state.grid.columns:
                if found := sheet.cells.get((layer, column)):
                    low, high = found.spread.get("kept", (None, None))
                    row = [q.precision if q else None, layer, column, found.matrices, found.n or None, found.changed]
                    cells.append([*row, found.kept, low, high, found.same_value, found.cosine])
    columns = ["precision", "layer", "module", "matrices", "weights", "changed"]
    columns += ["kept", "kept_least", "kept_most", "same_value", "cosine"]
    names = ["precision", "kept", "cosine", "same_value", "zero_bin_p10", "zero_bin_median", "zero_bin_p90", "verdict"]
    quantizers: list[list[object]] = [
        [q.precision, q.kept, q.cosine, q.same_value, *(q.zero_bin or (None, None, None)), q.verdict]
        for q in state.quantizers
    ]
    if any(q.says for q in state.quantizers):
        names += ["expected", "expected_kept", "foreseen"]
        for made, q in zip(quantizers, state.quantizers, strict=True):
            made += [q.says, q.expected, q.foreseen]
    octaves: list[list[object]] = [
        [0.0 if b.low is None else 2.0**b.low, 2.0**b.high, b.n, b.changed] for b in state.bins
    ]
    return {
        "cells": Table(columns, cells),
        "quantizers": Table(names, quantizers),
        "octaves": Table(["from", "to", "weights", "changed"], octaves),
    }


def matrix_text(state: WeightsState) -> str:
    """The chosen matrix, one line a quantizer."""
    members, layer = state.chosen(), state.cursor[0]
    where = safe(state.cursor[1]) if layer is None else f"layer {layer} {safe(state.cursor[1])}"
    title = safe(members[0].tensor) if len(members) == 1 else f"{where}, {len(members)} matrices"
    cell = state.cell
    lines = [f"{title}  changed {number(cell.changed if cell else None, '.4f')}"]
    for q in state.quantizers:
        if found := state.sheets[q.precision].cells.get(state.cursor):
            parts = [f"{name} {number(found.measure(name), '.4f')}" for name in ("kept", "same_value", "cosine")]
            lines.append(f"{safe(q.precision)}  {'  '.join(parts)}")
    return "\n".join(lines) + "\n"
