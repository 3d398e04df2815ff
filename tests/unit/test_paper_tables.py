"""The paper's tables: which runs count, what stands in a cell, the paper's figures, and why a cell is empty."""

from __future__ import annotations

import json

import msgspec
import pytest
from test_sweep import run as written

from unlearn_tui import catalog, cli
from unlearn_tui.catalog.published import COLUMNS, DIFFERENCES, PUBLISHED, SOURCES, UTILITY
from unlearn_tui.commands import table as command
from unlearn_tui.protocol.result import Result, ScoreRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.protocol.sweep import cells
from unlearn_tui.report import export, plain
from unlearn_tui.report import paper_tables as report
from unlearn_tui.state.paper_tables import Made, build, choose, ordered


def made(run: str, spec: RunSpec, **values: float) -> Made:
    """A finished run with KnowMem forget of the unlearned model by precision (fp16, bnb_fp4 …)."""
    head = {"metric": "knowmem_forget", "ci_low": 0.0, "ci_high": 100.0, "n": 46, "exact": 0.0}
    rows = [
        ScoreRow(model=model, precision=name.replace("_", "-"), value=value if model == "unlearned" else 100.0, **head)
        for name, value in values.items()
        for model in ("target", "unlearned")
    ]
    return Made(run, spec, Result(run=run, status="finished", scores=rows, full_precision="fp16"))


def test_the_papers_figures_are_those_of_the_copies():
    """A few typed again by hand from the copies; the abstract's 21 % and 83 % follow from the whole of Table 1."""
    assert PUBLISHED[1, "news", "npo_gdr", "full"].figures == (0.3, 46.1, 107.2, 38.6)
    assert PUBLISHED[1, "books", "ga_klr", "4"].figures == (75.6, 34.6, -60.0, 51.3)
    assert PUBLISHED[2, "news", "npo_klr", "gptq"].figures == (32.8, 51.1, -99.8, 46.6)
    assert PUBLISHED[3, "books", "npo_klr+sure", "4"].figures[:4] == (16.1, 36.9, -58.9, 34.9)
    methods = ("ga_gdr", "ga_klr", "npo_gdr", "npo_klr")
    for bits, headline in (("full", 0.21), ("4", 0.83)):
        left = sum(sum(PUBLISHED[1, c, m, bits].figures[:2]) for m in methods for c in ("news", "books"))
        whole = 4 * sum(sum(PUBLISHED[1, c, "target", bits].figures[:2]) for c in ("news", "books"))
        assert left / whole == pytest.approx(headline, abs=0.005)


def test_every_published_row_is_of_a_known_method_and_has_a_source_and_its_oddities():
    for (number, corpus, row, _), published in PUBLISHED.items():
        assert row.removesuffix("+sure") in {*catalog.METHODS, "target", "retrain"}
        assert corpus in catalog.PAPER_CORPORA
        assert len(published.figures) == len(COLUMNS) + (len(UTILITY) if number == 3 else 0)
    assert set(SOURCES) == set(DIFFERENCES) == {key[0] for key in PUBLISHED} == {1, 2, 3}


def test_the_tables_own_settings_win_then_most_seeds_then_the_newest():
    usual, other, third = RunSpec(method="ga"), RunSpec(method="ga", lr=1e-5), RunSpec(method="ga", lr=2e-5)
    seeded = msgspec.structs.replace(other, seed=1)
    runs = [made("d", third, fp16=4.0), made("c", seeded, fp16=3.0), made("b", other, fp16=2.0)]
    assert choose(runs, [])["ga"].runs == ("c", "b")
    assert choose([runs[0], runs[2]], [])["ga"].runs == ("d",)
    chosen = choose([*runs, made("a", usual, fp16=1.0)], [usual])["ga"]
    assert (chosen.runs, chosen.usual) == (("a",), True)
    assert choose(runs, [], seeds=[1])["ga"].runs == ("c",)


def test_runs_that_unlearn_alike_are_put_together_whatever_they_score():
    one = RunSpec(method="ga", precision=["fp16", "bnb-fp4"])
    two = msgspec.structs.replace(one, precision=["fp16", "bnb-int8"])
    three = msgspec.structs.replace(one, seed=1)
    found = choose(
        [made("c", three, fp16=3.0, bnb_fp4=90.0), made("b", two, fp16=2.0, bnb_int8=5.0), made("a", one, fp16=1.0)], []
    )["ga"]
    at = {key[1]: over for key, over in found.figures.items() if key[0] == "unlearned"}
    assert (at["fp16"].mean, at["fp16"].n) == (2.5, 2)  # seed 0 from its newest run
    assert (at["bnb-fp4"].mean, at["bnb-int8"].mean) == (90.0, 5.0)


def test_table_1_has_the_papers_order_and_figures_where_the_corpus_is_muses():
    spec = RunSpec(corpus="muse-news", model="t")
    runs = [
        made("n", msgspec.structs.replace(spec, method="npo"), fp16=1.0, bnb_int8=2.0, bnb_fp4=30.0),
        made("s", msgspec.structs.replace(spec, method="npo", sure="once"), fp16=0.5, bnb_fp4=0.6),
        made("g", msgspec.structs.replace(spec, method="ga"), fp16=0.0, bnb_fp4=10.0),
    ]
    table = build(1, "muse-news", "news", choose(runs, []), ["ga", "npo", "npo_gdr"])
    assert [(line.label, line.precision) for line in table.lines] == [
        ("target", "fp16"),
        ("target", "bnb-int8"),
        ("target", "bnb-fp4"),
        ("GA", "fp16"),
        ("GA", "bnb-fp4"),
        ("NPO", "fp16"),
        ("NPO", "bnb-int8"),
        ("NPO", "bnb-fp4"),
        ("NPO + SURE", "fp16"),
        ("NPO + SURE", "bnb-fp4"),
    ]
    assert table.lines[7].paper == (16.2, 25.4, -71.6, 27.9)
    assert table.lines[8].paper == ()
    assert table.missing == ("npo_gdr",)
    text = plain.grid(report.grid(table)) + "\n".join(report.notes(table))
    assert "three independent copies" in text
    assert "sampled at temperature 0.9" in text
    assert "no finished run yet: npo_gdr" in text
    assert "VerbMem forget: – because none of these runs scored verbmem_forget" in text
    assert "25.4" in text


def test_other_corpora_have_no_figures_of_the_paper():
    table = build(1, "pocket", "", choose([made("a", RunSpec(), fp16=1.0)], []))
    assert not table.paper
    assert all("paper" not in note for note in table.notes)
    assert "paper" not in report.grid(table).head


def test_table_2_is_of_the_other_4_bit_quantizers():
    runs = [made("a", RunSpec(method="ga"), fp16=1.0, bnb_fp4=90.0, bnb_nf4=2.0, rtn_int4=3.0, rtn_int8=4.0)]
    table = build(2, "pocket", "", choose(runs, []))
    assert [line.precision for line in table.lines] == ["bnb-nf4", "rtn-int4"]


def test_table_3_sets_sure_beside_its_method():
    runs = [
        made("s", RunSpec(method="ga_gdr", sure="once"), fp16=0.0, bnb_fp4=1.0),
        made("g", RunSpec(method="ga_gdr"), fp16=0.0, bnb_fp4=90.0),
        made("n", RunSpec(method="npo"), fp16=0.0, bnb_fp4=90.0),
    ]
    labels = [line.label for line in build(3, "pocket", "", choose(runs, [])).lines]
    assert labels == ["target", "target", "GA_GDR", "GA_GDR", "GA_GDR + SURE", "GA_GDR + SURE"]


def test_rows_are_in_the_papers_order():
    assert ordered(["npo_klr+sure", "rmu", "npo_klr", "ga"]) == ["ga", "npo_klr", "npo_klr+sure", "rmu"]


def test_figures_of_halved_batches_are_marked_and_a_note_says_why():
    spec = RunSpec(method="ga")
    runs = [made("a", spec, fp16=4.0, bnb_fp4=90.0), made("b", msgspec.structs.replace(spec, seed=1), fp16=6.0)]
    assert "†" not in plain.grid(report.grid(build(1, "x", "", choose(runs, []))))
    next(s for s in runs[1].result.scores if s.model == "unlearned").batch = 4
    table = build(1, "x", "", choose(runs, []))
    marked = [cell for row in report.grid(table).rows for cell in row if "†" in cell]
    assert marked == ["5.0 [4.0–6.0] †"]
    assert "† batch halved for lack of memory, last digits may differ" in report.notes(table)
    assert report.markdown(table).count("†") == 2


def test_a_table_as_a_file_has_plain_values():
    table = build(1, "muse-books", "books", choose([made("a", RunSpec(method="ga"), fp16=1.0)], []))
    rows = report.export(table)
    assert all(len(row) == len(rows.columns) for row in rows.rows)
    line = export.to_csv(rows).splitlines()[2]
    assert line.startswith("GA,fp16,,,,0,0.0,1.0,1.0,1.0,1,0.0,")
    assert report.markdown(table).count("\n| GA | FP16 | 1 | – | 0.0 | 1.0 | 0.0 |") == 1


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(("corpus", "paper"), [("pocket", ""), ("muse-news", "news"), ("muse-books", "books")])
def test_the_runs_of_a_table_are_a_valid_sweep(number, corpus, paper):
    from unlearn_tui.validate import check_spec

    sweep = command.plan(number, corpus, paper, None, None, None)
    assert sweep is not None
    made_ = cells(sweep)
    for cell in made_:
        check_spec(cell.spec)
    rows = {cell.spec.method for cell in made_}
    assert rows == ({"ga_gdr", "npo_klr"} if number == 3 and paper else set(command.FIRST))
    if paper == "books" and number == 1:
        alphas = {(c.spec.method, c.spec.sure): c.spec.alpha for c in made_}
        assert (alphas["ga_gdr", ""], alphas["npo_klr", ""], alphas["npo_klr", "once"]) == (100.0, 2.0, 20.0)
        assert {c.spec.lr for c in made_} == {1e-5, 1e-4}


def test_the_command_prints_a_table_of_the_homes_runs(home_, capsys):
    written(home_, RunSpec(method="ga"), 7.5)
    assert cli._run(["table", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["rows"]
    assert (row["row"], row["precision"], row["figures"]["knowmem_forget"]["mean"]) == ("ga", "fp16", 7.5)
    assert "npo_klr+sure" in found["missing"]
    assert cli._run(["table", "1", "--plain", "--seeds", "5"]) == 0
    out, err = capsys.readouterr()
    assert "no finished run of pocket has such figures yet" in err
    assert "7.5" not in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["4"], "less than or equal to 3"),
        (["1", "--seeds", "a"], "no list of numbers"),
        (["1", "--seeds", "1,1"], "once"),
        (["1", "--json", "--markdown"], "choose"),
        (["1", "--corpus", "nowhere", "--run"], "say which --model"),
    ],
)
def test_what_makes_no_table_is_refused(home_, capsys, args, said):
    assert cli._run(["table", *args]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


@pytest.fixture
def home_(tmp_path, monkeypatch):
    path = tmp_path / "home"
    monkeypatch.setenv("UNLEARN_TUI_HOME", str(path))
    return path
