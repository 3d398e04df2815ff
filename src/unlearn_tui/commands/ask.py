"""ask: one question of your own to a model, or to both models of a run, at every precision, side by side."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option

from unlearn_tui import catalog
from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec

if TYPE_CHECKING:
    from unlearn_tui.sources.checkpoints import CheckpointInfo


def ask(
    ref: Annotated[str, Argument(metavar="RUN|MODEL", help="A run (its target and its unlearned model) or a model.")],
    question: Annotated[str, Argument(metavar="QUESTION", help="Asked as KnowMem asks, after ten worked examples.")],
    precision: o.Precision = None,
    corpus: o.Corpus = None,
    device: o.Device = None,
    threads: o.Threads = None,
    offline: o.Offline = None,
    max_new_tokens: Annotated[int, Option("--max-new-tokens", min=1, max=4096, help="Longest answer.")] = 32,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
) -> None:
    """Ask a question at every precision, the answers side by side."""
    from unlearn_tui.commands.preflight import spec_of
    from unlearn_tui.runs.directory import usable_cores
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.sources import checkpoints, corpora

    flags = {"precision": precision, "corpus": corpus, "device": device, "threads": threads, "offline": offline}
    if not question.strip():
        raise Refused("the question is empty: write it in quotes")
    base = home_of(home)
    models, spec = _models(ref, base, bool(offline))
    spec = spec_of({"precision": ",".join(spec.precision), "corpus": spec.corpus} | _given(flags), compares=False)
    corpora.load(spec.corpus, {"forget_qa"})
    for info in models.values():
        checkpoints.check(info)
        if info.path is None:
            raise Refused(f"{info.name} is not on this machine: a run with --model {info.name} downloads it", "model")
    request = {
        "models": [{"label": label, "path": str(info.path)} for label, info in models.items()],
        "corpus": spec.corpus,
        "question": question,
        "precisions": spec.precision,
        "device": spec.device,
        "threads": spec.threads or usable_cores(),
        "max_new_tokens": max_new_tokens,
    }
    _show(request, _answers(request), plain, json)


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in flags.items() if v is not None}


def _models(ref: str, home: Path, offline: bool) -> tuple[dict[str, CheckpointInfo], RunSpec]:
    """What to ask, by label, and the spec whose precisions and corpus stand where no flag says otherwise."""
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


def _answers(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The engine's answers, its progress told on stderr meanwhile. Raises Exit(1) where it fails."""
    import msgspec

    command = [sys.executable, "-P", "-m", "unlearn_tui.engine.ask"]
    answers: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        ) as engine,
    ):
        try:
            assert engine.stdin
            assert engine.stdout
            with contextlib.suppress(BrokenPipeError):  # it died at birth: what it said tells why
                engine.stdin.write(msgspec.json.encode(request) + b"\n")
                engine.stdin.close()
            for line in engine.stdout:
                reply: dict[str, Any] = msgspec.json.decode(line)
                match reply.pop("type", ""):
                    case "progress":
                        console.say(str(reply["text"]))
                    case "answer":
                        answers.append(reply)
                    case "error":
                        console.say(f"error: {reply['message']}")
                        raise Exit(1)
                    case "done":
                        return answers
        finally:
            engine.kill()
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
    console.say(f"error: the engine ended without a word: {lines[-1] if lines else 'killed or out of memory'}")
    raise Exit(1)


def _show(request: dict[str, Any], answers: list[dict[str, Any]], plain: bool, json: bool) -> None:
    from unlearn_tui.report.answers import mark
    from unlearn_tui.report.sections import Grid
    from unlearn_tui.report.text import safe

    if json:
        console.show_json({"schema": 1, "question": request["question"], "answers": answers})
        return
    labels = [m["label"] for m in request["models"]]
    said = {(a["label"], a["precision"]): a for a in answers}
    gold = next((a["gold"] for a in answers if a.get("gold")), None)
    full = next((p for p in request["precisions"] if catalog.PRECISIONS[p].full), "")
    lost = said.get(("unlearned", full), {}).get("answer", "")

    def cell(label: str, precision: str) -> str:
        answer = said.get((label, precision))
        if answer is None:
            return "–"
        text = safe(answer["answer"].strip())
        return mark(text, safe(gold), safe(lost)) if gold and label == "unlearned" and precision != full else text

    rows = [(p, *(cell(label, p) for label in labels)) for p in request["precisions"]]
    note = f"gold: {safe(gold)}" if gold else ""
    console.show_grids([Grid(safe(request["question"]), ("precision", *labels), rows, len(labels) + 1, note)], plain)
