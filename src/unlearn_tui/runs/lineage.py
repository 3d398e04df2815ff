"""Every checkpoint that this machine knows, as rows of the Models screen: files, and what runs made and found of them.

Reads headers, specs, results and ends of logs, nothing of the weights; a second look reads only what changed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from unlearn_tui.files import read_limited
from unlearn_tui.runs.directory import write_atomic
from unlearn_tui.runs.overview import Overview, Overviews
from unlearn_tui.runs.rows import FACTS, missing, of_checkpoint, of_run, precisions, scored
from unlearn_tui.sources import fits, hub
from unlearn_tui.sources.checkpoints import places
from unlearn_tui.sources.folders import Source, describe
from unlearn_tui.state.models import OF_RUNS, Row

KEEP = 60.0
"""Seconds between two writes of what was seen."""


@dataclass(frozen=True)
class Found:
    """One look: all rows, each run's precisions behind it, and the memory that is free."""

    rows: tuple[Row, ...]
    room: fits.Room


class Lineage:
    """Looks at everything, one look at a time; remembers what it read of folders that have not changed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._lock = threading.Lock()
        self._runs = Overviews(home)
        self._seen: dict[tuple[Path, bool], tuple[object, Row]] = {}
        self._kept: tuple[float, Sequence[Row]] = (-KEEP, ())

    def keep(self, rows: Sequence[Row]) -> None:
        """Remember the rows for the next start; those of a live run change all the time, so not every time."""
        if rows != self._kept[1] and time.monotonic() - self._kept[0] >= KEEP:
            self._kept = (time.monotonic(), rows)
            remember(self.home, rows)

    def read(self, added: Sequence[str]) -> Found:
        """Rows of all checkpoints; `added`: folders and hub ids added by hand. Raises nothing for broken ones."""
        with self._lock:
            return self._read(added, fits.room())

    def _read(self, added: Sequence[str], room: fits.Room) -> Found:
        def row_of(name: str, folder: Path, source: Source) -> Row:
            """The row of a checkpoint folder, made anew only if a file in it changed."""
            stamp, known = _stamp(folder), self._seen.get((folder, room.gpu))
            if known is None or known[0] != stamp:
                known = stamp, of_checkpoint(describe(name, folder, source, self.home), folder, room.gpu)
                self._seen[folder, room.gpu] = known
            return known[1]

        book = _Book(row_of)
        made: dict[str, Row] = {}
        for name, folder, source in places(self.home):
            if source == "run":
                made[name] = row_of(name, folder, source)
            else:
                book.put(row_of(name, folder, source))
        for ref in added:
            book.add(ref)
        overviews = self._runs.read()
        for found in overviews:
            book.put(of_run(found, made.get(found.info.id)))
        for found in reversed(overviews):  # the newest has the last word
            book.connect(found)
        return Found(tuple(book.lines()), room)


class _Book:
    """Rows by id while they are put together; `row_of` describes a checkpoint folder."""

    def __init__(self, row_of: Callable[[str, Path, Source], Row]) -> None:
        self.rows: dict[str, Row] = {}
        self._row_of = row_of
        self._paths: dict[str, str] = {}

    def put(self, row: Row) -> None:
        """Add or replace a row."""
        self.rows[row.id] = row
        if row.path and row.kind != "checked":
            self._paths.setdefault(_real(row.path), row.id)

    def add(self, ref: str) -> None:
        """A folder or a hub id that was added by hand; one that has gone stays, and says so."""
        if is_path(ref):
            folder = Path(ref).expanduser()
            known = self._paths.get(_real(ref))
            if known:
                self.rows[known] = replace(self.rows[known], added=True)
            elif folder.is_dir():
                self.put(replace(self._row_of(folder.name, folder, "folder"), id=f"folder:{ref}", added=True))
            else:
                self.put(missing(f"folder:{ref}", folder.name or ref, "folder", ref, "this folder has gone", True))
            return
        found = hub.parse(ref)
        cached = f"cache:{found.repo}" if found else ""
        if cached in self.rows:
            self.rows[cached] = replace(self.rows[cached], added=True)
        elif found:
            self.put(Row(f"hub:{ref}", ref, "hub", "unscored", ref, reason="not downloaded yet", added=True))

    def connect(self, found: Overview) -> None:
        """Tell the checkpoints that a run read what it found of them, and the run's row which one is its target."""
        spec, id = found.spec, f"run:{found.info.id}"
        if spec is None:
            return
        target = self._find(spec.model)
        if not target:
            target = f"target:{spec.model}"
            self.put(self._elsewhere(target, spec.model))
        own = self.rows[id] = replace(self.rows[id], parent=target)
        # what a run memorised is the target that it scored, and not what it began with
        read = [] if spec.task == "memorise" else [(target, "target"), (self._find(spec.retrain), "retrain")]
        if spec.task == "check":
            subject = self._find(spec.unlearned)
            read.append((subject, "unlearned"))
            row = self.rows.get(subject) or self._elsewhere("", spec.unlearned)
            self.rows[id] = replace(own, **{fact: getattr(row, fact) for fact in FACTS})
        for ref, model in read:
            # what a run has made, it has scored itself
            if ref in self.rows and self.rows[ref].kind not in ("unlearned", "memorised"):
                self.rows[ref] = scored(self.rows[ref], found, model)

    def _find(self, ref: str) -> str:
        """The id of the row that a spec means by `ref`, "" if there is none."""
        names = (f"shipped:{ref}", f"cache:{ref.partition('@')[0]}", f"hub:{ref}", f"run:{ref}")
        return next((id for id in names if id in self.rows), "") or (self._paths.get(_real(ref), "") if ref else "")

    def _elsewhere(self, id: str, ref: str) -> Row:
        """A checkpoint that some run read and that is listed nowhere else."""
        if not is_path(ref):
            return missing(id, ref, "target", "", "not in the Hugging Face cache any more")
        folder = Path(ref)
        if not (folder / "config.json").is_file():
            return missing(id, folder.name, "target", ref, "this folder has gone")
        return replace(self._row_of(folder.name, folder, "folder"), id=id, kind="target")

    def lines(self) -> Iterable[Row]:
        """All rows, a run's precisions behind it."""
        for row in self.rows.values():
            yield row
            if row.kind in OF_RUNS:
                yield from precisions(row)


def is_path(ref: str) -> bool:
    """Whether something that was added by hand is a folder; else it is a hub id."""
    return ref.startswith(("/", "~"))


def remembered(home: Path) -> tuple[Row, ...]:
    """The rows of the last look, for the moment until the first one is done; empty where there are none."""
    try:
        return msgspec.json.decode(read_limited(_cache(home)), type=tuple[Row, ...])
    except (OSError, ValueError, RecursionError):
        return ()


def remember(home: Path, rows: Sequence[Row]) -> None:
    """Keep the rows for the next start. A disk without room is no fault."""
    with contextlib.suppress(OSError, UnicodeEncodeError):
        _cache(home).parent.mkdir(mode=0o700, exist_ok=True)
        write_atomic(_cache(home), msgspec.json.encode(tuple(rows)))


def _cache(home: Path) -> Path:
    return home / "cache" / "models.json"


def _real(path: str) -> str:
    try:
        return str(Path(path).expanduser().resolve())
    except (OSError, RuntimeError, ValueError):
        return path


def _stamp(folder: Path) -> object:
    """What changes when a file in the folder does."""
    try:
        return tuple(sorted((f.name, f.stat().st_mtime_ns, f.stat().st_size) for f in folder.iterdir()))
    except OSError:
        return None
