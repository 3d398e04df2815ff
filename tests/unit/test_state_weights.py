"""The Weights screen's data: cells add up to what the engine said of the whole model, whatever the model's names are."""

from __future__ import annotations

import itertools
import json
import math

import msgspec
import numpy as np
import pytest
import weights_data as recorded
from hypothesis import given
from hypothesis import strategies as st

from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import OctaveRow, Result
from unlearn_tui.state import matrices as mx
from unlearn_tui.state import weights as ws
from unlearn_tui.state.matrices import Matrix, Quantized
from unlearn_tui.state.run import RunState, Stage

FORGET = "knowmem_forget"


def measured(name: str, target: np.ndarray, unlearned: np.ndarray, step: float) -> Matrix:
    """A row as the engine makes it, for a quantizer that rounds to multiples of `step`."""
    edit = unlearned - target
    moved = np.round(unlearned / step) * step - np.round(target / step) * step
    dot, norm = float((moved * edit).sum()), float(np.sqrt((edit**2).sum()))
    length = float(np.sqrt((moved**2).sum())) * norm
    found = Quantized(
        same_value=float((moved == 0).mean()),
        cosine=dot / length if length else None,
        kept=dot / norm**2 if norm else None,
    )
    return Matrix(name, target.shape, float((edit != 0).mean()), norm, 1.0, (), {"q": found})


def toy(names: list[str], seed: int = 0) -> tuple[list[Matrix], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Matrices of several sizes with edits of several sizes, one of them with none, and their weights."""
    random = np.random.default_rng(seed)
    weights = {}
    for i, name in enumerate(names):
        target = random.normal(0, 0.02, (8 + i, 16))
        size = 0.0 if i == 5 else 0.001 * (1 + i % 3)
        edit = random.normal(0, size, target.shape) * (random.random(target.shape) < 0.3)
        weights[name] = (target, target + edit)
    return [measured(n, t, u, 0.01) for n, (t, u) in weights.items()], weights


def whole(weights: list[tuple[np.ndarray, np.ndarray]], step: float = 0.01) -> dict[str, float]:
    """The four measures over all weights laid end to end."""
    target = np.concatenate([t.ravel() for t, _ in weights])
    edit = np.concatenate([(u - t).ravel() for t, u in weights])
    moved = np.round((target + edit) / step) * step - np.round(target / step) * step
    return {
        "kept": (moved @ edit) / (edit @ edit),
        "cosine": (moved @ edit) / math.sqrt((moved @ moved) * (edit @ edit)),
        "same_value": float((moved == 0).mean()),
        "changed": float((edit != 0).mean()),
    }


def built(matrices: list[Matrix], **changed: object) -> ws.WeightsState:
    return ws.build(recorded.result(**changed), matrices, FORGET)


LLAMA = [
    f"model.layers.{layer}.{module}"
    for layer in range(3)
    for module in ("self_attn.q_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj")
]


def test_cells_add_up_to_what_all_weights_together_give() -> None:
    matrices, weights = toy(LLAMA)
    sheet = mx.sheet(matrices, mx.grid(matrices), "q")
    groups = [(sheet.total, list(weights.values()))]
    groups += [(sheet.layers[i], [w for n, w in weights.items() if f".{i}." in n]) for i in range(3)]
    groups += [(sheet.columns[c], [w for n, w in weights.items() if n.endswith(c)]) for c in sheet.columns]
    for cell, members in groups:
        for name, expected in whole(members).items():
            assert cell.measure(name) == pytest.approx(expected, rel=1e-9), name
        assert cell.n == sum(t.size for t, _ in members)


def test_a_recorded_runs_cells_add_up_to_the_summaries_of_its_result() -> None:
    state = built(recorded.matrices())
    for row in recorded.WEIGHTS:
        total = state.sheets[row.precision].total
        assert total.kept == pytest.approx(row.kept, abs=1e-6)
        assert total.cosine == pytest.approx(row.cosine, abs=1e-6)
        assert total.same_value == pytest.approx(row.same_value, abs=1e-6)
        assert total.changed == pytest.approx(0.12523684, abs=1e-6)


def test_a_matrix_without_an_edit_has_nothing_to_keep_and_does_not_count() -> None:
    matrices, _ = toy(LLAMA)
    still = [m for m in matrices if m.edit_norm == 0]
    assert still
    assert mx.sheet(still, mx.grid(still), "q").total.kept is None
    moving = [m for m in matrices if m.edit_norm]
    both = [mx.sheet(rows, mx.grid(rows), "q").total.kept for rows in (matrices, moving)]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("names", "layers", "columns"),
    [
        (LLAMA, (0, 1, 2), ("q_proj", "o_proj", "gate_proj", "down_proj")),
        (
            [
                f"transformer.h.{i}.{m}"
                for i in (0, 1)
                for m in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
            ],
            (0, 1),
            ("c_attn", "attn.c_proj", "c_fc", "mlp.c_proj"),
        ),
        (
            ["gpt_neox.layers.5.attention.query_key_value", "gpt_neox.layers.5.mlp.dense_h_to_4h"],
            (5,),
            ("query_key_value", "dense_h_to_4h"),
        ),
        (
            [
                "model.layers.0.mlp.gate_proj",
                "model.layers.1.mlp.gate",
                "model.layers.1.mlp.experts.0.gate_proj",
                "model.layers.1.mlp.experts.63.gate_proj",
                "model.layers.1.mlp.shared_expert.gate_proj",
            ],
            (0, 1),
            ("mlp.gate_proj", "gate", "experts.gate_proj", "shared_expert.gate_proj"),
        ),
        (["model.decoder.layers.2.fc1", "model.decoder.project_out"], (2, None), ("fc1", "project_out")),
        (["blocks.layer_7.proj", "stem.w1", "12"], (7, 12, None), ("proj", "w1", "weight")),
        (["encoder.block.0.q", "decoder.block.0.q"], (0,), ("encoder.block.q", "decoder.block.q")),
    ],
)
def test_names_of_every_family_find_their_layer_and_module(
    names: list[str], layers: tuple[int | None, ...], columns: tuple[str, ...]
) -> None:
    grid = mx.grid([Matrix(name) for name in names])
    assert grid.layers == layers
    assert grid.columns == columns


def test_experts_share_a_cell_with_the_least_and_the_most_of_them() -> None:
    names = [f"model.layers.0.mlp.experts.{i}.up_proj" for i in range(5)]
    matrices, weights = toy(names)
    state = built(matrices, weights=[])
    cell = state.sheets["q"].cells[0, "up_proj"]
    assert cell.matrices == 5
    kept = [m.precisions["q"].kept for m in matrices if m.precisions["q"].kept is not None]
    assert cell.spread["kept"] == (min(kept), max(kept))
    assert cell.kept == pytest.approx(whole(list(weights.values()))["kept"])


@given(st.lists(st.text(st.sampled_from("ab0.19_"), max_size=12), min_size=1, max_size=30, unique=True))
def test_any_names_put_every_matrix_into_exactly_one_cell(names: list[str]) -> None:
    grid = mx.grid([Matrix(name) for name in names])
    assert sorted(i for members in grid.members.values() for i in members) == list(range(len(names)))
    assert {layer for layer, _ in grid.members} == set(grid.layers)
    assert {column for _, column in grid.members} == set(grid.columns)


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_line_of_the_engine_comes_back_as_it_was_written() -> None:
    row = recorded.matrices()[0]
    assert mx.parse(json.dumps(msgspec.to_builtins(row)).encode()) == row


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"tensor": 5}',
        b'{"tensor": "a", "shape": [-1]}',
        b'{"tensor": "a", "changed": "all"}',
        b'{"tensor": "a", "shape": [1,1,1,1,1,1,1]}',
        b'{"tensor": "a", "precisions": {"q": 3}}',
        b'{"tensor": "a", "octaves": [{"exponent": 1}]}',
        b"[" * 100_000,
        b'{"tensor": "\xff"}',
        b'{"tensor": "' + b"a" * 2000 + b'"}',
    ],
)
def test_a_damaged_line_is_no_matrix(line: bytes) -> None:
    assert mx.parse(line) is None


def test_a_nan_is_nothing_measured_and_impossible_octaves_are_left_out() -> None:
    line = b'{"tensor": "a", "changed": NaN, "octaves": [{"exponent": 99999, "n": 1, "changed": 0.5}]}'
    found = mx.parse(line)
    assert found is not None
    assert found.changed is None
    assert found.octaves == ()


def test_while_a_run_is_live_its_events_give_plain_means() -> None:
    told = [
        ev.WeightsMatrix(tensor="model.layers.0.q", changed=0.1, kept={"q": 0.2}),
        ev.WeightsMatrix(tensor="model.layers.1.q", changed=0.3, kept={"q": 0.6}),
        ev.WeightsMatrix(tensor="model.layers.2.q", changed=0.0, kept={"q": None}),
    ]
    state = ws.build(Result(run="r", status="running"), mx.so_far(told), FORGET, expected=28)
    assert state.sheet.total.kept == pytest.approx(0.4)
    assert state.sheet.total.changed == pytest.approx(0.4 / 3)
    assert state.sheet.total.cosine is None
    assert state.measures == ("kept", "changed")
    assert state.quantizers == (ws.Quantizer("q", pytest.approx(0.4), None, None, None, ""),)
    assert not state.settled
    assert state.expected == 28


# -- by size of weight -------------------------------------------------------------------------------------------------


def test_octaves_of_several_matrices_are_counted_together() -> None:
    one = Matrix("a", octaves=(OctaveRow(exponent=-3, n=10, changed=0.5), OctaveRow(exponent=-1, n=4, changed=1.0)))
    two = Matrix("b", octaves=(OctaveRow(exponent=-3, n=30, changed=0.1),))
    found = [(o.exponent, o.n, pytest.approx(o.changed)) for o in mx.octaves([one, two])]
    assert found == [(-3, 40, 8 / 40), (-1, 4, 1.0)]


@given(
    st.dictionaries(st.integers(-30, 8), st.tuples(st.integers(0, 10**6), st.floats(0, 1)), max_size=30),
)
def test_bins_hold_every_weight_once_and_are_never_too_many(rows: dict[int, tuple[int, float]]) -> None:
    octaves = [OctaveRow(exponent=e, n=n, changed=c) for e, (n, c) in rows.items()]
    bins = mx.bins(octaves)
    assert sum(b.n for b in bins) == sum(o.n for o in octaves)
    assert sum(b.n * b.changed for b in bins) == pytest.approx(sum(o.n * o.changed for o in octaves), abs=1e-6)
    assert len(bins) <= 13
    assert all(a.high == b.low for a, b in itertools.pairwise(bins))
    assert all(b.low is not None for b in bins[1:])


def test_the_recorded_runs_bins_are_those_of_its_octaves() -> None:
    bins = built(recorded.matrices()).bins
    assert (bins[0].low, bins[0].high, bins[0].n) == (None, -12, 24550)
    assert [b.low for b in bins[1:]] == list(range(-12, -2))
    assert bins[-1].n == 4
    assert bins[4].changed == pytest.approx(0.922, abs=1e-3)


def test_the_chosen_cells_share_is_by_the_same_bins() -> None:
    rows = recorded.matrices()
    first = msgspec.structs.replace(rows[0], octaves=(OctaveRow(exponent=-20, n=5, changed=1.0),))
    state = built([first, *rows[1:]])
    assert state.here[0] == 1.0
    assert set(state.here[1:]) == {None}
    assert ws.move(state, columns=1).here == tuple(b.changed for b in state.bins)


# -- choosing ----------------------------------------------------------------------------------------------------------


def test_the_quantizer_that_brought_knowledge_back_comes_first() -> None:
    state = built(recorded.matrices())
    assert state.precision == "bnb-fp4"
    assert state.quantizer is not None
    assert state.quantizer.verdict == "recovered"
    assert built(recorded.matrices(), recovery=[]).precision == "bnb-fp4"
    assert built(recorded.matrices(), weights=recorded.WEIGHTS[:1]).precision == "bnb-int8"


def test_quantizers_measures_and_orders_go_round() -> None:
    state = built(recorded.matrices())
    assert [(state := ws.next_quantizer(state)).precision for _ in range(3)] == ["bnb-int8", "bnb-fp4", "bnb-int8"]
    assert [(state := ws.next_measure(state)).measure for _ in range(4)] == ["same_value", "cosine", "changed", "kept"]
    assert [(state := ws.next_order(state)).order for _ in range(2)] == ["least", "layer"]


def test_layers_that_keep_least_come_first_on_request() -> None:
    state = ws.next_order(built(recorded.matrices()))
    kept = [state.sheet.layers[layer].kept for layer in state.rows]
    assert kept == sorted(k for k in kept if k is not None)
    assert set(state.rows) == {0, 1, 2, 3}
    assert state.cursor == (0, "q_proj")


def test_the_cursor_stops_at_the_edges() -> None:
    state = built(recorded.matrices())
    assert ws.move(state, rows=-1, columns=-1) is state
    state = ws.move(state, rows=100, columns=100)
    assert state.cursor == (3, "down_proj")
    assert state.cell is not None
    assert state.cell.kept == pytest.approx(0.12559941)
    assert [m.tensor for m in state.chosen()] == ["model.layers.3.mlp.down_proj"]


def test_choices_that_this_run_does_not_have_change_nothing() -> None:
    state = built(recorded.matrices())
    assert ws.choose(state, "rtn-int3", "beauty", "colour", None, (9, "nose")) == state


def test_new_rows_of_the_same_run_keep_choices_and_cursor() -> None:
    matrices = recorded.matrices()
    old = ws.move(ws.next_measure(ws.next_quantizer(built(matrices[:14]))), rows=1, columns=2)
    new = ws.carry(old, built(matrices))
    assert (new.precision, new.measure, new.cursor) == ("bnb-int8", "same_value", (1, "v_proj"))
    assert len(new.matrices) == 28
    assert ws.carry(old, built(matrices, run="other")).precision == "bnb-fp4"


def many(layers: int) -> ws.WeightsState:
    names = [f"model.layers.{i}.mlp.up_proj" for i in range(layers)]
    return built([Matrix(n, (2, 2), 0.1, 1.0, 1.0, (), {"q": Quantized(kept=0.5)}) for n in names], weights=[])


@given(st.integers(1, 90), st.integers(0, 40), st.integers(0, 89))
def test_the_layers_shown_are_in_order_with_the_chosen_one_among_them(layers: int, room: int, at: int) -> None:
    state = ws.move(many(layers), rows=at)
    for every in (False, True):
        shown = ws.visible(ws.choose(state, every=every), room)
        assert len(shown) == min(layers, room)
        assert list(shown) == sorted(set(shown))
        assert not room or state.cursor[0] in shown


def test_few_of_many_layers_span_the_model_and_every_layer_is_a_window() -> None:
    state = ws.move(many(80), rows=40)
    assert ws.visible(state, 5) == (0, 20, 40, 59, 79)
    assert ws.visible(ws.move(state, rows=3), 5) == (0, 20, 43, 59, 79)
    assert ws.visible(ws.choose(state, every=True), 5) == (38, 39, 40, 41, 42)


# -- the rest of a run -------------------------------------------------------------------------------------------------


def test_scores_of_halves_of_the_edit_are_found() -> None:
    scores = [recorded.ablated("inside", "fp16", 2.2), recorded.ablated("outside", "fp16", 100.0)]
    assert built(recorded.matrices(), scores=scores).ablated == (
        ws.Ablated("inside", "bnb-fp4", "fp16", 2.2),
        ws.Ablated("outside", "bnb-fp4", "fp16", 100.0),
    )
    assert built(recorded.matrices()).ablated == ()


def test_a_run_without_a_quantizer_shows_what_changed() -> None:
    matrices = [msgspec.structs.replace(m, precisions={}) for m in recorded.matrices()]
    state = built(matrices, weights=[], recovery=[])
    assert state.quantizers == ()
    assert state.quantizer is None
    assert state.measure == "changed"
    assert ws.next_quantizer(ws.next_measure(state)).measure == "changed"
    assert state.sheet.total.changed == pytest.approx(0.12523684, abs=1e-6)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (None, "No run is open"),
        (RunState(), "has not said anything yet"),
        (RunState(status="running", stages=(Stage("x", "ask the target", status="running"),)), "at: ask the target."),
        (RunState(status="failed", reason="out of memory"), "failed before its weights were compared: out of memory"),
        (RunState(status="stopped"), "stopped before its weights were compared. Runs (0)"),
        (RunState(status="finished"), "weights.jsonl is missing or empty"),
    ],
)
def test_a_screen_without_a_map_says_why(run: RunState | None, said: str) -> None:
    assert said in ws.absent(run)


def test_a_run_without_that_stage_says_what_it_is_instead() -> None:
    run = RunState(
        status="finished", stages=(Stage("load"), Stage("result")), explanation="The unlearned model is two."
    )
    assert ws.absent(run) == "This run compares no weights. The unlearned model is two."
