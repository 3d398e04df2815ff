"""Sweeps of a home: keep and find them, and see which runs fill their cells. A sweep owns no runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.files import SMALL, read_limited, toml_table
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.protocol.sweep import Cell, Sweep, cells, key, parse
from unlearn_tui.runs.directory import RunDir, usable_cores, write_atomic
from unlearn_tui.runs.home import reason
from unlearn_tui.runs.launch import last_line, spawn
from unlearn_tui.runs.lock import is_held
from unlearn_tui.runs.overview import Overview
from unlearn_tui.state.sweep import CellState, SweepState

BETTER = ("finished", "running", "stopped", "died", "failed", "new")
"""Which of several runs fills a cell: the first of these, then the newest."""


def folder(home: Path) -> Path:
    """Where a home keeps its sweeps."""
    return home / "sweeps"


def read(path: Path) -> Sweep:
    """The sweep in a file. Raises Refused: file, line or key, and what to do."""
    shown = repr(str(path))
    try:
        data = read_limited(path, SMALL)
    except OSError as error:
        raise Refused(f"{shown} cannot be read: {reason(error)}; give a sweep in TOML") from None
    table = toml_table(data, path, "sweep", "unlearn-tui sweep --help shows a sweep")
    try:
        sweep = parse(table)
        cells(sweep)
    except Refused as error:
        raise Refused(f"{shown}: {error}", error.field) from None
    return sweep


def keep(home: Path, sweep: Sweep) -> Path:
    """Write a sweep to the home, under its id. Raises Refused where that is impossible."""
    import tomli_w

    path = folder(home) / f"{sweep.id}.toml"
    table = {k: v for k, v in msgspec.to_builtins(sweep).items() if v not in ({}, [])}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, tomli_w.dumps({"schema": sweep.schema, "name": sweep.name, **table}).encode())
    except (OSError, ValueError) as error:
        raise Refused(f"the sweep cannot be kept in {str(home)!r}: {reason(error)}; give another --home") from None
    return path


def kept(home: Path) -> list[Path]:
    """The files of all sweeps, newest first."""
    found = []
    for path in folder(home).glob("[!.]*.toml"):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found, reverse=True)]


def find(home: Path, ref: str) -> Path:
    """The file meant by `ref`: 'last', an id or the beginning of exactly one, or a path. Raises Refused."""
    known = kept(home)
    if ref == "last" and known:
        return known[0]
    ids = [path.stem for path in known]
    fits = [path for path in known if path.stem == ref] or [path for path in known if ref and path.stem.startswith(ref)]
    if len(fits) == 1:
        return fits[0]
    if len(fits) > 1:
        raise Refused(f"sweep {ref!r} is ambiguous: it fits {', '.join(p.stem for p in fits[:5])}; give more letters")
    if ref.endswith(".toml") or os.sep in ref:
        return Path(ref)
    if not ids:
        raise Refused(f"there is no sweep {ref!r}: this home has none yet, unlearn-tui sweep SWEEP.toml makes one")
    raise Refused(f"there is no sweep {ref!r}: {catalog.nearest(ref, ids)}")


def fill(made: Sequence[Cell], runs: Sequence[Overview]) -> list[CellState]:
    """Each cell with the run that fills it; `runs` newest first, the cells' specs pinned."""
    cores = usable_cores()
    wanted = {key(cell.spec, cores) for cell in made}
    best: dict[str, Overview] = {}
    for run in runs:
        if run.spec is None or (at := key(run.spec, cores)) not in wanted or is_stale(run.spec, run.info.created):
            continue
        if at not in best or _rank(run) < _rank(best[at]):
            best[at] = run
    return [_state(cell, best.get(key(cell.spec, cores))) for cell in made]


def _rank(run: Overview) -> int:
    status = "died" if run.info.status == "finished" and run.result is None else run.info.status
    return BETTER.index(status) if status in BETTER else len(BETTER)


def _state(cell: Cell, run: Overview | None) -> CellState:
    if run is None:
        return CellState(cell)
    info, tail = run.info, run.tail
    done = info.status == "finished"
    lost = done and run.result is None
    return CellState(
        cell,
        run=info.id,
        status="died" if lost else info.status,
        reason="its result.json is missing or damaged" if lost else info.reason,
        stage=tail.stage,
        done=tail.done,
        total=tail.total,
        left=tail.left,
        result=run.result if done else None,
    )


def is_stale(spec: RunSpec, created: float) -> bool:
    """Whether a folder that a run read has changed since the run was made: it would find something else now."""
    for ref in (spec.model, spec.unlearned, spec.retrain, spec.corpus):
        path = Path(ref) if ref.startswith(os.sep) else None
        with contextlib.suppress(OSError):
            if path is not None and path.is_dir():
                times = (f.stat().st_mtime for f in path.rglob("*") if f.is_file())
                if max(times, default=0.0) > created:
                    return True
    return False


def state(path: Path, runs: Sequence[Overview], home: Path) -> SweepState:
    """One kept sweep as it stands. Never raises for damage: `fault` says what is wrong."""
    created = 0.0
    with contextlib.suppress(OSError):
        created = path.stat().st_mtime
    try:
        sweep = read(path)
        return SweepState(path.stem, sweep, tuple(fill(cells(sweep), runs)), created, is_driven(home))
    except Refused as error:
        return SweepState(path.stem, created=created, fault=str(error))


def seen(sweep: Sweep, runs: Sequence[Overview]) -> SweepState:
    """A sweep as it stands, wherever it comes from."""
    return SweepState(sweep.id, sweep, tuple(fill(cells(sweep), runs)))


def states(home: Path, runs: Sequence[Overview]) -> list[SweepState]:
    """All sweeps of a home, newest first."""
    return [state(path, runs, home) for path in kept(home)]


@contextmanager
def driving(home: Path) -> Iterator[None]:
    """Be the one process that starts runs for sweeps of this home. Raises Refused while another one is."""
    lock = folder(home) / ".lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Refused(f"home {str(home)!r} cannot be used: {reason(error)}; give another --home", "home") from None
    try:
        if not _locked(descriptor):
            raise Refused(
                "a sweep is at work in this home already: wait for it, or stop it there with Ctrl-C (0, then S in the "
                "app, shows it)"
            )
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    # is_driven() of a viewer holds the lock for microseconds, so one failure proves nothing
    for _ in range(10):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:  # a file system without locks
            return True
        else:
            return True
    return False


DRIVER = "unlearn_tui.cli"
"""The module whose command sweep is run."""
STARTS = 60.0
"""Seconds within which a process that drives a sweep is at work, or has said why not."""


def start(home: Path, id: str) -> None:
    """Go on with a kept sweep in a process of its own, which outlives this one. Returns once it is at work or done.

    Raises Refused with its reason where it ends at once.
    """
    log = folder(home) / f"{id}.log"
    try:
        with log.open("wb") as file:
            env = {**os.environ, "UNLEARN_TUI_HOME": str(home)}
            process = spawn(DRIVER, "sweep", file, env, (id, "--plain"))
    except OSError as error:
        raise Refused(f"sweep {id} cannot be started: {reason(error)}") from None
    deadline = time.monotonic() + STARTS
    while process.poll() is None and not is_driven(home) and time.monotonic() < deadline:
        time.sleep(0.1)
    if process.returncode:
        raise Refused(last_line(log).removeprefix("error: ") or f"sweep {id} ended at once: see {log}")


def is_driven(home: Path) -> bool:
    """Whether a process is at work on the sweeps of this home."""
    try:
        return is_held(folder(home) / ".lock")
    except OSError:
        return False


def rundir(home: Path, cell: CellState) -> RunDir:
    """The directory of the run that fills a cell."""
    return RunDir(home / "runs" / cell.run)
