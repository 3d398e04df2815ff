"""Screen 3: the opened run as it happens, wherever it was started."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import msgspec

from unlearn_tui.protocol.commands import AnyCommand, Reply, SaveNow, Stop
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.state.machine import Sample
from unlearn_tui.state.replay import seek_share
from unlearn_tui.state.run import RunState
from unlearn_tui.tui.draw.run import draw, nothing
from unlearn_tui.tui.draw.run_look import REPLAY_ROW, Kept, Look, replay_share
from unlearn_tui.tui.draw.run_scoring import entries
from unlearn_tui.tui.lines import Line
from unlearn_tui.tui.meters import Meters
from unlearn_tui.tui.views import replayed
from unlearn_tui.tui.views.replayed import ReplayedView

if TYPE_CHECKING:
    from unlearn_tui.protocol import events as ev
    from unlearn_tui.report.export import Table
    from unlearn_tui.tui.watcher import Opened

SECOND = 1.0
"""Between two looks at the meters, and between two changes of the answers: nobody reads faster."""
HISTORY = 64
"""Samples of the meters that are kept."""
PAGE = 5
"""Lines of the log that a turn of the wheel passes."""


class RunView(ReplayedView):
    """Draws app.opened; `_held` is what it showed when it was frozen."""

    name_: ClassVar[str] = "run"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._meters = Meters()
        self._kept = Kept()
        self._of: RunDir | None = None
        self._log_scale = self._large = self._warnings = False
        self._forget()

    def _forget(self) -> None:
        """Nothing of the run before belongs to the one that is opened now."""
        self._held: Look | None = None
        self._samples: tuple[Sample, ...] = ()
        self._answered: tuple[ev.Answered, ...] = ()
        self._answered_at = 0.0
        self._scroll = 0
        self._last_seq = -1
        self._resuming = False

    def on_mount(self) -> None:
        """What was chosen the last time, and a clock for meters and elapsed time."""
        choices = self.app.settings.choices
        self._log_scale = choices.get("run.scale") == "log"
        self._large = choices.get("run.log") == "large"
        self.set_interval(SECOND, self._tick)

    # -- drawing -------------------------------------------------------------------------------------------------------

    def draw(self, width: int, height: int) -> list[Line]:
        """The screen of the opened run, or what to do without one."""
        opened = self.app.opened
        if opened is None:
            return nothing(width, self.app.live_elsewhere)
        return draw(self._look(opened), width, height)

    def _look(self, opened: Opened) -> Look:
        if opened.rundir != self._of:
            self._of = opened.rundir
            self._forget()
        look = self._held and replace(self._held, ahead=_ahead(self._held.state, opened.state))
        if look is None:
            look = Look(
                id=opened.rundir.id,
                spec=opened.spec,
                state=opened.state,
                result=opened.result,
                now=opened.replay.now if opened.replay else time.time(),
                samples=self._samples,
                answered=self._answered,
                kept=self._kept,
                replay=opened.replay,
            )
        return replace(
            look,
            log_scale=self._log_scale,
            large_log=self._large,
            warnings=self._warnings,
            scroll=self._scroll,
            ascii=self.app.ascii,
            resuming=self._resuming,
            covered=len(self.app.screen_stack) > 1,
        )

    def metrics_shown(self) -> list[str]:
        """Of the run."""
        return list(dict.fromkeys(key[2] for key in self.app.opened.state.scores)) if self.app.opened else []

    def shown(self) -> None:
        """Meters from the moment it is seen."""
        self._tick()

    def told(self) -> None:
        """News of the run."""
        opened = self.app.opened
        if opened is None:
            return
        if opened.state.seq < self._last_seq:  # another beginning, or a replay that was moved back
            self._forget()
        look = self._look(opened)
        self._resuming = self._resuming and opened.state.ended
        if self._held is None:
            now = time.monotonic()
            if now - self._answered_at >= SECOND or opened.state.ended or not self._answered:
                self._answered, self._answered_at = opened.state.answered, now
            shown = entries(look)
            if self._scroll:  # what is being read stays where it is
                fresh = sum(1 for entry in shown if entry.seq > self._last_seq)
                self._scroll = min(self._scroll + fresh, max(len(shown) - 1, 0))
            self._last_seq = opened.state.seq
        self.redraw()

    def _tick(self) -> None:
        opened = self.app.opened
        if opened is None or not opened.live or self._held is not None or self.app.front != self.name_:
            return
        state = opened.state
        if state.pid:

            def look() -> Sample:
                return self._meters.sample(state.pid, state.host, state.began, state.device)

            def seen(sample: Sample) -> None:
                self._samples = (*self._samples, sample)[-HISTORY:]
                self.redraw()

            self.app.work(look, seen, lambda _: None, group="meters")
        else:
            self.redraw()

    # -- keys ----------------------------------------------------------------------------------------------------------

    def can(self, action: str) -> bool:
        """What makes sense for this run at this moment."""
        opened = self.app.opened
        if opened is None:
            return False
        state = opened.state
        if action in replayed.KEYS or opened.replay is not None:
            said = replayed.can(opened, action)
            if said is not None:
                return said
        match action:
            case "freeze":
                return opened.live or self._held is not None
            case "save":
                return opened.live and state.stage is not None and state.stage.id == state.training
            case "stop" | "kill":
                return opened.live and state.status == "running"
            case "resume":
                return state.status in ("stopped", "failed") and not self._resuming
            case "scale":
                return bool(state.steps)
            case "export":
                return bool(state.steps or state.scores)
            case _:
                return True

    def action_freeze(self) -> None:
        """Hold what is shown; the run goes on, a replay waits."""
        opened = self.app.opened
        if opened is not None and opened.replay is not None:
            self.action_pause()
        elif opened is not None:
            self._held = None if self._held is not None else self._look(opened)
            self.told()
            self.app.chrome()

    def action_scale(self) -> None:
        """Linear or logarithmic losses."""
        self._log_scale = not self._log_scale
        self.app.remember(**{"run.scale": "log" if self._log_scale else "linear"})
        self.redraw()

    def action_log(self) -> None:
        """The log alone, with whole lines; and back."""
        self._large = not self._large
        self.app.remember(**{"run.log": "large" if self._large else "small"})
        self.redraw()

    def action_warnings(self) -> None:
        """Only warnings."""
        self._warnings = not self._warnings
        self._scroll = 0
        self.redraw()

    def action_up(self) -> None:
        """Older lines of the log."""
        self._scroll_by(1)

    def action_down(self) -> None:
        """Newer lines of the log."""
        self._scroll_by(-1)

    def clicked(self, x: int, y: int) -> None:
        """A click on a replay's bar goes there."""
        shown = self.app.opened and self.app.opened.replay
        share = replay_share(shown, self.size.width, x) if shown and y == REPLAY_ROW else None
        if share is not None:
            self._move(lambda tape, player: seek_share(tape, player, share))

    def scrolled(self, by: int) -> None:
        """The wheel turns the log."""
        self._scroll_by(-by * PAGE)

    def _scroll_by(self, lines: int) -> None:
        if self.app.opened is not None:
            last = max(len(entries(self._look(self.app.opened))) - 1, 0)
            self._scroll = min(max(self._scroll + lines, 0), last)
            self.redraw()

    def action_save(self) -> None:
        """A checkpoint after this step."""
        self._send(SaveNow())

    def action_stop(self) -> None:
        """Stop after this step."""
        self._send(Stop())

    def action_kill(self) -> None:
        """Stop at once, after a question."""
        self.app.confirm(
            "Stop this run now? Work since the last save is lost; it can be resumed from there.",
            lambda: self._send(Stop(now=True)),
            "stop now",
        )

    def _send(self, command: AnyCommand) -> None:
        if self._of is None:
            return
        from unlearn_tui.runs.control import send

        rundir = self._of

        def heard(reply: Reply) -> None:
            self.app.say(f"{rundir.id}: {reply.text}", "" if reply.ok else "warn")

        self.app.work(lambda: send(rundir, command), heard, group="control")

    def action_resume(self) -> None:
        """Go on from the last save: a new engine on the same run."""
        opened = self.app.opened
        if opened is not None:
            from unlearn_tui.tui.acting import resume

            self._held, self._resuming = None, True
            resume(self.app, opened.rundir, self._not_resumed)
            self.redraw()
            self.app.chrome()

    def _not_resumed(self) -> None:
        self._resuming = False
        self.redraw()
        self.app.chrome()

    def action_copy(self) -> None:
        """The command that shows the same on another terminal."""
        opened = self.app.opened
        if opened is None:
            self.app.say("no run is opened: nothing to copy", "warn")
            return
        from unlearn_tui.commands.survey import is_usual

        verb = "replay" if opened.replay is not None else "attach" if opened.live else "show"
        words = ["unlearn-tui", verb, opened.rundir.id]
        words += [] if is_usual(self.app.home) else ["--home", str(self.app.home)]
        self.app.copy(shlex.join(words), "command")

    def action_export(self) -> None:
        """Steps, probes, canary and scores."""
        opened = self.app.opened
        if opened is None:
            self.app.say("no run is opened: nothing to export", "warn")
            return
        self.app.export(f"{opened.rundir.id}-steps", tables(opened.state))


def tables(state: RunState) -> dict[str, Table]:
    """What was measured, step by step and column by column; only tables that have rows, steps first."""
    from unlearn_tui.report.export import Table

    series: dict[str, tuple[type[msgspec.Struct], list[msgspec.Struct]]] = {}
    for name, points in (("steps", state.steps), ("probes", state.probes), ("canary", state.canary)):
        if points:
            series[name] = (type(points[0]), list(points))
    if state.scores:
        scores = list(state.scores.values())
        series["scores"] = (type(scores[0]), list(scores))
    made = {}
    for name, (kind, rows) in series.items():
        columns = [c for c in kind.__struct_fields__ if c not in ("seq", "attempt", "mono")]
        made[name] = Table(columns, [[getattr(row, c) for c in columns] for row in rows])
    return made


def _ahead(held: RunState, live: RunState) -> str:
    """How far a run is from what is shown."""
    if live.ended and not held.ended:
        return f"run {live.status} since"
    steps = live.steps[-1].step - held.steps[-1].step if live.steps and held.steps else 0
    for count, unit in ((steps, "step"), (live.seq - held.seq, "event")):
        if count > 0:
            return f"run is {count} {unit}{'' if count == 1 else 's'} ahead"
    return "run goes on"
