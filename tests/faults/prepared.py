"""Real engines without their start-up time: one process that has loaded torch, and a fork of it for every engine.

`Prepared` starts it and asks for engines. In a fork every durable operation (a line appended to a file that is kept, a
rename, a removal, a folder made) has a name: what it does, in which stage, to which file, with numbers and random parts left
out. An engine can be asked to list them, and to end with os._exit(EXIT) before, in the middle of, or after the n-th of a
name: nothing is flushed, closed or tidied, as if it had been killed there.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXIT = 77
"""How an engine ends at its crash point."""
NAMES = (
    (r"[0-9a-f]{32}", "KEY"),
    (r"training-\d+", "training-N"),
    (r"\.[0-9a-f]{8}\.tmp|\.\d+\.tmp", ".tmp"),
    (r"hashes-\w+", "hashes.tmp"),
    (r"(target|unlearned)-[\w-]+-\w+\.jsonl", "MODEL-PRECISION-METRIC.jsonl"),
)
"""What is a number, random or one of many in a file's name, and what an operation's name has instead."""


LOADED = (
    *("unlearn_tui.engine.__main__", "unlearn_tui.engine.quantization.bnb", "bitsandbytes", "rouge_score.rouge_scorer"),
    *(
        "transformers.models.llama.modeling_llama",
        "transformers.models.llama.tokenization_llama",
        "transformers.modeling_utils",
    ),
    *(
        "transformers.quantizers.auto",
        "transformers.integrations",
        "transformers.generation",
        "torch.distributed.tensor",
    ),
    *("accelerate", "accelerate.utils", "psutil", "safetensors.torch", "transformers.loss.loss_utils"),
)
"""Modules that every engine comes to need."""


@dataclass(frozen=True)
class Point:
    """Where an engine is to end: "before", "in" (half of a line is written) or "after" an operation's n-th time; or before
    which it is to stand still ("stop") until SIGCONT."""

    when: str
    name: str
    nth: int = 1


@dataclass
class Prepared:
    """The client's side; a context manager."""

    process: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> Prepared:
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._hear() == {"ready": True}
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)

    def start(
        self, run: Path, point: Point | None = None, trace: Path | None = None, jumps: float = 0.0, first: str = ""
    ) -> int:
        """Start an engine on a run's folder; returns its pid. `trace` gets its operations' names, a line each. `jumps`:
        the clock on its wall goes wrong by so many seconds, forth and back, all the time. `first`: Python that it executes
        before anything else."""
        asked = {
            "run": str(run), "point": vars(point) if point else None, "trace": str(trace) if trace else None, "jumps": jumps,
            "first": first,
        }  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return int(self._hear()["pid"])

    def wait(self) -> int:
        """The exit code of the engine that was started last, negative for a signal."""
        return int(self._hear()["code"])

    def run(
        self, run: Path, point: Point | None = None, trace: Path | None = None, jumps: float = 0.0, first: str = ""
    ) -> int:
        """An engine from start to end."""
        self.start(run, point, trace, jumps, first)
        return self.wait()

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


def serve() -> None:
    """The prepared process: an engine a line."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import torch

    torch.set_num_threads(1)  # a fork cannot use the threads of its parent
    for module in LOADED:
        importlib.import_module(module)

    def say(**what: object) -> None:
        print(json.dumps(what), file=out, flush=True)

    say(ready=True)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _engine(asked)
        say(pid=pid)
        _, status = os.waitpid(pid, 0)
        say(code=os.waitstatus_to_exitcode(status))


def _engine(asked: dict[str, Any]) -> None:
    """In the fork: become the engine of a run. Never returns."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        run = Path(asked["run"])
        log = os.open(run / "engine.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        from unlearn_tui.engine import __main__ as engine

        exec(asked["first"], {})
        if asked["jumps"]:
            _jump(asked["jumps"])
        if asked["point"] or asked["trace"]:
            point = Point(**asked["point"]) if asked["point"] else None
            _watch(run, point, Path(asked["trace"]) if asked["trace"] else None)
        code = engine.main(str(run))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _jump(seconds: float) -> None:
    """From now on time.time() is wrong: every few calls it goes so far back, and then forth again."""
    import itertools
    import time

    real, calls = time.time, itertools.count()
    time.time = lambda: real() + (seconds if next(calls) // 3 % 2 else 0.0)  # type: ignore[assignment]


def _watch(run: Path, point: Point | None, trace: Path | None) -> None:
    """Name every durable operation, and end at the one that was asked for."""
    from unlearn_tui.engine.reporter import Reporter
    from unlearn_tui.protocol import events as ev
    from unlearn_tui.runs.writer import EventWriter

    home = run.parent.parent
    seen: Counter[str] = Counter()
    stage = ["start"]
    names = trace.open("a") if trace else None

    def named(what: str, *paths: Any) -> str:
        shown = []
        for path in paths:
            text = os.path.relpath(os.fspath(path), home) if str(path).startswith(str(home)) else Path(path).name
            text = text.replace(f"runs/{run.name}/", "")
            for pattern, name in NAMES:
                text = re.sub(pattern, name, text)
            shown.append(text)
        return f"{stage[0]}: {what} {' to '.join(shown)}".strip()

    def around(name: str, call: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        seen[name] += 1
        if names:
            names.write(name + "\n")
            names.flush()
        due = point is not None and (point.name, point.nth) == (name, seen[name])
        if due and point and point.when == "before":
            os._exit(EXIT)
        if due and point and point.when == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
            return call()
        if due and point and point.when == "in" and half is not None:
            half()
            os._exit(EXIT)
        try:
            return call()
        finally:
            if due:  # also where it fails, as making what is there already does
                os._exit(EXIT)

    def wrap(module: Any, function: str, what: str, paths: int) -> None:
        real = getattr(module, function)

        def patched(*args: Any, **kw: Any) -> Any:
            ours = [a for a in args[:paths] if isinstance(a, (str, os.PathLike)) and str(a).startswith(str(home))]
            if not ours:
                return real(*args, **kw)
            return around(named(what, *ours), lambda: real(*args, **kw))

        setattr(module, function, patched)

    for function, what, paths in (
        ("rename", "rename", 2), ("replace", "rename", 2), ("mkdir", "make", 1), ("unlink", "remove", 1),
        ("rmdir", "remove", 1),
    ):  # fmt: skip
        wrap(os, function, what, paths)
    import shutil

    wrap(shutil, "rmtree", "remove all of", 1)
    copy = shutil.copyfile

    def copied(source: Any, target: Any, **kw: Any) -> Any:
        def half() -> None:
            data = Path(source).read_bytes()
            Path(target).write_bytes(data[: len(data) // 2])

        return around(named("copy", source, target), lambda: copy(source, target, **kw), half)

    shutil.copyfile = copied  # type: ignore[assignment]

    write = EventWriter.write
    running = Reporter.running

    def append(self: EventWriter, event: ev.AnyEvent) -> None:
        kind = type(event).__name__
        # of what comes many times, only what the run's course depends on has a name
        if kind in ("Progress", "Answered", "WeightsMatrix", "Log"):
            write(self, event)
            return

        def half() -> None:
            os.write(self._fd, ev.encode(event)[:20])

        around(named(f"append {kind}", self_path(self)), lambda: write(self, event), half)

    def self_path(writer: EventWriter) -> str:
        return str(Path(f"/proc/self/fd/{writer._fd}").readlink())

    def in_stage(self: Reporter, name: str, *args: Any, **kw: Any) -> Any:
        stage[0] = name
        return running(self, name, *args, **kw)

    EventWriter.write = append  # type: ignore[method-assign]
    Reporter.running = in_stage  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    serve()
