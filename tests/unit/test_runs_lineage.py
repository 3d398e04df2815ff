"""What the Models screen and the runs screen know of a home: checkpoints, runs, and what belongs to what."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import fake_checkpoints as fake
import huggingface_hub.constants as constants
import msgspec
import pytest
import story

from unlearn_tui import catalog
from unlearn_tui.protocol import events as ev
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs import lineage
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.runs.lineage import Lineage
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.runs.overview import Overviews, log_lines, overview, row, tail
from unlearn_tui.runs.writer import EventWriter
from unlearn_tui.sources import hub
from unlearn_tui.state.models import Row


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "hf-cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return cache


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "runs").mkdir(parents=True)
    return tmp_path / "home"


def rows(home: Path, *added: str) -> dict[str, Row]:
    return {row.id: row for row in Lineage(home).read(added).rows}


def a_run(home: Path, told: list[ev.AnyEvent], **spec: object) -> RunDir:
    run = RunDir.create(home, RunSpec(**{"name": "mine", **spec}), {})  # type: ignore[arg-type]
    with EventWriter(run) as writer:
        for event in told:
            writer.write(event)
    return run


def finish(run: RunDir) -> None:
    result = story.result(run.id, run.spec())
    write_atomic(run.result_path, msgspec.json.encode(result))
    with EventWriter(run) as writer:
        writer.write(ev.Finished(seconds=1.0))


def test_a_finished_run_has_its_scores_its_precisions_and_its_target(home: Path) -> None:
    run = story.write_run(home)
    fake.make_checkpoint(run.path / "again")
    shutil.copytree(run.path / "again", run.checkpoints / "unlearned", dirs_exist_ok=True)
    found = rows(home)
    mine = found[f"run:{run.id}"]
    assert (mine.kind, mine.status, mine.ref, mine.full) == ("unlearned", "scored", run.id, "fp16")
    assert (mine.forget, mine.parent, mine.method, mine.step) == (12.5, "shipped:pocket-target", "ga_klr", 250)
    assert [(s.precision, s.forget, s.verdict) for s in mine.scores] == [
        ("fp16", 12.5, ""),
        ("bnb-int8", 12.5, "no"),
        ("bnb-fp4", 95.8, "recovered"),
    ]
    four = found[f"run:{run.id}:bnb-fp4"]
    assert (four.kind, four.forget, four.parent) == ("quantized", 95.8, mine.id)
    assert four.size == mine.holding["bnb-fp4"] > 0
    order = [r.id for r in Lineage(home).read([]).rows]
    assert order.index(four.id) == order.index(mine.id) + 2
    target = found["shipped:pocket-target"]
    assert (target.status, target.forget, target.run) == ("scored", 100.0, run.id)
    assert found["shipped:pocket-retrain"].status == "unscored"


def test_a_run_whose_checkpoint_cannot_be_read_says_so_and_offers_none(home: Path) -> None:
    run = story.write_run(home)  # its weights are 64 zero bytes
    mine = rows(home)[f"run:{run.id}"]
    assert mine.ref == ""
    assert "safetensors" in mine.reason


def test_a_failed_run_is_there_with_its_reason(home: Path) -> None:
    run = a_run(home, [story.started(), ev.Failed(kind="memory", message="no memory left: smaller --batch")])
    mine = rows(home)[f"run:{run.id}"]
    assert (mine.status, mine.reason, mine.ref) == ("failed", "no memory left: smaller --batch", "")


def test_a_live_run_says_how_far_it_is_and_a_killed_one_that_it_died(home: Path) -> None:
    told = [story.started(), ev.StageStarted(stage="unlearn", title="", total=8), story.step(3)]
    run = a_run(home, [*told, ev.Progress(stage="unlearn", done=3, total=8, left=9.0)])
    known = Overviews(home)
    with RunLock(run):
        live = rows(home)[f"run:{run.id}"]
        assert (live.status, live.reason, live.step) == ("live", "unlearn 38 %", 3)
        listed = row(known.read()[0])
        assert (listed.status, listed.stage, listed.done, listed.total, listed.left) == (
            "running",
            "unlearn",
            3,
            8,
            9.0,
        )
    assert known.read()[0].info.status == "died", "though none of its files changed"
    assert rows(home)[f"run:{run.id}"].status == "failed"


def test_a_check_gives_its_scores_to_the_model_that_was_checked(home: Path, tmp_path: Path) -> None:
    subject = fake.make_checkpoint(tmp_path / "theirs")
    run = a_run(home, [story.started()], task="check", unlearned=str(subject), retrain="pocket-retrain")
    finish(run)
    found = rows(home, str(subject))
    check, theirs = found[f"run:{run.id}"], found[f"folder:{subject}"]
    assert (check.kind, check.ref, check.parameters) == ("checked", str(subject), fake.PARAMETERS)
    assert (theirs.status, theirs.forget, theirs.run, theirs.added) == ("scored", 12.5, run.id, True)
    assert theirs.scores == check.scores
    assert found["shipped:pocket-retrain"].status == "unscored", "no retrain scores in that result"


def test_a_target_that_nobody_added_is_listed_because_a_run_names_it(home: Path, tmp_path: Path) -> None:
    folder = fake.make_checkpoint(tmp_path / "own")
    run = a_run(home, [story.started()], model=str(folder))
    found = rows(home)
    assert found[f"run:{run.id}"].parent == f"target:{folder}"
    assert (found[f"target:{folder}"].kind, found[f"target:{folder}"].ref) == ("target", str(folder))
    shutil.rmtree(folder)
    gone = rows(home)[f"target:{folder}"]
    assert (gone.status, gone.ref, gone.reason) == ("missing", "", "this folder has gone")
    assert found[f"run:{run.id}"].status == "failed", "its engine is gone too"


def test_an_unlearned_model_can_be_the_target_of_another_run(home: Path) -> None:
    first = story.write_run(home, "first")
    again = a_run(home, [story.started()], name="second", model=str(first.checkpoints / "unlearned"))
    assert rows(home)[f"run:{again.id}"].parent == f"run:{first.id}"


def test_added_folders_stay_when_they_are_gone_and_hub_ids_when_they_are_not_here(home: Path, tmp_path: Path) -> None:
    folder = fake.make_checkpoint(tmp_path / "mine")
    gone = tmp_path / "gone"
    found = rows(home, str(folder), str(gone), "org/name", "no id of any kind")
    mine = found[f"folder:{folder}"]
    assert (mine.status, mine.ref, mine.parameters, mine.added) == ("unscored", str(folder), fake.PARAMETERS, True)
    assert (found[f"folder:{gone}"].status, found[f"folder:{gone}"].added) == ("missing", True)
    there = found["hub:org/name"]
    assert (there.kind, there.ref, there.status, there.added) == ("hub", "org/name", "unscored", True)
    assert not any("kind" in id for id in found)


def test_every_well_known_id_is_one_of_the_hub() -> None:
    assert all(hub.parse(id) == (id, "main") for id, _ in catalog.HUB)
    assert len(dict(catalog.HUB)) == len({what for _, what in catalog.HUB}) == len(catalog.HUB)


def test_a_hub_id_is_a_cached_model_once_it_is_here(home: Path, cache: Path) -> None:
    fake.put_in_cache(cache, "org/name")
    found = rows(home, "org/name")
    assert (found["cache:org/name"].kind, found["cache:org/name"].added) == ("cache", True)
    assert "hub:org/name" not in found


def test_a_damaged_checkpoint_is_listed_with_what_is_wrong(home: Path, tmp_path: Path) -> None:
    folder = fake.make_checkpoint(tmp_path / "mine")
    (folder / "model.safetensors").write_bytes(b"torn")
    broken = rows(home, str(folder))[f"folder:{folder}"]
    assert (broken.status, broken.ref) == ("failed", "")
    assert "cut short" in broken.reason


def test_a_damaged_spec_or_result_hides_no_run(home: Path) -> None:
    run, other = story.write_run(home, "one"), story.write_run(home, "two")
    run.spec_path.write_text("not = [toml")
    other.result_path.write_text("{")
    found = rows(home)
    assert found[f"run:{run.id}"].reason.startswith("spec.toml is damaged")
    assert found[f"run:{other.id}"].scores == ()
    assert {row(o).id for o in Overviews(home).read()} == {run.id, other.id}


def test_a_second_look_reads_only_what_changed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fake.make_checkpoint(tmp_path / "mine")
    run = story.write_run(home)
    look = Lineage(home)
    first = look.read([str(folder)])
    for name in ("describe", "of_checkpoint"):
        monkeypatch.setattr(lineage, name, lambda *_, name=name: pytest.fail(f"{name} was called again"))
    monkeypatch.setattr("unlearn_tui.runs.overview.overview", lambda _: pytest.fail("a run was read again"))
    assert look.read([str(folder)]).rows == first.rows
    monkeypatch.undo()
    later = run.result_path.stat().st_mtime + 10
    run.result_path.write_bytes(run.result_path.read_bytes().replace(b"12.5", b"13.5"))
    os.utime(run.result_path, (later, later))
    assert {r.id: r.forget for r in look.read([str(folder)]).rows}[f"run:{run.id}"] == 13.5


def test_rows_are_remembered_for_the_next_start(home: Path) -> None:
    story.write_run(home)
    found = Lineage(home).read(["org/name"]).rows
    assert lineage.remembered(home) == ()
    lineage.remember(home, found)
    assert lineage.remembered(home) == found
    (home / "cache" / "models.json").write_text("[{")
    assert lineage.remembered(home) == ()


def test_the_tail_of_a_log_tells_stage_and_step(home: Path) -> None:
    run = story.write_run(home, upto=14)
    found = tail(run.events_path)
    assert found.step > 0
    assert found.stage == "unlearn"
    assert tail(home / "nowhere").stage == ""
    with run.events_path.open("ab") as log:
        log.write(b'{"event": "step", "torn')
    assert tail(run.events_path) == found


def test_only_the_end_of_a_long_log_is_read(home: Path) -> None:
    run = story.write_run(home)
    with EventWriter(run, attempt=2) as writer:
        for n in range(3000):
            writer.write(ev.Progress(stage="score", done=n, total=3000))
    assert tail(run.events_path).done == 2999
    run.log_path.write_text("\n".join(f"line {n}" for n in range(20_000)))
    assert log_lines(run)[-1] == "line 19999"
    assert len(log_lines(run)) == 400
    assert log_lines(RunDir(home / "runs" / "none")) == []


def test_a_finished_run_is_listed_with_what_it_found(home: Path) -> None:
    made = row(overview(story.write_run(home)))
    assert (made.status, made.target, made.forget, made.four, made.back) == ("finished", 100.0, 12.5, "bnb-fp4", 95.8)
    assert made.verdict == "recovered"
    assert made.explanation.startswith("FP4 keeps")
