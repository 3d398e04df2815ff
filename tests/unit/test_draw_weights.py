"""The Weights screen as lines: nothing wider than asked, the numbers in their places, the lines where they belong."""

from __future__ import annotations

import re

import pytest
import weights_data as recorded
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import Edit, OctaveRow, PredictionRow, RecoveryRow, Result, WeightsRow
from unlearn_tui.report.text import safe
from unlearn_tui.state import matrices as mx
from unlearn_tui.state import weights as ws
from unlearn_tui.state.matrices import Matrix, Quantized
from unlearn_tui.tui.draw import figures, heatmap, octaves
from unlearn_tui.tui.draw import weights as screen
from unlearn_tui.tui.glyphs import to_ascii
from unlearn_tui.tui.lines import STYLES, text, width

FORGET = "knowmem_forget"
SIZES = [(40, 10), (60, 16), (80, 22), (120, 30), (160, 46), (20, 3), (1, 1), (300, 90)]


def effect(**changed: object) -> ws.WeightsState:
    return ws.build(recorded.result(**changed), recorded.matrices(), FORGET)


def synthetic(names: list[str], **changed: object) -> ws.WeightsState:
    found = {"bnb-fp4": Quantized(0.97, 0.2, 0.17), "bnb-int8": Quantized(0.9, 0.98, 1.0)}
    rows = [Matrix(n, (64, 64), 0.1, 1.0, 30.0, tuple(recorded.octaves()), found) for n in names]
    return ws.build(recorded.result(**changed), rows, FORGET)


def hostile() -> ws.WeightsState:
    evil = "\x1b[2J\u202e\n" + "日本" * 40 + "👩‍🔬e\u0301"
    rows = [
        Matrix(f"{evil}.{i}.{evil}", (1, 1), -1e300, 1e300, 1e-300, (), {evil: Quantized(9e99, -9e99, -1e200)})
        for i in range(3)
    ]
    return ws.build(
        Result(
            run=evil,
            status=evil,
            weights=[
                WeightsRow(
                    precision=evil,
                    same_value=1e9,
                    cosine=-7.0,
                    kept=-1e300,
                    zero_bin_p10=-5.0,
                    zero_bin_median=1e300,
                    zero_bin_p90=0.0,
                )
            ],
            recovery=[
                RecoveryRow(
                    precision=evil,
                    metric=FORGET,
                    share_full=None,
                    share=None,
                    delta=None,
                    ci_low=None,
                    ci_high=None,
                    gap_share=None,
                    verdict=evil,
                )
            ],
            explanation=evil * 500,
            edit=Edit(
                changed=7e9,
                octaves=[OctaveRow(exponent=e, n=10**17, changed=1e300) for e in (-190, 3, 190, 5000)],
                freeze_line_nominal=1e300,
                freeze_line_effective=-1.0,
                unquantized_share=0.0,
            ),
        ),
        rows,
        FORGET,
        note=evil,
    )


STATES = {
    "recorded": effect(),
    "foretold": effect(predictions=recorded.FORETOLD),
    "ablated": effect(scores=[recorded.ablated("inside", "fp16", 2.2), recorded.ablated("outside", "fp16", 100.0)]),
    "eighty layers": synthetic([f"model.layers.{i}.mlp.{m}" for i in range(80) for m in ("up_proj", "down_proj")]),
    "experts": synthetic(
        [f"model.layers.{i}.mlp.experts.{e}.w{w}" for i in range(4) for e in range(8) for w in (1, 2)]
    ),
    "many modules": synthetic([f"model.layers.0.m{i}.some_rather_long_name_{i}" for i in range(200)]),
    "no layer": synthetic(["proj"]),
    "no quantizer": ws.build(
        recorded.result(weights=[], recovery=[]), [Matrix("model.layers.0.q", (2, 2), 0.5)], FORGET
    ),
    "live": ws.build(
        Result(run="r", status="running"),
        mx.so_far([ev.WeightsMatrix(tensor="model.layers.0.q_proj", changed=0.1, kept={"bnb-fp4": 0.2})]),
        FORGET,
        expected=28,
    ),
    "hostile": hostile(),
}


@pytest.mark.parametrize("size", [(80, 22), (160, 46)])
def test_what_was_expected_stands_beside_what_was_measured_and_whether_it_came_so(size: tuple[int, int]) -> None:
    wrong = [recorded.FORETOLD[0], PredictionRow(precision="bnb-fp4", kept=0.9, says="stays")]
    for says, kept, sign in ((recorded.FORETOLD, "0.27", "✓"), (wrong, "0.90", "✗")):
        rows = [text(row) for row in screen.draw(effect(predictions=says), *size)]
        row = next(r for r in rows if "bnb-fp4" in r and "came back" in r)
        assert re.search(rf"0\.17.*{kept} {sign}", row)
        assert any("expected" in r and "kept" in r for r in rows)
    assert not any("expected" in text(row) for row in screen.draw(effect(), *size))


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("size", SIZES)
def test_no_line_is_wider_and_no_screen_longer_than_asked(name: str, size: tuple[int, int]) -> None:
    state = STATES[name]
    for changed in (state, ws.choose(state, every=True), ws.next_order(ws.next_measure(state))):
        lines = screen.draw(changed, *size)
        assert len(lines) <= size[1]
        for row in lines:
            assert width(row) <= size[0]
            assert safe(text(row)) == text(row)
            assert {name for _, style in row for name in style.split()} <= set(STYLES)


def painted(state: ws.WeightsState, cells: int = 80, rows: int = 22) -> list[str]:
    return [text(row).rstrip() for row in screen.draw(state, cells, rows)]


def test_the_recorded_run_at_80_columns() -> None:
    rows = painted(effect())
    assert len(rows) == 22
    assert rows[0].startswith("── kept: how much of the edit survives bnb-fp4, 1 = all ─")
    assert rows[1].split() == ["layer", "q", "k", "v", "o", "gate", "up", "down", "all"]
    assert rows[3].split()[:3] == ["1", "0.14▂", "0.17▂"]
    assert rows[6].split()[0] == "all"
    assert rows[6].endswith("0.17▂")
    table = "\n".join(rows)
    assert re.search(r"▸ bnb-fp4 +0\.17▂ +0\.24 +97\.75 % +±0\.0053 +▲ came back", table)
    assert re.search(r"  bnb-int8 +1\.00█ +0\.98 +90\.35 % +±2\.9e-4 +─ did not come back", table)
    assert "lr moves these" in table
    assert "almost zero in bnb-fp4" in table
    assert "Why: the edit moved 13 % of the weights" in table


def test_wide_screens_say_the_lines_in_full_words() -> None:
    table = "\n".join(painted(effect(), 160, 46))
    assert "a bf16 step of size lr moves only these" in table
    assert "freeze line 0.002 by learning rate, │ 0.0039 measured" in table
    assert "bnb-fp4 rounds these to almost zero in 9 of 10 blocks" in table
    assert "zero bin ±0.0053 in the middle block, 0.0041 – 0.0067 in 80 % of blocks" in table
    assert "model.layers.0.self_attn.q_proj" in table
    assert "bnb-int8 keeps" in table


@pytest.mark.parametrize("cells", [80, 100, 160])
def test_lines_stand_where_the_axis_has_their_size(cells: int) -> None:
    state = effect()
    axis = octaves.axis(state, cells)
    # edges of bins: a line at 2^-9 stands in the gap before the bin from 2^-9
    for exponent in range(-12, -3):
        edge = octaves.LABEL + axis.cells * (exponent + 13) - 1
        assert axis.at(2.0**exponent) == edge
    assert axis.at(2**-9.5) == pytest.approx(axis.at(2**-9) - axis.cells / 2, abs=0.5)
    assert axis.at(1e-30) == octaves.LABEL
    assert axis.at(1e30) == axis.end - 1
    labels = next(row for row in painted(state, cells, 46) if row.startswith(" |w| from"))
    assert labels[axis.at(2**-9)] == "┃"
    assert labels[axis.at(2**-9) + 1 :].startswith("2^-9")
    assert labels[axis.at(2**-8)] == "│"


def span(rows: list[str], name: str) -> str:
    return next(row for row in rows if row.startswith(f" {name}"))


@pytest.mark.parametrize(
    ("mode", "nominal", "effective", "said"),
    [
        ("bf16", 2**-9, 2**-8, "a bf16 step of size lr moves only these"),
        ("fp32", None, None, "no freeze line: fp32 weights take every step"),
        ("bf16-stochastic", None, None, "no freeze line: rounding at random moves weights of any size"),
        ("fp32", None, 2**-3, "this update mode has no freeze line"),
    ],
)
def test_only_pure_bf16_has_a_freeze_line(mode: str, nominal: float | None, effective: float | None, said: str) -> None:
    edit = Edit(
        changed=0.1,
        octaves=recorded.octaves(),
        freeze_line_nominal=nominal,
        freeze_line_effective=effective,
        unquantized_share=0.0,
    )
    rows = painted(effect(edit=edit, spec={"task": "unlearn", "weights": mode}), 160, 46)
    assert said in span(rows, "moved")


def test_somebody_elses_model_has_a_measured_line_and_no_claim_about_its_training() -> None:
    edit = Edit(
        changed=0.1,
        octaves=recorded.octaves(),
        freeze_line_nominal=None,
        freeze_line_effective=2**-8,
        unquantized_share=0.0,
    )
    row = span(painted(effect(edit=edit, spec={"task": "check", "weights": "bf16"}), 160, 46), "moved")
    assert "most weights left of this line changed" in row
    assert "0.0039 measured" in row
    assert "bf16" not in row


def test_a_quantizer_with_a_level_at_zero_only_rounds_to_zero() -> None:
    row = span(painted(ws.next_quantizer(effect()), 160, 46), "zeroed")
    assert "bnb-int8 rounds" in row
    assert "almost" not in row


def test_a_run_in_the_middle_says_what_is_still_to_come() -> None:
    table = "\n".join(painted(STATES["live"], 100, 30))
    assert "so far 1 of 28 matrices" in table
    assert "The run's explanation follows" in table


def test_a_run_without_an_edit_or_without_a_quantizer_says_so() -> None:
    still = Edit(changed=0.0, octaves=[], freeze_line_nominal=None, freeze_line_effective=None, unquantized_share=0.0)
    assert "the same weights: there is no edit" in "\n".join(painted(effect(edit=still)))
    table = "\n".join(painted(STATES["no quantizer"]))
    assert "no quantizer was asked for" in table
    assert "changed: weights that unlearning moved at all" in table


def test_the_explanation_is_about_the_chosen_quantizer_where_there_is_no_room_for_all() -> None:
    whole = recorded.EXPLANATION
    assert screen.focused(whole, "bnb-int8") == (
        "Why: the edit moved 13 % of the weights: 96 % of those below 0.0039 in size, 0.08 % of the larger ones; "
        "bnb-int8 keeps 1.00 of it (zero bin ±0.00029): it stayed forgotten."
    )
    assert screen.focused(whole, "bnb") == whole
    assert screen.focused("Said otherwise.", "bnb-fp4") == "Said otherwise."


def test_the_ablation_is_told_with_the_full_precision_first() -> None:
    table = " ".join(" ".join(painted(STATES["ablated"])).split())
    assert (
        "KnowMem forget at fp16 with only the part of the edit inside that zero bin: 2.2; with only the rest: 100.0."
        in table
    )
    other = " ".join(painted(ws.next_quantizer(STATES["ablated"])))
    assert "with only the part" not in other


def test_the_same_columns_stand_in_the_same_cells_whatever_the_numbers() -> None:
    state = effect()
    before = painted(state)
    after = painted(ws.move(state, rows=2, columns=3))
    assert [i for i, (a, b) in enumerate(zip(before[:7], after[:7], strict=True)) if len(a) != len(b)] == []
    assert before[3] == after[3]
    assert after[4].count("▸") == 1


def test_signs_are_one_cell_each_in_ascii_as_well() -> None:
    for cells, rows in ((80, 22), (160, 46)):
        for row in screen.draw(effect(), cells, rows):
            plain = to_ascii(text(row))
            assert plain.isascii(), plain
            assert len(plain) == width(row)


@pytest.mark.parametrize("size", [(80, 22), (160, 46)])
def test_a_click_finds_the_cell_that_is_drawn_there(size: tuple[int, int]) -> None:
    state = effect()
    for layer in state.rows:
        for column in state.grid.columns:
            rows = painted(ws.choose(state, cursor=(layer, column)), *size)
            y = next(i for i, row in enumerate(rows[:8]) if "▸" in row)
            assert screen.clicked(state, *size, rows[y].index("▸"), y) == (layer, column)
    assert screen.clicked(state, *size, 2, 2) is None
    assert screen.clicked(state, *size, 30, 1) is None
    assert screen.clicked(state, *size, 30, size[1] - 1) is None


def test_a_screen_without_a_map_shows_the_reason_whole_and_harmless() -> None:
    lines = screen.absent("No run is open.\x1b[2J Open one.", 20)
    assert all(width(row) <= 20 for row in lines)
    assert "".join(text(row) for row in lines).strip() == "No run is open.␛[2J Open one."


# -- figures -----------------------------------------------------------------------------------------------------------


@given(st.floats(), st.sampled_from(mx.MEASURES))
def test_a_measure_takes_at_most_five_cells(amount: float, measure: str) -> None:
    assert 1 <= len(figures.value(measure, amount)) <= 5


@given(st.integers(0, 10**30))
def test_a_count_takes_at_most_four_cells(n: int) -> None:
    assert 1 <= len(figures.count(n)) <= 4


@given(st.floats(0, 1))
def test_a_share_takes_at_most_four_cells(share: float) -> None:
    assert 1 <= len(figures.share(share)) <= 4


@given(st.floats(1e-30, 1))
def test_a_size_takes_at_most_seven_cells_and_is_right_to_two_digits(size: float) -> None:
    assert len(figures.small(size)) <= 7
    assert float(figures.small(size)) == pytest.approx(size, rel=0.06)


@given(st.text(), st.integers(2, 20))
@settings(max_examples=50)
def test_a_short_name_fits(name: str, cells: int) -> None:
    from rich.cells import cell_len

    assert cell_len(figures.short(name, cells)) <= cells


def test_figures_as_people_write_them() -> None:
    assert [figures.count(n) for n in (0, 950, 9_999, 24_550, 999_600, 3_000_000, 12_345_678)] == [
        *("0", "950", "10k", "25k", "1.0M", "3.0M", "12M"),
    ]
    assert [figures.share(s) for s in (0.0, 0.0001, 0.005, 0.5, 0.996, 1.0, None)] == [
        *("0", "<.1%", "0.5%", "50%", ">99%", "100%", "·"),
    ]
    assert [figures.small(v) for v in (0.0053, 0.002, 0.00029, 1.5)] == ["0.0053", "0.002", "2.9e-4", "1.5"]
    assert [figures.value("kept", v) for v in (0.172, -0.03, 1.16, 123.0, -50.0, None)] == [
        *("0.17", "-0.03", "1.16", ">99", "<-9", "–"),
    ]
    assert [figures.short(n, 7) for n in ("q_proj", "experts.up", "dense_4h_to_h")] == ["q_proj", "e.up", "den…o_h"]
    assert [figures.shade(s) for s in (-1.0, 0.0, 0.5, 1.0, 9.0, float("nan"))] == ["▁", "▁", "▅", "█", "█", " "]


def test_a_map_never_has_fewer_rows_than_it_needs_for_the_chosen_layer() -> None:
    state = ws.move(STATES["eighty layers"], rows=57)
    for rows in range(4, 40):
        assert any(text(row).lstrip().startswith("57 ") for row in heatmap.draw(state, 80, rows))
