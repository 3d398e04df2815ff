"""Logs as tapes: whole, unfinished, damaged, live, and the one that is shipped."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from story import write_run

from unlearn_tui.catalog import MEMORIZATION
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.events import Failed, Finished, Started
from unlearn_tui.runs.lock import RunLock
from unlearn_tui.runs.replay import load
from unlearn_tui.runs.store import find, is_shipped, shipped
from unlearn_tui.state.run import fold_all


def test_a_whole_run_plays_to_the_state_that_its_log_folds_to(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    tape = load(run)
    assert fold_all(tape.events) == fold_all(run.events())
    assert tape.ending == ""
    assert isinstance(tape.events[-1], Finished)


def test_a_damaged_log_plays_as_far_as_it_is_sound_and_says_where_that_is(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    lines = run.events_path.read_bytes().splitlines(keepends=True)
    run.events_path.write_bytes(b"".join([*lines[:9], b'{"event":"step", nonsense\n', *lines[10:]]))
    tape = load(run)
    assert len(tape.events) == 9 + 1
    assert isinstance(tape.events[-1], Failed)
    assert tape.ending == "the log is damaged after event 8: the replay ends there"
    assert fold_all(tape.events).status == "failed"


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    run.events_path.write_bytes(run.events_path.read_bytes()[:-20])
    tape = load(run)
    assert isinstance(tape.events[-1], Failed)
    assert "without a word" in tape.ending


def test_a_run_that_goes_on_plays_as_far_as_it_has_come(tmp_path: Path) -> None:
    run = write_run(tmp_path, upto=12)
    with RunLock(run):
        tape = load(run)
    assert len(tape.events) == 12
    assert "still going on" in tape.ending


@pytest.mark.parametrize("log", [None, b"", b"\0\xff garbage\n", b'{"event":"unheard_of"}\n', b"{" * 100_000 + b"\n"])
def test_where_nothing_is_sound_there_is_nothing_to_replay(tmp_path: Path, log: bytes | None) -> None:
    run = write_run(tmp_path)
    run.events_path.unlink()
    if log is not None:
        run.events_path.write_bytes(log)
    with pytest.raises(Refused, match=f"run {run.id} cannot be replayed") as refused:
        load(run)
    assert "\n" not in str(refused.value)


def test_a_log_that_is_no_file_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    run.events_path.unlink()
    run.events_path.mkdir()
    with pytest.raises(Refused, match="directory"):
        load(run)


def test_demo_is_the_recorded_run_unless_a_run_of_the_home_is_called_so(tmp_path: Path) -> None:
    assert find(tmp_path, "demo") == shipped()
    own = write_run(tmp_path, "demonstration")
    assert find(tmp_path, "demo") == shipped()
    own.path.rename(own.path.with_name("demo"))
    assert find(tmp_path, "demo").path == tmp_path / "runs" / "demo"


def test_the_recorded_run_is_known_by_its_place(tmp_path: Path) -> None:
    assert is_shipped(shipped())
    assert not is_shipped(write_run(tmp_path))


def test_the_recorded_run_is_whole_small_and_clean() -> None:
    run = shipped()
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_500_000
    assert {path.name for path in run.path.iterdir()} == {
        *("answers", "events.jsonl", "items.jsonl", "result.json", "spec.toml", "weights.jsonl")
    }
    for path in files:
        # no path of a disk, no user, no host: a JSON text that begins with a slash would be one
        assert not re.search(r'"(/|[A-Za-z]:\\\\)|/(home|root|Users|tmp|work)/', path.read_text(encoding="utf-8")), path
    state = fold_all(run.events())
    assert (state.status, state.run, state.pid, state.host) == ("finished", "demo", 0, "")
    result, spec = run.result(), run.spec()
    assert result is not None
    assert (result.run, result.status, result.checkpoint) == ("demo", "finished", None)
    assert (spec.model, spec.corpus, spec.preset) == ("pocket-target", "pocket", "effect")
    for row in (r for r in result.scores if r.metric != MEMORIZATION):  # that one is made from two others
        answers = [
            json.loads(x) for x in (run.path / result.answers[f"{row.model}/{row.precision}/{row.metric}"]).open()
        ]
        assert len(answers) == row.n
    verdicts = {(row.precision, row.metric): row.verdict for row in result.recovery}
    assert verdicts["bnb-fp4", "knowmem_forget"] == "recovered"
    assert verdicts["bnb-int8", "knowmem_forget"] == "no"


def test_the_recorded_run_plays_in_about_half_a_minute_and_ends_in_its_result() -> None:
    from unlearn_tui.state.replay import usual_speed

    tape = load(shipped())
    assert tape.ending == ""
    assert isinstance(tape.events[0], Started)
    assert 15 < tape.length / usual_speed(tape) <= 45
    state = fold_all(tape.events)
    result = shipped().result()
    assert result is not None
    assert {k: e.value for k, e in state.scores.items()} == {
        (r.model, r.precision, r.metric): r.value for r in result.scores if r.metric != MEMORIZATION
    }


def test_nothing_of_an_installation_is_removed(tmp_path: Path) -> None:
    from unlearn_tui.commands.runs import rm

    class Context:
        obj = tmp_path

    with pytest.raises(Refused, match="no run of the home"):
        rm(Context(), ["demo"])  # type: ignore[arg-type]
    assert shipped().events_path.is_file()
