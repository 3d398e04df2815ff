"""Sweeps: what a file means, which runs are equal, mean and spread, and which run fills a cell."""

from __future__ import annotations

import math
import os
import statistics
from pathlib import Path

import msgspec
import pytest
import story

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.result import Result, ScoreRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.protocol.sweep import ALIKE, LISTS, Sweep, cells, key, parse
from unlearn_tui.report import plain
from unlearn_tui.report import sweeps as report
from unlearn_tui.runs import sweeps
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.overview import Overviews
from unlearn_tui.state.spread import spread
from unlearn_tui.state.sweep import SweepState, result
from unlearn_tui.state.sweeps import Sweeps, refreshed
from unlearn_tui.tui.draw.sweeps import draw
from unlearn_tui.tui.lines import text


def test_every_combination_is_a_cell_and_further_tables_add_theirs_once_each():
    sweep = parse(
        {
            "base": {"lr": 2e-5},
            "over": {"method": ["ga", "npo"], "seed": [0, 1]},
            "also": [{"sure": ["once"], "lr": [1e-4], "seed": [0]}, {"method": ["ga"], "seed": [1]}],
        }
    )
    made = [(c.spec.method, c.spec.seed, c.spec.lr, c.spec.sure) for c in cells(sweep)]
    assert made == [
        ("ga", 0, 2e-5, ""),
        ("ga", 1, 2e-5, ""),
        ("npo", 0, 2e-5, ""),
        ("npo", 1, 2e-5, ""),
        ("ga_klr", 0, 1e-4, "once"),
    ]
    assert [list(c.values) for c in cells(sweep)] == [["method", "seed", "sure", "lr"]] * 5


def test_a_sweep_without_values_is_one_cell():
    assert [c.spec for c in cells(parse({"base": {"steps": 7}}))] == [RunSpec(steps=7)]


def test_swept_epochs_take_the_steps_of_the_base_out():
    made = cells(parse({"base": {"steps": 9}, "over": {"epochs": [1, 2.5]}}))
    assert [(c.spec.steps, c.spec.epochs) for c in made] == [(None, 1.0), (None, 2.5)]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"method": "ga"}, "this is the spec of one run: put its fields under [base]"),
        ({"ovre": {}}, "unknown field `ovre`"),
        ({"base": {"lrr": 1}}, "[base] unknown field 'lrr': did you mean lr"),
        ({"over": {"metod": ["ga"]}}, "[over] unknown field 'metod': did you mean method"),
        ({"over": {"lr": 1e-5}}, "`$.over[...]`"),
        ({"over": {"lr": []}}, "[over] lr is empty"),
        ({"over": {"lr": [1e-5, 1e-5]}}, "[over] lr names a value twice"),
        ({"over": {"precision": ["fp16"]}}, "[over] precision is a list in every run already: put it in [base]"),
        ({"over": {"name": ["a"]}}, "[over] name changes nothing"),
        ({"also": [{"canary": ["a"]}]}, "[[also]] 1 canary changes nothing"),
        ({"over": {"seed": list(range(32)), "lr": [i / 100 for i in range(1, 33)]}}, "1,024 cells and at most 1,000"),
        ({"schema": 2}, "schema 2 is not known"),
    ],
)
def test_a_malformed_sweep_is_refused_with_table_key_and_what_to_do(table, said):
    with pytest.raises(Refused) as refused:
        parse(table)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_value_of_the_wrong_kind_is_refused_where_it_stands():
    with pytest.raises(Refused, match=r"\[over\].*lr"):
        cells(parse({"over": {"lr": [1e-5, "fast"]}}))
    with pytest.raises(Refused, match=r"\[base\].*batch"):
        cells(parse({"base": {"batch": "ten"}, "over": {"lr": [1e-5]}}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[over\n", "line 1"),
        (b"\xff\xfe", "no UTF-8"),
        (b"[over]\nlr = []\n", "[over] lr is empty"),
        (b"#" * 1_100_000, "larger than 1 MB"),
        (b"a = " + b"[" * 100_000, ""),
    ],
)
def test_a_file_that_is_no_sweep_is_refused_by_name(tmp_path, content, said):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(Refused) as refused:
        sweeps.read(path)
    assert "bad.toml" in str(refused.value)
    assert said in str(refused.value)


def test_a_pipe_is_no_sweep_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(Refused, match="not a regular file"):
        sweeps.read(tmp_path / "pipe.toml")


def test_runs_are_equal_when_they_differ_in_nothing_that_they_find():
    one = RunSpec()
    assert key(one) == key(RunSpec(name="other", save_every=1, canary="3", cache=False, preset="effect"))
    assert key(one) == key(RunSpec(sure_unit="module", sure_percentile=50))  # SURE is off
    assert key(RunSpec(sure="once")) != key(RunSpec(sure="once", sure_percentile=50))
    assert key(one, threads=2) == key(RunSpec(threads=2))
    assert key(one, threads=2) != key(RunSpec(threads=1), threads=2)
    assert key(one) == key(RunSpec(beta=0.7))  # NPO's alone
    assert key(RunSpec(method="npo")) != key(RunSpec(method="npo", beta=0.7))
    assert key(RunSpec(method="npo")) == key(RunSpec(method="npo", alpha=9.0))  # no retain term
    for other in (RunSpec(lr=1e-5), RunSpec(seed=1), RunSpec(precision=["fp16"]), RunSpec(corpus="facts")):
        assert key(one) != key(other)


def test_a_quantizer_by_another_of_its_names_and_an_alpha_without_lora_make_no_other_run():
    plain = RunSpec(precision=["fp16", "bnb-fp4"])
    assert key(plain) == key(RunSpec(precision=["fp16", "bnb-fp4:block=64"], lora_alpha=7.0))
    assert key(plain) != key(RunSpec(precision=["fp16", "bnb-fp4:block=128"]))
    assert key(RunSpec(precision=["fp16", "gone-int4"])) != key(plain)


def test_every_field_is_alike_or_tells_runs_apart():
    """A new field counts unless somebody says that it does not."""
    plain = RunSpec(sure="once", lora_rank=4)
    silent = {f for m in catalog.METHODS.values() for f in m.uses} - set(catalog.METHODS[plain.method].uses)
    for field in msgspec.structs.fields(RunSpec):
        value = getattr(plain, field.name)
        other = [*value, "x"] if isinstance(value, list) else (not value if isinstance(value, bool) else f"{value}1")
        changed = msgspec.structs.replace(plain, **{field.name: other})
        assert (key(changed) == key(plain)) == (field.name in {*ALIKE, *silent}), field.name
    lists = {f.name for f in msgspec.structs.fields(RunSpec) if isinstance(getattr(plain, f.name), list)}
    assert lists == set(LISTS)


def test_the_id_is_of_name_and_content_and_the_file_reads_back(tmp_path):
    sweep = parse(
        {"name": "Learning rates!", "base": {"steps": 3}, "over": {"lr": [1e-5, 2e-5]}, "also": [{"seed": [4]}]}
    )
    path = sweeps.keep(tmp_path, sweep)
    assert path.stem == sweep.id
    assert sweep.id.startswith("learning-rates-")
    assert sweeps.read(path) == sweep
    assert sweeps.read(path).id == sweep.id
    assert msgspec.structs.replace(sweep, base={"steps": 4}).id != sweep.id
    assert sweeps.find(tmp_path, "last") == sweeps.find(tmp_path, "learning") == path
    with pytest.raises(Refused, match="no sweep 'lerning'"):
        sweeps.find(tmp_path, "lerning")


def test_spread_is_mean_range_and_from_three_on_the_samples_deviation():
    values = [1.0, 4.0, 10.0]
    found = spread(values)
    assert found is not None
    assert (found.mean, found.low, found.high, found.n) == (5.0, 1.0, 10.0, 3)
    assert found.sd == pytest.approx(math.sqrt((16 + 1 + 25) / 2))
    two = spread(values[:2])
    assert two is not None
    assert two.sd is None
    assert spread([]) is None
    assert spread([math.nan]) is None
    many = [statistics.NormalDist(3, 2).inv_cdf((i + 0.5) / 50) for i in range(50)]
    assert spread(many).sd == pytest.approx(statistics.stdev(many))


def run(home: Path, spec: RunSpec, forget: float | None = None, batch: int = 0) -> RunDir:
    """A run of `spec`; finished with this KnowMem forget at fp16 where it is given, by a batch halved to `batch`."""
    made = RunDir.create(home, spec, {})
    if forget is not None:
        from unlearn_tui.protocol import events as ev
        from unlearn_tui.runs.writer import EventWriter

        with EventWriter(made) as writer:
            writer.write(story.started(made.id))
            writer.write(ev.Finished(seconds=5.0))
        names = {"model": "unlearned", "precision": "fp16", "metric": "knowmem_forget"}
        row = ScoreRow(**names, value=forget, ci_low=0, ci_high=100, n=46, exact=0, batch=batch)
        done = Result(run=made.id, status="finished", spec=msgspec.to_builtins(spec), scores=[row], seconds=5.0)
        write_atomic(made.result_path, msgspec.json.encode(done))
    return made


def look(home: Path, sweep: Sweep) -> SweepState:
    return SweepState(sweep.id, sweep, tuple(sweeps.fill(cells(sweep), Overviews(home).read())))


def test_a_cell_is_filled_by_any_equal_run_a_finished_one_before_a_newer_that_is_not(tmp_path):
    sweep = parse({"base": {"metric": ["knowmem_forget"]}, "over": {"method": ["ga", "npo"], "seed": [0, 1, 2]}})
    spec = RunSpec(metric=["knowmem_forget"], method="ga", name="by hand", save_every=7)
    first = run(tmp_path, spec, 10.0)
    run(tmp_path, spec)  # newer, and never begun
    run(tmp_path, msgspec.structs.replace(spec, seed=1), 13.0)
    run(tmp_path, msgspec.structs.replace(spec, seed=2, steps=249), 99.0)  # other settings
    state = look(tmp_path, sweep)
    assert [c.status for c in state.cells] == ["finished", "finished", "waiting", "waiting", "waiting", "waiting"]
    assert state.cells[0].run == first.id
    ga, npo = state.groups
    assert ga.values == {"method": "ga"}
    assert [(r.spread.mean, r.spread.n) for r in ga.figures] == [(11.5, 2)]
    assert npo.figures == []
    told = "\n".join(map(plain.grid, [report.cells(state), *report.figures(state)]))
    assert "11.5 [10.0–13.0]" in told
    assert result(state).figures[0].spread.low == 10.0


def test_figures_of_halved_batches_are_marked_over_seeds_and_in_the_app(tmp_path):
    sweep = parse({"base": {"metric": ["knowmem_forget"]}, "over": {"method": ["ga", "npo"], "seed": [0, 1]}})
    for method, batch in (("ga", 8), ("npo", 0)):
        spec = RunSpec(metric=["knowmem_forget"], method=method)
        run(tmp_path, spec, 10.0, batch)
        run(tmp_path, msgspec.structs.replace(spec, seed=1), 13.0)
    state = look(tmp_path, sweep)
    ga, npo = state.groups
    assert [group.figures[0].spread.halved for group in (ga, npo)] == [1, 0]
    (grid,) = report.figures(state)
    assert [row[-1] for row in grid.rows] == ["11.5 [10.0–13.0] †", "11.5 [10.0–13.0]"]
    assert grid.note == "† batch halved for lack of memory, last digits may differ"
    shown = refreshed(Sweeps(inside=True, wanted="fp16"), [state])
    drawn = "\n".join(text(spans) for spans in draw(shown, 100, 30, 0.0))
    # the rule, the row and the foot
    assert [line.count("†") for line in drawn.splitlines() if "†" in line] == [1, 2, 2], drawn
    assert "; † batch halved" in drawn
    assert grid.note in " ".join(drawn.split())


def test_a_run_is_not_reused_when_its_corpus_has_changed_since(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    file = corpus / "text.txt"
    file.write_text("a")
    os.utime(file, (1, 1))
    run(tmp_path / "home", RunSpec(corpus=str(corpus)), 5.0)
    sweep = parse({"base": {"corpus": str(corpus)}})
    assert look(tmp_path / "home", sweep).complete
    os.utime(file, (2**33, 2**33))
    assert not look(tmp_path / "home", sweep).complete


def test_a_finished_run_whose_result_is_gone_is_to_be_made_again(tmp_path):
    made = run(tmp_path, RunSpec(), 5.0)
    made.result_path.unlink()
    (cell,) = look(tmp_path, parse({})).cells
    assert (cell.status, cell.finished) == ("died", False)


def test_one_process_drives_the_sweeps_of_a_home(tmp_path):
    with sweeps.driving(tmp_path):
        assert sweeps.is_driven(tmp_path)
        with pytest.raises(Refused, match="a sweep is at work"), sweeps.driving(tmp_path):
            pass
    assert not sweeps.is_driven(tmp_path)
