"""Sweep: which runs make one grid, as SWEEP.toml says it and as home/sweeps/ID.toml keeps it.

    name = "rates"
    [base]                      # any field of a run's spec
    precision = ["fp16", "bnb-fp4"]
    [over]                      # lists of values: every combination is a cell
    method = ["ga", "npo_klr"]
    seed = [0, 1]
    [[also]]                    # further combinations of the same base, as many tables as wanted
    sure = ["once"]
    lr = [1e-4]

A sweep owns no runs: a cell is whatever run of the home was asked for the same.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import Any

import msgspec

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.protocol import SCHEMA
from unlearn_tui.protocol.spec import RunSpec, from_table

MOST = 1000
"""Cells of a sweep."""
FIELDS = RunSpec.__struct_fields__
ALIKE = (
    *("schema", "name", "preset", "offline", "cache", "keep_checkpoint"),
    *("canary", "canary_every", "probe_every", "save_every", "memory_limit", "pickle_weights"),
)
"""Fields that change nothing of what a run finds: two runs that differ in them alone are equal."""
LISTS = ("precision", "metric", "ablate")
"""Fields that are lists in a run already: every run scores all of its precisions."""
SWITCHED = {"sure": ("sure_unit", "sure_percentile"), "lora_rank": ("lora_alpha",)}
"""Fields that mean nothing while the first is empty; those of some methods only are in catalog.Method.uses."""


class Sweep(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`base`: fields of every run; `over` and each table of `also`: values by field, all combinations are cells."""

    schema: int = SCHEMA
    name: str = ""
    base: dict[str, Any] = {}
    over: dict[str, list[Any]] = {}
    also: list[dict[str, list[Any]]] = []

    @property
    def blocks(self) -> list[dict[str, list[Any]]]:
        """The tables of values; one without any where nothing is swept over."""
        return [*([self.over] if self.over or not self.also else []), *self.also]

    @property
    def swept(self) -> list[str]:
        """Fields that some table names, in the order in which they come first."""
        return list(dict.fromkeys(field for block in self.blocks for field in block))

    @property
    def id(self) -> str:
        """NAME-xxxxxxxx, of name and content: the same file is the same sweep."""
        content = msgspec.json.encode([self.base, self.over, self.also], order="deterministic")
        slug = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "-" for c in self.name.lower())
        return f"{slug[:32].strip('-') or 'sweep'}-{hashlib.sha256(content).hexdigest()[:8]}"


@dataclass(frozen=True)
class Cell:
    """One run of a sweep: what it asks for, and the values of the swept fields in it."""

    spec: RunSpec
    values: dict[str, Any]

    @property
    def group(self) -> tuple[tuple[str, Any], ...]:
        """The values without the seed: cells of a group are repetitions of one another."""
        return tuple((name, value) for name, value in self.values.items() if name != "seed")


def key(spec: RunSpec, threads: int = 0) -> str:
    """What two specs share exactly when their runs find the same: all fields but ALIKE, `threads` (usable cores) for 0."""
    idle = {f for switch, fields in SWITCHED.items() if not getattr(spec, switch) for f in fields}
    idle |= _of_other_methods(spec.method)
    table = {k: v for k, v in msgspec.to_builtins(spec).items() if k not in ALIKE and k not in idle}
    table["threads"] = spec.threads or threads
    for field in ("precision", "ablate"):
        table[field] = [_one_name(name) for name in table[field]]
    return hashlib.sha256(msgspec.json.encode(table, order="deterministic")).hexdigest()


def _one_name(name: str) -> str:
    """A precision's canonical name; as it is where this version does not know it."""
    found = catalog.find_precision(name)
    return found.id if found else name


def _of_other_methods(name: str) -> set[str]:
    """Fields that other methods read and this one does not."""
    method = catalog.METHODS.get(name)
    if method is None:
        return set()
    idle = {field for other in catalog.METHODS.values() for field in other.uses} - set(method.uses)
    return idle if method.retain else idle | {"alpha"}


def parse(table: dict[str, Any]) -> Sweep:
    """A sweep from a parsed TOML table. Raises Refused: which table and key, what is wrong, what to do."""
    if "task" in table or "method" in table:
        raise Refused("this is the spec of one run: put its fields under [base], and lists of values under [over]")
    try:
        sweep = msgspec.convert(table, Sweep)
    except msgspec.ValidationError as error:
        raise Refused(
            f"{error}: a sweep has name, [base], [over] and [[also]], with lists of values in the last two"
        ) from (None)
    if sweep.schema != SCHEMA:
        raise Refused(f"schema {sweep.schema} is not known: this version reads sweeps of schema {SCHEMA}")
    for field in sweep.base:
        _known(field, "[base]")
    for place, block in _places(sweep):
        for field, values in block.items():
            _known(field, place)
            _sweepable(field, place)
            if not values:
                raise Refused(f"{place} {field} is empty: give at least one value, or leave it out")
            if len({repr(v) for v in values}) < len(values):
                raise Refused(f"{place} {field} names a value twice: once is enough, seeds make repetitions")
    count = sum(_product(block) for block in sweep.blocks)
    if count > MOST:
        raise Refused(f"these are {count:,} cells and at most {MOST:,} make a sweep: leave values out")
    return sweep


def cells(sweep: Sweep) -> list[Cell]:
    """Every cell in order, each once. Raises Refused for values that make no spec; names are checked elsewhere."""
    made: dict[str, Cell] = {}
    swept = sweep.swept
    for place, block in _places(sweep):
        for values in itertools.product(*block.values()):
            chosen = dict(zip(block, values, strict=True))
            method = catalog.METHODS.get(str({**sweep.base, **chosen}.get("method", RunSpec().method)))
            usual = method.values if method and sweep.base.get("task", "unlearn") == "unlearn" else {}
            table = {**usual, **sweep.base, **chosen}
            # a number of steps that is swept over takes the base's epochs out, and the reverse
            for one, other in (("steps", "epochs"), ("epochs", "steps")):
                if one in chosen and other not in chosen:
                    table.pop(other, None)
            try:
                spec = from_table(table)
            except msgspec.ValidationError as error:
                where = "[base]" if _faulty(sweep.base) else place
                raise Refused(f"{where} {error}: correct the value, or leave it out") from None
            made.setdefault(key(spec), Cell(spec, {field: getattr(spec, field) for field in swept}))
    return list(made.values())


def _places(sweep: Sweep) -> list[tuple[str, dict[str, list[Any]]]]:
    named = [("[over]", sweep.over)] if sweep.over or not sweep.also else []
    return [*named, *((f"[[also]] {i}", block) for i, block in enumerate(sweep.also, 1))]


def _faulty(base: dict[str, Any]) -> bool:
    try:
        from_table(base)
    except msgspec.ValidationError:
        return True
    return False


def _known(field: str, place: str) -> None:
    if field not in FIELDS:
        raise Refused(f"{place} unknown field {field!r}: {catalog.nearest(field, list(FIELDS))}")
    if field == "trust_remote_code":
        raise Refused(f"{place} {field} is said for one run at a time: use unlearn-tui run --trust-remote-code")


def _sweepable(field: str, place: str) -> None:
    if field in LISTS:
        raise Refused(f"{place} {field} is a list in every run already: put it in [base], each run scores all of them")
    if field in ALIKE or field == "task":
        raise Refused(f"{place} {field} changes nothing of what a run finds: put it in [base]")


def _product(block: dict[str, list[Any]]) -> int:
    count = 1
    for values in block.values():
        count *= len(values)
    return count


class Spread(msgspec.Struct, kw_only=True):
    """Of one figure over the seeds of a cell; `sd` is the sample's standard deviation, None below three. `halved`: of how
    many of them the batch had to be halved for lack of memory (ScoreRow.batch).
    """

    mean: float
    low: float
    high: float
    n: int
    sd: float | None = None
    halved: int = 0


class CellRow(msgspec.Struct, kw_only=True):
    """How one cell stands; `run` is "" before there is one."""

    values: dict[str, Any]
    status: str
    run: str = ""
    error: str = ""
    seconds: float = 0.0


class SpreadRow(msgspec.Struct, kw_only=True):
    """One metric of one model at one precision over the seeds of the cells with these values."""

    values: dict[str, Any]
    model: str
    precision: str
    metric: str
    spread: Spread
    verdicts: dict[str, int] = {}
    """How many of the runs had which verdict; of the unlearned model where it is quantized."""


class SweepResult(msgspec.Struct, kw_only=True):
    """What `sweep --json` prints."""

    schema: int = SCHEMA
    sweep: str
    cells: list[CellRow] = []
    figures: list[SpreadRow] = []
