"""Asking the inspector: a client of the engine process that keeps models in memory and answers prompt after prompt.

One such process a home and user. It is started by the first question, ends with its last client, and writes a log of its
own in the runtime directory, never a run's.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.protocol import inspect as ins
from unlearn_tui.protocol.inspect import Ask, Cancel, ModelRef, Refusal, Reply, Request, Status
from unlearn_tui.runs.home import reason, runtime_dir
from unlearn_tui.runs.launch import last_line, spawn
from unlearn_tui.runs.lock import is_held
from unlearn_tui.runs.store import live_ids
from unlearn_tui.validate import check_installed

if TYPE_CHECKING:
    from unlearn_tui.protocol.spec import RunSpec
    from unlearn_tui.sources.checkpoints import CheckpointInfo

ENGINE = "unlearn_tui.engine.inspector"
START_SECONDS = 60.0
"""The process listens before it loads torch: seconds until it must."""


def training(home: Path) -> list[str]:
    """Ids of the live runs, which a question would slow down: callers ask the person first."""
    return live_ids(home)


def subjects(ref: str, home: Path, offline: bool = False) -> tuple[list[ModelRef], RunSpec]:
    """The models that a run (its target and its unlearned one), a checkpoint's name or a folder stands for, and the spec
    whose precisions and corpus stand where nobody says otherwise.

    Raises Refused for a name that nothing bears, and for a checkpoint that is damaged or not on this machine.
    """
    from unlearn_tui.sources import checkpoints

    found, spec = _named(ref, home, offline)
    refs = []
    for label, info in found.items():
        checkpoints.check(info)
        if info.path is None:
            raise Refused(f"{info.name} is not on this machine: a run with --model {info.name} downloads it", "model")
        refs.append(ModelRef(label, str(Path(info.path).resolve())))
    return refs, spec


def _named(ref: str, home: Path, offline: bool) -> tuple[dict[str, CheckpointInfo], RunSpec]:
    from unlearn_tui.protocol.spec import RunSpec
    from unlearn_tui.runs.store import find
    from unlearn_tui.sources.checkpoints import resolve, unpickled

    named = ref in catalog.CHECKPOINTS or ref in catalog.PACKAGED or Path(ref, "config.json").is_file()
    try:
        run = None if named else find(home, ref)
    except Refused:
        run = None
    if run is None:
        # a packaged model knows nothing of the made-up people
        spec = RunSpec(corpus="facts") if ref in catalog.PACKAGED else RunSpec()
        return {"model": resolve(ref, home, offline)}, spec
    spec = run.spec()
    if spec.task == "memorise":
        return {"target": resolve(str(run.path), home, offline)}, spec
    unlearned = spec.unlearned if spec.task == "check" else str(run.path)
    found = {
        "target": resolve(spec.model, home, offline),
        "unlearned": resolve(unlearned, home, offline, "unlearned"),
    }
    # what a run read from pickles stands in safetensors since
    return {name: unpickled(info, name) if spec.pickle_weights else info for name, info in found.items()}, spec


def checked(request: Ask) -> Ask:
    """The request with its corpus as the inspector finds it from anywhere. Raises Refused for what no model is asked."""
    question = request.question
    if not question.strip():
        raise Refused("the question is empty: write one", "question")
    for text, what in ((question, "question"), (request.gold, "gold answer")):
        if len(text) > ins.QUESTION_LIMIT:
            raise Refused(
                f"the {what} has {len(text):,} characters, {ins.QUESTION_LIMIT:,} are the most: shorten it", "question"
            )
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise Refused(f"the {what} is not UTF-8: write it again", "question")
    if not request.models or not request.precisions:
        raise Refused("nobody is asked: name at least one model and one precision", "precision")
    names = [catalog.precision(precision).id for precision in request.precisions]
    check_installed(names)
    request = msgspec.structs.replace(request, precisions=list(dict.fromkeys(names)))
    catalog.attack(request.attack)
    if request.corpus in catalog.CORPORA or request.corpus in catalog.HUB_CORPORA:
        return request
    return msgspec.structs.replace(request, corpus=os.path.abspath(Path(request.corpus).expanduser()))  # noqa: PTH100


class Inspector:
    """A client. Connects with the first request, off the caller's thread; `heard` is told every reply, in order, from
    the reader thread. A process that cannot start, or ends meanwhile, makes a Refusal heard for every open request; the
    next request then starts another.
    """

    def __init__(self, home: Path, heard: Callable[[Reply], None]) -> None:
        self._home, self._heard = home, heard
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._open: dict[int, None] = {}
        self._unsent: list[bytes] = []
        self._unheard: list[bytes] = []
        """Sent on a connection on which nothing was heard yet."""
        self._reader: threading.Thread | None = None
        self._socket: socket.socket | None = None
        self._closed = False

    def next_id(self) -> int:
        """A number that no other request of this client has."""
        return next(self._ids)

    def ask(self, request: Ask) -> None:
        """Ask, and return at once. Raises Refused for an empty or overlong question and for unknown names."""
        self._send(checked(request))

    def cancel(self, id: int) -> None:
        """Stop a request before its next token. Nothing happens where it has ended."""
        with self._lock:
            known = id in self._open
        if known:
            self._send(Cancel(id))

    def status(self) -> None:
        """Ask what is resident: heard as Resident. Raises Refused where the question is over."""
        self._send(Status(self.next_id()))

    def close(self) -> None:
        """Leave: what is being answered is cancelled, nothing more is heard."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _send(self, request: Request) -> None:
        line = msgspec.json.encode(request) + b"\n"
        with self._lock:
            if self._closed:
                return
            if not isinstance(request, Cancel):
                self._open[request.id] = None
            self._unsent.append(line)
            if self._reader is None:
                self._reader = threading.Thread(target=self._read, name="inspector", daemon=True)
                self._reader.start()
            elif self._socket is not None:
                self._flush()

    def _flush(self) -> None:
        """Write what waits; a broken connection is the reader's to tell."""
        assert self._socket is not None
        with contextlib.suppress(OSError):
            self._socket.sendall(b"".join(self._unsent))
        self._unheard += self._unsent
        self._unsent.clear()

    def _read(self) -> None:
        """The reader thread: from connecting to the end of the process."""
        why = "the inspector ended: it was killed or ran out of memory; ask again"
        try:
            # one that was about to leave when we came has said nothing: its successor is asked again
            while not self._converse():
                pass
        except Refused as refused:
            why = str(refused)
        except (OSError, msgspec.MsgspecError):
            pass
        finally:  # whatever a listener raised, the next request starts afresh
            with self._lock:
                self._reader = self._socket = None
                lost, self._open = list(self._open), {}
                self._unsent.clear()
                self._unheard.clear()
        for id in lost:
            if not self._closed:
                self._heard(Refusal(id, why, fault=True))

    def _converse(self) -> bool:
        """One connection, to its end; False where it ended before anything was heard. Raises Refused, OSError."""
        connection, fresh = connected(self._home, lambda: self._closed)
        with connection:
            with self._lock:
                self._socket = connection
                self._unsent = self._unheard + self._unsent
                self._unheard.clear()
                self._flush()
            heard = False
            with contextlib.suppress(ConnectionError), connection.makefile("rb") as lines:
                for line in lines:
                    if not heard:
                        heard = True
                        with self._lock:
                            self._unheard.clear()
                    self._hear(msgspec.json.decode(line, type=Reply))
            with self._lock:
                self._socket = None
            return heard or fresh or self._closed

    def _hear(self, reply: Reply) -> None:
        if isinstance(reply, (ins.Done, ins.Resident, Refusal)):
            with self._lock:
                self._open.pop(reply.id, None)
        if not self._closed:
            self._heard(reply)


def socket_path(home: Path) -> Path:
    """Where the inspector of a home listens. A program of another version, or changed since, has one of its own."""
    package = Path(__file__).parents[1]
    changed = [path.stat().st_mtime_ns for path in (package / "engine").rglob("*.py")]
    who = (str(home.resolve()), sys.executable, str(package), max(changed, default=0), ENGINE)
    return runtime_dir() / f"{hashlib.sha256(repr(who).encode()).hexdigest()[:16]}.sock"


def connected(home: Path, given_up: Callable[[], bool] = lambda: False) -> tuple[socket.socket, bool]:
    """A connection to the inspector of `home`, and whether it was started for it. Raises Refused."""
    path = socket_path(home)
    process: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + START_SECONDS
    while not given_up():
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            client.connect(str(path))
        except OSError as error:
            client.close()
            problem = reason(error)
        else:
            return client, process is not None
        if (process is None or process.poll() is not None) and not _held(path):
            if process is not None:
                raise Refused(f"the inspector cannot start: {last_line(path.with_suffix('.log')) or 'it said nothing'}")
            process = _start(path)
        if time.monotonic() > deadline:
            raise Refused(f"the inspector does not listen after {START_SECONDS:g} s ({problem}): try again")
        time.sleep(0.02)
    raise Refused("given up")


def _held(path: Path) -> bool:
    """Whether a process holds the socket's lock: it listens, or is about to, or is leaving."""
    try:
        return is_held(path.with_suffix(".lock"))
    except OSError:
        return False


def _start(path: Path) -> subprocess.Popen[bytes]:
    """An inspector that listens at `path`; its output goes to its log. Raises Refused."""
    try:
        with path.with_suffix(".log").open("wb") as log:
            # threads that spin while they wait make a token take a second where anything else wants the cores
            return spawn(ENGINE, path, log, {"OMP_WAIT_POLICY": "PASSIVE", **os.environ})
    except OSError as error:
        raise Refused(f"the inspector cannot be started: {reason(error)}") from error
