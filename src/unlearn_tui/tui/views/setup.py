"""Screen 2, Setup: a new run in a form, beside it what the run will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from unlearn_tui import catalog
from unlearn_tui.commands.survey import Survey, is_usual, survey
from unlearn_tui.errors import Refused
from unlearn_tui.state import estimate, paper, setup
from unlearn_tui.state.fields import BY_NAME, FOLD, about, label
from unlearn_tui.state.plan import items
from unlearn_tui.state.setup import Form
from unlearn_tui.tui.draw.setup import Page, Sheet, lay_out
from unlearn_tui.tui.lines import Line
from unlearn_tui.tui.starting import Refusal, Starter, save
from unlearn_tui.tui.view import View

if TYPE_CHECKING:
    from textual.timer import Timer

    from unlearn_tui.tui.dialogs import Option

TALL = 40
"""Rows from which on the form is unfolded by itself."""
PAUSE = 0.2
"""Seconds of rest after a change before files are looked at."""
TYPE = "type"
CHANGING = ("paper", "preset", "save", "flip")
"""Actions that come and go with the cursor and the values."""


class SetupView(View):
    """The form is one value (state.setup.Form); every key makes a new one."""

    name_: ClassVar[str] = "setup"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id)
        self._form = Form()
        self._survey = Survey()
        self._sheet = Sheet(self._form)
        self._page = Page([], ())
        self._home = ""
        self._resting: Timer | None = None
        self._unfolded = False
        self._could: list[bool] = []
        self._starter = Starter(self)

    # -- what the app asks ---------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Whether the command needs to name the home."""
        self._home = "" if is_usual(self.app.home) else str(self.app.home)
        self._reckon()

    def shown(self) -> None:
        """Disk, memory and earlier runs may have changed meanwhile."""
        if self.size.height >= TALL and not self._unfolded:
            self._unfolded = True
            self.take(replace(self._form, more=True))
        self._look()

    def told(self) -> None:
        """Nothing here depends on the opened run."""

    def draw(self, width: int, height: int) -> list[Line]:
        """Form, plan, command."""
        self._page = lay_out(self._sheet, width, height)
        return self._page.lines

    def can(self, action: str) -> bool:
        """What the field under the cursor, and the form as a whole, allow."""
        form = self._form
        match action:
            case "paper":
                return bool(self._sheet.hints)
            case "preset":
                return form.task == "unlearn"
            case "save" | "copy":
                return form.spec is not None
            case "flip":
                return form.at == FOLD or BY_NAME[form.at].kind in ("toggles", "choice")
            case "start":
                return not self._starter.busy
        return True

    def start_from(self, values: Mapping[str, object], task: str = "unlearn") -> None:
        """Fill these spec values in and come to the front."""
        form = setup.fill(setup.put(self._form, "task", task), values)
        self.take(setup.goto(form, next(iter(form.faults), "model")))
        self.app.switch("setup")

    # -- keys ----------------------------------------------------------------------------------------------------------

    def action_up(self) -> None:
        """The row above."""
        self.take(setup.climb(self._form, -1))

    def action_down(self) -> None:
        """The row below."""
        self.take(setup.climb(self._form, 1))

    def action_forward(self) -> None:
        """The next field."""
        self.take(setup.step(self._form, 1))

    def action_backward(self) -> None:
        """The field before."""
        self.take(setup.step(self._form, -1))

    def action_previous(self) -> None:
        """The field, option or choice before."""
        self.take(setup.turn(self._form, -1))

    def action_next(self) -> None:
        """The next field, option or choice."""
        self.take(setup.turn(self._form, 1))

    def action_flip(self) -> None:
        """Flip it; the end of a list of precisions is typed."""
        at = self._form.at
        if at in setup.PRECISIONS and setup.chips(self._form, at)[self._form.option :] == (setup.TYPED,):
            self._type_list(at)
            return
        self.take(setup.toggle(self._form))

    def action_edit(self) -> None:
        """Type, pick from a list, or flip."""
        name = self._form.at
        record = BY_NAME.get(name)
        if record is None or record.kind == "toggles":
            self.action_flip()
        elif record.kind == "choice":
            self._pick(name, [(option, about(name, option)) for option in record.options])
        elif record.kind == "open":
            home, folders = self.app.home, list(self.app.settings.folders)
            corpora = [str(r.spec.corpus) for r in self._survey.records]
            self.app.work(
                lambda: _known(name, home, folders, corpora), lambda known: self._pick(name, known), group="known"
            )
        else:
            self._type(name)

    def action_preset(self) -> None:
        """Ours, or the paper's."""
        from unlearn_tui.tui.dialogs import Option

        options = [Option(id, id, summary) for id, summary in setup.presets(self._form.task)]
        self.app.pick("preset", options, lambda id: self.take(setup.preset(self._form, id)), self._form.preset)

    def action_paper(self) -> None:
        """The paper's value where ours is far from it."""
        self.take(paper.use(self._form, self._items()))

    def action_copy(self) -> None:
        """The equivalent command."""
        self.app.copy(self._sheet.command, "command")

    def action_save(self) -> None:
        """As SPEC.toml."""
        if self._form.spec is not None:
            save(self.app, self._form.spec, f"{self._form.preset or self._form.spec.method}.toml")

    def action_start(self) -> None:
        """Start it, unless a value cannot be used; files are looked at anew."""
        if self._form.spec is None:
            self.take(setup.goto(self._form, next(name for name in self._form.faults if name in BY_NAME)))
            self.app.say("first correct what is marked with !", "warn")
        else:
            self.take(replace(self._form, rejected={}))
            known = self._form.preset if self._form.preset in catalog.PRESETS else ""
            self._starter.start(msgspec.structs.replace(self._form.spec, preset=known))  # the run is called after it

    # -- mouse ---------------------------------------------------------------------------------------------------------

    def clicked(self, x: int, y: int) -> None:
        """A click goes there; on an option or the fold it flips, on the field under the cursor it edits."""
        spot = self._page.hit(x, y)
        if spot is None:
            return
        again = spot.name == self._form.at
        self.take(setup.goto(self._form, spot.name, max(spot.option, 0)))
        if spot.option >= 0 or spot.name == FOLD:
            self.action_flip()
        elif again:
            self.action_edit()

    def scrolled(self, by: int) -> None:
        """The wheel moves the cursor."""
        self.take(setup.climb(self._form, by))

    # -- changes -------------------------------------------------------------------------------------------------------

    def take(self, form: Form) -> None:
        """This form from now on; a look at the files follows if the values differ."""
        changed = form.values != self._form.values
        self._form = form
        if changed:
            self._reckon()
            if self._resting:
                self._resting.stop()
            self._resting = self.set_timer(PAUSE, self._look)
        self._show()

    def _show(self) -> None:
        """The form as it is now; the footer too, if other keys make sense than before."""
        self._sheet = replace(self._sheet, form=self._form)
        self.redraw()
        can = [self.can(action) for action in CHANGING]
        if can != self._could and self.app.front == "setup":
            self._could = can
            self.app.chrome()

    def _reckon(self) -> None:
        """Plan, hints and command of the form and of what was found about it."""
        form, found, spec = self._form, self._survey, self._form.spec
        self._sheet = Sheet(
            form,
            found.facts,
            estimate.plan(spec, found.facts, found.records) if spec else None,
            paper.hints(form, self._items()),
            setup.command(form, self._home),
        )

    def refused(self, refusal: Refusal) -> None:
        """The run was not to be: say why beside its field, with the cursor on it."""
        self.take(setup.reject(self._form, refusal.field if refusal.field in BY_NAME else "", refusal.message))
        if self.app.front != "setup":
            self.app.switch("setup")
        self.app.say(f"not started: {refusal.message}", "bad")

    def _items(self) -> int:
        return items(self._form.spec, self._survey.facts) if self._form.spec else 0

    def _look(self) -> None:
        form, home = self._form, self.app.home

        def looked(found: Survey) -> None:
            self._survey = found
            self._form = setup.refuse(self._form, found.faults)
            fit = setup.fit(self._form, found.lacking)
            if fit.values != self._form.values:
                self.take(fit)
                return
            self._form = fit
            self._reckon()
            self._show()

        self.app.work(lambda: survey(form, home), looked, group="survey")

    def _put(self, name: str, text: str) -> None:
        self.take(setup.put(self._form, name, text))

    def _type_list(self, name: str) -> None:
        def done(text: str) -> str | None:
            try:
                for part in text.replace(",", " ").split():
                    catalog.precision(part)
            except Refused as refused:
                return str(refused)
            self._put(name, ",".join(text.replace(",", " ").split()))
            return None

        self.app.prompt(label(name, self._form.task), self._form.values[name], done, "bnb-fp4:block=128+double, …")

    def _type(self, name: str) -> None:
        spot = self._page.spot(name)
        if spot is None:
            return

        def done(text: str) -> None:
            self._put(name, text)

        self.edit(spot.x, spot.y, spot.cells, self._form.values[name], done)

    def _pick(self, name: str, known: list[tuple[str, str]]) -> None:
        from unlearn_tui.tui.dialogs import Option

        options: list[Option] = [Option(f"={value}", value or "none", hint) for value, hint in known]
        free = BY_NAME[name].kind == "open"
        if free:
            options.insert(0, Option(TYPE, "type another …", BY_NAME[name].help.partition(".")[0]))

        def chosen(id: str) -> None:
            if id != TYPE:
                self._put(name, id[1:])
                return
            self.app.prompt(label(name, self._form.task), self._form.values[name], lambda text: self._put(name, text))

        self.app.pick(label(name, self._form.task), options, chosen, f"={self._form.values[name]}", free)


def _known(name: str, home: Path, folders: list[str], corpora: list[str]) -> list[tuple[str, str]]:
    """Values within reach of a field that also takes others, each with a hint; looks at the disk."""
    from unlearn_tui.sources import checkpoints

    if name == "device":
        return [("auto", "a GPU if there is one"), ("cpu", ""), ("cuda", "the first GPU")]
    if name == "corpus":
        from unlearn_tui.sources.corpora import holds, is_here

        own = dict.fromkeys(c for c in corpora if c not in BY_NAME[name].options)
        named = [(c, about(name, c) + ("" if is_here(c) else "; a run fetches it")) for c in BY_NAME[name].options]
        return [*named, *((c, f"used before: {holds(c)}") for c in own)]
    known = [(value, about("model", value) or source) for value, _, source in checkpoints.places(home)]
    known += [(folder, "added") for folder in folders]
    names = {value for value, _ in known}
    known += [(id, f"on the hub: {what}") for id, what in catalog.HUB if id not in names]
    return known if name in ("model", "unlearned") else [("", "leave it out"), *known]
