"""What the screens say is what was measured: no arrow, label, number or mark claims more."""

from __future__ import annotations

import random
import statistics

import pytest
import story
import weights_data as recorded
from compare_data import FULL, INT4, INT8, TARGET, said, scores, verdict

from unlearn_tui import catalog
from unlearn_tui.engine.explain import explain
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import Edit, RecoveryRow, WeightsRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.state import compare as ops
from unlearn_tui.state import paper, setup
from unlearn_tui.state import weights as ws
from unlearn_tui.state.labels import label, label_of_row
from unlearn_tui.state.run import RunState, fold_all
from unlearn_tui.state.table import Table, build
from unlearn_tui.tui.draw import compare, figures
from unlearn_tui.tui.draw import weights as weights_screen
from unlearn_tui.tui.draw.compare_parts import counts, rise, share
from unlearn_tui.tui.draw.run import draw
from unlearn_tui.tui.draw.run_look import Look
from unlearn_tui.tui.draw.run_scoring import scores as run_scores
from unlearn_tui.tui.draw.run_training import pace_line
from unlearn_tui.tui.draw.scatter import scatter
from unlearn_tui.tui.lines import text

# -- labels of prompts, as the verdict asks ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "unlearned", "quantized", "expected"),
    [
        (1.0, 0.7, 1.0, "never forgotten"),  # 30 points more, but nothing was gone: the verdict's first rule too
        (0.4, 0.3, 0.7, "never forgotten"),
        (1.0, 0.0, 0.7, "recovered"),
        (1.0, 0.0, 0.5, "partly back"),  # 50 points back are half of what the target says
        (1.0, 0.0, 0.3, "partly back"),
        (1.0, 0.6, 0.8, "partly back"),
        (1.0, 0.9, 0.5, "lost more"),
    ],
)
def test_recovered_is_what_was_gone_and_is_the_targets_again(target, unlearned, quantized, expected) -> None:
    assert label(target, unlearned, quantized) == expected


def test_a_prompt_that_one_column_gave_back_in_part_is_not_called_lost() -> None:
    assert label_of_row(1.0, 0.6, [0.1, 0.8]) == "partly back"


# -- means -------------------------------------------------------------------------------------------------------------


def table(full: list[float], int4: list[float], metric: str = "knowmem_forget", **values) -> Table:
    columns = {
        key: {i: said(i, f"{x}", x) for i, x in enumerate(part)}
        for key, part in ((TARGET, [1.0] * len(full)), (FULL, full), (INT4, int4))
    }
    return build(metric, "fp16", columns, scores(columns, metric), **values)


@pytest.mark.parametrize("metric", ["knowmem_forget", "knowmem_retain"])
@pytest.mark.parametrize(("up", "expected"), [(0, "─"), (1, "─"), (3, "─"), (4, "▲"), (46, "▲")])
def test_a_mean_has_an_arrow_only_where_chance_leaves_out_no_change(metric: str, up: int, expected: str) -> None:
    made = table([0.0] * 46, [1.0] * up + [0.0] * (46 - up), metric)
    assert rise(ops.start(made), made.at(INT4))[0] == expected
    if up:
        back = table([1.0] * up + [0.0] * (46 - up), [0.0] * 46, metric)
        assert rise(ops.start(back), back.at(INT4))[0] == expected.replace("▲", "▼")


def test_the_interval_of_a_difference_agrees_with_a_bootstrap_over_prompts() -> None:
    chance = random.Random(1)
    full = [chance.choice((0.0, 0.5, 1.0)) for _ in range(120)]
    int4 = [chance.choice((0.0, 0.5, 1.0)) for _ in range(120)]
    low, high = table(full, int4).difference(2, "f1")
    gaps = [b - a for a, b in zip(full, int4, strict=True)]
    drawn = sorted(statistics.fmean(chance.choices(gaps, k=120)) for _ in range(4000))
    assert low == pytest.approx(drawn[100], abs=0.02)
    assert high == pytest.approx(drawn[3900], abs=0.02)


def test_one_prompt_or_none_has_no_interval_and_no_arrow() -> None:
    made = table([0.0], [1.0])
    assert made.difference(2, "f1") is None
    assert rise(ops.start(made), 2)[0] == " "


def test_the_share_at_full_precision_shows_where_one_precision_has_none() -> None:
    unread = replace_row(verdict("bnb-int8", 0.0, "undefined"), share_full=None, share=None)
    made = table([0.0] * 9, [1.0] * 9, recovery=[unread, verdict("bnb-fp4", 1.0, "recovered")])
    assert share(ops.start(made), made.base) == (0.05, "")


def replace_row(row: RecoveryRow, **values) -> RecoveryRow:
    import msgspec

    return msgspec.structs.replace(row, **values)


def test_points_above_the_line_are_counted_from_the_scores_not_from_the_picture() -> None:
    made = table([0.0, 0.5, 0.5, 0.5], [0.1, 0.51, 0.5, 0.49])
    lines = [text(row) for row in scatter(ops.start(made), 60, 10)]
    assert any("▲ 2 above  / 1 on the line  ▼ 1 below" in row for row in lines)


def test_a_label_over_several_quantizers_says_which_and_counts_over_all_say_so() -> None:
    columns = {
        key: {0: said(0, f"{x}", x)}
        for key, x in ((TARGET, 1.0), (FULL, 0.0), (INT8, 0.0), (INT4, 1.0), (("unlearned", "rtn-int4"), 0.9))
    }
    state = ops.start(build("knowmem_forget", "fp16", columns))
    shown = "\n".join(text(row) for row in compare.draw(state, 80, 22))
    assert "recovered at INT4, RTN4: 30 points" in shown
    assert counts(ops.moved_column(state, -9), 60) == "at any quantizer: 1 recovered"
    before = build("knowmem_forget", "fp16", {key: columns[key] for key in (TARGET, FULL)})
    assert counts(ops.start(before), 60) == "1 forgotten"


# -- a run -------------------------------------------------------------------------------------------------------------


def fold(*more: ev.AnyEvent, upto: int | None = None) -> RunState:
    events = [*story.events()[:upto], *more]
    for seq, event in enumerate(events):
        event.seq, event.time = seq, 1_700_000_000.0 + seq
    return fold_all(events)


def scored(model: str, precision: str, value: float, half: float = 1.0) -> ev.Scored:
    return ev.Scored(
        model=model, precision=precision, metric="knowmem_forget", value=value, ci_low=value - half,
        ci_high=value + half, exact=0.0, n=46, seconds=1.0, answers="",
    )  # fmt: skip


def recovered(precision: str, said: str) -> ev.Recovery:
    unread = dict.fromkeys(("share_full", "share", "delta", "ci_low", "ci_high", "gap_share"))
    return ev.Recovery(precision=precision, metric="knowmem_forget", verdict=said, **unread)


@pytest.mark.parametrize(
    ("full", "quantized", "word", "expected"),
    [
        (0.0, 100.0, "recovered", True),
        (0.0, 100.0, "", True),  # before the verdict: above full precision's interval
        (0.0, 1.5, "", False),
        (80.0, 100.0, "not_unlearned", False),
        (80.0, 100.0, "", False),  # it was not gone
        (20.0, 60.0, "inconclusive", False),
        (30.0, 31.0, "partly", True),
    ],
)
def test_a_run_marks_as_back_what_the_verdict_says_is_back(full, quantized, word, expected) -> None:
    events = [scored("target", "fp16", 100.0), scored("unlearned", "fp16", full)]
    events += [scored("target", "bnb-fp4", 100.0), scored("unlearned", "bnb-fp4", quantized)]
    state = fold(*events, *([recovered("bnb-fp4", word)] if word else []), upto=2)
    look = Look("story", RunSpec(precision=["fp16", "bnb-fp4"]), state)
    row = next(text(row) for row in run_scores(look, "knowmem_forget", 40) if text(row).startswith("INT4"))
    assert ("▲" in row) is expected


def wide(look: Look) -> str:
    return "\n".join(text(row).rstrip() for row in draw(look, 160, 46))


def test_scores_and_probes_of_a_run_say_how_many_prompts_they_are_of() -> None:
    probe = ev.Probe(step=4, metric="knowmem_forget", value=50.0, n=16)
    state = fold(probe, scored("target", "fp16", 100.0), upto=23)
    look = Look("story", RunSpec(), state)
    assert "n=16" in wide(look)
    assert "n=16" in "\n".join(text(row) for row in draw(look, 80, 22))
    assert "KnowMem forget, 0–100, n=46" in wide(look)


def test_a_chart_of_some_of_the_steps_says_how_many() -> None:
    def step(n: int) -> ev.Step:
        return ev.Step(
            step=n, total=9, loss=1.0, forget_loss=1.0, retain_loss=1.0, grad_norm=1.0, lr=1.5e-5, adam_max=2e-5
        )

    started = list(story.events()[:2])
    some = fold_all([*started, *(step(n) for n in (1, 4, 9))])
    assert "9 steps, 3 drawn" in wide(Look("story", RunSpec(), some))
    every = fold_all([*started, *(step(n) for n in range(1, 10))])
    assert "drawn" not in wide(Look("story", RunSpec(), every))
    assert "lr 1.5e-05" in text(pace_line(Look("story", RunSpec(), some), 60))


# -- weights -----------------------------------------------------------------------------------------------------------


def quanto() -> WeightsRow:
    return WeightsRow(
        precision="quanto-int4", same_value=0.9867, cosine=0.4, kept=0.99,
        zero_bin_p10=0.0034, zero_bin_median=0.0041, zero_bin_p90=0.005,
    )  # fmt: skip


@pytest.mark.parametrize("cells", [80, 160])
def test_a_quantizer_without_a_level_at_zero_has_no_zero_bin(cells: int) -> None:
    result = recorded.result(weights=[quanto()], recovery=[])
    state = ws.build(result, recorded.matrices(), "knowmem_forget")
    rows = [text(row) for row in weights_screen.draw(state, cells, 46)]
    spans = next(row for row in rows if row.startswith(" zeroed"))
    assert "quanto-int4 has no level at zero" in spans
    assert "┃" not in spans
    row = next(row for row in rows if row.startswith("▸ quanto-int4")).partition(" │ ")[0]
    assert "none" in row
    assert "±" not in row
    assert "0.0034" not in row
    unread = {"share_full": None, "share": None, "delta": None, "ci_low": None, "ci_high": None, "gap_share": None}
    verdicts = [RecoveryRow(precision="quanto-int4", metric="knowmem_forget", verdict="no", **unread)]
    edit = Edit(changed=0.1, octaves=[], freeze_line_nominal=None, freeze_line_effective=None, unquantized_share=0.0)
    sentence = explain(edit, [quanto()], verdicts, "knowmem_forget")
    assert "quanto-int4 keeps 0.99 of it: it stayed forgotten" in sentence


def test_only_fp4_makes_small_weights_almost_zero_and_only_quanto_int4_has_no_zero() -> None:
    said = {p: record.zero for p, record in catalog.PRECISIONS.items() if not record.full}
    assert [p for p, word in said.items() if word == "almost zero"] == ["bnb-fp4"]
    assert [p for p, word in said.items() if not word] == ["quanto-int4"]


def effect(cells: int) -> list[str]:
    state = ws.build(recorded.result(), recorded.matrices(), "knowmem_forget")
    return [text(row) for row in weights_screen.draw(state, cells, 46)]


def test_what_is_zeroed_is_said_of_as_many_blocks_as_it_holds_for() -> None:
    # the filled part ends where the zero bin of nine blocks in ten reaches to
    row = next(row for row in effect(160) if row.startswith(" zeroed"))
    assert "bnb-fp4 rounds these to almost zero in 9 of 10 blocks" in row
    assert "everything" not in row


def test_the_nominal_line_is_one_of_steps_as_large_as_the_learning_rate() -> None:
    row = next(row for row in effect(160) if row.startswith(" moved"))
    assert "a bf16 step of size lr moves only these" in row
    assert "0.0039 measured: most below it changed" in row


def test_the_verdicts_beside_the_quantizers_name_their_metric() -> None:
    assert any("verdict: KnowMem forget" in row for row in effect(160))


def test_an_edit_outside_the_matrices_is_not_called_none() -> None:
    still = Edit(changed=0.0, octaves=[], freeze_line_nominal=None, freeze_line_effective=None, unquantized_share=1.0)
    state = ws.build(recorded.result(edit=still), recorded.matrices(), "knowmem_forget")
    shown = " ".join(text(row).strip() for row in weights_screen.draw(state, 80, 46))
    assert "the same weights" not in shown
    assert "the edit is in tensors that no quantizer takes" in shown


@pytest.mark.parametrize(
    ("amount", "share", "percent", "value"),
    [
        (1.0, "100%", "100.0 %", "100.0"),
        (0.9996, ">99%", "> 99.9 %", "99.96"),
        (0.99999, ">99%", "> 99.9 %", "99.99"),
        (0.993, "99%", "99.3 %", "99.30"),
        (0.0, "0", "0.0 %", "0.00"),
        (0.00001, "<.1%", "0.001 %", "<.01"),
    ],
)
def test_nearly_all_is_not_all_and_nearly_nothing_not_nothing(amount, share, percent, value) -> None:
    assert (figures.share(amount), figures.percent(amount), figures.value("changed", amount)) == (share, percent, value)


# -- the paper ---------------------------------------------------------------------------------------------------------


def test_a_value_of_muses_code_is_not_called_the_papers() -> None:
    form = setup.fill(setup.Form(), {"batch": "40", "lr": "1e-3"})
    said = {hint.field: hint.text for hint in paper.hints(form)}
    assert said["batch"].endswith("10 times MUSE's 4")
    assert said["lr"].endswith("100 times the paper's 1e-5")
