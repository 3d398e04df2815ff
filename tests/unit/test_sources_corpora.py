from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from unlearn_tui.errors import Refused
from unlearn_tui.sources.corpora import NEEDS, QA, Corpus, Passage, load

ALL = {part for part, _, _ in NEEDS}
QUESTIONS = [{"question": "Who tends the light?", "answer": "Ilse"}, {"question": "Where?", "answer": "the pier"}]


def write(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if name.endswith(".txt") else json.dumps(content), encoding="utf-8")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A whole corpus in MUSE's layout."""
    folder = tmp_path / "coast"
    for split in ("forget", "retain1", "retain2", "holdout"):
        write(folder, f"raw/{split}.txt", f"{split} one.\nStill one.\n\n{split} two.")
    for side in ("forget", "retain"):
        write(folder, f"knowmem/{side}_qa.json", QUESTIONS)
        write(folder, f"knowmem/{side}_qa_icl.json", QUESTIONS[:1])
    write(folder, "verbmem/forget.json", [{"prompt": "forget one. ", "gt": "Still one."}])
    for split in ("forget", "retain", "holdout"):
        write(folder, f"privleak/{split}.json", [f"{split} one.", {"text": f"{split} two."}])
    return folder


def refusal(folder: Path | str, need: set[str] | None = None) -> str:
    with pytest.raises(Refused) as caught:
        load(str(folder), need)
    assert str(caught.value).isprintable(), "one line, nothing a terminal would obey"
    assert caught.value.field == "corpus"
    return str(caught.value)


def test_a_whole_corpus_is_read_part_by_part(corpus: Path) -> None:
    read = load(str(corpus), ALL)
    assert (read.name, read.path) == ("coast", corpus)
    assert read.forget_docs == ("forget one.\nStill one.", "forget two.")
    assert read.forget_text == "forget one.\nStill one.\n\nforget two."
    assert read.retain_docs == ("retain1 one.\nStill one.", "retain1 two.")
    assert read.retain2_docs[1] == "retain2 two."
    assert read.holdout_docs[1] == "holdout two."
    assert read.forget_qa == (QA("Who tends the light?", "Ilse"), QA("Where?", "the pier"))
    assert read.forget_icl == read.forget_qa[:1]
    assert read.verbmem == (Passage("forget one. ", "Still one."),)
    assert read.privleak_retain == ("retain one.", "retain two.")


def test_pocket_is_read_by_the_same_code() -> None:
    try:
        read = load("pocket", ALL)
    except Refused:
        pytest.skip("the pocket corpus is not built")
    assert read.name == "pocket"
    assert len(read.forget_qa) >= 40
    assert len(read.retain_qa) >= 200
    assert len(read.verbmem) >= 20
    assert len(read.forget_icl) == len(read.retain_icl) == 10
    for prompt, gt in read.verbmem:
        assert prompt + gt in read.forget_docs
    assert "\n\n".join(read.forget_docs) == read.forget_text


def test_json_says_where_documents_end_and_txt_what_the_whole_text_is(corpus: Path) -> None:
    write(corpus, "raw/forget.json", ["first\n\nwith a blank line", "", "second"])
    read = load(str(corpus))
    assert read.forget_docs == ("first\n\nwith a blank line", "second")
    assert read.forget_text.startswith("forget one.")
    (corpus / "raw/forget.txt").unlink()
    read = load(str(corpus), {"forget_docs"})
    assert read.forget_docs == ("first\n\nwith a blank line", "second")
    assert read.forget_text == "first\n\nwith a blank line\n\n\n\nsecond"


def test_documents_of_a_text_file_are_cut_at_empty_lines_of_unix_and_windows(corpus: Path) -> None:
    write(corpus, "raw/forget.txt", b"\xef\xbb\xbfone\r\n\r\n  two\n \nstill two\n\n\nthree\n")
    assert load(str(corpus)).forget_docs == ("one", "  two\n \nstill two", "three\n")


def test_absent_parts_are_empty_when_the_run_does_not_need_them(corpus: Path) -> None:
    for folder in ("raw", "verbmem", "privleak"):
        shutil.rmtree(corpus / folder)
    (corpus / "knowmem/forget_qa_icl.json").unlink()
    read = load(str(corpus), {"retain_qa"})
    assert (read.forget_docs, read.forget_text, read.verbmem, read.privleak_forget) == ((), "", (), ())
    assert (len(read.forget_qa), read.forget_icl) == (2, ())


@pytest.mark.parametrize(("part", "names", "what"), NEEDS)
def test_a_needed_file_that_is_missing_is_named_with_what_it_holds(
    corpus: Path, part: str, names: tuple[str, ...], what: str
) -> None:
    for name in names:
        (corpus / name).unlink(missing_ok=True)
    message = refusal(corpus, {part})
    assert f"{' or '.join(names)} is missing, {what}" in message
    load(str(corpus), ALL - {part})


def test_a_part_that_does_not_exist_is_a_mistake_of_the_program(corpus: Path) -> None:
    with pytest.raises(ValueError, match="forget_documents"):
        load(str(corpus), {"forget_documents"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'[\n{"question": "Q", "answer": "A"},\n{"question" "Q"}]', "line 3 is bad JSON: Expecting ':' delimiter"),
        (b"", "line 1 is bad JSON"),
        (b"[" * 100_000, "is bad JSON"),
        (b"[" + b"9" * 5000 + b"]", "is bad JSON"),
        (b'[{"question": "Q",\n "answer": "\xe9"}]', "line 2 is not UTF-8"),
        ({"question": ["Q"], "answer": ["A"]}, "is an object, expected a list"),
        ([], "has zero items"),
        ([*QUESTIONS, {"question": "Q", "answer": 3}], "item 3: answer is a number, expected text"),
        ([{"question": True, "answer": "A"}], "item 1: question is true or false, expected text"),
        ([{"question": None, "answer": "A"}], "item 1: question is null, expected text"),
        ([{"question": "Q", "answer": ["A"]}], "item 1: answer is a list, expected text"),
        ([{"question": "Q"}], "item 1 has no answer"),
        (["Q"], "item 1 is text, expected an object with question and answer"),
        ([{"question": " \n", "answer": "A"}], "item 1: question is empty"),
        ([{"question": "Q", "answer": ""}], "item 1: answer is empty"),
        ([{"question": "Q \ud800", "answer": "A"}], "item 1: question holds half a surrogate pair"),
    ],
    ids=lambda value: re.sub(r"\W+", " ", value)[:40] if isinstance(value, str) else "",
)
def test_a_faulty_question_file_is_refused_with_the_item_and_the_fault(corpus: Path, content: Any, words: str) -> None:
    write(corpus, "knowmem/forget_qa.json", content)
    assert f"'coast': knowmem/forget_qa.json {words}" in refusal(corpus)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("verbmem/forget.json", [{"prompt": "p"}], "item 1 has no gt"),
        ("privleak/holdout.json", ["a", 7], "item 2 is a number, expected text"),
        ("privleak/holdout.json", ["a", {"body": "b"}], "item 2 has no text"),
        ("privleak/holdout.json", ["a", " "], "item 2: text is empty"),
        ("privleak/retrain.json", ["Min-40%"], "is a list, expected an object such as"),
        ("privleak/retrain.json", {"Min-41%": 0.5}, "has an unknown column 'Min-41%': did you mean Min-40%"),
        ("privleak/retrain.json", {"Min-40%": 0}, "Min-40% is no AUC: give a number above 0 and at most 1"),
        ("privleak/retrain.json", {"Min-40%": True}, "Min-40% is no AUC"),
        ("privleak/retrain.json", b'{"Min-40%": NaN}', "Min-40% is no AUC"),
        ("privleak/retrain.json", b'{"Min-40%": ', "line 1 is bad JSON"),
        ("raw/forget.json", [["a"]], "item 1 is a list, expected text"),
        ("raw/forget.json", ["", " \n"], "has zero documents"),
        ("raw/retain1.txt", " \n\n\t\n", "has zero documents"),
        ("raw/holdout.txt", b"\n\n\xff", "line 3 is not UTF-8"),
    ],
)
def test_a_fault_in_any_file_that_is_there_is_found_needed_or_not(
    corpus: Path, name: str, content: Any, words: str
) -> None:
    write(corpus, name, content)
    assert f"{name} {words}" in refusal(corpus, set())


def test_a_folder_in_place_of_a_file_is_refused(corpus: Path) -> None:
    (corpus / "verbmem/forget.json").unlink()
    (corpus / "verbmem/forget.json").mkdir()
    assert "verbmem/forget.json cannot be read" in refusal(corpus)


def test_control_characters_in_texts_are_kept_as_they_are(corpus: Path) -> None:
    write(corpus, "knowmem/forget_qa.json", [{"question": "Q\x1b[31m\x00", "answer": "\u202eA\x85"}])
    write(corpus, "raw/forget.txt", b"a\x1b]0;x\x07\n\nb\x00")
    read = load(str(corpus))
    assert read.forget_qa == (QA("Q\x1b[31m\x00", "\u202eA\x85"),)
    assert read.forget_docs == ("a\x1b]0;x\x07", "b\x00")
    assert len(read.fingerprint) == 64


def test_the_auc_of_a_retrained_model_is_read_by_column(corpus: Path) -> None:
    assert load(str(corpus)).privleak_retrain == ()
    write(corpus, "privleak/retrain.json", {"Min-40%": 0.4772, "PPL": 1})
    assert load(str(corpus)).privleak_retrain == (("Min-40%", 0.4772), ("PPL", 1.0))


def test_the_fingerprint_is_of_the_content_alone(corpus: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(corpus, tmp_path / "copy")
    first = load(str(corpus), {"verbmem"})
    assert load(str(copy), set()).fingerprint == first.fingerprint
    write(copy, "knowmem/retain_qa.json", QUESTIONS[::-1])
    assert load(str(copy)).fingerprint != first.fingerprint
    moved = Corpus("n", corpus, retain_docs=first.forget_docs)
    assert moved.fingerprint != Corpus("n", corpus, forget_docs=first.forget_docs).fingerprint


def test_a_folder_that_is_no_corpus_says_what_a_corpus_has(tmp_path: Path) -> None:
    (tmp_path / "evil\n\x1b[2J").mkdir()
    message = refusal(tmp_path / "evil\n\x1b[2J")
    assert "evil␊␛[2J' is no corpus" in message
    assert "knowmem/forget_qa.json" in message


def test_an_unknown_corpus_offers_the_known_ones(corpus: Path) -> None:
    assert "did you mean pocket?" in refusal("poket")
    assert "is a file" in refusal(corpus / "raw/forget.txt")


@pytest.mark.parametrize("ref", ["", " ", "\x00", "x" * 5000, "~nobody-here/x", "a\nb"])
def test_no_name_however_odd_does_more_than_be_refused(ref: str) -> None:
    assert "there is no corpus" in refusal(ref)
