"""The line of a replay on the Run screen: never wider than its room, keys only where they do something."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from unlearn_tui.state.replay import Playing
from unlearn_tui.tui.draw.run_look import replaying
from unlearn_tui.tui.lines import text


def shown(**values: object) -> Playing:
    made = {"speed": 2.0, "paused": False, "position": 31.0, "length": 62.0, "over": False, "now": 0.0}
    return Playing(**(made | values))  # type: ignore[arg-type]


@pytest.mark.parametrize("cells", [40, 60, 80, 120, 160, 300])
@pytest.mark.parametrize("values", [{}, {"over": True}, {"speed": 1234.5, "length": 360_000.0, "position": 359_999.0}])
def test_the_line_fits_its_room(cells: int, values: dict[str, object]) -> None:
    assert cell_len(text(replaying(shown(**values), cells))) <= cells


def test_at_eighty_cells_every_key_is_named() -> None:
    line = text(replaying(shown(), 80))
    for said in ("▶ REPLAY ×2", "0:31 of 1:02", "space pause", "< > stage", ". step", "+ - speed"):
        assert said in line


def test_half_of_the_tape_is_half_of_the_bar() -> None:
    line = text(replaying(shown(), 160))
    assert line.count("█") == line.count("░") == 20


def test_a_held_one_says_how_it_goes_on_and_one_at_its_end_how_it_begins_again() -> None:
    assert "‖ REPLAY" in text(replaying(shown(paused=True), 80))
    assert "space go on" in text(replaying(shown(paused=True), 80))
    over = text(replaying(shown(over=True, position=62.0), 80))
    assert "■ REPLAY" in over
    assert "R again" in over
    assert "space" not in over


def test_under_a_dialog_no_keys_are_named() -> None:
    assert "stage" not in text(replaying(shown(), 160, covered=True))


def test_a_recording_of_no_length_is_drawn_as_played() -> None:
    assert "░" not in text(replaying(shown(position=0.0, length=0.0, over=True), 160))
