"""sweep: a grid of runs, one after the other; what is there already is found again, what was stopped goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from typer import Argument, Exit, Option

from unlearn_tui.commands import options as o
from unlearn_tui.commands.console import say, write
from unlearn_tui.commands.watch import Interrupts, Output
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.sweep import Cell, Sweep, cells, key
from unlearn_tui.sources.wording import plain
from unlearn_tui.state.sweep import WAITING, CellState, SweepState, label, result, varying

if TYPE_CHECKING:
    from rich.console import RenderableType

    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.state.run import RunState

SOURCES = ("model", "unlearned", "retrain", "corpus", "template", "method", "forget_text", "weights", "canary")
"""What decides whether a run's files will do, besides its task and metrics."""
PLACES = ("model", "unlearned", "retrain", "corpus")
"""Fields that may name a folder."""
GOES_ON = "unlearn-tui sweep {} goes on"


def sweep(
    file: Annotated[
        str, Argument(metavar="SWEEP.toml", help="The grid; or the id of one that was begun here, or 'last'.")
    ],
    dry_run: Annotated[
        bool, Option("--dry-run", help="List the cells and what they will take; start nothing, keep nothing.")
    ] = False,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
    events: o.Events = False,
) -> None:
    """Run a grid of settings, one run after the other: means and spread over seeds at the end.

    SWEEP.toml has a table [base] with fields of a run's spec, a table [over] with lists of values (every combination is a
    cell: method = ["ga", "npo"], lr = [1e-5, 1e-4], seed = [0, 1, 2]), and [[also]] tables for further combinations.
    Cells that some run of this home fills already are not run again; after a stop or a kill the same command goes on.
    """
    from unlearn_tui.runs.home import home as home_of

    output = Output(plain, json, events)
    base = home_of(home)
    asked = named(file, base)
    try:
        made = prepared(asked, base)
    except Refused as error:
        raise Refused(f"{file!r}: {error}", error.field) from None
    if dry_run:
        expect(made, base, output)
        return
    raise Exit(drive(made, base, output))


def named(ref: str, home: Path) -> Sweep:
    """The sweep in a file, or the one of this id. Raises Refused."""
    from unlearn_tui.runs import sweeps

    path = Path(ref)
    try:
        there = path.exists()
    except (OSError, ValueError):
        there = False
    return sweeps.read(path if there else sweeps.find(home, ref))


def prepared(sweep: Sweep, home: Path) -> Sweep:
    """`sweep` with folders as absolute paths and the metrics that its corpus has something for; every cell is checked.

    Raises Refused for the first cell that could not run, naming it.
    """
    from unlearn_tui.commands import preflight
    from unlearn_tui.validate import check_spec

    made = cells(sweep)
    fields = varying(made)
    for cell in made:
        with _naming(cell, fields):
            check_spec(cell.spec)
    base = dict(sweep.base)
    if "metric" not in base:
        spec, left = preflight.fitted(made[0].spec)
        if left:
            base["metric"] = spec.metric
            say(f"corpus {spec.corpus} has nothing for {', '.join(left)}: scored are {', '.join(spec.metric)}")
    blocks = [{name: _pinned(name, values, home) for name, values in block.items()} for block in sweep.blocks]
    base = {name: _pinned(name, [value], home)[0] for name, value in base.items()}
    over, also = (blocks[0], blocks[1:]) if sweep.over or not sweep.also else ({}, blocks)
    sweep = msgspec.structs.replace(sweep, base=_written_out(base, made, home), over=over, also=also)
    seen: set[tuple[Any, ...]] = set()
    for cell in cells(sweep):
        about = tuple(getattr(cell.spec, name) for name in SOURCES)
        if about not in seen:
            seen.add(about)
            with _naming(cell, fields):
                preflight.check_sources(cell.spec, home)
    return sweep


def _written_out(base: dict[str, Any], made: list[Cell], home: Path) -> dict[str, Any]:
    """`base` with what a run writes out as soon as its model is here (RMU's layer), so that its cells are found again.

    Raises Refused where that is not one value for all cells.
    """
    from unlearn_tui.commands import preflight

    found: dict[str, Any] = {}
    for cell in made:
        run = preflight.pinned(cell.spec, home)
        for name in cell.spec.__struct_fields__:
            before, value = getattr(cell.spec, name), getattr(run, name)
            if value == before or name in PLACES:
                continue
            if found.setdefault(name, value) != value or name in cell.values:
                raise Refused(f"[base] {name} is not one value for all cells: say it under [base] or [over]", name)
    return {**base, **found}


@contextmanager
def _naming(cell: Cell, fields: list[str]) -> Iterator[None]:
    """Puts the cell in front of a refusal."""
    try:
        yield
    except Refused as error:
        if not fields:
            raise
        raise Refused(f"cell {plain(label(cell, fields))}: {error}", error.field) from None


def _pinned(name: str, values: list[Any], home: Path) -> list[Any]:
    """Folders as absolute paths, so that the sweep means the same from anywhere."""
    from unlearn_tui.commands import preflight
    from unlearn_tui.protocol.spec import RunSpec

    if name not in PLACES:
        return values
    asked = [RunSpec(**{"model": "pocket-target", "corpus": "pocket", name: value}) for value in values]
    return [getattr(preflight.pinned(spec, home), name) for spec in asked]


def expect(sweep: Sweep, home: Path, output: Output) -> None:
    """What a sweep will run and how long it will take, on stdout."""
    from unlearn_tui.commands import console, expected
    from unlearn_tui.report import sweeps as report
    from unlearn_tui.report.text import duration

    state = _look(sweep, home)
    todo = [i for i, cell in enumerate(state.cells) if not cell.finished]
    times = expected.seconds([state.cells[i].cell.spec for i in todo], home)
    by_cell = dict(zip(todo, times, strict=True))
    total = None if None in times else sum(t for t in times if t is not None)
    if output.json:
        rows = [
            {**row, "expected": by_cell.get(i)} for i, row in enumerate(msgspec.to_builtins(result(state))["cells"])
        ]
        console.show_json({"sweep": state.id, "cells": rows, "expected": total})
        return
    console.show_grids([report.cells(state, by_cell)], output.plain)
    about = f"~{duration(total)}" if total is not None else "of unknown length"
    write(f"{report.headline(state)}; {len(todo)} to run, {about} (those half done take less)\n")


def _look(sweep: Sweep, home: Path) -> SweepState:
    from unlearn_tui.runs import sweeps
    from unlearn_tui.runs.overview import Overviews

    return sweeps.seen(sweep, Overviews(home).read())


def drive(sweep: Sweep, home: Path, output: Output, present: bool = True) -> int:
    """Run what is not finished, one cell after the other, then present means; the exit code.

    A cell that fails does not keep the others from running. Ctrl-C, or stopping the run at work
    from anywhere, stops it after its step, and the sweep.
    Raises Refused where a cell's engine refuses it, or another sweep is at work in this home.
    """
    from unlearn_tui.report import sweeps as report
    from unlearn_tui.runs import sweeps
    from unlearn_tui.runs.overview import Overviews

    path = sweeps.keep(home, sweep)
    overviews = Overviews(home)
    with sweeps.driving(home), Interrupts() as interrupts:
        tried: set[str] = set()
        while True:
            state = sweeps.state(path, overviews.read(), home)
            if state.fault:
                raise Refused(state.fault)
            cell = next_cell(state, tried)
            if cell is None:
                break
            tried.add(key(cell.cell.spec))
            _announce(state, cell, home, output)
            ended = _run(state, cell, home, output, interrupts)
            # stopped from elsewhere is a person's word as well: the next cell does not begin behind their back
            if interrupts.count or ended.status == "stopped":
                break
            if ended.status == "failed":
                say(f"error: cell {label(cell.cell, varying([c.cell for c in state.cells]))} failed: {ended.reason}")
    state = sweeps.state(path, overviews.read(), home)
    if not state.complete:
        say(f"{report.headline(state)}; " + GOES_ON.format(state.id))
    if present and not output.events:
        show(state, output)
    return 130 if interrupts.count else 0 if state.complete else 1


def next_cell(state: SweepState, tried: set[str]) -> CellState | None:
    """The cell to turn to: one that is running first, then those half done, then new ones; each is tried once."""
    left = [cell for cell in state.cells if not cell.finished and key(cell.cell.spec) not in tried]
    order = ("running", "stopped", "died", "new", WAITING)
    return min(left, key=lambda c: order.index(c.status) if c.status in order else len(order), default=None)


def _announce(state: SweepState, cell: CellState, home: Path, output: Output) -> None:
    from unlearn_tui.commands import expected
    from unlearn_tui.report.text import duration

    number = state.cells.index(cell) + 1
    todo = [cell, *(c for c in state.cells if not c.finished and c is not cell)]
    times = expected.seconds([c.cell.spec for c in todo], home)
    told = "" if None in times else f", ~{duration(times[0])}; all that is left ~{duration(sum(t or 0 for t in times))}"
    fields = varying([c.cell for c in state.cells])
    how = "" if cell.status == WAITING else f" ({cell.status})"
    say(f"cell {number} of {len(state.cells)}: {label(cell.cell, fields)}{how}{told}")
    if output.events:
        said = {"event": "cell", "sweep": state.id, "cell": number, "of": len(state.cells), "values": cell.cell.values}
        write(msgspec.json.encode({**said, "run": cell.run, "status": cell.status}).decode() + "\n")


def _run(state: SweepState, cell: CellState, home: Path, output: Output, interrupts: Interrupts) -> RunState:
    """Start, resume or join the run of a cell and watch it to its end."""
    from unlearn_tui.commands import preflight, watch
    from unlearn_tui.report import sweeps as report
    from unlearn_tui.runs import sweeps
    from unlearn_tui.runs.lock import is_alive
    from unlearn_tui.runs.log import last_event
    from unlearn_tui.runs.store import remove

    fresh = cell.status == WAITING
    since = 0
    run: RunDir
    if fresh:
        run = preflight.create(_titled(cell.cell, state), home)
    else:
        run = sweeps.rundir(home, cell)
        last = last_event(run.events_path)
        since = last.seq + 1 if last else 0
    fields = varying([c.cell for c in state.cells])

    def drawn(ran: RunState, title: str, width: int) -> RenderableType:
        return report.beside_run(report.board(state, width), ran, title, width)

    try:
        with _naming(cell.cell, fields):
            if not (cell.status == "running" and is_alive(run)):
                if not fresh:
                    preflight.check_sources(cell.cell.spec, home)
                    watch.settle(run)
                watch.start(run, output, interrupts)
    except Refused:
        if fresh:
            remove(run)
        raise
    ended = watch.watch(run, output, interrupts, since, drawn)
    if fresh and ended.failure == "refused" and not ended.scores:
        remove(run)
        with _naming(cell.cell, fields):
            raise Refused(ended.reason)
    return ended


def _titled(cell: Cell, state: SweepState) -> Any:
    """The cell's spec; a run without a name of its own begins with the sweep's and the method."""
    name = cell.spec.name or (f"{state.sweep.name} {cell.spec.method}" if state.sweep.name else "")
    return msgspec.structs.replace(cell.spec, name=name)


def show(state: SweepState, output: Output) -> None:
    """The cells, and mean and spread over seeds, on stdout."""
    from unlearn_tui.commands import console
    from unlearn_tui.report import sweeps as report

    if output.json:
        console.show_json(result(state))
        return
    grids = [report.cells(state), *report.figures(state)]
    for i, grid in enumerate(grids):
        if i:
            write("\n")
        console.show_grids([grid], output.plain)
