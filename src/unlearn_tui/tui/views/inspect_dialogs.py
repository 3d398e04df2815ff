"""What Inspect asks the person for: a question, its right answer, how to answer, at which precisions; and the history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.report.text import safe
from unlearn_tui.state import inspect as ops
from unlearn_tui.state.inspect import Prompt
from unlearn_tui.tui.dialogs import Option
from unlearn_tui.tui.draw.inspect_answers import attack_label
from unlearn_tui.tui.draw.inspect_page import how
from unlearn_tui.tui.lines import Line, line, wrap

if TYPE_CHECKING:
    from unlearn_tui.tui.views.inspect_asking import AskingView


def own_question(view: AskingView) -> None:
    """A question of one's own; the corpus's, with its answer, where it is one of them."""
    state = view.state

    def done(text: str) -> str | None:
        if not text.strip():
            return "the question is empty: write one, or escape"
        view.ask_own(text)
        return None

    columns = len(state.models) * len(state.precisions)
    hint = f"{columns} columns answer {ops.TEMPLATES[state.template]}; t changes that"
    view.app.prompt(f"ask {safe(state.name)}", "", done, hint)


def right_answer(view: AskingView) -> None:
    """The right answer to the question in view."""
    state = view.state
    prompt, now = state.prompt, state.asked
    if prompt is None:
        return

    def done(text: str) -> str | None:
        gold = text.strip()
        known = next((p for p in state.prompts if p.question == prompt.question and p.gold == gold), None)
        view.look_at(known or Prompt(prompt.question, gold, template=prompt.template))
        return None

    hint = "answers are scored against it and each of its tokens gets a probability; empty: none"
    view.app.prompt("the right answer", now.gold if now else prompt.gold, done, hint)


def sampling(view: AskingView) -> None:
    """Greedy, or sampled at a temperature with a seed."""

    def chosen(id: str) -> None:
        words = id.lstrip("=").replace(",", " ").split()
        try:
            temperature, seed = float(words[0]), int(words[1]) if len(words) > 1 else view.state.seed
        except (ValueError, IndexError):
            view.app.say("write a temperature and a seed, such as 0.8 7", "bad")
            return
        if not (0 <= temperature <= 10 and 0 <= seed < 2**31):
            view.app.say("a temperature is from 0 (greedy) to 10, a seed a whole number from 0", "bad")
            return
        view.set_way(temperature=temperature, seed=seed)

    seed = view.state.seed
    options = [Option("0", "greedy", "the likeliest token, always")]
    options += [
        Option(f"{t} {s}", f"temperature {t}, seed {s}", "the same draws in every column")
        for t, s in ((0.7, seed), (1.0, seed), (1.0, seed + 1))
    ]
    view.app.pick("how to answer (or type: temperature seed)", options, chosen, free=True)


def precisions(view: AskingView) -> None:
    """Which precisions are asked."""

    def done(text: str) -> str | None:
        names = text.replace(",", " ").split()
        if not names:
            return "name at least one precision"
        try:
            names = [catalog.precision(name).id for name in names]
        except Refused as refused:
            return str(refused)
        view.set_way(precisions=tuple(dict.fromkeys(names)))
        return None

    view.app.prompt("precisions", ", ".join(view.state.precisions), done, ", ".join(catalog.PRECISIONS))


def history(view: AskingView) -> None:
    """Everything that was asked, the newest first."""
    options = [
        Option(
            str(a.request.id),
            " ".join(a.request.question.split()),
            f"{attack_label(a.request.attack)} · {how(a.request)}",
        )
        for a in reversed(view.state.history)
    ]

    def chosen(id: str) -> None:
        view.take(ops.recalled(view.state, int(id)))

    view.app.pick("asked before", options, chosen, str(view.state.shown))


def keep(view: AskingView) -> None:
    """One's own questions as a corpus, and the command that scores it, which is copied too."""
    from unlearn_tui.runs import questions

    app, state = view.app, view.state
    pairs = ops.own_questions(state)
    count = f"{len(pairs)} question{'s' if len(pairs) != 1 else ''}"

    def show(folder: Path) -> None:
        command = questions.command(folder, state.models, state.precisions)

        def lines(width: int) -> list[Line]:
            room = max(width - 2, 10)
            made = [line(f" {row}") for row in wrap(safe(f"{count} of yours: {folder}"), room)]
            made += [[], line((" this scores them, target against unlearned model (copied):", "dim")), []]
            return made + [line((f" {row}", "bold")) for row in wrap(safe(command), room)]

        app.copy(command, "command")
        app.read("own questions", lines)

    def done(text: str) -> str | None:
        if not text.strip():
            return "no folder given: name one, or escape"
        app.work(lambda: questions.save(Path(text.strip()), pairs, state.corpus), show)
        return None

    app.prompt(f"keep {count} as a corpus in", "my-questions", done, f"a folder in {Path.cwd()}, or a path")
