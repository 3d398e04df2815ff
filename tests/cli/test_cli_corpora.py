"""corpora check and fetch: what is wrong with a corpus, or what it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unlearn_tui import cli


def test_corpora_check_names_file_and_line_of_every_fault_and_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"set": "forget", "question": "q", "answer": "a"}\n{"set": "\\u001b[2J"}\n{"set": "forget"}\n')
    code = cli._run(["corpora", "check", str(file), "--plain"])
    out, err = capsys.readouterr()
    assert code == 2
    assert out.splitlines() == [
        "mine.jsonl:2: set '␛[2J' is not known: write forget, retain or examples",
        "mine.jsonl:3: has no question: add it or remove the item",
    ]
    assert "has 2 faults" in err


def test_corpora_check_counts_a_sound_corpus_and_says_how_it_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.jsonl"
    rows = [{"set": "forget", "question": "who\x1b[31m?", "answer": "Ilse"}]
    rows += [{"set": "retain", "question": f"q{i}", "answer": "a"} for i in range(4)]
    file.write_text("\n".join(map(json.dumps, rows)))
    code = cli._run(["corpora", "check", str(file), "--plain"])
    out, _ = capsys.readouterr()
    assert code == 0
    assert "\x1b" not in out
    assert "who␛[31m? → Ilse" in out
    assert "first 2 retain questions serve as KnowMem's worked examples" in out
    assert "scored: knowmem_forget, knowmem_retain\n" in out
    assert "template: a model whose tokenizer has a chat template is asked in it" in out
    assert cli._run(["corpora", "check", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["sound"], found["layout"], found["counts"]["retain_qa"]) == (True, "lines", 2)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["check"], "needs to be told which"),
        (["fetch", "pocket"], "is no corpus of the hub"),
        (["fetch", "tofu-forget10", "--offline"], "network is forbidden"),
        (["pocket", "facts"], "two corpora named"),
        (["check", "/dev/null"], "is a file: give JSON Lines"),
        (["check", "/"], "is no corpus"),
    ],
)
def test_corpora_refuses_in_one_line(
    args: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", "/nonexistent")
    code = cli._run(["corpora", *args])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
