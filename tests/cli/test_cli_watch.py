"""Starting, watching, stopping and leaving runs, with real processes, signals and terminals; only the model is missing."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import Start
from unlearn_tui.runs import store
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import is_alive

PATIENCE = 60


def until(check: object, what: str = "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not check():  # type: ignore[operator]
        assert time.monotonic() < deadline, what or "nothing happened"
        time.sleep(0.05)


def training(home: Path) -> RunDir:
    """The one run of this home, once it takes steps."""
    until(lambda: any(r.status == "running" for r in store.list_runs(home)))
    run = RunDir(store.list_runs(home)[0].path)
    until(lambda: len(list(run.events())) > 5)
    return run


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def test_a_run_is_narrated_on_stderr_and_its_result_stands_on_stdout(start: Start, model: str, home: Path) -> None:
    code, out, err = ended(start("run", "--model", model, "--name", "mine"))
    assert code == 0, err
    assert out.splitlines()[1].startswith("KnowMem forget 100.0 → 12.5")
    assert "⟦Fennelport⟧" in out
    assert "canary: a harbour" in err
    assert "finished in 0:09" in err
    (run,) = store.list_runs(home)
    assert (run.name, run.status) == ("mine", "finished")
    spec = RunDir(run.path).spec()
    assert (spec.model, spec.threads > 0, spec.steps) == (model, True, 250)


def test_json_is_all_that_stdout_holds(start: Start, model: str) -> None:
    code, out, _ = ended(start("run", "--model", model, "--json"))
    assert (code, json.loads(out)["status"]) == (0, "finished")


def test_events_stream_the_whole_log(start: Start, model: str, home: Path) -> None:
    code, out, err = ended(start("run", "--model", model, "--events"))
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert lines[-1]["event"] == "finished"
    assert "canary" not in err


def test_flags_override_the_spec_file(start: Start, model: str, tmp_path: Path, home: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(f'model = "{model}"\nlr = 1e-4\nepochs = 2.0\nprecision = ["bf16", "bnb-nf4"]\n')
    code, _, err = ended(start("run", str(spec), "--lr", "2e-4", "--seed", "7", "--json"))
    assert code == 0, err
    made = RunDir(store.list_runs(home)[0].path).spec()
    assert (made.lr, made.seed, made.epochs, made.steps) == (2e-4, 7, 2.0, None)
    assert made.precision == ["bf16", "bnb-nf4"]
    code, _, err = ended(start("run", str(RunDir(store.list_runs(home)[0].path).spec_path), "--steps", "5"))
    assert code == 0, err
    made = RunDir(store.list_runs(home)[0].path).spec()
    assert (made.steps, made.epochs) == (5, None)


def test_the_demo_tells_two_runs_and_sums_them_up(start: Start, home: Path) -> None:
    pytest.importorskip("unlearn_tui.sources.assets").asset("pocket", "target")
    code, out, err = ended(start("demo"))
    assert code == 0, err
    assert {r.name for r in store.list_runs(home)} == {"effect", "control"}
    assert [line.split(":")[0] for line in out.splitlines()[-2:]] == ["effect", "control"]
    assert "Weights (" not in out
    code, out, _ = ended(start("demo", "--preset", "all", "--json"))
    made = json.loads(out)
    assert [r["spec"]["preset"] for r in made] == ["effect", "control", "remedy"]
    assert [r["spec"]["weights"] for r in made] == ["bf16", "fp32", "bf16-stochastic"]
    code, out, _ = ended(start("demo", "--preset", "effect", "--json"))
    assert isinstance(json.loads(out), dict)


def test_detach_returns_once_the_engine_has_accepted(start: Start, model: str, home: Path) -> None:
    code, out, err = ended(start("run", "--model", model, "--detach", story="endless"))
    (run,) = store.list_runs(home)
    assert (code, out) == (0, f"{run.id}\n")
    assert f"unlearn-tui attach {run.id}" in err
    assert is_alive(RunDir(run.path))


def test_the_first_ctrl_c_stops_the_run_after_its_step(start: Start, model: str, home: Path) -> None:
    viewer = start("run", "--model", model, story="endless")
    run = training(home)
    viewer.send_signal(signal.SIGINT)
    code, out, err = ended(viewer)
    assert code == 130, err
    assert "stopping after this step" in err
    assert f"unlearn-tui resume {run.id} goes on" in err
    assert "stopped" in out
    assert not is_alive(run)
    assert list(run.events())[-1].now is False  # type: ignore[union-attr]


def test_the_second_ctrl_c_stops_it_now(start: Start, model: str, home: Path) -> None:
    viewer = start("run", "--model", model, "--json", story="deaf")
    run = training(home)
    viewer.send_signal(signal.SIGINT)
    time.sleep(1)
    assert viewer.poll() is None
    viewer.send_signal(signal.SIGINT)
    code, out, err = ended(viewer)
    assert (code, json.loads(out)["status"]) == (130, "stopped"), err
    assert "stopping now" in err
    assert list(run.events())[-1].now is True  # type: ignore[union-attr]


def test_sigterm_leaves_the_view_and_the_run_goes_on(start: Start, model: str, home: Path) -> None:
    viewer = start("run", "--model", model, story="endless")
    run = training(home)
    viewer.terminate()
    code, out, err = ended(viewer)
    assert (code, out) == (143, "")
    assert f"run {run.id} goes on" in err
    assert "Traceback" not in err
    assert "error: unforeseen" not in err
    assert is_alive(run)


def test_a_closed_terminal_ends_the_view_and_the_run_goes_on(start: Start, model: str, home: Path) -> None:
    viewer = start("run", "--model", model, story="endless")
    run = training(home)
    viewer.send_signal(signal.SIGHUP)
    code, out, err = ended(viewer)
    assert (code, out) == (-signal.SIGHUP, "")
    assert "Traceback" not in err
    assert "error: unforeseen" not in err
    before = len(list(run.events()))
    time.sleep(1)
    assert is_alive(run)
    assert len(list(run.events())) > before


def test_a_suspended_view_holds_nothing_up_and_goes_on_where_it_was(start: Start, model: str, home: Path) -> None:
    viewer = start("run", "--model", model, story="endless")
    run = training(home)
    viewer.send_signal(signal.SIGSTOP)
    before = len(list(run.events()))
    time.sleep(1)
    assert len(list(run.events())) > before
    viewer.send_signal(signal.SIGCONT)
    viewer.send_signal(signal.SIGINT)
    code, _, err = ended(viewer)
    assert code == 130, err
    assert "stopping after this step" in err


def test_another_terminal_attaches_and_a_third_stops_the_run(start: Start, model: str, home: Path) -> None:
    ended(start("run", "--model", model, "--detach", story="endless"))
    run = training(home)
    viewer = start("attach", "last")
    events = start("attach", run.id, "--events")
    time.sleep(1)
    code, _, err = ended(start("stop", run.id))
    assert code == 0, err
    assert ended(viewer)[0] == 0
    code, out, _ = ended(events)
    assert code == 0
    assert json.loads(out.splitlines()[-1])["event"] == "stopped"


def test_a_stopped_run_is_resumed_to_its_end(start: Start, model: str, home: Path) -> None:
    ended(start("run", "--model", model, "--detach", story="endless"))
    training(home)
    ended(start("stop", "last", "--now"))
    until(lambda: store.list_runs(home)[0].status == "stopped")
    code, out, err = ended(start("resume", "last"))
    assert code == 0, err
    assert "came back" in out
    assert "finished in" in err


def test_a_live_run_is_not_resumed(start: Start, model: str, home: Path) -> None:
    ended(start("run", "--model", model, "--detach", story="endless"))
    code, out, err = ended(start("resume", "last"))
    assert (code, out) == (2, "")
    assert "already has an engine" in err


@pytest.mark.parametrize(("plot", "code"), [("nan", 1), ("die", 1), ("late-refusal", 2)])
def test_a_run_that_fails_on_the_way_says_why_and_keeps_what_it_had(
    plot: str, code: int, start: Start, model: str, home: Path
) -> None:
    viewer = start("run", "--model", model, "--json", story=plot)
    found, out, err = ended(viewer)
    table = json.loads(out)
    assert found == code
    assert len(table["scores"]) == 3
    assert table["error"]
    assert f"error: run {table['run']} failed" in err
    (run,) = store.list_runs(home)
    assert run.status == ("died" if plot == "die" else "failed")


def test_an_engine_that_refuses_at_birth_leaves_nothing(start: Start, model: str, home: Path) -> None:
    code, out, err = ended(start("run", "--model", model, story="refuse"))
    assert (code, out, err) == (2, "", "error: no such device: use cpu\n")
    assert store.list_runs(home) == []
    assert list((home / "runs").iterdir()) == []


@pytest.mark.parametrize(("plot", "flag"), [("refuse-device", "--detach"), ("refuse-at-load", "--plain")])
def test_an_engine_that_refuses_what_torch_cannot_use_leaves_nothing(
    plot: str, flag: str, start: Start, model: str, home: Path
) -> None:
    code, out, err = ended(start("run", "--model", model, flag, story=plot))
    assert (code, out) == (2, "")
    assert err.endswith("error: torch knows it not: give another\n")
    assert list((home / "runs").iterdir()) == []


def test_an_engine_that_cannot_begin_is_a_failure_with_its_reason(start: Start, model: str, home: Path) -> None:
    code, out, err = ended(start("run", "--model", model, story="crash"))
    assert (code, out) == (1, "")
    assert "libcuda is missing" in err
    assert err.count("\n") == 1


def test_a_reader_of_events_that_goes_away_leaves_the_run_alone(start: Start, model: str, home: Path) -> None:
    viewer = start("run", "--model", model, "--events", story="endless")
    assert viewer.stdout is not None
    assert json.loads(viewer.stdout.readline())["event"] == "started"
    viewer.stdout.close()
    assert viewer.wait(PATIENCE) == 141
    assert is_alive(training(home))


def test_a_terminal_sees_the_view_drawn_and_the_cursor_given_back(start: Start, model: str, home: Path) -> None:
    ours, theirs = pty.openpty()
    viewer = start("run", "--model", model, story="endless", stdout=theirs, stderr=theirs, stdin=theirs, text=False)
    os.close(theirs)
    run = training(home)
    time.sleep(1)
    viewer.send_signal(signal.SIGINT)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    assert viewer.wait(PATIENCE) == 130
    text = seen.decode()
    assert "● unlearn" in text
    assert "stopping after this step" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0
    assert run.id in text
