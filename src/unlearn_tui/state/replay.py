"""Playing a log: when each event comes, and how a player moves over them. Pure: time goes in as seconds, no clock."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from unlearn_tui.protocol.events import AnyEvent, StageStarted

SILENCE = 2.0
"""Seconds of the recording that no silence between two events may exceed: nobody watches a model load."""
SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""What + and - go through; a speed given by hand may lie between."""
SLOWEST, FASTEST = 0.1, 10_000.0
SITTING = 45.0
"""Seconds in which a whole run plays at the speed that is chosen where nobody chooses."""
AGAIN = 1.0
"""Seconds, as watched, after the start of a stage, from which on `back` means its start and not the stage before."""


@dataclass(frozen=True)
class Tape:
    """Events in order, and at how many seconds each is played at speed 1: as recorded, but for shortened silences."""

    events: tuple[AnyEvent, ...] = ()
    at: tuple[float, ...] = ()
    ending: str = ""
    """Why it ends before the run did, one line of untrusted text; "" for a whole run."""

    @property
    def length(self) -> float:
        """Seconds at speed 1."""
        return self.at[-1] if self.at else 0.0

    @property
    def stages(self) -> list[int]:
        """Where a stage begins: indexes of events."""
        return [i for i, event in enumerate(self.events) if isinstance(event, StageStarted)]


@dataclass(frozen=True)
class Player:
    """Where on a tape one is: `position` in its seconds, `played` events so far."""

    speed: float = 1.0
    paused: bool = False
    position: float = 0.0
    played: int = 0
    until: int = 0
    """After so many events it holds; 0 for no such place."""


@dataclass(frozen=True)
class Playing:
    """What a view shows of a replay; `now` is the recording's wall clock at this position."""

    speed: float
    paused: bool
    position: float
    length: float
    over: bool
    now: float


def tape(events: Iterable[AnyEvent], ending: str = "") -> Tape:
    """Lay events out in time. Within one attempt the engine's monotonic clock counts, between attempts the wall clock;
    a clock that was set back counts as no time at all.
    """
    laid, at, seconds = tuple(events), [], 0.0
    for i, event in enumerate(laid):
        if i:
            before = laid[i - 1]
            same = event.attempt == before.attempt
            gap = event.mono - before.mono if same else event.time - before.time
            # not (gap >= 0): a time that is no number is no time
            seconds += min(gap, SILENCE) if gap >= 0 else 0.0
        at.append(seconds)
    return Tape(laid, tuple(at), ending)


def usual_speed(tape: Tape) -> float:
    """The slowest of SPEEDS at which the whole tape plays in SITTING seconds."""
    return next((speed for speed in SPEEDS if tape.length <= speed * SITTING), SPEEDS[-1])


def tick(tape: Tape, player: Player, seconds: float) -> Player:
    """`seconds` have passed for whoever watches."""
    if player.paused or player.played >= len(tape.events):
        return player
    position = min(player.position + seconds * player.speed, tape.length)
    played = max(bisect_right(tape.at, position), player.played)
    if player.until and played >= player.until:
        return pause(seek(tape, replace(player, until=0), player.until))
    return replace(player, position=position, played=played)


def pause(player: Player) -> Player:
    """Hold, or go on."""
    return replace(player, paused=not player.paused)


def step(tape: Tape, player: Player) -> Player:
    """The next event, and hold."""
    return replace(seek(tape, player, player.played + 1), paused=True)


def seek(tape: Tape, player: Player, played: int) -> Player:
    """To where the first `played` events have been played; at least one, so that there is something to see."""
    played = max(min(played, len(tape.events)), min(1, len(tape.events)))
    return replace(player, played=played, position=tape.at[played - 1] if played else 0.0)


def seek_share(tape: Tape, player: Player, share: float) -> Player:
    """To where this share, 0-1, of the tape's time has passed; an ended replay that is moved back holds there."""
    position = min(max(share, 0.0), 1.0) * tape.length
    moved = seek(tape, player, bisect_right(tape.at, position))
    return replace(moved, position=max(position, moved.position), paused=player.paused or player.played >= len(tape.at))


def stage_on(tape: Tape, player: Player) -> Player:
    """To where the next stage begins; from the last one to the end."""
    ahead = [i for i in tape.stages if i >= player.played]
    return seek(tape, player, ahead[0] + 1 if ahead else len(tape.events))


def stage_back(tape: Tape, player: Player) -> Player:
    """To where this stage began, or the one before where this one has only just begun; from the first one to the start."""
    here = (player.played, player.position)
    behind = [
        i
        for i in tape.stages
        if i < player.played
        and (player.position - tape.at[i] >= AGAIN * player.speed or (player.paused and (i + 1, tape.at[i]) < here))
    ]
    return seek(tape, player, behind[-1] + 1 if behind else 1)


def stage_named(tape: Tape, player: Player, stage: str) -> Player | None:
    """To where this stage began the last time; None where the recording has no such stage."""
    places = [i for i in tape.stages if _stage(tape.events[i]) == stage]
    return seek(tape, player, places[-1] + 1) if places else None


def stage_names(tape: Tape) -> list[str]:
    """The stages of a recording, in order, each once."""
    return list(dict.fromkeys(_stage(tape.events[i]) for i in tape.stages))


def _stage(event: AnyEvent) -> str:
    return event.stage if isinstance(event, StageStarted) else ""


def faster(player: Player) -> Player:
    """The next speed of SPEEDS."""
    return replace(player, speed=next((s for s in SPEEDS if s > player.speed), player.speed))


def slower(player: Player) -> Player:
    """The speed of SPEEDS before."""
    return replace(player, speed=next((s for s in reversed(SPEEDS) if s < player.speed), player.speed))


def playing(tape: Tape, player: Player) -> Playing:
    """What there is to show."""
    over = player.played >= len(tape.events)
    return Playing(player.speed, player.paused, player.position, tape.length, over, clock(tape, player))


def clock(tape: Tape, player: Player) -> float:
    """The wall clock of the recording: that of the newest event, and the share of the silence after it that has passed."""
    if not player.played:
        return 0.0
    events: Sequence[AnyEvent] = tape.events
    last = player.played - 1
    if player.played >= len(events):
        return events[last].time
    room = tape.at[player.played] - tape.at[last]
    share = min(max((player.position - tape.at[last]) / room, 0.0), 1.0) if room > 0 else 0.0
    return events[last].time + share * max(events[player.played].time - events[last].time, 0.0)
