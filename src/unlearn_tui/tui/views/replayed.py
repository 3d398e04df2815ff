"""The keys of the Run screen that move a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn_tui.state import replay as play
from unlearn_tui.tui.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from unlearn_tui.state.replay import Player, Tape
    from unlearn_tui.tui.watcher import Opened

KEYS = ("replay", "step", "stage_on", "stage_back", "faster", "slower")
"""Actions that are about replays alone."""


def can(opened: Opened, action: str) -> bool | None:
    """Whether this makes sense now, as far as replays decide that; else None."""
    shown = opened.replay
    match action:
        case "replay":
            return not opened.live and not opened.reading
        case "freeze" | "step" | "stage_on":
            return shown is not None and not shown.over
        case "stage_back" | "faster" | "slower":
            return shown is not None
        case "save" | "stop" | "kill" | "resume":
            return False
    return None


class ReplayedView(View):
    """Every key is an operation of state/replay.py on what plays the opened run."""

    def _move(self, operation: Callable[[Tape, Player], Player]) -> None:
        if self.app.replayer is not None:
            self.app.replayer.move(operation)

    def action_replay(self) -> None:
        """The opened run again as it happened, from its beginning."""
        if self.app.opened is not None:
            from unlearn_tui.tui.acting import replay

            replay(self.app, self.app.opened.rundir)

    def action_pause(self) -> None:
        """Hold, or go on."""
        self._move(lambda _, player: play.pause(player))

    def action_step(self) -> None:
        """One event."""
        self._move(play.step)

    def action_stage_on(self) -> None:
        """The next stage."""
        self._move(play.stage_on)

    def action_stage_back(self) -> None:
        """This stage again, or the one before."""
        self._move(play.stage_back)

    def action_faster(self) -> None:
        """The next speed."""
        self._move(lambda _, player: play.faster(player))

    def action_slower(self) -> None:
        """The speed before."""
        self._move(lambda _, player: play.slower(player))
