"""runs, show, stop, export, attach on runs that nobody works on: what they print, what they leave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import story

from unlearn_tui import cli
from unlearn_tui.runs.lock import RunLock


def done(args: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> tuple[str, str]:
    assert cli._run(args) == code
    out, err = capsys.readouterr()
    return out, err


def test_runs_are_listed_newest_first(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = story.write_run(home, "old"), story.write_run(home, "new", upto=20)
    out, _ = done(["runs"], capsys)
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [[new.id, "died"], [old.id, "finished"]]
    out, _ = done(["runs", "--json"], capsys)
    assert [(r["id"], r["path"]) for r in json.loads(out)] == [(r.id, f"runs/{r.id}") for r in (new, old)]


def test_an_empty_home_lists_nothing_and_says_how_to_begin(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = done(["runs"], capsys)
    assert out == ""
    assert "unlearn-tui demo" in err
    assert done(["runs", "--json"], capsys)[0] == "[]\n"


def test_runs_are_measured_and_removed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, gone = story.write_run(home, "kept"), story.write_run(home, "gone")
    out, _ = done(["runs", "du", "--json"], capsys)
    assert {r["run"] for r in json.loads(out)} == {kept.id, gone.id}
    assert "total" in done(["runs", "du"], capsys)[0]
    done(["runs", "rm", "gone"], capsys)
    assert kept.path.exists()
    assert not gone.path.exists()


def test_nothing_is_removed_when_one_name_is_wrong(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = story.write_run(home)
    done(["runs", "rm", "story", "nobody"], capsys, code=2)
    assert run.path.exists()


def test_prune_spares_what_it_is_told_to(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    died, finished = story.write_run(home, "died", upto=20), story.write_run(home, "finished")
    done(["runs", "prune", "--failed"], capsys)
    assert (died.path.exists(), finished.path.exists()) == (False, True)
    done(["runs", "prune", "--keep", "1"], capsys)
    assert finished.path.exists()
    done(["runs", "prune"], capsys, code=2)
    assert finished.path.exists()
    done(["runs", "prune", "--all"], capsys)
    assert not finished.path.exists()
    assert "nothing to remove" in done(["runs", "prune", "--all"], capsys)[1]


@pytest.mark.parametrize("ref", ["last", "story", "story-2"])
def test_a_finished_run_is_shown(ref: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = story.write_run(home)
    out, err = done(["show", ref], capsys)
    assert err == ""
    assert out.splitlines()[1].startswith("KnowMem forget 100.0 → 12.5 after unlearning (fp16)")
    assert run.id in out
    assert "Answers" not in out


def test_answers_are_shown_side_by_side(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story.write_run(home)
    out, _ = done(["show", "last", "--answers", "2"], capsys)
    assert out.count("#") == 2
    assert "⟦Fennelport⟧ ▲" in out
    assert "cello" not in out


def test_json_is_the_result_as_the_engine_wrote_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = story.write_run(home)
    out, _ = done(["show", "last", "--json"], capsys)
    table = json.loads(out)
    assert table == json.loads(run.result_path.read_bytes())
    for key in ("schema", "run", "status", "error", "spec", "versions", "full_precision", "scores", "recovery"):
        assert key in table
    assert {"weights", "seconds", "peak_memory"} <= table.keys()


def test_a_run_that_died_shows_what_it_had(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story.write_run(home, upto=20)
    out, _ = done(["show", "last", "--json"], capsys)
    table = json.loads(out)
    assert (table["status"], len(table["scores"])) == ("died", 3)
    assert "died" in done(["show", "last"], capsys)[0]


def test_attach_to_an_ended_run_tells_its_end(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story.write_run(home)
    out, err = done(["attach", "last"], capsys)
    assert "came back" in out
    assert "finished in 0:09" in err
    dead = story.write_run(home, "dead", upto=20)
    _, err = done(["attach", dead.id], capsys, code=1)
    assert err.startswith(f"error: run {dead.id} failed (died): the engine ended without a word")


def test_attach_streams_the_log_as_json_lines(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = story.write_run(home)
    out, _ = done(["attach", "last", "--events"], capsys)
    assert [json.loads(line) for line in out.splitlines()] == [
        json.loads(line) for line in run.events_path.read_bytes().splitlines()
    ]


def test_there_is_nothing_to_stop_or_resume_in_an_ended_run(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story.write_run(home)
    assert "nothing to stop" in done(["stop", "last"], capsys)[1]
    out, err = done(["resume", "last"], capsys)
    assert "nothing to do" in err
    assert "came back" in out


def test_a_live_run_is_not_removed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = story.write_run(home)
    with RunLock(run):
        assert "is running" in done(["runs", "rm", "last"], capsys, code=2)[1]
    assert run.path.exists()


def test_the_unlearned_checkpoint_is_exported_whole(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = story.write_run(home)
    out, _ = done(["export", "last", str(tmp_path / "deep" / "out")], capsys)
    assert out == f"{tmp_path}/deep/out\n"
    source = run.checkpoints / "unlearned"
    copies = sorted((tmp_path / "deep" / "out").iterdir())
    assert [f.read_bytes() for f in copies] == [f.read_bytes() for f in sorted(source.iterdir())]
    assert [f.name for f in (tmp_path / "deep").iterdir()] == ["out"]


def test_export_takes_an_empty_folder_and_refuses_a_full_one(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story.write_run(home)
    (tmp_path / "empty").mkdir()
    done(["export", "last", str(tmp_path / "empty")], capsys)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert "exists already" in done(["export", "last", str(tmp_path / "empty")], capsys, code=2)[1]
    half = story.write_run(home, "half", upto=20)
    assert "no unlearned checkpoint" in done(["export", half.id, str(tmp_path / "other")], capsys, code=2)[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_reader_that_goes_away_is_no_fault(home: Path) -> None:
    story.write_run(home)
    for args in ("show last --answers 9", "attach last --events", "precisions", "--help"):
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} -m unlearn_tui.cli {args} | true; echo ${{PIPESTATUS[0]}}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == "" or "run" in done.stderr
        assert "Traceback" not in done.stderr
        assert "error: unforeseen" not in done.stderr
        assert "Exception" not in done.stderr
        assert int(done.stdout) in (0, 141) or args == "--help"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_utf8_gets_question_marks(encoding: str, home: Path) -> None:
    import os

    story.write_run(home)
    done = subprocess.run(
        [sys.executable, "-m", "unlearn_tui.cli", "show", "last", "--answers", "1"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    assert b"?Fennelport?" in done.stdout


@pytest.mark.parametrize("args", [["methods"], ["precisions"], ["corpora"], ["models"], ["doctor"]])
def test_lists_speak_plain_and_json(args: list[str], home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, _ = done(args, capsys)
    assert len(plain.splitlines()) > 1
    assert "\x1b" not in plain
    assert json.loads(done([*args, "--json"], capsys)[0])


def test_a_model_and_a_corpus_of_ones_own_can_be_checked(
    home: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(done(["models", model, "--json"], capsys)[0])["vocab"] == 16
    assert json.loads(done(["corpora", "pocket", "--json"], capsys)[0])["forget_qa"] > 40


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(closed: str, home: Path) -> None:
    for args, code in (("methods", 0), ("runs --json", 0), ("doctor", 0), ("show nobody", 2)):
        command = f"{sys.executable} -m unlearn_tui.cli {args} {closed}"
        ended = subprocess.run(command, shell=True, capture_output=True, text=True)
        assert ended.returncode == code, ended.stderr
        assert "Traceback" not in ended.stderr
        assert "error: unforeseen" not in ended.stderr
        assert not (code and ended.stdout)


def test_a_folder_outside_the_home_is_never_removed(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story.write_run(home)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "spec.toml").write_text("")
    (mine / "thesis.tex").write_text("years of work")
    assert "is no run of the home" in done(["runs", "rm", "last", str(mine)], capsys, code=2)[1]
    assert (mine / "thesis.tex").read_text() == "years of work"
    assert len(list((home / "runs").iterdir())) == 1


def test_runs_with_damage_of_any_kind_are_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep, log = story.write_run(home, "deep"), story.write_run(home, "log")
    deep.spec_path.write_text("a = " + "[" * 5000)
    log.events_path.unlink()
    log.events_path.mkdir()
    out, _ = done(["runs"], capsys)
    assert "is damaged" in out
    assert "its log cannot be read" in out


def test_a_run_whose_name_is_not_utf8_is_listed_and_drawn(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = story.write_run(home)
    run.path.rename(run.path.with_name("a\udcff"))
    assert json.loads(done(["runs", "--json"], capsys)[0])[0]["id"] == "a\\udcff"
    done(["show", "last", "--svg", str(tmp_path / "run.svg")], capsys)
    assert (tmp_path / "run.svg").read_text(encoding="utf-8").endswith("</svg>\n")


def test_export_to_the_home_of_nobody_is_no_crash(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    story.write_run(home)
    monkeypatch.chdir(tmp_path)
    done(["export", "last", "~nosuchuser/out"], capsys)
    assert (tmp_path / "~nosuchuser" / "out" / "config.json").is_file()
