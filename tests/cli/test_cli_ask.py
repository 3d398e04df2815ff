"""`ask`: what it prints, what it refuses, with an inspector that answers without a model."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest
from fake_checkpoints import make_checkpoint
from story import write_run

from unlearn_tui import cli
from unlearn_tui.runs import inspecting

QUESTION = "Which town does Kessra Tarmund live in?"
Ask = Callable[..., str]


@pytest.fixture(autouse=True)
def inspector(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    folder = tempfile.mkdtemp(prefix="ask", dir="/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    monkeypatch.setattr(inspecting, "ENGINE", "inspect_engine")
    run = write_run(home)
    shutil.rmtree(run.made)
    make_checkpoint(run.made)
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ask(capfd: pytest.CaptureFixture[str]) -> Ask:
    """Run `ask` and give its stdout; its exit code must be `code`, and `err` in what it says."""

    def run(*args: str, code: int = 0, err: str = "") -> str:
        left = cli._run(["ask", *args])
        out = capfd.readouterr()
        assert left == code, out.err
        assert err in out.err
        assert "\x1b" not in out.out + out.err
        return out.out

    return run


def test_answers_stand_side_by_side_with_recall_and_the_gold_answers_probability(ask: Ask) -> None:
    rows = [line.split() for line in ask("last", QUESTION, "--plain").splitlines()]
    assert rows[1] == ["model", "precision", "answer", "R-L", "p(gold)"]
    assert ["target", "fp16", "Fennelport", "100", ".878"] in rows
    assert ["unlearned", "fp16", "a", "harbour", "0", "7.8e-04"] in rows
    assert ["unlearned", "bnb-fp4", "⟦Fennelport⟧", "100", ".878"] in rows
    assert rows[-1] == ["gold:", "Fennelport"]


def test_each_answer_is_told_as_it_comes_and_a_single_one_token_by_token(ask: Ask) -> None:
    ask("last", QUESTION, "--plain", err="unlearned bnb-fp4: Fennelport\n")
    ask("pocket-target", QUESTION, "--precision", "fp16", "--plain", err="load model\nFennelport\n")


def test_tokens_have_their_probability_and_rank(ask: Ask) -> None:
    out = ask("last", QUESTION, "--tokens", "--plain")
    assert ".878 #1" in out
    assert "7.8e-04 #471" in out
    assert "mean log" in out


def test_every_attack_beside_the_plain_question(ask: Ask) -> None:
    lines = ask("last", QUESTION, "--attack", "all", "--plain").splitlines()
    plain = next(line for line in lines if line.startswith("plain"))
    prefix = next(line for line in lines if line.startswith("prefix 1"))
    assert plain.count("100 ") == prefix.count("100 ") - 2
    assert len([line for line in lines if line.startswith("paraphrase")]) == 3


def test_json_has_every_token(ask: Ask) -> None:
    found = json.loads(ask("last", QUESTION, "--json"))
    assert (found["schema"], found["question"], found["gold"]) == (1, QUESTION, "Fennelport")
    first = found["answers"][0]
    assert (first["label"], first["precision"]) == ("target", "fp16")
    assert (first["answer"], first["recall"], first["error"]) == ("Fennelport", 1.0, None)
    assert first["tokens"][0]["rank"] == 1
    assert first["gold"]["product"] == 0.878


def test_a_column_that_fails_is_told_and_the_others_are_shown(ask: Ask) -> None:
    out = ask("last", "fail", "--plain", code=1, err="target fp16: does not fit␛[31m")
    assert "⟦Fennelport⟧" in out


def test_a_refusal_is_one_line_and_a_dying_inspector_another(ask: Ask) -> None:
    assert ask("last", "refuse", code=2, err="error: the question is not to be asked: ask another\n") == ""
    assert ask("last", "die", code=1, err="error: the inspector ended") == ""


@pytest.mark.parametrize(
    ("args", "line"),
    [
        ([" "], "the question is empty"),
        (["x" * 100_000], "100,000 characters"),
        (["Who?", "--free", "--chat"], "give one"),
        (["Who?", "--attack", "prefix"], "unknown attack 'prefix': did you mean prefix-1"),
        (["Who?", "--precision", "fp3"], "unknown precision"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(ask: Ask, args: list[str], line: str) -> None:
    assert ask("last", *args, code=2, err=line) == ""


def test_a_live_run_is_left_alone_unless_told_otherwise(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "live_ids", lambda home: ["story-1"])
    assert ask("last", QUESTION, code=2, err="error: run story-1 is going on, and asking would slow it down") == ""
    assert "Fennelport" in ask("last", QUESTION, "--beside-training", "--plain")


def test_what_a_prefix_attack_gave_away_stands_in_brackets_and_is_told_apart_from_the_answer(ask: Ask) -> None:
    out = ask("last", QUESTION, "--attack", "prefix-1", "--plain")
    row = next(line.split() for line in out.splitlines() if "fp16" in line and "target" in line)
    assert row[2] == "[F]ennelport"
    assert "[…] was given by the attack: recall counts what follows it alone" in out
    table = json.loads(ask("last", QUESTION, "--attack", "prefix-1", "--json"))
    assert {(a["given"], a["answer"]) for a in table["answers"]} == {("F", "ennelport")}
    assert all("given" not in a for a in json.loads(ask("last", QUESTION, "--json"))["answers"])


def test_on_a_terminal_the_answers_grow_side_by_side_and_the_table_follows(home: Path) -> None:
    """Through a real pseudo-terminal, read by a terminal emulator after every byte: rows of two columns stand together."""
    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    code = (
        "import sys; from unlearn_tui.runs import inspecting; inspecting.ENGINE = 'inspect_engine'; "
        "from unlearn_tui import cli; sys.exit(cli._run(sys.argv[1:]))"
    )
    path = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", "PYTHONPATH": path}
    command = [sys.executable, "-c", code, "ask", "last", QUESTION]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, close_fds=True)
    os.close(slave)
    seen: list[str] = []
    while True:
        if not select.select([master], [], [], 60)[0]:
            break
        try:
            data = os.read(master, 4)
        except OSError:
            break
        stream.feed(data)
        seen.append("\n".join(screen.display))
    assert process.wait(20) == 0
    growing = re.compile(r"target fp16 +Fennelport .*unlearned bnb-fp4 +Fennelport ", re.DOTALL)
    assert any(growing.search(s) for s in seen if "p(gold)" not in s)
    assert "p(gold)" in seen[-1]
    assert seen[-1].count("Fennelport") == 5  # the table's four answers and the gold one: nothing is left of the view
