"""ask: one question of your own to a model, or to both models of a run, at every precision, side by side."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument, Exit, Option

from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused


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
    from unlearn_tui.report.asked import grid
    from unlearn_tui.runs import asking
    from unlearn_tui.runs.home import home as home_of

    flags = {"precision": precision, "corpus": corpus, "device": device, "threads": threads, "offline": offline}
    if not question.strip():
        raise Refused("the question is empty: write it in quotes")
    models, spec = asking.models(ref, home_of(home), bool(offline))
    spec = spec_of({"precision": ",".join(spec.precision), "corpus": spec.corpus} | _given(flags), compares=False)
    request = asking.request(models, spec, question, max_new_tokens)
    try:
        answers = asking.Asking().answers(request, console.say)
    except asking.Failed as error:
        console.say(f"error: {error}")
        raise Exit(1) from None
    if json:
        console.show_json({"schema": 1, "question": question, "answers": answers})
    else:
        console.show_grids([grid(request, answers)], plain)


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in flags.items() if v is not None}
