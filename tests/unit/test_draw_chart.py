"""Charts: dots where the values are, gaps where there is none, and a picture that stands still while it grows."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_tui.tui.draw.chart import LABEL, SPARK, Series, binned, chart, label, nice, spark
from unlearn_tui.tui.lines import Line, text, width

NUMBERS = {(0, 0): 1, (0, 1): 2, (0, 2): 4, (1, 0): 8, (1, 1): 16, (1, 2): 32, (0, 3): 64, (1, 3): 128}
"""Braille's dots by (column, row), as Unicode numbers them."""


def dots(lines: list[Line]) -> set[tuple[int, int]]:
    """(x, y) of every dot of a chart, y upwards from the bottom."""
    rows = [text(row)[LABEL + 1 :] for row in lines[:-1]]
    return {
        (2 * column + dx, 4 * (len(rows) - row) - 1 - dy)
        for row, signs in enumerate(rows)
        for column, sign in enumerate(signs)
        for (dx, dy), bit in NUMBERS.items()
        if sign != " " and (ord(sign) - 0x2800) & bit
    }


def labels(lines: list[Line]) -> list[str]:
    return [text(row)[:LABEL].strip() for row in lines if text(row)[:LABEL].strip()]


def changed(a: list[Line], b: list[Line]) -> int:
    return sum(x != y for one, two in zip(a, b, strict=True) for x, y in zip(text(one), text(two), strict=True))


def test_a_straight_line_from_corner_to_corner_has_its_dots_on_the_diagonal() -> None:
    cells, rows = 20, 10
    lines = chart([Series([(x, x) for x in range(41)])], LABEL + 1 + cells, rows + 1, last=40)
    assert labels(lines) == ["40", "30", "20", "10", "0"]
    for x, y in dots(lines):
        # 40 dots a side stand for 0 to 40, so that a dot is one wide and one high
        assert abs(x / (2 * cells - 1) - y / (4 * rows - 1)) <= 1.5 / 40
    assert {x for x, _ in dots(lines)} == set(range(2 * cells))


def test_the_x_axis_ends_at_the_last_step_however_few_are_taken() -> None:
    lines = chart([Series([(0, 1.0), (50, 1.0)])], LABEL + 1 + 20, 6, last=100, end="100 steps")
    assert max(x for x, _ in dots(lines)) == 20
    assert text(lines[-1]).endswith(" 100 steps")


@pytest.mark.parametrize("hole", [None, math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_leaves_a_gap(hole: float | None) -> None:
    points = [(float(x), 1.0 if not 10 <= x < 30 else hole) for x in range(41)]
    found = {x for x, _ in dots(chart([Series(points)], LABEL + 1 + 20, 6, last=40))}
    assert not found & set(range(11, 28))
    assert {5, 35} <= found


def test_points_that_go_back_begin_a_line_of_their_own() -> None:
    points = [(0, 0.0), (10, 10.0), (0, 10.0), (10, 10.0)]
    found = dots(chart([Series(points)], LABEL + 1 + 20, 9, last=10))
    top = max(y for _, y in found)
    assert {(x, top) for x in range(40)} <= found, "the second line is level"
    assert (20, top // 2) in found or (20, top // 2 + 1) in found, "the first line is still there"


def test_a_steep_line_has_no_holes() -> None:
    found = dots(chart([Series([(0, 0.0), (19, 0.0), (20, 100.0), (40, 100.0)])], LABEL + 1 + 20, 11, last=40))
    assert {y for _, y in found} == set(range(40))


def test_one_more_point_inside_the_range_changes_a_few_cells() -> None:
    points = [(float(x), -(math.sin(x / 30) ** 2) * 7) for x in range(200)]
    for n in range(100, 199):
        before = chart([Series(points[:n])], 52, 12, last=250)
        after = chart([Series(points[: n + 1])], 52, 12, last=250)
        if labels(before) == labels(after):
            assert changed(before, after) <= 4


def test_the_range_grows_in_round_steps_and_so_seldom() -> None:
    scales = [tuple(labels(chart([Series([(0, 0.0), (1, -x / 100)])], 52, 12, last=10))) for x in range(1, 1001)]
    assert scales[-1] == ("0", "-2", "-4", "-6", "-8", "-10")
    late = scales[99:]
    assert sum(a != b for a, b in pairwise(late)) < 12


def test_zero_is_always_in_a_linear_range() -> None:
    assert "0" in labels(chart([Series([(0, 13.8), (1, 13.9)])], 52, 12, last=10))
    assert "0" in labels(chart([Series([(0, -7.0), (1, -6.0)])], 52, 12, last=10))


def test_a_log_axis_names_powers_of_ten_a_decade_apart() -> None:
    lines = chart([Series([(0, 0.01), (40, 100.0)])], LABEL + 1 + 20, 9, last=40, log=True)
    assert labels(lines) == ["100", "10", "1", "0.1", "0.01"]
    assert "log" in text(lines[-1])
    # a straight line in log y from corner to corner
    for x, y in dots(lines):
        assert abs(x / 39 - y / 31) < 0.08


def test_a_log_axis_says_what_it_clips() -> None:
    lines = chart([Series([(0, 1e-12), (40, 1.0)])], 60, 9, last=40, log=True)
    assert "clipped below" in text(lines[-1])
    assert labels(lines)[-1] == "1e-04" or float(labels(lines)[-1]) == pytest.approx(1e-4)


def test_values_at_and_below_zero_get_a_log_axis_on_both_sides_of_zero() -> None:
    lines = chart([Series([(0, 0.0), (20, -8.0), (40, 3.0)])], 60, 12, last=40, log=True)
    assert "symlog" in text(lines[-1])
    assert labels(lines) == ["10", "1", "0.1", "0", "-0.1", "-1", "-10"]
    places = [next(i for i, row in enumerate(lines) if text(row)[:LABEL].strip() == name) for name in labels(lines)]
    assert places == sorted(places)


def test_the_first_series_gives_the_style_of_a_shared_cell_and_a_dotted_one_skips_columns() -> None:
    level = [(float(x), 1.0) for x in range(41)]
    lines = chart([Series(level, "accent"), Series(level, "bad", dotted=True)], LABEL + 1 + 20, 6, last=40)
    assert not any(style == "bad" for row in lines for part, style in row if part.strip())
    alone = chart([Series(level, "bad", dotted=True)], LABEL + 1 + 20, 6, last=40)
    assert {x for x, _ in dots(alone)} == set(range(0, 40, 4))


def test_an_ascii_chart_has_ascii_in_its_plot_and_still_tells_two_series_apart() -> None:
    rising, level = [(float(x), float(x)) for x in range(41)], [(float(x), 20.0) for x in range(41)]
    lines = chart([Series(rising), Series(level, dotted=True)], 40, 9, last=40, ascii=True)
    plot = "".join(text(row)[LABEL + 1 :] for row in lines[:-1])
    assert set(plot) == {" ", "*", "."}


VALUES = st.one_of(st.none(), st.floats(), st.floats(-10, 10), st.sampled_from([0.0, 1e-300, 1e300, -1e308, 5e-324]))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 2000), VALUES), max_size=60),
    st.sampled_from([(3, 2), (12, 3), (33, 7), (40, 10), (80, 22), (160, 46)]),
    st.booleans(),
    st.booleans(),
    st.floats(0, 3000),
)
def test_whatever_the_values_a_chart_is_as_large_as_asked(points, size, log, ascii, last) -> None:
    cells, rows = size
    lines = chart(
        [Series(points, "accent"), Series(points[::2], dotted=True)], cells, rows, last, log, ascii, "the end"
    )
    assert len(lines) == rows
    assert all(width(row) in (0, cells) for row in lines)


@pytest.mark.parametrize(
    ("value", "round_one"), [(0.9, 1), (1, 1), (1.1, 2), (2.1, 5), (7, 10), (0.03, 0.05), (1.9e-7, 2e-7)]
)
def test_round_steps_are_one_two_or_five_times_a_power_of_ten(value: float, round_one: float) -> None:
    assert nice(value) == pytest.approx(round_one)


@given(st.floats(1e-30, 1e30), st.sampled_from([-1, 1, 0]), st.integers(0, 12))
def test_a_label_fits_its_cells(value: float, sign: int, decimals: int) -> None:
    assert len(label(sign * value, decimals)) <= LABEL


def test_a_spark_has_eight_heights_over_its_range_and_gaps_where_nothing_is_known() -> None:
    assert spark([0, 1, 2, 3, 4, 5, 6, 7], 8) == SPARK
    assert spark([0.0, None, 100.0], 4, 0, 100) == "▁ █ "
    assert spark([math.nan, 3.0, 3.0], 3) == " ▁▁"
    assert spark(list(range(100)), 3, 0, 99) == "███"
    assert spark([1.0], 0) == ""


def test_a_spark_over_a_whole_run_fills_up_from_the_left() -> None:
    assert binned([(0, 5.0), (25, 6.0), (26, 7.0)], 4, 100) == [5.0, 7.0, None, None]
    assert binned([(0, 5.0), (99, 6.0)], 4, 100) == [5.0, 5.0, 5.0, 6.0]
    assert binned([(0, 5.0), (100, 6.0), (150, 7.0)], 4, 100) == [5.0, 5.0, 5.0, 7.0]
