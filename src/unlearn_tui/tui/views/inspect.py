"""Inspect: one prompt on every model and precision; turns keys into operations on InspectState."""

from __future__ import annotations

from typing import ClassVar

from unlearn_tui import catalog
from unlearn_tui.state import inspect as ops
from unlearn_tui.tui.draw import inspect as drawing
from unlearn_tui.tui.draw.inspect_answers import attacks
from unlearn_tui.tui.draw.inspect_page import as_text, page
from unlearn_tui.tui.lines import Line
from unlearn_tui.tui.views import inspect_dialogs as dialogs
from unlearn_tui.tui.views.inspect_asking import AskingView
from unlearn_tui.tui.views.inspect_files import exported


class InspectView(AskingView):
    """Tokens, answers and attacks of the prompt in view."""

    name_: ClassVar[str] = "inspect"

    def draw(self, width: int, height: int) -> list[Line]:
        """The prompt in view, or why there is none."""
        return drawing.draw(self.state, width, height, self.note, self.app.ascii)

    def clicked(self, x: int, y: int) -> None:
        """The column or the attack of this row."""
        lines = drawing.draw(self.state, *self.size, self.note, self.app.ascii)
        match drawing.row_at(self.state, lines, y):
            case "attack", at:
                self.take(ops.moved_attack(self.state, at - self.state.attack, attacks()))
            case "column", at:
                self.take(ops.moved_column(self.state, at - self.state.column))

    # -- keys ----------------------------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """Nearly everything needs a prompt and somebody to ask."""
        state = self.state
        match action:
            case "ask" | "cancel":
                return True
            case "next" | "previous":
                return len(state.prompts) > 1
            case "history" | "export":
                return bool(state.history)
            case "keep":
                return bool(ops.own_questions(state))
            case "memory":
                return self.asking.used
            case "open" | "template" | "sample" | "precisions" | "attacks" | "again" | "gold":
                return bool(state.models and state.prompt)
        return state.asked is not None

    def action_up(self) -> None:
        """The column above; among attacks, the attack above."""
        self.scrolled(-1)

    def action_down(self) -> None:
        """The column below; among attacks, the attack below."""
        self.scrolled(1)

    def scrolled(self, by: int) -> None:
        """Keys and the wheel move over columns, or attacks."""
        if self.state.pane == "attacks":
            self.take(ops.moved_attack(self.state, by, attacks()))
        else:
            self.take(ops.moved_column(self.state, by))

    def action_left(self) -> None:
        """A token to the left."""
        self.take(ops.moved_token(self.state, -1))

    def action_right(self) -> None:
        """A token to the right."""
        self.take(ops.moved_token(self.state, 1))

    def action_first(self) -> None:
        """The first token."""
        self.take(ops.moved_token(self.state, -ops.tokens(self.state)))

    def action_last(self) -> None:
        """The last token."""
        self.take(ops.moved_token(self.state, ops.tokens(self.state)))

    def action_next(self) -> None:
        """The next prompt."""
        self.step(1)

    def action_previous(self) -> None:
        """The prompt before."""
        self.step(-1)

    def action_open(self) -> None:
        """Ask it; what was asked is shown in full."""
        now = self.state.asked
        if now is None or now.refused:
            self.ask()
        else:
            self.app.read("the whole answers", lambda width: page(now, width))

    def action_again(self) -> None:
        """Ask the same again; among attacks, with those that were not tried."""
        if self.state.pane == "attacks":
            self._try_attacks()
        else:
            self.stop()
            self.ask()

    def action_ask(self) -> None:
        """A question of one's own; to the shipped target where nobody is chosen."""
        self.own_question()

    def action_gold(self) -> None:
        """The right answer to this question."""
        dialogs.right_answer(self)

    def action_template(self) -> None:
        """Worked examples, chat template, or the text itself."""
        names, prompt = list(ops.TEMPLATES), self.state.prompt
        if prompt is not None and prompt.template:
            self.app.say("a passage is continued as it stands: other templates are for questions", "warn")
            return
        template = names[(names.index(self.state.template) + 1) % len(names)]
        self.set_way(template=template)
        self.app.say(f"{template}: {ops.TEMPLATES[template]}")

    def action_sample(self) -> None:
        """Greedy, or sampled at a temperature with a seed."""
        dialogs.sampling(self)

    def action_precisions(self) -> None:
        """Which precisions are asked."""
        dialogs.precisions(self)

    def action_tokens(self) -> None:
        """The cursor on the gold answer, or on what is said."""
        self.take(ops.walking_said(self.state, not self.state.said))

    def action_pin(self) -> None:
        """The column that the others are compared with."""
        self.take(ops.pinned(self.state))

    def action_attacks(self) -> None:
        """The table of attacks, those that were not tried on this prompt are now; and back."""
        state = self.state
        if state.pane == "attacks":
            self.take(ops.in_pane(state, "tokens"))
            return
        self.take(ops.in_pane(state, "attacks"))
        self._try_attacks()

    def _try_attacks(self) -> None:
        """Ask with those that were not tried on this prompt."""
        state = self.state
        plain = ops.find(state, "")
        gold = bool(state.prompt and state.prompt.gold) or bool(plain and plain.gold)
        missing = [id for id, found in ops.attack_rows(state, attacks()) if found is None or found.refused]
        usable = tuple(id for id in missing if gold or not catalog.attack(id).needs_gold)
        if usable:
            self.ask(usable)
        if len(usable) < len(missing):
            self.app.say("a right answer's beginning can be given only where it is known: G sets it", "warn")

    def action_history(self) -> None:
        """Everything that was asked."""
        dialogs.history(self)

    def action_memory(self) -> None:
        """What the inspector holds in memory."""
        self.asking.status()

    def action_keep(self) -> None:
        """One's own questions as a corpus."""
        dialogs.keep(self)

    def action_copy(self) -> None:
        """The question with every answer and the gold tokens' probabilities."""
        if self.state.asked is not None:
            self.app.copy(as_text(self.state.asked), "answers")

    def action_export(self) -> None:
        """Everything asked since the start: answers, and tokens with probabilities."""
        asked = self.state.history
        self.app.work(lambda: exported(asked), lambda t: self.app.export("inspect", t), group="inspect export")

    def action_cancel(self) -> None:
        """Escape: stop answering, else back from the attacks."""
        if self.state.busy:
            self.stop()
            self.take(self.state)
        elif self.state.pane == "attacks":
            self.take(ops.in_pane(self.state, "tokens"))
