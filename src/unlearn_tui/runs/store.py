"""All runs of a home: list, find, measure, remove. Reads specs, result.json and the tails of logs, never whole logs."""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from unlearn_tui.errors import Refused
from unlearn_tui.files import read_limited
from unlearn_tui.protocol.events import Failed, Finished, Stopped
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.home import reason
from unlearn_tui.runs.lock import is_alive, is_busy
from unlearn_tui.runs.log import last_event

NEWBORN_SECONDS = 120
"""A run this young without an engine may be about to get one."""
SHIPPED = "demo"
"""What the recorded run that comes with the program is called, wherever a run is asked for."""


@dataclass(frozen=True)
class RunInfo:
    """One line of a list of runs. `created` in seconds since the epoch, `size` in bytes.

    `status` is new, running, finished, stopped, failed or died; `reason` says why it failed or died, "" else.
    """

    id: str
    path: Path
    created: float
    status: str
    name: str
    method: str
    model: str
    corpus: str
    size: int
    reason: str


class _Outcome(msgspec.Struct):
    status: str = "finished"
    error: str | None = None


def status(rundir: RunDir) -> tuple[str, str]:
    """Status and reason of a run, from the last event of its log, its lock and its result."""
    # the lock first: an engine that ends in between has written its last event before
    alive = is_alive(rundir)
    last = last_event(rundir.events_path)
    if isinstance(last, Finished):
        return "finished", ""
    if isinstance(last, Stopped):
        return "stopped", ""
    if isinstance(last, Failed):
        return "failed", last.message
    if alive:
        return "running", ""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        outcome = msgspec.json.decode(read_limited(rundir.result_path), type=_Outcome)
        return outcome.status, outcome.error or ""
    return ("died", "the engine ended without a word") if last else ("new", "")


def info(rundir: RunDir) -> RunInfo:
    """What a list says about one run. Never raises for damage inside it: the fault becomes the reason."""
    try:
        state, why = status(rundir)
    except OSError as error:
        state, why = "died", f"its log cannot be read: {reason(error)}"
    try:
        spec = rundir.spec()
    except Refused as error:
        spec, why = RunSpec(method="?", model="?", corpus="?"), str(error).removeprefix(f"run {rundir.id!r}: ")
    created = 0.0
    with contextlib.suppress(OSError):
        created = rundir.spec_path.stat().st_mtime
    method = spec.method if spec.task == "unlearn" else spec.task
    size = sum(_parts(rundir.path).values())
    return RunInfo(rundir.id, rundir.path, created, state, spec.name, method, spec.model, spec.corpus, size, why)


def run_dirs(home: Path) -> list[RunDir]:
    """Every directory that holds a spec.toml, newest first."""
    found = []
    for path in (home / "runs").glob("[!.]*/spec.toml"):
        with contextlib.suppress(OSError):  # removed meanwhile
            found.append((path.stat().st_mtime_ns, path.parent))
    return [RunDir(path) for _, path in sorted(found, reverse=True)]


def list_runs(home: Path) -> list[RunInfo]:
    """All runs, newest first."""
    return [info(rundir) for rundir in run_dirs(home)]


def find(home: Path, ref: str) -> RunDir:
    """The run meant by `ref`: 'last', an id, 'demo' (the shipped recorded run), a path to a run directory, or the
    beginning of exactly one id.

    Raises Refused naming the nearest ids, or those that the beginning fits.
    """
    runs = {rundir.id: rundir for rundir in run_dirs(home)}
    if ref == "last" and runs:
        return next(iter(runs.values()))
    if ref in runs:
        return runs[ref]
    if ref == SHIPPED:
        return shipped()
    if ref and _is_run(Path(ref)):
        return RunDir(Path(ref).resolve())
    fits = [name for name in runs if ref and name.startswith(ref)]
    if len(fits) == 1:
        return runs[fits[0]]
    if fits:
        more = f" and {len(fits) - 5} more" if len(fits) > 5 else ""
        raise Refused(f"run {ref!r} is ambiguous: it fits {', '.join(fits[:5])}{more}; give more letters", "run")
    if not runs:
        hint = "unlearn-tui run makes one; demo is a recorded one"
        raise Refused(f"there is no run {ref!r}: {str(home)!r} holds none yet, {hint}", "run")
    near = difflib.get_close_matches(ref, list(runs), n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else f"the newest are {', '.join(list(runs)[:3])}"
    raise Refused(f"there is no run {ref!r}: {hint}", "run")


def shipped() -> RunDir:
    """The recorded run that comes with the program: a run of the pocket model, without its checkpoints.

    Raises Refused where the installation lacks it.
    """
    from unlearn_tui.sources.assets import asset

    return RunDir(asset("recorded", SHIPPED))


def is_shipped(rundir: RunDir) -> bool:
    """Whether this is the recorded run of the installation: nothing in it may be written, resumed or exported."""
    try:
        return rundir.path.resolve() == shipped().path.resolve()
    except (Refused, OSError):
        return False


def _is_run(path: Path) -> bool:
    try:
        return (path / "spec.toml").is_file()
    except (OSError, ValueError):
        return False


def remove(rundir: RunDir) -> None:
    """Delete a run and all its files. Raises Refused if it is live or cannot be deleted.

    It loses its name first, so what a kill leaves behind is no run; prune() sweeps that up.
    """
    if is_busy(rundir):
        raise Refused(f"run {rundir.id} is running: stop it first (unlearn-tui stop {rundir.id})", "run")
    leaving = rundir.path.with_name(f".gone-{rundir.id}-{time.time_ns()}")
    try:
        rundir.path.rename(leaving)
        shutil.rmtree(leaving)
    except OSError as error:
        raise Refused(f"run {rundir.id} cannot be removed: {reason(error)}", "run") from error


def prune(home: Path, keep: int = 0, failed_only: bool = False) -> list[RunInfo]:
    """Remove the runs that are not live (with `failed_only`, those that failed or died), but for the `keep` newest.

    Returns what was removed. Raises Refused at the first that cannot be.
    """
    for path in [*(home / "runs").glob(".gone-*"), *(home / "runs").glob(".new-*")]:
        if time.time() - path.stat().st_mtime > NEWBORN_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
    candidates = [
        run
        for run in list_runs(home)
        if (run.status in ("failed", "died") if failed_only else run.status != "running")
        and not (run.status == "new" and time.time() - run.created < NEWBORN_SECONDS)
    ]
    for run in candidates[keep:]:
        remove(RunDir(run.path))
    return candidates[keep:]


def usage(home: Path) -> list[tuple[RunInfo, dict[str, int]]]:
    """All runs, newest first, each with the bytes of its parts: checkpoints, answers, log, other."""
    return [(run, _parts(run.path)) for run in list_runs(home)]


def _parts(path: Path) -> dict[str, int]:
    parts = {"checkpoints": 0, "answers": 0, "log": 0, "other": 0}
    for first, size in _sizes(path):
        part = "log" if first in ("events.jsonl", "engine.log") else first
        parts[part if part in parts else "other"] += size
    return parts


def _sizes(path: Path) -> Iterator[tuple[str, int]]:
    """(name of the first level, bytes) of every file below; what vanishes meanwhile is passed over."""
    for folder, _, names in os.walk(path):
        first = Path(folder).relative_to(path).parts[:1]
        for name in names:
            with contextlib.suppress(OSError):
                yield first[0] if first else name, (Path(folder) / name).lstat().st_size


def live_ids(home: Path) -> list[str]:
    """Ids of the runs whose engine holds its lock, newest first: a look at locks alone."""
    return [rundir.id for rundir in run_dirs(home) if is_alive(rundir)]
