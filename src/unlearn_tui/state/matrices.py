"""Rows of weights.jsonl, put in a grid of layers by modules, with what a quantizer keeps of the edit in every cell.

Sums over several matrices are those of engine/weights.py, taken back from each row's own numbers: ⟨Q(u) − Q(t), e⟩ is
kept · ‖e‖², and ‖Q(u) − Q(t)‖ is kept · ‖e‖ / cosine. So the cell of all matrices is the quantizer's summary.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from unlearn_tui.protocol.events import WeightsMatrix
from unlearn_tui.protocol.result import OctaveRow

MEASURES = ("kept", "same_value", "cosine", "changed")
OCTAVES = 200
"""No float of a weight has a larger binary exponent in size; rows that claim one are left out."""

Size = Annotated[int, msgspec.Meta(ge=0)]
Layer = int | None


class Quantized(msgspec.Struct, frozen=True):
    """What one quantizer makes of one matrix; None where it was not measured or cannot be (no edit)."""

    same_value: float | None = None
    cosine: float | None = None
    kept: float | None = None
    zero_bin_p10: float | None = None
    zero_bin_median: float | None = None
    zero_bin_p90: float | None = None


class Matrix(msgspec.Struct, frozen=True):
    """One line of weights.jsonl. While a run is live only `tensor`, `changed` and `kept` are known."""

    tensor: Annotated[str, msgspec.Meta(max_length=1000)]
    shape: Annotated[tuple[Size, ...], msgspec.Meta(max_length=4)] = ()
    changed: float | None = None
    edit_norm: float | None = None
    target_norm: float | None = None
    octaves: tuple[OctaveRow, ...] = ()
    precisions: dict[str, Quantized] = {}

    @property
    def n(self) -> int:
        """Weights; 0 when unknown."""
        return math.prod(self.shape) if self.shape else 0


_decoder = msgspec.json.Decoder(Matrix)


def parse(line: bytes) -> Matrix | None:
    """The matrix of one line, None if it is no such line; a NaN is None."""
    try:
        found = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            found = msgspec.convert(json.loads(line, parse_constant=lambda _: None), Matrix)
        except (ValueError, RecursionError):
            return None
    if any(abs(o.exponent) > OCTAVES or o.n < 0 for o in found.octaves):
        return msgspec.structs.replace(found, octaves=())
    return found


def so_far(events: Iterable[WeightsMatrix]) -> list[Matrix]:
    """What a live run has said of its matrices."""
    return [
        Matrix(e.tensor, changed=e.changed, precisions={p: Quantized(kept=k) for p, k in e.kept.items()})
        for e in events
    ]


@dataclass(frozen=True)
class Grid:
    """Which matrices stand in which cell; a layer is None for matrices outside all layers."""

    layers: tuple[Layer, ...] = ()
    columns: tuple[str, ...] = ()
    members: dict[tuple[Layer, str], tuple[int, ...]] = field(default_factory=dict)


def place(tensor: str) -> tuple[Layer, tuple[str, ...]]:
    """Layer and module of a name: (3, (model, layers, mlp, experts, up_proj)) of model.layers.3.mlp.experts.7.up_proj.

    The layer is the first part that is an integer (or ends in one, as layer_3 does); other integers count experts.
    """
    parts = tensor.split(".")
    numbers = [i for i, part in enumerate(parts) if part.isascii() and part.isdecimal() and len(part) < 10]
    if numbers:
        return int(parts[numbers[0]]), tuple(part for i, part in enumerate(parts) if i not in numbers)
    for i, part in enumerate(parts[:-1]):
        if found := re.fullmatch(r"(.*(?:[_-]|layer|block))([0-9]{1,9})", part):
            return int(found[2]), (*parts[:i], found[1], *parts[i + 1 :])
    return None, tuple(parts)


def grid(matrices: Sequence[Matrix]) -> Grid:
    """Layers by modules, both in order; a module's name is the shortest end of its path that no other module has."""
    places = [place(m.tensor) for m in matrices]
    modules = list(dict.fromkeys(module for _, module in places))
    ends = Counter(module[-i:] for module in modules for i in range(1, len(module) + 1))
    names = {}
    for module in modules:
        unique = (module[-i:] for i in range(1, len(module) + 1) if ends[module[-i:]] == 1)
        names[module] = ".".join(next(unique, module)) or "weight"
    members: dict[tuple[Layer, str], list[int]] = {}
    for index, (layer, module) in enumerate(places):
        members.setdefault((layer, names[module]), []).append(index)
    layers = sorted({layer for layer, _ in members}, key=lambda n: (n is None, n or 0))
    return Grid(tuple(layers), tuple(names.values()), {key: tuple(found) for key, found in members.items()})


@dataclass(frozen=True)
class Cell:
    """One or several matrices under one quantizer; `spread` holds the least and the most of each measure."""

    matrices: int
    n: int
    kept: float | None
    same_value: float | None
    cosine: float | None
    changed: float | None
    spread: dict[str, tuple[float, float]]

    def measure(self, name: str) -> float | None:
        """The value of one of MEASURES."""
        value: float | None = getattr(self, name)
        return value


@dataclass
class _Sums:
    """Running sums; a matrix of unknown size or edit counts as one."""

    matrices: int = 0
    n: int = 0
    dot: float = 0.0
    edit2: float = 0.0
    moved2: float | None = 0.0
    same: list[float] = field(default_factory=lambda: [0.0, 0.0])
    changed: list[float] = field(default_factory=lambda: [0.0, 0.0])
    spread: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, matrix: Matrix, found: Quantized) -> None:
        self.matrices += 1
        self.n += matrix.n
        weight = matrix.n or 1
        edit = 1.0 if matrix.edit_norm is None else matrix.edit_norm
        if found.kept is not None:
            self.dot += found.kept * edit * edit
            self.edit2 += edit * edit
        if found.cosine is None:
            known = matrix.edit_norm is not None  # without a cosine nothing moved, unless nobody measured it
            self.moved2 = self.moved2 if known else None
        elif found.cosine and found.kept is not None and self.moved2 is not None:
            self.moved2 += (found.kept * edit / found.cosine) * (found.kept * edit / found.cosine)
        else:
            self.moved2 = None
        for sums, value in ((self.same, found.same_value), (self.changed, matrix.changed)):
            if value is not None:
                sums[0] += value * weight
                sums[1] += weight
        for name in MEASURES:
            value = matrix.changed if name == "changed" else getattr(found, name)
            if value is not None:
                low, high = self.spread.get(name, (value, value))
                self.spread[name] = (min(low, value), max(high, value))

    def merge(self, other: _Sums) -> None:
        self.matrices += other.matrices
        self.n += other.n
        self.dot += other.dot
        self.edit2 += other.edit2
        self.moved2 = None if self.moved2 is None or other.moved2 is None else self.moved2 + other.moved2
        self.same = [a + b for a, b in zip(self.same, other.same, strict=True)]
        self.changed = [a + b for a, b in zip(self.changed, other.changed, strict=True)]
        for name, (low, high) in other.spread.items():
            least, most = self.spread.get(name, (low, high))
            self.spread[name] = (min(least, low), max(most, high))

    def cell(self) -> Cell:
        moved = math.sqrt((self.moved2 or 0.0) * self.edit2)
        return Cell(
            self.matrices,
            self.n,
            kept=self.dot / self.edit2 if self.edit2 > 0 else None,
            same_value=self.same[0] / self.same[1] if self.same[1] else None,
            cosine=self.dot / moved if moved > 0 else None,
            changed=self.changed[0] / self.changed[1] if self.changed[1] else None,
            spread=self.spread,
        )


@dataclass(frozen=True)
class Sheet:
    """The grid under one quantizer: every cell, every layer, every module, and all matrices together."""

    cells: dict[tuple[Layer, str], Cell]
    layers: dict[Layer, Cell]
    columns: dict[str, Cell]
    total: Cell


def sheet(matrices: Sequence[Matrix], grid: Grid, precision: str) -> Sheet:
    """What `precision` keeps, cell by cell; a precision that nobody measured leaves only what changed."""
    cells: dict[tuple[Layer, str], _Sums] = {}
    layers: dict[Layer, _Sums] = {}
    columns: dict[str, _Sums] = {}
    total = _Sums()
    nothing = Quantized()
    for (layer, column), members in grid.members.items():
        sums = cells[layer, column] = _Sums()
        for index in members:
            sums.add(matrices[index], matrices[index].precisions.get(precision, nothing))
        for group in (layers.setdefault(layer, _Sums()), columns.setdefault(column, _Sums()), total):
            group.merge(sums)
    return Sheet(
        {key: sums.cell() for key, sums in cells.items()},
        {layer: sums.cell() for layer, sums in layers.items()},
        {column: sums.cell() for column, sums in columns.items()},
        total.cell(),
    )


def octaves(matrices: Iterable[Matrix]) -> list[OctaveRow]:
    """Weights and share changed per octave of |w|, over several matrices."""
    n: Counter[int] = Counter()
    changed: dict[int, float] = {}
    for matrix in matrices:
        for row in matrix.octaves:
            n[row.exponent] += row.n
            changed[row.exponent] = changed.get(row.exponent, 0.0) + row.changed * row.n
    return [OctaveRow(exponent=e, n=n[e], changed=changed[e] / n[e]) for e in sorted(n) if n[e]]


@dataclass(frozen=True)
class Bin:
    """Weights with 2^low ≤ |w| < 2^high (low None: from 0), and what share of them changed."""

    low: int | None
    high: int
    n: int
    changed: float


def bins(octaves: Sequence[OctaveRow], enough: float = 0.005, most: int = 13) -> tuple[Bin, ...]:
    """Octaves of |w|; those at either end that hold almost nothing (less than `enough` of all) are put together, and
    so many of the smallest that at most `most` bins are left.
    """
    octaves = sorted((o for o in octaves if o.n > 0), key=lambda o: o.exponent)
    total = sum(o.n for o in octaves)
    full = [i for i, o in enumerate(octaves) if o.n >= enough * total]
    if not full:
        return ()
    last = full[-1]
    highest = octaves[last].exponent
    first = next(i for i in range(full[0], last + 1) if octaves[i].exponent > highest - most + 2)
    made = []
    if first:
        made.append(together(octaves[:first], None, octaves[first].exponent))
    by_exponent = {o.exponent: [o] for o in octaves[first : last + 1]}
    for exponent in range(octaves[first].exponent, highest + 1):
        made.append(together(by_exponent.get(exponent, []), exponent, exponent + 1))
    if octaves[last + 1 :]:
        made.append(together(octaves[last + 1 :], highest + 1, octaves[-1].exponent + 1))
    return tuple(made)


def together(octaves: Sequence[OctaveRow], low: int | None, high: int) -> Bin:
    """Several octaves as one bin."""
    n = sum(o.n for o in octaves)
    return Bin(low, high, n, sum(o.changed * o.n for o in octaves) / n if n else 0.0)
