"""sweep on the command line: refusals, a dry run, and two real cells of which the first is killed on its way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unlearn_tui import cli
from unlearn_tui.protocol.events import Step
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import read_engine
from unlearn_tui.runs.store import run_dirs

SWEEP = """
name = "tiny"
[base]
steps = 6
precision = ["fp16"]
metric = ["knowmem_forget"]
canary_every = 0
probe_every = 0
save_every = 2
threads = 1
device = "cpu"
[over]
seed = [0, 1]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SWEEP)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[over]\nmethod = ['ga', 'gaa']\n", "cell gaa: unknown method 'gaa': did you mean ga"),
        ("[over]\nlr = [0.1, 2]\n", "cell 2: --lr 2 is out of range"),
        ("[base]\nmodel = 'nowhere/none'\noffline = true\n", "nowhere/none"),
        ("[over]\nlr = [0.1, 'x']\n", "[over] Expected `float`, got `str` - at `$.lr`"),
        ("seed = 1\n", "unknown field `seed`"),
        ("[over]\nseed = 1\n", "Expected `array`"),
        ("[over]\nseed = [0 1]\n", "line 2"),
    ],
)
def test_a_bad_sweep_is_refused_before_any_run(home, tmp_path, capsys, text, said):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    assert cli._run(["sweep", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "bad.toml" in err
    assert err.count("\n") == 1
    assert list((home / "runs").glob("*")) == []
    assert not (home / "sweeps").exists()


def test_no_such_sweep_is_refused(home, capsys):
    assert cli._run(["sweep", "rates"]) == 2
    assert "there is no sweep 'rates'" in capsys.readouterr().err


def test_a_dry_run_lists_cells_and_times_and_keeps_nothing(home, file, capsys):
    assert cli._run(["sweep", str(file), "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [c["values"] for c in found["cells"]] == [{"seed": 0}, {"seed": 1}]
    assert {c["status"] for c in found["cells"]} == {"waiting"}
    first, second = (c["expected"] for c in found["cells"])
    assert 0 < second < first < 120  # the second finds the target's scores
    assert found["expected"] == pytest.approx(first + second)
    assert not (home / "sweeps").exists()


def begin(*args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "unlearn_tui.cli", "sweep", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stepping(home: Path, process: subprocess.Popen[str]) -> RunDir:
    """Wait for the first optimizer step of the only run."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        for run in run_dirs(home):
            if any(isinstance(e, Step) for e in run.events()):
                return run
        time.sleep(0.01)
    raise AssertionError("no step was made")


@pytest.mark.slow
def test_a_sweep_that_was_killed_with_its_engine_goes_on_and_ends_in_means(home, file):
    process = begin(str(file), "--plain")
    run = stepping(home, process)
    engine = read_engine(run)
    assert engine is not None
    process.kill()
    process.wait()
    os.kill(engine.pid, signal.SIGKILL)
    again = begin("tiny", "--json")
    out, err = again.communicate(timeout=240)
    assert again.returncode == 0, err
    found = json.loads(out)
    assert [c["status"] for c in found["cells"]] == ["finished", "finished"]
    assert found["cells"][0]["run"] == run.id
    assert len(run_dirs(home)) == 2
    assert max(e.attempt for e in run.events()) == 2
    by_model = {row["model"]: row for row in found["figures"]}
    results = [r.result() for r in run_dirs(home)]
    values = [s.value for r in results if r for s in r.scores if s.model == "unlearned"]
    assert by_model["unlearned"]["spread"]["mean"] == pytest.approx(sum(values) / 2)
    assert by_model["unlearned"]["spread"]["n"] == 2
    third = begin(str(file), "--plain")
    out, err = third.communicate(timeout=60)
    assert (third.returncode, err) == (0, "")  # nothing is left to do, and nothing was started
    assert "mean over seeds" in out


@pytest.mark.slow
def test_ctrl_c_stops_the_run_at_work_and_the_sweep_with_it(home, tmp_path):
    path = tmp_path / "long.toml"
    path.write_text(SWEEP.replace("steps = 6", "steps = 5000"))
    process = begin(str(path), "--plain")
    run = stepping(home, process)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "0 of 2 cells finished, 1 stopped" in err
    assert "goes on" in err
    assert [r.id for r in run_dirs(home)] == [run.id]
