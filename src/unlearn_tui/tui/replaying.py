"""A recorded run played to the app as if it went on now: a watcher that reads a tape, and can be paused and moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.state import replay as play
from unlearn_tui.state.replay import Player, Tape
from unlearn_tui.state.run import RunFold
from unlearn_tui.tui.watcher import INTERVAL, Opened, Watcher

BATCH = 5000
"""Events that are folded before anybody else gets a turn."""


class Replayer(Watcher):
    """Plays `tape` from `player` on; tells as often as a watcher does, and at once when it is moved."""

    def __init__(
        self, rundir: RunDir, spec: RunSpec, tell: Callable[[Opened], None], tape: Tape, player: Player
    ) -> None:
        super().__init__(rundir, spec, tell)
        self._tape, self._player = tape, player
        self._moves: list[Callable[[Tape, Player], Player]] = []
        self._moved = threading.Condition()

    def leave(self) -> None:
        """Stop playing."""
        super().leave()
        with self._moved:
            self._moved.notify()

    def move(self, operation: Callable[[Tape, Player], Player]) -> None:
        """Pause, step, seek or another speed: one of the operations of state/replay.py."""
        with self._moved:
            self._moves.append(operation)
            self._moved.notify()

    def run(self) -> None:
        """Let time pass, fold what is due, tell."""
        tape, fold, folded, then = self._tape, RunFold(), 0, time.monotonic()
        told: Player | None = None
        while not self._left.is_set():
            now = time.monotonic()
            player, then = play.tick(tape, self._player, now - then), now
            with self._moved:
                moves, self._moves = self._moves, []
            for move in moves:
                player = move(tape, player)
            self._player = player
            if player.played < folded:
                fold, folded = RunFold(), 0
            while folded < player.played and not self._left.is_set():
                fold.feed(tape.events[folded : min(folded + BATCH, player.played)])
                folded = min(folded + BATCH, player.played)
                time.sleep(0)  # let the interface have its turn
            if player != told:
                told = player
                over = player.played >= len(tape.events)
                self._say(fold.snapshot(), ended=over, replay=play.playing(tape, player))
            with self._moved:
                if not self._moves and not self._left.is_set():
                    self._moved.wait(None if player.paused or player.played >= len(tape.events) else INTERVAL)
