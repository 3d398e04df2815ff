"""Which retrained model's AUC PrivLeak is held against, what the final table says of it, and where it must not appear."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unlearn_tui import catalog
from unlearn_tui.engine import conclude
from unlearn_tui.engine.evaluation.answers import Answer
from unlearn_tui.engine.evaluation.privleak import Groups
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import PrivLeakRow, Result, ScoreRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.report import live, sections
from unlearn_tui.report.answers import examples
from unlearn_tui.sources.corpora import Corpus
from unlearn_tui.state.paper_tables import Made, choose
from unlearn_tui.state.run import RunState
from unlearn_tui.tui.draw import run_scoring
from unlearn_tui.tui.lines import text

SPEC = RunSpec(metric=["knowmem_forget", "privleak"], precision=["fp16", "bnb-fp4"])
HALF = Groups(np.array([1.0, 3.0]), np.array([2.0, 4.0]))
"""AUC 1/4."""
ALL = Groups(np.array([3.0, 4.0]), np.array([1.0, 2.0]))
"""AUC 1."""
NONE = Groups(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
"""AUC 0."""


def book(corpus: Corpus, **members: Groups) -> Any:
    found = {(model, "fp16", "privleak"): groups for model, groups in members.items()}
    return SimpleNamespace(corpus=corpus, members=found)


def corpus(name: str = "mine", texts: int = 2, **more: Any) -> Corpus:
    return Corpus(name, Path(name), privleak_forget=("a",) * texts, privleak_holdout=("b",) * texts, **more)


def test_a_retrained_model_that_was_measured_comes_before_what_the_corpus_says():
    known = corpus(privleak_retrain=(("Min-40%", 0.5),))
    rows, why = conclude.privleak_rows(SPEC, book(known, unlearned=ALL, retrain=HALF))
    assert why == ""
    assert [(r.model, r.auc, r.auc_retrain, r.value) for r in rows] == [
        ("unlearned", 1.0, 0.25, 300.0),
        ("retrain", 0.25, 0.25, 0.0),
    ]
    assert {r.source for r in rows} == {"measured on --retrain at fp16"}
    assert {r.n for r in rows} == {4}
    rows, _ = conclude.privleak_rows(SPEC, book(known, unlearned=ALL))
    assert [(r.auc_retrain, r.value) for r in rows] == [(0.5, 100.0)]
    assert "retrain.json" in rows[0].source


@pytest.mark.parametrize(("name", "auc"), [("MUSE-News", 0.4772), ("muse-books", 0.5393)])
def test_muses_own_corpora_have_muses_constants_for_min_40_alone(name, auc):
    muse = corpus(name, texts=100)
    rows, _ = conclude.privleak_rows(SPEC, book(muse, unlearned=NONE))
    assert [(r.auc_retrain, r.value) for r in rows] == [(auc, -100.0)]
    assert catalog.AUC_SOURCE in rows[0].source
    other = RunSpec(metric=["privleak"], min_k=20)
    for asked, found in ((other, muse), (SPEC, corpus(name, texts=99))):
        rows, why = conclude.privleak_rows(asked, book(found, unlearned=NONE))
        assert rows == []
        assert f"the Min-{asked.min_k}% AUC of a retrained model" in why


def test_without_a_retrained_model_or_with_an_auc_of_0_it_is_left_out_and_the_reason_said():
    rows, why = conclude.privleak_rows(SPEC, book(corpus(), unlearned=ALL))
    assert rows == []
    assert "PrivLeak is left out, its AUC is not" in why
    assert "--retrain" in why
    rows, why = conclude.privleak_rows(SPEC, book(corpus(), unlearned=ALL, retrain=NONE))
    assert rows == []
    assert "is 0" in why
    assert conclude.privleak_rows(RunSpec(), book(corpus())) == ([], "")


def test_every_column_that_all_texts_are_long_enough_for_has_its_auc_in_the_table():
    def read(index: int, group: str, **columns: float) -> Answer:
        named = {k.replace("_", "-") + "%": v for k, v in columns.items()}
        return Answer(
            index=index,
            prompt="t",
            gold=group,
            answer="",
            recall=0,
            precision=0,
            f1=0,
            exact=0,
            tokens=9,
            columns=named,
        )

    texts = [read(0, "forget", Min_40=1.0, Min_60=5.0), read(1, "holdout", Min_40=2.0, Min_60=3.0, Min_5=1.0)]
    rows = conclude.membership_rows(SimpleNamespace(texts={("target", "fp16", "privleak"): texts}))
    assert [(r.model, r.precision, r.n, r.aucs) for r in rows] == [
        ("target", "fp16", 2, {"Min-40%": 0.0, "Min-60%": 1.0})
    ]
    grid = sections.membership(rows)
    assert grid.head == ("model", "precision", "Min-40", "Min-60")
    assert grid.rows == [("target", "fp16", "0.000", "1.000")]


def test_the_run_screen_shows_it_with_its_sign():
    state = RunState(privleak={("unlearned", "bnb-fp4"): leak()})
    lines = [text(row) for row in run_scoring.privleak(SimpleNamespace(state=state), 40)]
    assert lines[0].split() == ["unlearned"]
    assert lines[1].split() == ["INT4", "-97.9"]


def leak() -> ev.PrivLeak:
    return ev.PrivLeak(
        model="unlearned", precision="bnb-fp4", auc=0.01, auc_retrain=0.4772, value=-97.9, ci_low=-99.0, ci_high=-90.0,
        n=48, source="measured",
    )  # fmt: skip


def test_no_verdict_share_or_example_is_made_of_it():
    assert "privleak" not in conclude.forget_metrics(SPEC)
    score = ScoreRow(
        model="unlearned", precision="fp16", metric="privleak", value=40, ci_low=30, ci_high=50, n=4, exact=0
    )
    result = Result(run="r", status="finished", scores=[score])
    assert examples(Path("nowhere"), result, 4) == []
    both = Result(run="r", status="finished", scores=[score, ScoreRow(
        model="unlearned", precision="fp16", metric="verbmem_forget", value=1, ci_low=1, ci_high=1, n=4, exact=0
    )])  # fmt: skip
    assert sections.main_metric(both) == "verbmem_forget"


def test_it_stands_in_the_tables_with_sign_interval_and_source_and_in_the_papers_instead_of_the_auc():
    row = PrivLeakRow(
        model="unlearned", precision="bnb-fp4", auc=0.01, auc_retrain=0.4772, value=-97.9, ci_low=-99.0, ci_high=-90.0,
        n=48, source="measured",
    )  # fmt: skip
    score = ScoreRow(
        model="unlearned", precision="bnb-fp4", metric="privleak", value=1, ci_low=0, ci_high=2, n=48, exact=0
    )
    result = Result(run="r", status="finished", scores=[score], privleak=[row], full_precision="fp16")
    grid = next(g for g in sections.grids(result) if g.title.startswith("PrivLeak"))
    assert grid.rows == [("unlearned", "bnb-fp4", "-97.9", "[-99.0 -90.0]", "0.0100")]
    assert grid.note == "48 texts; AUC of the retrained model 0.4772: measured"
    chosen = choose([Made("r", RunSpec(method="ga"), result)], [])["ga"]
    assert {at: spread.mean for at, spread in chosen.figures.items()} == {("unlearned", "bnb-fp4", "privleak"): -97.9}
    said = live.sentence(ev.PrivLeak(**{f: getattr(row, f) for f in row.__struct_fields__}))
    assert said == "unlearned bnb-fp4  PrivLeak -97.9 (AUC 0.0100, n=48)"
