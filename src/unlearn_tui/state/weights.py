"""The Weights screen as data: a run's matrices under each quantizer, what is chosen and where the cursor is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from unlearn_tui.protocol.result import Result
from unlearn_tui.state import matrices as mx
from unlearn_tui.state.labels import BACK, foreseen
from unlearn_tui.state.matrices import MEASURES, Bin, Cell, Grid, Layer, Matrix, Sheet
from unlearn_tui.state.run import RunState

ORDERS = ("layer", "least")
LONGEST, MOST = 5000, 100
"""Characters of an explanation, and quantizers, that are taken from a result file: it may come from anywhere."""


@dataclass(frozen=True)
class Quantizer:
    """One quantizer over all matrices; `zero_bin` holds the 10th, 50th and 90th percentile of its half width."""

    precision: str
    kept: float | None
    cosine: float | None
    same_value: float | None
    zero_bin: tuple[float, float, float] | None
    verdict: str
    says: str = ""
    """What was expected before training: returns, stays or unsure; "" where nothing was said, and `expected` what it would
    keep."""
    expected: float | None = None

    @property
    def foreseen(self) -> str:
        """right, wrong, or why neither; "" where nothing was said."""
        return foreseen(self.says, self.verdict) if self.says else ""


@dataclass(frozen=True)
class Ablated:
    """A score of the unlearned model with only the part of the edit `inside` or `outside` the zero bin of `bins`."""

    half: str
    bins: str
    precision: str
    value: float


@dataclass(frozen=True)
class WeightsState:
    """Built once from a run (`build`); the operations below change choices and cursor."""

    run: str
    matrices: tuple[Matrix, ...]
    grid: Grid
    sheets: dict[str, Sheet]
    quantizers: tuple[Quantizer, ...]
    bins: tuple[Bin, ...]
    changed: float | None
    """Share of all quantized matrices' weights."""
    nominal: float | None
    effective: float | None
    """Freeze lines, see protocol.result.Edit."""
    mode: str
    """How steps reached the weights: an update mode of the catalog, "" where nobody knows."""
    explanation: str
    metric: str
    outside: float = 0.0
    """Share of the edit's squared norm in tensors that no quantizer takes, and this screen does not show."""
    ablated: tuple[Ablated, ...] = ()
    settled: bool = True
    """False while the run has no result yet, which holds the freeze lines."""
    expected: int = 0
    """Matrices there will be while the run is still at it; 0 once all are here."""
    note: str = ""
    precision: str = ""
    measure: str = "kept"
    order: str = "layer"
    every: bool = False
    cursor: tuple[Layer, str] = (None, "")
    rows: tuple[Layer, ...] = ()
    """Layers in the chosen order."""
    here: tuple[float | None, ...] = field(default=(), repr=False)
    """Share changed in the chosen cell, by bin; None where it has no such weights."""

    @property
    def sheet(self) -> Sheet:
        """The grid under the chosen quantizer."""
        return self.sheets[self.precision]

    @property
    def quantizer(self) -> Quantizer | None:
        """The chosen one; None where the run asked for none."""
        return next((q for q in self.quantizers if q.precision == self.precision), None)

    @property
    def cell(self) -> Cell | None:
        """The one under the cursor; None where that layer has no such matrix."""
        return self.sheet.cells.get(self.cursor)

    @property
    def measures(self) -> tuple[str, ...]:
        """Those of MEASURES that somebody measured."""
        return tuple(m for m in MEASURES if self.sheet.total.measure(m) is not None) or ("changed",)

    def chosen(self) -> list[Matrix]:
        """The matrices under the cursor: one, or as many as there are experts."""
        return [self.matrices[i] for i in self.grid.members.get(self.cursor, ())]


def build(result: Result, matrices: Sequence[Matrix], metric: str, expected: int = 0, note: str = "") -> WeightsState:
    """The screen of a run with at least one matrix; `metric` is the one whose verdicts and ablations are shown."""
    grid = mx.grid(matrices)
    names = [w.precision for w in result.weights] or list(dict.fromkeys(p for m in matrices for p in m.precisions))
    sheets = {p: mx.sheet(matrices, grid, p) for p in names[:MOST] or [""]}
    edit = result.edit
    # a result file may come from anywhere: no float has such exponents
    octaves = [o for o in edit.octaves if abs(o.exponent) <= mx.OCTAVES] if edit else mx.octaves(matrices)
    quantizers = _quantizers(result, sheets, metric)
    state = WeightsState(
        run=result.run,
        matrices=tuple(matrices),
        grid=grid,
        sheets=sheets,
        quantizers=quantizers,
        bins=mx.bins(octaves),
        changed=edit.changed if edit else next(iter(sheets.values())).total.changed,
        nominal=edit.freeze_line_nominal if edit else None,
        effective=edit.freeze_line_effective if edit else None,
        mode=str(result.spec.get("weights", "")) if result.spec.get("task") == "unlearn" else "",
        explanation=result.explanation[:LONGEST],
        metric=metric,
        outside=edit.unquantized_share if edit else 0.0,
        ablated=_ablated(result, metric),
        settled=edit is not None,
        expected=expected,
        note=note,
    )
    return choose(state, _first(quantizers), cursor=(grid.layers[0], grid.columns[0]))


def _quantizers(result: Result, sheets: dict[str, Sheet], metric: str) -> tuple[Quantizer, ...]:
    verdicts = {r.precision: r.verdict for r in result.recovery if r.metric == metric}
    summaries = {w.precision: w for w in result.weights}
    said = {p.precision: p for p in result.predictions}
    made = []
    for precision, sheet in sheets.items():
        row = summaries.get(precision)
        measured = row or sheet.total
        zero_bin = (row.zero_bin_p10, row.zero_bin_median, row.zero_bin_p90) if row else None
        verdict = verdicts.get(precision, "")
        before = said.get(precision)
        expected = (before.says, before.kept) if before else ("", None)
        numbers = (measured.kept, measured.cosine, measured.same_value)
        if precision:
            made.append(Quantizer(precision, *numbers, zero_bin, verdict, *expected))
    return tuple(made)


def _first(quantizers: tuple[Quantizer, ...]) -> str:
    """The quantizer to begin with: the paper's where knowledge came back, else any such, else the one that keeps least."""
    back = [q for q in quantizers if q.verdict in BACK] or list(quantizers)
    paper = [q for q in back if q.precision == "bnb-fp4"]
    least = sorted(back, key=lambda q: float("inf") if q.kept is None else q.kept)
    return next((q.precision for q in (*paper, *least)), "")


def _ablated(result: Result, metric: str) -> tuple[Ablated, ...]:
    made = []
    for row in result.scores:
        model, _, rest = row.model.partition(":")
        half, _, precision = rest.partition(":")
        if model == "unlearned" and half in ("inside", "outside") and row.metric == metric:
            made.append(Ablated(half, precision, row.precision, row.value))
    return tuple(made)


# -- operations --------------------------------------------------------------------------------------------------------


def choose(
    state: WeightsState,
    precision: str | None = None,
    measure: str | None = None,
    order: str | None = None,
    every: bool | None = None,
    cursor: tuple[Layer, str] | None = None,
) -> WeightsState:
    """With these choices where they exist in this run; the others stay."""
    state = replace(
        state,
        precision=precision if precision is not None and precision in state.sheets else state.precision,
        order=order if order in ORDERS else state.order,
        every=state.every if every is None else every,
    )
    wanted = measure if measure in MEASURES else state.measure
    state = replace(state, measure=wanted if wanted in state.measures else state.measures[0])
    if cursor is not None and cursor[0] in state.grid.layers and cursor[1] in state.grid.columns:
        state = replace(state, cursor=cursor)
    return replace(state, rows=_rows(state), here=_here(state))


def carry(old: WeightsState | None, new: WeightsState) -> WeightsState:
    """`new`, with the choices that were made on `old` if both are of one run."""
    if old is None or old.run != new.run:
        return new
    return choose(new, old.precision, old.measure, old.order, old.every, old.cursor)


def next_quantizer(state: WeightsState) -> WeightsState:
    """The following one, the first after the last."""
    return choose(state, precision=_after([q.precision for q in state.quantizers], state.precision))


def next_measure(state: WeightsState) -> WeightsState:
    """kept, same value, cosine, changed, as far as they were measured."""
    return choose(state, measure=_after(state.measures, state.measure))


def next_order(state: WeightsState) -> WeightsState:
    """By layer, then the layers that keep least first."""
    return choose(state, order=_after(ORDERS, state.order))


def _after(names: Sequence[str], current: str) -> str:
    return names[(names.index(current) + 1) % len(names)] if current in names else (names[0] if names else current)


def move(state: WeightsState, rows: int = 0, columns: int = 0) -> WeightsState:
    """The cursor by so many layers and modules, stopping at the edges."""
    names = state.grid.columns
    row = min(max(state.rows.index(state.cursor[0]) + rows, 0), len(state.rows) - 1)
    column = min(max(names.index(state.cursor[1]) + columns, 0), len(names) - 1)
    cursor = (state.rows[row], names[column])
    if cursor == state.cursor:
        return state
    state = replace(state, cursor=cursor)
    return replace(state, here=_here(state))


def _rows(state: WeightsState) -> tuple[Layer, ...]:
    if state.order == "layer":
        return state.grid.layers
    measure = "kept" if state.sheet.total.kept is not None else "changed"

    def least(layer: Layer) -> float:
        value = state.sheet.layers[layer].measure(measure)
        return float("inf") if value is None else value

    return tuple(sorted(state.grid.layers, key=least))


def visible(state: WeightsState, room: int) -> tuple[Layer, ...]:
    """At most `room` layers: spread over the model, the cursor's among them; or, with `every` layer and when the order
    is by what is kept, those around the cursor.
    """
    rows = state.rows
    if len(rows) <= room:
        return rows
    if room <= 0:
        return ()
    at = rows.index(state.cursor[0])
    if state.every or state.order != "layer" or room < 3:
        first = min(max(at - room // 2, 0), len(rows) - room)
        return rows[first : first + room]
    spread = [round(i * (len(rows) - 1) / (room - 1)) for i in range(room)]
    nearest = min(range(room), key=lambda i: abs(spread[i] - at))
    spread[nearest] = at
    return tuple(rows[i] for i in spread)


def _here(state: WeightsState) -> tuple[float | None, ...]:
    octaves = mx.octaves(state.chosen())
    found = []
    for i, bin in enumerate(state.bins):
        top = i == len(state.bins) - 1
        inside = [o for o in octaves if (bin.low is None or o.exponent >= bin.low) and (top or o.exponent < bin.high)]
        found.append(mx.together(inside, bin.low, bin.high).changed if inside else None)
    return tuple(found)


# -- nothing to show ---------------------------------------------------------------------------------------------------


def absent(run: RunState | None) -> str:
    """Why there is no map yet, and what to do; for a run without a single matrix."""
    if run is None:
        return "No run is open. Open one on Runs (0), or set one up on Setup (2)."
    planned = [s.id for s in run.stages]
    if "result" in planned and "weights" not in planned:
        return f"This run compares no weights. {run.explanation}".rstrip()
    if run.status == "new":
        return "This run has not said anything yet. Its weights are compared after the answers are scored."
    if run.status == "running":
        stage = run.stage
        now = f" It is at: {stage.title or stage.id}." if stage else ""
        return f"Weights are compared once target and unlearned model have answered.{now}"
    if run.status in ("failed", "stopped"):
        reason = f": {run.reason}" if run.reason else ""
        return f"This run {run.status} before its weights were compared{reason}. Runs (0) can resume it."
    return "This run is finished, but its weights.jsonl is missing or empty: there is no map to draw."
