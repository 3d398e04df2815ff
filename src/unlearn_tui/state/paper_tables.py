"""The paper's tables from one's own finished runs: which runs count, rows and columns, and why a cell is empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from unlearn_tui import catalog
from unlearn_tui.catalog.published import COLUMNS, DIFFERENCES, PUBLISHED, SOURCES, UTILITY
from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.protocol.sweep import Spread, key
from unlearn_tui.state.spread import spread

TABLES = (1, 2, 3)
EIGHT, FOUR = "bnb-int8", "bnb-fp4"
"""The paper's 8 and 4 bits, as its released code makes them."""
QUANTIZERS = {"awq": "awq", "gptq": "gptq"}
"""What the id of a precision begins with, by the paper's name of it in Table 2."""
FIRST = ("ga", "ga_gdr", "ga_klr", "npo", "npo_gdr", "npo_klr")
"""The paper's methods in its order; others follow in the catalog's."""

At = tuple[str, str, str]
"""Model, precision, metric."""


@dataclass(frozen=True)
class Made:
    """A finished run: what was asked, and what it found."""

    run: str
    spec: RunSpec
    result: Result


@dataclass(frozen=True)
class Chosen:
    """The runs behind one method's rows. `usual`: their settings are the table's own."""

    figures: Mapping[At, Spread]
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    full: str
    usual: bool
    spec: RunSpec


@dataclass(frozen=True)
class Line:
    """One row: ours by column, the paper's beside it where it has such a row."""

    row: str
    bits: str
    precision: str
    figures: tuple[Spread | None, ...]
    paper: tuple[float | None, ...] = ()
    runs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """GA_GDR + SURE."""
        return self.row.replace("+sure", " + SURE").upper() if self.row not in ("target", "retrain") else self.row


@dataclass(frozen=True)
class PaperTable:
    """`columns`: metrics; `paper`: whether some row has the paper's figures; `notes`: what a reader must know."""

    number: int
    corpus: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    paper: bool
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = field(default_factory=tuple)
    """Rows without any run."""


def settings(spec: RunSpec) -> str:
    """Equal for runs that unlearn alike but for the seed, whatever they score."""
    return key(msgspec.structs.replace(spec, seed=0, precision=[], metric=[], ablate=[], threads=1, eval_batch=1))


def row_of(spec: RunSpec) -> str:
    """ga_gdr, or ga_gdr+sure."""
    return spec.method + ("+sure" if spec.sure else "")


def choose(runs: Sequence[Made], usual: Iterable[RunSpec], seeds: Sequence[int] | None = None) -> dict[str, Chosen]:
    """By row, the runs that count: those with the table's `usual` settings where there are some, else those of the settings
    with the most seeds, then the newest. `runs` newest first; only `seeds`, where given.
    """
    wanted = {settings(spec) for spec in usual}
    groups: dict[str, dict[str, list[Made]]] = {}
    for run in runs:
        if run.spec.task == "unlearn" and (seeds is None or run.spec.seed in seeds):
            groups.setdefault(row_of(run.spec), {}).setdefault(settings(run.spec), []).append(run)
    chosen = {}
    for row, by_settings in groups.items():
        best = max(by_settings, key=lambda s: (s in wanted, len({r.spec.seed for r in by_settings[s]})))
        chosen[row] = _gathered(by_settings[best], best in wanted)
    return chosen


def _gathered(runs: Sequence[Made], usual: bool) -> Chosen:
    """Each figure from the newest run of each seed that has it."""
    found: dict[At, dict[int, tuple[float, bool]]] = {}
    used: dict[str, int] = {}
    for run in runs:
        # the metric privleak is an AUC, what the paper's column shows is made of it
        halved = {(s.model, s.precision, s.metric) for s in run.result.scores if s.batch}
        figures = [((s.model, s.precision, s.metric), s.value) for s in run.result.scores if s.metric != "privleak"]
        figures += [((s.model, s.precision, "privleak"), s.value) for s in run.result.privleak]
        for place, value in figures:
            at = found.setdefault(place, {})
            if run.spec.seed not in at:
                at[run.spec.seed] = value, place in halved
                used[run.run] = run.spec.seed
    spreads = {}
    for place, by_seed in found.items():
        over = spread((value for value, _ in by_seed.values()), sum(less for _, less in by_seed.values()))
        if over is not None:
            spreads[place] = over
    full = runs[0].result.full_precision
    return Chosen(spreads, tuple(used), tuple(sorted(set(used.values()))), full, usual, runs[0].spec)


def build(number: int, corpus: str, paper: str, chosen: Mapping[str, Chosen], asked: Iterable[str] = ()) -> PaperTable:
    """Table `number` of `corpus`; `paper`: news or books where it is MUSE's, else ""; `asked`: rows to be there anyway."""
    rows = ordered({*chosen, *asked})
    columns = _columns(number, chosen, paper)
    lines: list[Line] = []
    for model in ("target", "retrain") if number != 2 else ():
        known = [chosen[r] for r in rows if r in chosen and any(at[0] == model for at in chosen[r].figures)]
        if known:
            # all of them share it: the runs that tell most about it
            most = max(known, key=lambda c: sum(at[0] == model for at in c.figures))
            lines += [_line(number, paper, model, model, bits, p, columns, most) for bits, p in _bits(number, most)]
    for row in _rows(number, rows, chosen):
        mine = chosen.get(row)
        if mine is None:
            continue
        lines += [_line(number, paper, row, "unlearned", bits, p, columns, mine) for bits, p in _bits(number, mine)]
    lines = [line for line in lines if any(f is not None for f in line.figures)]
    missing = tuple(row for row in asked if row not in chosen)
    beside = any(line.paper for line in lines)
    return PaperTable(
        number, corpus, columns, tuple(lines), beside, _notes(number, columns, lines, chosen, beside), missing
    )


def ordered(rows: Iterable[str]) -> list[str]:
    """The paper's methods first, then the catalog's order; SURE behind its method."""
    order = [*FIRST, *(m for m in catalog.METHODS if m not in FIRST)]

    def place(row: str) -> tuple[int, bool]:
        method, _, sure = row.partition("+")
        return order.index(method) if method in order else len(order), bool(sure)

    return sorted(rows, key=place)


def _rows(number: int, rows: Sequence[str], chosen: Mapping[str, Chosen]) -> list[str]:
    if number != 3:
        # the paper's Table 1 has no SURE: ours stands at the end
        return [*(r for r in rows if "+" not in r), *(r for r in rows if "+" in r)]
    return [r for r in rows if "+" in r or f"{r}+sure" in rows]


def _bits(number: int, chosen: Chosen) -> list[tuple[str, str]]:
    """The paper's name of each precision of a method, and ours."""
    if number == 1:
        return [("full", chosen.full), ("8", EIGHT), ("4", FOUR)]
    if number == 3:
        return [("full", chosen.full), ("4", FOUR)]
    scored = dict.fromkeys(p for model, p, _ in chosen.figures if model == "unlearned")
    made = []
    for precision in scored:
        if precision != FOUR and catalog.precision(precision).bits == 4:
            made.append((next((n for n, ours in QUANTIZERS.items() if precision.startswith(ours)), ""), precision))
    return made


def _columns(number: int, chosen: Mapping[str, Chosen], paper: str) -> tuple[str, ...]:
    scored = {at[2] for c in chosen.values() for at in c.figures}
    more = [m for m in catalog.METRICS if m in scored and m in UTILITY]
    return (*COLUMNS, *(more if number == 3 else ()))


def _line(
    number: int, paper: str, row: str, model: str, bits: str, precision: str, columns: Sequence[str], mine: Chosen
) -> Line:
    theirs = PUBLISHED.get((number, paper, row, bits))
    known = dict(zip((*COLUMNS, *UTILITY), theirs.figures, strict=False)) if theirs else {}
    return Line(
        row,
        bits,
        precision,
        tuple(mine.figures.get((model, precision, column)) for column in columns),
        tuple(known.get(column) for column in columns) if known else (),
        mine.runs,
    )


def _notes(
    number: int, columns: Sequence[str], lines: Sequence[Line], chosen: Mapping[str, Chosen], beside: bool
) -> tuple[str, ...]:
    notes = []
    for i, column in enumerate(columns):
        if lines and all(line.figures[i] is None for line in lines):
            known = catalog.METRICS.get(column)
            why = f"none of these runs scored {column}" if known else "this program does not score it yet"
            notes.append(f"{known.label if known else column}: – because {why}")
        elif any(line.figures[i] is None for line in lines):
            notes.append(f"{catalog.METRICS[column].label}: – where a row's runs did not score it")
    odd = [row for row in ordered(chosen) if not chosen[row].usual]
    if odd:
        notes.append(f"other settings than this table's own: {', '.join(odd)}")
    few = sorted({len(c.seeds) for c in chosen.values()})
    if few == [1]:
        notes.append("one seed each: no spread")
    if beside:
        notes.append(f"paper: {SOURCES[number]}")
        notes += [f"known difference: {text}" for text in DIFFERENCES[number]]
    return tuple(notes)
