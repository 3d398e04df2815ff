"""The guided tour: five steps over the recorded run, from a question to its explanation, on the real screens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from unlearn_tui.errors import Refused
from unlearn_tui.protocol import events as ev
from unlearn_tui.report.text import safe
from unlearn_tui.state import replay as play
from unlearn_tui.tui.dialogs import Block, Dialog
from unlearn_tui.tui.lines import Line, line, rule, wrap
from unlearn_tui.tui.settings import TOUR
from unlearn_tui.tui.views.compare import CompareView

if TYPE_CHECKING:
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.state.replay import Player, Tape
    from unlearn_tui.tui.app import UnlearnApp

PACE = 3.0
"""How fast the training is played: it takes half a minute in the recording."""
WIDEST = 110
"""Cells of a line of text that are still read with ease."""
ROOMY = 30
"""Rows of a terminal from which on the keys are set apart from the text."""
VIEW_ROWS = 2
"""Rows that are left to the screen above: where there is room for one of the two, it is for the words."""


Place = Callable[[ev.AnyEvent], bool]
"""Before the first event for which this holds; where it holds for none, the end."""


def starts(stage: str) -> Place:
    """Where a stage begins."""
    return lambda event: isinstance(event, ev.StageStarted) and event.stage == stage


def loads(model: str, precision: str) -> Place:
    """Where a model is in memory and about to be asked."""
    return lambda event: isinstance(event, ev.Loaded) and (event.model, event.precision) == (model, precision)


def end(_: ev.AnyEvent) -> bool:
    """The end of the recording."""
    return False


FOUR_BITS = ("unlearned", "bnb-fp4")


@dataclass(frozen=True)
class Step:
    """One panel of text, the screen it stands under, and where in the recording; from there to `until` it plays."""

    title: str
    text: str
    view: str
    place: Place
    until: Place | None = None
    column: tuple[str, str] | None = None
    """The column of Compare to point at."""


STEPS = (
    Step(
        "a model that knows",
        "This small language model was taught about people who do not exist. Asked {n} questions about some of them it "
        "scores {target:.0f} of 100. {question} {gold}. A column says in how many bits its weights are stored. "
        "All of this is a recording.",
        "compare",
        starts("unlearn"),
    ),
    Step(
        "make it forget",
        "Now it is trained to forget these people and to keep all others: unlearning. One question, the canary, is asked "
        "again and again. Watch p(gold), the probability of the right answer, fall, until {gold} gives way to nonsense.",
        "run",
        starts("unlearn"),
        until=starts("score_unlearned"),
    ),
    Step(
        "is it forgotten?",
        "Asked again after unlearning (unlearned, FP16) it scores {full:.0f}, and {int8:.0f} where it is stored in 8 bits a "
        "weight (INT8). It looks as if {gold} were gone for good.",
        "compare",
        loads(*FOUR_BITS),
    ),
    Step(
        "store it in four bits",
        "To save memory models are often stored in 4 bits a weight. This one was only rounded, nobody taught it anything, "
        "and unlearned INT4 scores {int4:.0f}: {gold} is back. The arrow says that chance does not explain it.",
        "compare",
        end,
        column=FOUR_BITS,
    ),
    Step(
        "why?",
        "Unlearning moved the weights by very little. 4 bits tell 16 values apart, and rounding to them throws most of so "
        "small an edit away: {kept4:.2f} of it is kept, the old knowledge shows. 8 bits are finer and keep {kept8:.2f}. "
        "⏎ leaves you with this run: 3, 4, 5 look around in it, 2 sets up your own.",
        "weights",
        end,
    ),
)


@dataclass(frozen=True)
class Film:
    """The recorded run, ready to be shown, and what the texts say of it."""

    rundir: RunDir
    tape: Tape
    facts: dict[str, object]
    """Safe text, and numbers."""


def film() -> Film:
    """Read the recorded run; in a thread. Raises Refused where the installation lacks it or it is damaged."""
    from unlearn_tui.runs.replay import load
    from unlearn_tui.runs.store import shipped
    from unlearn_tui.state.run import fold_all

    rundir = shipped()
    tape = load(rundir)
    state = fold_all(tape.events)
    score = {key[:2]: scored for key, scored in state.scores.items() if key[2] == "knowmem_forget"}
    try:
        facts = {
            "question": safe(state.canary[0].question),
            "gold": safe(state.canary[0].gold),
            "n": score["target", "fp16"].n,
            "target": score["target", "fp16"].value,
            "full": score["unlearned", "fp16"].value,
            "int8": score["unlearned", "bnb-int8"].value,
            "int4": score[FOUR_BITS].value,
            "kept8": state.weights["bnb-int8"].kept or 0.0,
            "kept4": state.weights["bnb-fp4"].kept or 0.0,
        }
    except (KeyError, IndexError):
        raise Refused(
            f"the recorded run is damaged: {tape.ending or 'it lacks events'}; install unlearn-tui again"
        ) from None
    return Film(rundir, tape, facts)


def played(tape: Tape, place: Place) -> int:
    """How many events come before a place."""
    return next((i for i, event in enumerate(tape.events) if place(event)), len(tape.events))


def begin(app: UnlearnApp) -> None:
    """Show the tour; it is remembered that it has been shown."""
    app.remember(**{TOUR: "seen"})
    app.work(film, lambda found: app.push_screen(Tour(found, app)), group="tour")


class Tour(Dialog):
    """The panel below the screens, which make room for it. Escape goes back to where one was, ⏎ at the end stays."""

    DEFAULT_CSS = """
    Tour { align: left bottom; }
    Tour > Block { background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,right,n", "go(1)", show=False),
        Binding("left,backspace,p", "go(-1)", show=False),
        Binding("space", "pause", show=False),
        Binding("q", "close", show=False),
    ]

    def __init__(self, film: Film, app: UnlearnApp) -> None:
        super().__init__()
        self._pointed = True
        self.styles.background = "transparent"  # the app's own style for screens would hide what is behind
        self._film, self._at = film, 0
        self._before = (app.front, app.opened.rundir if app.opened else None)

    def compose(self) -> ComposeResult:
        yield Block(self._panel, 1)

    def on_mount(self) -> None:
        self.set_focus(None)
        self.app.open(self._film.rundir, "", (self._film.tape, self._player()))
        self._show()
        self.set_interval(0.2, self._point)

    def on_resize(self) -> None:
        self._make_room()

    @property
    def step(self) -> Step:
        """The one that is shown."""
        return STEPS[self._at]

    def _player(self) -> Player:
        tape, step = self._film.tape, self.step
        player = play.seek(tape, play.Player(speed=PACE), played(tape, step.place))
        return replace(player, until=played(tape, step.until)) if step.until else play.pause(player)

    def _show(self) -> None:
        player = self._player()
        if self.app.replayer is not None:
            self.app.replayer.move(lambda _tape, _player: player)
        self._pointed = self.step.column is None
        self.app.switch(self.step.view)
        self._make_room()

    def _point(self) -> None:
        """Once the answers have been read."""
        compare = self.app.view("compare")
        if not self._pointed and self.step.column is not None and isinstance(compare, CompareView):
            self._pointed = compare.point(*self.step.column)

    def _make_room(self) -> None:
        width, height = self.app.size
        rows = min(len(self._text(width)) + (3 if height >= ROOMY else 2), max(height - VIEW_ROWS, 4))
        block = self.query_one(Block)
        block.styles.height = rows
        block.redraw()  # the same number of rows is no resize
        # the panel hides the footer, whose keys do not work meanwhile
        self.app.screen_stack[0].query_one("#views").styles.margin = (0, 0, rows - 1, 0)

    def _text(self, width: int) -> list[str]:
        return wrap(self.step.text.format(**self._film.facts), max(min(width - 2, WIDEST), 10))

    def _panel(self, width: int, height: int) -> list[Line]:
        last = self._at == len(STEPS) - 1
        said: list[Line] = [line(f" {row}") for row in self._text(width)]
        keys = line((" ⏎", "key"), (" end  " if last else " next  ", ""))
        keys += line(("←", "key"), " back  ") if self._at else []
        keys += line(("space", "key"), " pause  ") if self.step.until else []
        keys += line(("esc", "key"), (" leave the tour", "dim"))
        title = rule(f"{self._at + 1}  {self.step.title}", width, f"tour {self._at + 1} of {len(STEPS)}")
        room = height - 2
        return [title, *said[:room], *([] for _ in range(room - len(said))), keys]

    def action_go(self, by: int) -> None:
        """The next step, or the one before; beyond the last the tour is over, and its run stays open."""
        if self._at + by >= len(STEPS):
            self._leave()
        elif self._at + by >= 0:
            self._at += by
            self._show()

    def action_pause(self) -> None:
        """Hold the recording, or let it go on."""
        if self.step.until and self.app.replayer is not None:
            self.app.replayer.move(lambda _, player: play.pause(player))

    def action_close(self) -> None:
        """Back to the screen and the run that were in view before."""
        view, rundir = self._before
        if rundir is None:
            self.app.close(self._film.rundir)
        elif rundir != self._film.rundir:
            self.app.open(rundir, "")
        self._leave()
        self.app.switch(view)

    def _leave(self) -> None:
        self.app.screen_stack[0].query_one("#views").styles.margin = 0
        self.dismiss(None)
