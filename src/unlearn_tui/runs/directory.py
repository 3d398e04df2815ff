"""A run's directory: the names of its files, and what they hold when nobody writes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.files import SMALL, read_limited, toml
from unlearn_tui.protocol.events import AnyEvent
from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.spec import RunSpec, from_table, to_toml
from unlearn_tui.runs.home import reason, runtime_dir
from unlearn_tui.runs.log import LogReader

MADE = {"unlearn": "unlearned", "memorise": "memorised"}
"""The folder under checkpoints/ that holds what a run of a task makes."""
REINFORCED = "reinforced"
"""Where a method of two models keeps the one that it trained: no unlearned checkpoint, and so not under that name."""


def made_by(spec: RunSpec) -> str:
    """The folder under checkpoints/ that a run that trains ends with."""
    return REINFORCED if catalog.method(spec.method).pairs else MADE[spec.task]


@dataclass(frozen=True)
class RunDir:
    """The directory of one run. Works from its path alone: it can be copied elsewhere and opened there."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def home(self) -> Path:
        """The home that this run stands in (home/runs/ID)."""
        return self.path.parent.parent

    @property
    def made(self) -> Path:
        """The checkpoint that the run made or will make: checkpoints/unlearned, or checkpoints/memorised."""
        memorised = self.checkpoints / MADE["memorise"]
        return memorised if memorised.is_dir() else self.checkpoints / MADE["unlearn"]

    @property
    def spec_path(self) -> Path:
        return self.path / "spec.toml"

    @property
    def events_path(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def engine_json(self) -> Path:
        return self.path / "engine.json"

    @property
    def lock_path(self) -> Path:
        return self.path / "engine.lock"

    @property
    def log_path(self) -> Path:
        return self.path / "engine.log"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def answers(self) -> Path:
        return self.path / "answers"

    @property
    def result_path(self) -> Path:
        return self.path / "result.json"

    @property
    def socket_path(self) -> Path:
        """Where an engine started here listens; a live one says so in engine.json. Raises Refused (runtime_dir)."""
        name = hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:16]
        return runtime_dir() / f"{name}.sock"

    @classmethod
    def create(cls, home: Path, spec: RunSpec, versions: dict[str, str]) -> RunDir:
        """A new directory under home/runs holding spec.toml, its id `<name or preset or method>-YYMMDD-HHMMSS`.

        `threads` 0 becomes the number of usable cores, so that a resume elsewhere computes the same. The directory
        appears whole under its id or not at all, and is open to nobody else (0700). Raises Refused
        (field "home") where it cannot be written.
        """
        spec = msgspec.structs.replace(spec, threads=spec.threads or usable_cores())
        label = spec.name or spec.preset or (spec.method if spec.task == "unlearn" else spec.task)
        slug = re.sub(r"[^a-z0-9_]+", "-", label.lower())[:32].strip("-") or "run"
        stem = f"{slug}-{time.strftime('%y%m%d-%H%M%S')}"
        building = home / "runs" / f".new-{secrets.token_hex(8)}"
        try:
            building.parent.mkdir(parents=True, exist_ok=True)
            building.mkdir(mode=0o700)  # answers hold what was to be forgotten
            write_atomic(building / "spec.toml", to_toml(spec, versions).encode())
            return cls(_rename_free(building, stem))
        except (OSError, ValueError) as error:  # ValueError: a name that is not UTF-8
            shutil.rmtree(building, ignore_errors=True)
            raise Refused(
                f"a run cannot be created in {str(home)!r}: {reason(error)}; make room there, or give another --home",
                "home",
            ) from error

    def spec(self) -> RunSpec:
        """What was asked. Raises Refused if spec.toml is missing or damaged."""
        try:
            return from_table(toml(read_limited(self.spec_path, SMALL)))
        except OSError as error:
            raise Refused(f"{str(self.path)!r} is no run: spec.toml: {reason(error)}") from error
        except (ValueError, RecursionError) as error:
            raise Refused(f"run {self.id!r}: spec.toml is damaged: {error}") from error

    def result(self) -> Result | None:
        """The final table, None before there is one. Raises Refused if result.json is damaged."""
        try:
            return msgspec.json.decode(read_limited(self.result_path), type=Result)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise Refused(f"run {self.id!r}: result.json is damaged: {reason(error)}") from error

    def events(self, start: int = 0) -> Iterator[AnyEvent]:
        """Every event with seq ≥ `start` that is in the log now; ends at the first line that is no whole event."""
        reader = LogReader(self.events_path)
        while batch := reader.read():
            yield from (event for event in batch if event.seq >= start)


def _rename_free(building: Path, stem: str) -> Path:
    """Rename to `stem`, or `stem-2`, `stem-3` … if taken: a rename onto a directory that holds something fails."""
    for number in itertools.count(1):
        try:
            return building.rename(building.with_name(stem if number == 1 else f"{stem}-{number}"))
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
    raise AssertionError


def usable_cores() -> int:
    """Cores this process may use: its affinity, cut by a container's cgroup (v2) quota; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        cores = min(cores, -(-int(quota) // int(period)))
    return max(cores, 1)


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a whole file or nothing: a temporary name beside it, fsync, rename, fsync of the directory. What a person
    asked for and may hand on is given the `mode` 0o666, of which the umask takes its part.

    Raises OSError (disk full, read-only …) and then leaves neither the temporary file nor a changed `path`.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
