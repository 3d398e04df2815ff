"""The recovery map: shares by rate, quantizer and update mode, with what was expected, as text, values and picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest
import story
from test_sweep import look

from unlearn_tui import cli
from unlearn_tui.errors import Refused
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.result import PredictionRow, RecoveryRow, Result, WeightsRow
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.protocol.sweep import Sweep, cells, parse
from unlearn_tui.report import maps as report
from unlearn_tui.report import plain, sweep_files
from unlearn_tui.runs import sweeps
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.writer import EventWriter
from unlearn_tui.state.recovery_map import build

SWEEP = {"name": "m", "over": {"weights": ["bf16", "fp32"], "lr": [7e-6, 1e-4], "seed": [0, 1]}}


def finished(home: Path, spec: RunSpec, share: float, verdict: str, says: str, kept: float = 0.2) -> None:
    run = RunDir.create(home, spec, {})
    with EventWriter(run) as writer:
        writer.write(story.started(run.id))
        writer.write(ev.Finished(seconds=5.0))
    none = {"delta": None, "ci_low": None, "ci_high": None, "gap_share": None}
    bins = {"same_value": 0.9, "cosine": 0.5, "zero_bin_p10": 0.0, "zero_bin_median": 0.0, "zero_bin_p90": 0.0}
    result = Result(
        run=run.id,
        status="finished",
        full_precision="fp16",
        recovery=[
            RecoveryRow(precision="bnb-fp4", metric=m, share_full=0.1, share=share, verdict=verdict, **none)
            for m in ("verbmem_forget", "knowmem_forget")
        ],
        weights=[WeightsRow(precision="bnb-fp4", kept=kept, **bins)],
        predictions=[PredictionRow(precision="bnb-fp4", kept=0.3, says=says)],
    )
    write_atomic(run.result_path, msgspec.json.encode(result))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    monkeypatch.setenv("UNLEARN_TUI_HOME", str(path))
    told = [  # share, verdict, says
        (0.9, "recovered", "returns"),
        (1.0, "recovered", "stays"),
        (0.0, "no", "stays"),
        (0.1, "no", "stays"),
        (0.8, "inconclusive", "returns"),
        (0.6, "partly", "unsure"),
    ]
    for cell, said in zip(cells(parse(SWEEP)), told, strict=False):
        finished(path, cell.spec, *said)
    return path


def sweep() -> Sweep:
    return parse(SWEEP)


def test_a_field_is_the_mean_over_seeds_with_what_was_expected_and_whether_it_was_right(home):
    found = build(look(home, sweep()))
    assert (found.metric, found.rates, found.full) == ("knowmem_forget", (7e-6, 1e-4), "fp16")
    bf16, fp32 = found.panels
    assert (bf16.values, fp32.values) == ({"weights": "bf16"}, {"weights": "fp32"})
    low = bf16.points["bnb-fp4", 7e-6]
    assert low.share is not None
    assert (low.share.mean, low.share.low, low.share.high, low.share.n) == (pytest.approx(0.95), 0.9, 1.0, 2)
    assert low.verdicts == {"recovered": 2}
    assert low.ratings == {"right": 1, "wrong": 1}
    assert low.wrong
    assert (low.kept, low.kept_expected) == (pytest.approx(0.2), pytest.approx(0.3))
    high = bf16.points["bnb-fp4", 1e-4]
    assert (high.expected, high.wrong, high.ratings) == ("stays", False, {"right": 2})
    assert fp32.points["bnb-fp4", 7e-6].ratings == {"cannot tell": 1, "undecided": 1}
    assert fp32.points["bnb-fp4", 1e-4].share is None
    assert found.ratings == {"right": 3, "wrong": 1, "undecided": 1, "cannot tell": 1}
    full = bf16.points["fp16", 7e-6]
    assert full.share is not None
    assert (full.share.mean, full.expected, full.verdicts) == (pytest.approx(0.1), "", {})


def test_as_text_it_has_a_grid_for_each_update_mode_and_marks_what_was_wrong(home):
    found = build(look(home, sweep()))
    text = "\n".join(plain.grid(grid) for grid in report.grids(found))
    assert "KnowMem forget: bf16" in text
    assert "lr 7e-6" in text
    row = next(line for line in text.splitlines() if line.startswith("INT4"))
    assert row.split() == ["INT4", "0.95", "↑≠", "0.05", "↓"]
    assert report.counted(found) == "predictions: 3 right, 1 wrong, 1 undecided, 1 cannot tell"


def test_as_values_every_field_is_a_row(home):
    table = sweep_files.recovery(build(look(home, sweep())))
    assert len(table.rows) == 2 * 2 * 3  # update modes, rates, precisions
    assert all(len(row) == len(table.columns) for row in table.rows)
    row = next(r for r in table.rows if r[:3] == ["bf16", 7e-6, "bnb-fp4"])
    assert dict(zip(table.columns, row, strict=True)) | {"share": 0} == {
        **{"weights": "bf16", "lr": 7e-6, "precision": "bnb-fp4", "metric": "knowmem_forget", "share": 0},
        **{"least": 0.9, "largest": 1.0, "seeds": 2, "expected": "returns", "kept expected": pytest.approx(0.3)},
        **{"kept": pytest.approx(0.2), "verdicts": "recovered:2", "right": 1, "wrong": 1},
        **{"undecided": 0, "cannot tell": 0},
    }


def test_the_picture_is_whole_xml_with_every_share_and_a_frame_where_it_was_wrong(home):
    picture = ET.fromstring(report.svg(build(look(home, sweep()))))
    name = "{http://www.w3.org/2000/svg}"
    assert picture.tag == f"{name}svg"
    texts = [t.text for t in picture.iter(f"{name}text")]
    assert "0.95 ↑" in texts
    assert sum(r.get("class") == "wrong" for r in picture.iter(f"{name}rect")) == 1
    width, height = map(float, picture.get("viewBox", "").split()[2:])
    for rect in picture.iter(f"{name}rect"):
        assert float(rect.get("x", "")) + float(rect.get("width", "")) <= width
        assert float(rect.get("y", "")) + float(rect.get("height", "")) <= height


def test_the_command_draws_a_kept_sweep_and_writes_files(home, tmp_path, capsys):
    sweeps.keep(home, sweep())
    assert cli._run(["map", "last", "--plain"]) == 0
    assert "0.95 ↑≠" in capsys.readouterr().out
    svg, csv = tmp_path / "map.svg", tmp_path / "map.csv"
    assert cli._run(["map", "m", "--svg", str(svg), "--csv", str(csv), "--metric", "verbmem_forget"]) == 0
    assert ET.fromstring(svg.read_text()) is not None
    assert "verbmem_forget" in csv.read_text()
    assert cli._run(["map", "m", "--svg", str(svg)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_sweep_without_verdicts_has_no_map(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNLEARN_TUI_HOME", str(tmp_path / "empty"))
    sweeps.keep(tmp_path / "empty", sweep())
    assert cli._run(["map", "last"]) == 2
    assert "none of its runs has a verdict yet" in capsys.readouterr().err
    assert cli._run(["map", "other"]) == 2
    with pytest.raises(Refused, match="no sweep 'other'"):
        sweeps.find(tmp_path / "empty", "other")
