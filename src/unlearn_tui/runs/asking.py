"""One question to a model, or to both models of a run, at every precision: an engine process that answers and goes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec

if TYPE_CHECKING:
    from unlearn_tui.sources.checkpoints import CheckpointInfo

ENGINE = "unlearn_tui.engine.ask"


class Failed(Exception):
    """The engine did not answer; the message is one line, untrusted text."""


def models(ref: str, home: Path, offline: bool = False) -> tuple[dict[str, CheckpointInfo], RunSpec]:
    """What to ask, by label, and the spec whose precisions and corpus stand where nobody says otherwise.

    A run stands for its target and its unlearned model. Raises Refused for a name that nothing bears.
    """
    from unlearn_tui.runs.store import find
    from unlearn_tui.sources.checkpoints import resolve

    if ref not in catalog.CHECKPOINTS and not Path(ref, "config.json").is_file():
        try:
            run = find(home, ref)
        except Refused:
            pass
        else:
            spec = run.spec()
            unlearned = spec.unlearned if spec.task == "check" else str(run.path)
            return {
                "target": resolve(spec.model, home, offline),
                "unlearned": resolve(unlearned, home, offline, "unlearned"),
            }, spec
    return {"model": resolve(ref, home, offline)}, RunSpec()


def request(
    models: dict[str, CheckpointInfo], spec: RunSpec, question: str, max_new_tokens: int = 32
) -> dict[str, Any]:
    """What engine.ask reads on stdin. Raises Refused where the corpus or a checkpoint would stop it."""
    from unlearn_tui.runs.directory import usable_cores
    from unlearn_tui.sources import checkpoints, corpora

    corpora.load(spec.corpus, {"forget_qa"})
    for info in models.values():
        checkpoints.check(info)
        if info.path is None:
            raise Refused(f"{info.name} is not on this machine: a run with --model {info.name} downloads it", "model")
    return {
        "models": [{"label": label, "path": str(info.path)} for label, info in models.items()],
        "corpus": spec.corpus,
        "question": question,
        "precisions": spec.precision,
        "device": spec.device,
        "threads": spec.threads or usable_cores(),
        "max_new_tokens": max_new_tokens,
    }


class Asking:
    """One engine process and its answers; `cancel` may be called from another thread at any time."""

    def __init__(self) -> None:
        self.cancelled = False
        self._engine: subprocess.Popen[bytes] | None = None

    def cancel(self) -> None:
        """Kill the engine; `answers` then returns what there is."""
        self.cancelled = True
        if self._engine is not None:
            self._engine.kill()

    def answers(self, request: dict[str, Any], heard: Callable[[str], object]) -> list[dict[str, Any]]:
        """Every answer as engine.ask gives it; its progress is told to `heard` meanwhile. Raises Failed."""
        found: list[dict[str, Any]] = []
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                [sys.executable, "-P", "-m", ENGINE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            ) as engine,
        ):
            self._engine = engine
            try:
                if self.cancelled:
                    return found
                assert engine.stdin
                assert engine.stdout
                with contextlib.suppress(BrokenPipeError):  # it died at birth: what it said tells why
                    engine.stdin.write(msgspec.json.encode(request) + b"\n")
                    engine.stdin.close()
                for line in engine.stdout:
                    reply: dict[str, Any] = msgspec.json.decode(line)
                    match reply.pop("type", ""):
                        case "progress":
                            heard(str(reply["text"]))
                        case "answer":
                            found.append(reply)
                        case "error":
                            raise Failed(str(reply["message"]))
                        case "done":
                            return found
            finally:
                engine.kill()
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
        if self.cancelled:
            return found
        raise Failed(f"the engine ended without a word: {lines[-1] if lines else 'killed or out of memory'}")
