"""Whom Inspect asks and what: reading runs and models, sending requests, folding replies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearn_tui.protocol.inspect import Reply, Resident
from unlearn_tui.report.text import safe, size
from unlearn_tui.state import inspect as ops
from unlearn_tui.state.inspect import InspectState, Prompt
from unlearn_tui.tui import inspecting
from unlearn_tui.tui.view import View
from unlearn_tui.tui.views import inspect_dialogs as dialogs
from unlearn_tui.tui.views.inspect_files import Subject, subject

if TYPE_CHECKING:
    from textual import events
    from textual.timer import Timer

    from unlearn_tui.runs.directory import RunDir

TARGET = "pocket-target"
"""Asked where nothing else is chosen."""
PAUSE = 0.2
"""Seconds that a prompt must stay in view before it is asked while stepping."""


class AskingView(View):
    """What is asked of whom, and everything that was replied: the state behind Inspect."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.state = InspectState()
        self.asking = inspecting.Asking(self, self._heard)
        self.note = ""
        self._run: Path | None = None
        """The opened run that was looked at last."""
        self._partly = False
        """It was still going on, and its unlearned model was not there."""
        self._steps = False
        """The person has asked something: what is stepped to is asked at once."""
        self._resting: Timer | None = None

    def on_unmount(self, event: events.Unmount) -> None:
        """The app closes."""
        self.asking.close()

    # -- whom to ask ---------------------------------------------------------------------------------------------------

    def shown(self) -> None:
        """In front: another run may have been opened."""
        self._look()

    def told(self) -> None:
        """News of the opened run: only another one counts."""
        self._look()

    def _look(self) -> None:
        opened = self.app.opened
        if opened is not None and (opened.rundir.path != self._run or (self._partly and not opened.live)):
            self._run = opened.rundir.path
            self._partly = opened.live
            self._load(str(self._run))
        self.redraw()

    def _load(self, ref: str, then: Callable[[], object] | None = None) -> None:
        """Read whom `ref` stands for, and ask them from now on."""
        home = self.app.home
        self.note = "reading …"

        def have(found: Subject) -> None:
            self.note, self._steps = found.note, False
            self._partly = self._partly and bool(found.note)
            state = ops.models_of(self.state, found.name, found.models, found.spec)
            self.take(ops.with_prompts(state, found.prompts))
            if then:
                then()

        def failed(why: str) -> None:
            self.note = safe(why)
            self.take(InspectState(history=self.state.history))

        self.app.work(lambda: subject(ref, home), have, failed, group="inspect")

    def step_through(self, rundir: RunDir, prompts: tuple[Prompt, ...], at: int) -> None:
        """From Compare: its prompts in its order; the one under the cursor is asked."""

        def go() -> None:
            self.take(ops.with_prompts(self.state, prompts, at))
            self._ask_if_new()

        self._from(rundir, go)

    def ask_about(self, rundir: RunDir) -> None:
        """From Compare: a question of one's own to the models of this run."""
        self._from(rundir, self.own_question)

    def _from(self, rundir: RunDir, then: Callable[[], object]) -> None:
        known = self._run == rundir.path and self.state.name == rundir.id and self.state.models
        self._run = rundir.path
        self.app.switch(self.name_)
        if known:
            then()
        else:
            self._load(str(rundir.path), then)

    def ask_model(self, ref: str, question: str) -> None:
        """From Models: a question of one's own to this model, or to both models of this run."""
        self._run = self.app.opened.rundir.path if self.app.opened else None
        self.app.switch(self.name_)
        self._load(ref, lambda: self.ask_own(question))

    def own_question(self) -> None:
        """Ask for one; the shipped target answers where nobody is chosen."""
        if self.state.models:
            dialogs.own_question(self)
        else:
            self._load(TARGET, self.own_question)

    def ask_own(self, question: str) -> None:
        """A question of one's own; the corpus's, with its answer, where it is one of them."""
        known = next((p for p in self.state.prompts if p.question == question), None)
        self.take(ops.in_pane(self.state, "tokens"))
        self.look_at(known or Prompt(question))

    # -- asking --------------------------------------------------------------------------------------------------------

    def ask(self, which: tuple[str, ...] = ("",)) -> None:
        """Ask the prompt in view with these attacks."""
        before = self.state

        def send() -> None:
            if self.state.prompt != before.prompt or self.state.models != before.models:
                return  # stepped on meanwhile
            self._steps = True
            for attack in which:
                request = ops.request(self.state, self.asking.next_id(), attack)
                if request is None or not self.asking.ask(request):
                    break
                self.take(ops.sent(self.state, request))

        if before.models and before.prompt is not None:
            self.asking.when_allowed(send)

    def _heard(self, replies: list[Reply]) -> None:
        busy = self.state.busy
        self.state = ops.replied(self.state, replies)
        for reply in replies:
            if isinstance(reply, Resident):
                used, budget, free = size(reply.used), size(reply.budget), size(reply.free)
                self.app.say(f"{len(reply.models)} models in memory: {used} of {budget} they may take, {free} free")
        self.redraw()
        if busy != self.state.busy and self.app.front == self.name_:
            self.app.chrome()

    def _ask_if_new(self) -> None:
        """Ask what is in view unless its answers are known."""
        if self.state.asked is None:
            self.ask()

    def look_at(self, prompt: Prompt) -> None:
        """This prompt instead of the one in view, asked if it is new."""
        self.stop()
        self.take(ops.looked(self.state, prompt))
        self._ask_if_new()

    def set_way(self, **changed: Any) -> None:
        """Ask in another way from now on, at once where something has been asked."""
        self.stop()
        self.take(ops.set_way(self.state, **changed))
        if self._steps:
            self._ask_if_new()

    def stop(self) -> None:
        """Stop everything that is being answered."""
        self.state, ids = ops.cancelled(self.state)
        self.asking.cancel(ids)

    def step(self, by: int) -> None:
        """So many prompts further; asked once it stays in view, where something has been asked."""
        self.stop()
        self.take(ops.stepped(self.state, by))
        if self._resting is not None:
            self._resting.stop()
        if self._steps and self.state.asked is None:
            # keys held down pass by many prompts
            self._resting = self.set_timer(PAUSE, self._ask_if_new)

    def take(self, state: InspectState) -> None:
        """Another state: painted, with the keys that make sense now."""
        self.state = state
        self.redraw()
        if self.app.front == self.name_:
            self.app.chrome()
