"""One's own questions as a corpus folder: written whole, added to, read back by the program's own reader."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.inspect import ModelRef
from unlearn_tui.runs import questions
from unlearn_tui.sources import corpora

PAIRS = [("Where is the mill?", "Hythe"), ("“Who” keeps bees?\n", "Odo ☃")]


def test_questions_are_read_back_as_they_were_asked(tmp_path: Path) -> None:
    folder = questions.save(tmp_path / "mine", PAIRS, "pocket")
    corpus = corpora.load(str(folder), {"forget_qa"})
    assert [tuple(pair) for pair in corpus.forget_qa] == PAIRS
    assert corpus.forget_icl == corpora.load("pocket").forget_icl


def test_more_questions_are_added_and_an_answer_is_corrected(tmp_path: Path) -> None:
    folder = questions.save(tmp_path / "mine", PAIRS, "pocket")
    questions.save(folder, [(PAIRS[0][0], "Dale"), ("New?", "yes")], "pocket")
    kept = json.loads((folder / questions.FORGET).read_text(encoding="utf-8"))
    assert [(k["question"], k["answer"]) for k in kept] == [(PAIRS[0][0], "Dale"), PAIRS[1], ("New?", "yes")]


def test_nothing_to_keep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no question of yours has a right answer"):
        questions.save(tmp_path / "mine", [], "pocket")
    assert not (tmp_path / "mine").exists()


def test_a_folder_with_other_things_in_it_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(Refused, match="holds something else: name a new folder"):
        questions.save(tmp_path, PAIRS, "pocket")
    with pytest.raises(Refused, match="holds something else"):
        questions.save(tmp_path / "notes.txt", PAIRS, "pocket")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("place", ["a\0b", "/proc/nowhere/mine", "~nobody-there/mine"])
def test_a_place_that_cannot_be_written_is_one_line(place: str) -> None:
    with pytest.raises(Refused) as refused:
        questions.save(Path(place), PAIRS, "pocket")
    assert "\n" not in str(refused.value)
    assert "choose another place" in str(refused.value)


def test_the_command_is_quoted_for_a_shell() -> None:
    models = [ModelRef("target", "/a b/t"), ModelRef("unlearned", "/u")]
    words = shlex.split(questions.command(Path("/my q"), models, ["fp16", "bnb-fp4"]))
    assert words[:2] == ["unlearn-tui", "check"]
    flags = dict(zip(words[2::2], words[3::2], strict=True))
    assert flags == {
        "--target": "/a b/t",
        "--unlearned": "/u",
        "--corpus": "/my q",
        "--metric": "knowmem_forget",
        "--precision": "fp16,bnb-fp4",
    }
