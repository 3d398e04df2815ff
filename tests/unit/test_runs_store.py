"""Creating, listing, finding, measuring and removing runs."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import msgspec
import pytest

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.events import Event, Failed, Finished, Started, Stopped
from unlearn_tui.protocol.result import Result
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.runs.directory import RunDir, usable_cores, write_atomic
from unlearn_tui.runs.home import home
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.runs.store import find, info, list_runs, prune, remove, usage
from unlearn_tui.runs.writer import EventWriter


def make(folder: Path, name: str, age: float, *events: Event, **values: object) -> RunDir:
    """A run with this id, `age` seconds old, whose log holds these events."""
    run = RunDir.create(folder, RunSpec(name=name, **values), {"python": "3"})  # type: ignore[arg-type]
    run = RunDir(run.path.rename(run.path.with_name(name)))
    with EventWriter(run) as writer:
        for event in events:
            writer.write(event)  # type: ignore[arg-type]
    os.utime(run.spec_path, (time.time() - age,) * 2)
    return run


def started() -> Started:
    return Started(run="x", pid=1, host="h", device="cpu", threads=1, stages=[])


def test_a_new_run_holds_its_spec_with_every_default_and_the_cores_written_out(tmp_path: Path) -> None:
    run = RunDir.create(home(tmp_path), RunSpec(preset="control", lr=1e-5), {"torch": "2.7"})
    assert run.spec() == RunSpec(preset="control", lr=1e-5, threads=usable_cores())
    text = run.spec_path.read_text()
    assert "torch" in text
    assert "max_length = 2048" in text
    assert run.id.startswith("control-")
    assert [path.name for path in run.path.iterdir()] == ["spec.toml"]
    assert run.result() is None
    assert run.home == tmp_path


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({"name": "My run/../\x1b[31m é"}, "my-run-31m-"),
        ({"name": "日本"}, "run-"),
        ({"preset": "effect"}, "effect-"),
        ({"method": "npo_gdr"}, "npo_gdr-"),
        ({"task": "check"}, "check-"),
        ({"name": "x" * 300}, "x" * 32 + "-"),
    ],
)
def test_the_id_of_a_run_says_what_it_is_and_is_a_safe_file_name(
    tmp_path: Path, values: dict[str, str], start: str
) -> None:
    run = RunDir.create(home(tmp_path), RunSpec(**values), {})  # type: ignore[arg-type]
    assert run.id.startswith(start)
    assert run.id.isascii()
    assert run.path.parent == tmp_path / "runs"


def test_runs_created_at_the_same_moment_have_different_ids(tmp_path: Path) -> None:
    folder, made = home(tmp_path), []

    def work() -> None:
        made.extend(RunDir.create(folder, RunSpec(seed=seed), {}) for seed in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run.id for run in made}) == 40
    assert len(list((folder / "runs").iterdir())) == 40


def test_the_list_is_newest_first_and_says_how_each_run_ended(tmp_path: Path) -> None:
    folder = home(tmp_path)
    make(folder, "a", 60, started(), Finished(seconds=1))
    make(folder, "b", 50, started(), Stopped(stage="unlearn"))
    make(folder, "c", 40, started(), Failed(kind="nan", message="loss is NaN"))
    make(folder, "d", 30, started())
    make(folder, "e", 20)
    live = make(folder, "f", 10, started(), task="check", model="m", corpus="k")
    (folder / "runs" / "stray").mkdir()
    (folder / "runs" / "file").write_text("")
    with RunLock(live):
        runs = list_runs(folder)
    assert [(run.id, run.status) for run in runs] == [
        ("f", "running"),
        ("e", "new"),
        ("d", "died"),
        ("c", "failed"),
        ("b", "stopped"),
        ("a", "finished"),
    ]
    assert runs[3].reason == "loss is NaN"
    assert (runs[0].method, runs[0].model, runs[0].corpus, runs[0].name) == ("check", "m", "k", "f")
    assert runs[5].created < runs[0].created


def test_a_run_resumed_after_a_stop_counts_as_what_its_last_attempt_is(tmp_path: Path) -> None:
    run = make(home(tmp_path), "a", 60, started(), Stopped(stage="unlearn"), started())
    assert info(run).status == "died"
    with RunLock(run):
        assert info(run).status == "running"


def test_a_result_alone_tells_the_status_of_a_run_whose_log_is_gone(tmp_path: Path) -> None:
    run = make(home(tmp_path), "a", 60, started())
    run.events_path.unlink()
    write_atomic(run.result_path, msgspec.json.encode(Result(run="a", status="finished")))
    assert info(run).status == "finished"
    result = run.result()
    assert result is not None
    assert result.run == "a"


def test_a_run_is_found_by_id_by_unique_beginning_by_last_and_by_path(tmp_path: Path) -> None:
    folder = home(tmp_path)
    old = make(folder, "effect-1", 60)
    longer = make(folder, "effect-12", 50)
    new = make(folder, "control-1", 40)
    assert find(folder, "effect-1") == old
    assert find(folder, "effect-12") == longer
    assert find(folder, "con") == new
    assert find(folder, "last") == new
    assert find(folder, str(old.path)) == old


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("effect", "ambiguous: it fits effect-12, effect-1;"),
        ("efect-1", "did you mean effect-1"),
        ("zzz", "the newest are control-1"),
        ("", "the newest are"),
        ("a\0b\x1b", "there is no run"),
        ("x" * 5000, "there is no run"),
        ("../..", "there is no run"),
    ],
)
def test_a_run_that_is_not_found_is_refused_with_what_could_be_meant(tmp_path: Path, ref: str, message: str) -> None:
    folder = home(tmp_path)
    make(folder, "effect-1", 60)
    make(folder, "effect-12", 50)
    make(folder, "control-1", 40)
    with pytest.raises(Refused) as refused:
        find(folder, ref)
    assert message in str(refused.value)
    assert refused.value.field == "run"
    assert str(refused.value).isprintable()


def test_an_empty_home_says_how_to_make_a_run(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds none yet"):
        find(home(tmp_path), "last")
    assert list_runs(home(tmp_path)) == []


def test_a_removed_run_is_gone_with_all_its_files(tmp_path: Path) -> None:
    folder = home(tmp_path)
    run = make(folder, "a", 60, started())
    (run.checkpoints / "unlearned").mkdir(parents=True)
    remove(run)
    assert list((folder / "runs").iterdir()) == []
    with pytest.raises(Refused, match="cannot be removed"):
        remove(run)


def test_pruning_keeps_the_newest_and_what_may_be_about_to_start(tmp_path: Path) -> None:
    folder = home(tmp_path)
    for number in range(4):
        make(folder, f"done-{number}", 1000 - number, started(), Finished(seconds=1))
    make(folder, "died", 2000, started())
    make(folder, "old-new", 3000)
    make(folder, "newborn", 1)
    left = folder / "runs" / ".gone-x-1"
    left.mkdir()
    os.utime(left, (0, 0))
    assert [run.id for run in prune(folder, failed_only=True)] == ["died"]
    assert not left.exists()
    assert [run.id for run in prune(folder, keep=2)] == ["done-1", "done-0", "old-new"]
    assert [run.id for run in list_runs(folder)] == ["newborn", "done-3", "done-2"]


def test_usage_counts_the_bytes_of_each_part(tmp_path: Path) -> None:
    folder = home(tmp_path)
    run = make(folder, "a", 60)
    (run.checkpoints / "unlearned").mkdir(parents=True)
    (run.checkpoints / "unlearned" / "model.safetensors").write_bytes(b"x" * 1000)
    run.answers.mkdir()
    (run.answers / "a.jsonl").write_bytes(b"x" * 100)
    run.log_path.write_bytes(b"x" * 10)
    ((listed, parts),) = usage(folder)
    spec = run.spec_path.stat().st_size
    assert parts == {"checkpoints": 1000, "answers": 100, "log": 10, "other": spec}
    assert listed.size == 1110 + spec
