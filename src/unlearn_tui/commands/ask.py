"""ask: one question of your own to a model, or to both models of a run, at every precision, side by side."""

from __future__ import annotations

import os
import queue
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from typer import Argument, Exit, Option

from unlearn_tui import catalog
from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused

if TYPE_CHECKING:
    from unlearn_tui.protocol.inspect import Ask, Reply
    from unlearn_tui.runs.inspecting import Inspector
    from unlearn_tui.state.asked import Asked

_HOW = "How to ask"
REDRAWS = 10
"""Of growing answers, a second."""


def ask(
    ref: Annotated[str, Argument(metavar="RUN|MODEL", help="A run (its target and its unlearned model) or a model.")],
    question: Annotated[str, Argument(metavar="QUESTION", help="Asked as KnowMem asks; a chat model in its template.")],
    free: Annotated[bool, Option("--free", help="The text itself, to be continued.", rich_help_panel=_HOW)] = False,
    chat: Annotated[bool, Option("--chat", help="In the tokenizer's chat template.", rich_help_panel=_HOW)] = False,
    attack: Annotated[
        str,
        Option("--attack", metavar="ID|all", help=f"{', '.join(filter(None, catalog.ATTACKS))}.", rich_help_panel=_HOW),
    ] = "",
    temperature: Annotated[
        float, Option("--temperature", help="Sample at this temperature; 0 is greedy.", rich_help_panel=_HOW)
    ] = 0.0,
    seed: Annotated[int, Option("--seed", help="Seed of the samples.", rich_help_panel=_HOW)] = 0,
    gold: Annotated[
        str, Option("--gold", metavar="TEXT", help="The right answer, where the corpus lacks it.", rich_help_panel=_HOW)
    ] = "",
    tokens: Annotated[
        bool, Option("--tokens", help="Also the probability and rank of the gold answer's tokens.")
    ] = False,
    precision: o.Precision = None,
    corpus: o.Corpus = None,
    device: o.Device = None,
    threads: o.Threads = None,
    offline: o.Offline = None,
    max_new_tokens: Annotated[int, Option("--max-new-tokens", min=1, max=4096, help="Longest answer.")] = 32,
    budget: Annotated[
        int, Option("--budget", metavar="MB", min=0, help="Memory for models; 0 for half of what is free.")
    ] = 0,
    keep: Annotated[
        bool, Option("--keep", help="Leave the models loaded for ten minutes: the next ask is quick.")
    ] = False,
    beside_training: Annotated[
        bool, Option("--beside-training", help="Ask although a run is going on, which it slows down.")
    ] = False,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
) -> None:
    """Ask a question at every precision, the answers side by side."""
    from unlearn_tui.commands.preflight import spec_of
    from unlearn_tui.protocol.inspect import Ask
    from unlearn_tui.report import asked as report
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.inspecting import checked, subjects

    if free and chat:
        raise Refused("--free and --chat are two ways to ask: give one")
    flags = {"precision": precision, "corpus": corpus, "device": device, "threads": threads, "offline": offline}
    base = home_of(home)
    if not question.strip():
        raise Refused("the question is empty: write it in quotes")
    models, spec = subjects(ref, base, bool(offline))
    stands = {"precision": ",".join(spec.precision), "corpus": spec.corpus}
    asked_for = spec_of(stands | {k: v for k, v in flags.items() if v is not None}, compares=False)
    attacks = list(catalog.ATTACKS) if attack == "all" else [catalog.attack(attack).id]
    request = checked(
        Ask(
            id=0,
            models=models,
            precisions=asked_for.precision,
            question=question,
            template="free" if free else "chat" if chat else spec.template,
            corpus=asked_for.corpus,
            gold=gold,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            seed=seed,
            device=asked_for.device,
            threads=asked_for.threads,
            budget=budget * 1_000_000,
            keep=keep,
        )
    )
    _leave_alone(base, beside_training)
    asked = _ask(base, request, attacks, plain or json)
    if json:
        console.show_json(report.table(asked))
    else:
        grids = [report.answers(asked[0]) if len(asked) == 1 else report.attacks(asked)]
        if tokens:
            grids += [report.tokens(one) for one in asked if one.tokens]
        console.show_grids(grids, plain)
    if any(one.refused or column.failed for one in asked for column in one.columns):
        raise Exit(1)


def _leave_alone(home: Path, beside: bool) -> None:
    from unlearn_tui.runs.inspecting import training

    if not beside and (live := training(home)):
        raise Refused(f"run {live[0]} is going on, and asking would slow it down: wait, or add --beside-training")


def _ask(home: Path, request: Ask, attacks: Sequence[str], plain: bool) -> list[Asked]:
    """Ask the question in every way, one after the other; what is said meanwhile goes to stderr: on a terminal the
    answers grow side by side, token by token.

    Raises Refused where the only way is refused, Exit where the inspector fails.
    """
    from unlearn_tui.runs.inspecting import Inspector

    replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    inspector = Inspector(home, replies.put)
    try:
        asked = [
            _hear(inspector, replies, msgspec.structs.replace(request, id=inspector.next_id(), attack=attack), plain)
            for attack in attacks
        ]
    finally:
        inspector.close()
    if len(asked) == 1 and asked[0].refused:
        raise Refused(asked[0].refused)
    return asked


def _hear(inspector: Inspector, replies: queue.SimpleQueue[Reply], request: Ask, plain: bool) -> Asked:
    from unlearn_tui.protocol.inspect import Refusal
    from unlearn_tui.state.asked import asked, heard

    state = asked(request)
    inspector.ask(request)
    with _display(plain) as tell:
        while not state.ended:
            reply = replies.get()
            state = heard(state, reply)
            tell(reply, state)
    if isinstance(reply, Refusal) and reply.fault:
        console.say(f"error: {reply.message}")
        raise Exit(1)
    return state


@contextmanager
def _display(plain: bool) -> Iterator[Callable[[Reply, Asked], None]]:
    """A function to tell of every reply: a live view on a terminal, else lines."""
    if plain or not sys.stderr.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        yield _narrate
        return
    from rich.console import Console
    from rich.live import Live

    from unlearn_tui.report.asked import growing

    screen = Console(stderr=True, markup=False, emoji=False, highlight=False)
    drawn = 0.0
    with Live(console=screen, transient=True, auto_refresh=False) as live:

        def tell(_reply: Reply, state: Asked) -> None:
            nonlocal drawn
            now = time.monotonic()
            if now - drawn >= 1 / REDRAWS or state.ended:
                drawn = now
                live.update(growing(state, screen.width, screen.height), refresh=True)

        yield tell


def _narrate(reply: Reply, state: Asked) -> None:
    """A single column token by token, several as whole answers."""
    from unlearn_tui.protocol import inspect as ins
    from unlearn_tui.report.text import safe

    match reply:
        case ins.Progress():
            console.say(reply.text)
        case ins.Said() if len(state.columns) == 1:
            _stream(safe(reply.piece.text))
        case ins.Answered() | ins.ColumnFailed():
            column = state.columns[reply.column]
            if len(state.columns) == 1:
                _stream("\n")
            if column.failed or len(state.columns) > 1:
                attack = state.request.attack
                way = f"{catalog.ATTACKS[attack].label}, " if attack else ""
                console.say(f"{way}{column.label} {column.precision}: {column.failed or column.text.strip()}")


def _stream(text: str) -> None:
    """A piece of an answer to stderr, at once."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        console.silence(sys.stderr)
