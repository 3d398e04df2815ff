"""Laying a log out in time and moving over it: every expected second is counted by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_tui.protocol.events import AnyEvent, Finished, Log, StageStarted
from unlearn_tui.state import replay as play
from unlearn_tui.state.replay import Player, Tape


def log(mono: float, attempt: int = 1, wall: float | None = None) -> Log:
    return Log(level="info", text="x", mono=mono, attempt=attempt, time=1000 + mono if wall is None else wall)


def stage(id: str, mono: float) -> StageStarted:
    return StageStarted(stage=id, title=id, mono=mono, time=1000 + mono)


def staged() -> Tape:
    """load at 0, learn at 3 (played at 2), score at 4 (3), finished at 6 (5)."""
    return play.tape([stage("load", 0), stage("learn", 3), log(3.5), stage("score", 4), Finished(seconds=6, mono=6)])


def test_events_keep_their_pace_and_silences_are_cut_to_two_seconds() -> None:
    assert play.tape([log(10), log(10.5), log(500), log(501.5)]).at == (0.0, 0.5, 2.5, 4.0)


def test_between_attempts_the_wall_clock_counts_since_every_engine_has_a_clock_of_its_own() -> None:
    events = [log(900, 1, 50.0), log(3, 2, 51.0), log(4, 2, 52.0), log(1, 3, 99.0)]
    assert play.tape(events).at == (0.0, 1.0, 2.0, 4.0)


@pytest.mark.parametrize("mono", [-5.0, -math.inf, math.nan])
def test_a_clock_that_goes_back_or_mad_takes_no_time(mono: float) -> None:
    assert play.tape([log(1), log(mono)]).at == (0.0, 0.0)


def test_an_endless_silence_is_a_silence() -> None:
    assert play.tape([log(1), log(math.inf)]).at == (0.0, 2.0)


def test_time_passes_as_fast_as_was_asked() -> None:
    tape = play.tape([log(0), log(1), log(2), log(3)])
    player = play.tick(tape, Player(speed=4), 0.0)
    assert (player.played, player.position) == (1, 0.0)
    player = play.tick(tape, player, 0.5)
    assert (player.played, player.position) == (3, 2.0)
    player = play.tick(tape, player, 60)
    assert (player.played, player.position) == (4, 3.0)
    assert play.playing(tape, player).over


def test_a_held_replay_stands_still_until_it_goes_on() -> None:
    tape = staged()
    held = play.pause(play.tick(tape, Player(), 1.0))
    assert play.tick(tape, held, 60) == held
    assert play.tick(tape, play.pause(held), 1.5).position == 2.5


def test_a_step_plays_one_event_and_holds() -> None:
    tape = staged()
    player = play.step(tape, play.tick(tape, Player(), 0.0))
    assert (player.played, player.position, player.paused) == (2, 2.0, True)
    for _ in range(9):
        player = play.step(tape, player)
    assert (player.played, player.position) == (5, 5.0)


def test_a_share_of_the_time_is_where_it_goes_and_the_ends_are_its_bounds() -> None:
    made = play.tape([log(float(mono)) for mono in range(5)])
    half = play.seek_share(made, Player(), 0.5)
    assert (half.position, half.played, half.paused) == (2.0, 3, False)
    between = play.seek_share(made, Player(paused=True), 0.6)
    assert (between.position, between.played, between.paused) == (pytest.approx(2.4), 3, True)
    assert play.seek_share(made, Player(), -1).played == 1
    over = play.seek_share(made, Player(), 7)
    assert over.played == 5
    assert play.seek_share(made, over, 0.25).paused


def test_stages_are_sought_forwards_to_the_end() -> None:
    tape, player, seen = staged(), Player(), []
    for _ in range(4):
        player = play.stage_on(tape, player)
        seen.append((player.played, player.position))
    assert seen == [(1, 0.0), (2, 2.0), (4, 3.0), (5, 5.0)]


def test_stages_are_sought_backwards_from_a_hold_one_by_one() -> None:
    tape = staged()
    player, seen = play.pause(play.seek(tape, Player(), 5)), []
    for _ in range(4):
        player = play.stage_back(tape, player)
        seen.append(player.played)
    assert seen == [4, 2, 1, 1]


def test_back_means_the_start_of_this_stage_or_if_it_has_only_just_begun_the_one_before() -> None:
    tape = staged()
    late = play.tick(tape, play.seek(tape, Player(speed=1), 4), 1.5)
    assert play.stage_back(tape, late).played == 4
    early = play.tick(tape, play.seek(tape, Player(speed=1), 4), 0.5)
    assert play.stage_back(tape, early).played == 2


def test_a_stage_is_found_by_its_name_the_last_time_it_began() -> None:
    tape = play.tape([stage("load", 0), stage("learn", 1), stage("load", 2), stage("learn", 3)])
    found = play.stage_named(tape, Player(), "learn")
    assert found is not None
    assert found.played == 4
    assert play.stage_named(tape, Player(), "nothing") is None
    assert play.stage_names(tape) == ["load", "learn"]


def test_speeds_go_up_and_down_and_stop_at_both_ends() -> None:
    player = Player(speed=12)
    assert play.faster(player).speed == 20
    assert play.slower(player).speed == 10
    for _ in range(20):
        player = play.faster(player)
    assert player.speed == 1000
    for _ in range(20):
        player = play.slower(player)
    assert player.speed == 1


@pytest.mark.parametrize(("seconds", "speed"), [(10, 1), (45, 1), (63, 2), (3600, 100), (10**6, 1000)])
def test_the_usual_speed_plays_a_run_in_less_than_a_minute_where_it_can(seconds: int, speed: float) -> None:
    assert play.usual_speed(Tape((), (float(seconds),))) == speed


def test_the_clock_is_that_of_the_recording_even_within_a_silence() -> None:
    tape = play.tape([log(0), log(100), log(101)])
    assert play.clock(tape, Player()) == 0.0
    half = play.tick(tape, Player(), 1.0)
    assert play.clock(tape, half) == 1050.0
    assert play.clock(tape, play.tick(tape, half, 60)) == 1101.0


def test_an_empty_tape_is_over_at_once() -> None:
    tape = play.tape([])
    for player in (play.tick(tape, Player(), 1), play.step(tape, Player()), play.stage_back(tape, Player())):
        assert play.playing(tape, player).over
        assert (player.played, player.position) == (0, 0.0)


times = st.floats(allow_nan=True, allow_infinity=True)
moves = st.sampled_from([play.step, play.stage_on, play.stage_back])


@given(
    st.lists(st.tuples(times, times, st.integers(1, 3)), max_size=12),
    st.lists(st.one_of(moves, st.floats(0, 100)), max_size=12),
)
def test_whatever_the_clocks_say_it_plays_in_order_and_stays_on_the_tape(
    marks: list[tuple[float, float, int]], does: list[object]
) -> None:
    events: list[AnyEvent] = [StageStarted(stage="a", title="", mono=m, time=t, attempt=a) for m, t, a in marks]
    tape = play.tape(events)
    assert list(tape.at) == sorted(tape.at)
    # a sum of seconds is rounded
    assert all(0 <= b - a <= 2 + 1e-9 for a, b in zip(tape.at, tape.at[1:], strict=False))
    player = Player(speed=3)
    for move in does:
        before = player
        player = play.tick(tape, player, move) if isinstance(move, float) else move(tape, player)  # type: ignore[operator]
        assert 0 <= player.played <= len(events)
        assert 0 <= player.position <= tape.length
        if isinstance(move, float):
            assert player.played >= before.played
