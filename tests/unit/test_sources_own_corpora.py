"""Corpora of one's own, TOFU and the hub's copies: read as laid out, refused with file, line and fault."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import fake_checkpoints as fake
import huggingface_hub.constants as constants
import own_corpora as made
import pytest

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.sources import corpora, hub_corpora, reading
from unlearn_tui.sources.corpora import QA, Perturbed, check, load
from unlearn_tui.sources.corpus import MMLU, Exam, Trivia, Truthful


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "hf-cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return cache


def refusal(ref: Path | str, need: set[str] | None = None) -> str:
    with pytest.raises(Refused) as caught:
        load(str(ref), need)
    assert str(caught.value).isprintable(), "one line, nothing a terminal would obey"
    assert caught.value.field == "corpus"
    return str(caught.value)


def questions(what: str, numbers: range) -> tuple[QA, ...]:
    return tuple(QA(f"Who minds {what} {i}?", f"Warden {what} {i}") for i in numbers)


def test_a_folder_of_questions_lends_its_first_retain_items_as_worked_examples(tmp_path: Path) -> None:
    read = load(str(made.own(tmp_path / "own")), {"forget_qa", "retain_qa"})
    assert read.forget_qa == questions("lamp", range(6))
    assert read.forget_icl == read.retain_icl == questions("boat", range(10))
    assert read.retain_qa == questions("boat", range(10, 24)), "what is shown in the prompt is not scored"
    assert sorted(read.retain_pairs) == sorted(questions("boat", range(24))), "everything is trained on"
    assert "first 10 retain questions" in read.notes[0]


@pytest.mark.parametrize(("retain", "examples"), [(24, 10), (20, 10), (19, 9), (2, 1), (1, 0)])
def test_never_more_than_half_of_the_retain_items_are_lent(tmp_path: Path, retain: int, examples: int) -> None:
    read = load(str(made.own(tmp_path / "own", retain)))
    assert (len(read.forget_icl), len(read.retain_qa)) == (examples, retain - examples)
    assert read.notes


def test_ones_own_worked_examples_are_used_as_they_are(tmp_path: Path) -> None:
    made.write_lines(made.own(tmp_path / "own") / "examples.jsonl", made.pairs("bell", 3))
    read = load(str(tmp_path / "own"))
    assert read.forget_icl == read.retain_icl == questions("bell", range(3))
    assert read.retain_qa == questions("boat", range(24))
    assert (read.retain_more, read.notes) == ((), ())


def test_one_file_says_the_set_of_every_item_and_may_hold_documents(tmp_path: Path) -> None:
    rows = [{"set": "forget", **pair} for pair in made.pairs("lamp", 3)]
    rows += [{"split": "retain", **pair} for pair in made.pairs("boat", 4)]
    rows += [{"set": "forget", "text": "The lamps went out."}, {"set": "retain", "text": "Boats.", "question": "q"}]
    rows[-1]["answer"] = "a"
    for name in ("all.jsonl", "all.json"):
        file = made.write_lines(tmp_path / name, rows)
        read = load(str(file), {"forget_qa", "forget_docs"})
        assert read.forget_qa == questions("lamp", range(3))
        assert (read.forget_docs, read.retain_text) == (("The lamps went out.",), "Boats.")
        assert len(read.retain_pairs) == 5
    (tmp_path / "list.json").write_text(json.dumps(rows, indent=1))
    assert load(str(tmp_path / "list.json")).fingerprint == load(str(tmp_path / "all.jsonl")).fingerprint


def test_line_separators_inside_a_text_do_not_end_a_line(tmp_path: Path) -> None:
    row = '{"set": "forget", "question": "a\u2028b\x85?", "answer": "c"}\r\n\n'
    (tmp_path / "x.jsonl").write_text("\ufeff" + row, encoding="utf-8", newline="")
    assert load(str(tmp_path / "x.jsonl")).forget_qa == (QA("a\u2028b\x85?", "c"),)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"question": "a", "answer": "b"}', 'line 2 has no set: add "set": "forget" or "retain"'),
        ('{"set": "hold\\u001bout", "question": "a", "answer": "b"}', "line 2: set 'hold␛out' is not known"),
        ('{"set": ["forget"], "question": "a", "answer": "b"}', "line 2: set '['forget']' is not known"),
        ('{"set": "forget", "question": "a"}', "line 2 has no answer"),
        ('{"set": "forget", "question": 1, "answer": "b"}', "line 2: question is a number"),
        ('{"set": "forget", "text": ""}', "line 2: text is empty"),
        ('{"set": "forget"}', "line 2 has no question"),
        ("[1]", "line 2 is a list, expected an object"),
        ("{", "line 2 is bad JSON"),
        ("[" * 100_000, "line 2 is bad JSON"),
        ("9" * 5000, "line 2 is bad JSON"),
        ("\xff", "line 2 is not UTF-8"),
    ],
    ids=range(12),
)
def test_a_faulty_line_is_named_when_read_and_when_checked(tmp_path: Path, line: str, words: str) -> None:
    sound = b'{"set": "forget", "question": "q", "answer": "a"}\n'
    (tmp_path / "x.jsonl").write_bytes(sound + line.encode("latin-1") + b"\n" + sound)
    assert f"'x.jsonl': x.jsonl {words}" in refusal(tmp_path / "x.jsonl")
    found = check(str(tmp_path / "x.jsonl"))
    assert (found.total, found.faults[0][:2]) == (1, ("x.jsonl", 2))
    assert words in found.faults[0].what
    assert len(found.corpus.forget_qa) == (0 if "UTF-8" in words else 2), "the sound lines are counted"


def test_every_fault_is_found_and_those_of_one_file_do_not_hide_anothers(tmp_path: Path) -> None:
    folder = made.own(tmp_path / "own")
    made.write_lines(folder / "forget.jsonl", [{"question": ""}] * 100)
    made.write_lines(folder / "retain.jsonl", [*made.pairs("boat", 3), 7])
    found = check(str(folder))
    assert found.total == 101
    assert [f.file for f in found.faults].count("forget.jsonl") == reading.MOST_FAULTS
    assert found.faults[-1][:2] == ("retain.jsonl", 4)


def test_a_fault_in_a_json_list_has_the_line_of_its_item(tmp_path: Path) -> None:
    folder = tmp_path / "muse"
    (folder / "knowmem").mkdir(parents=True)
    rows = [*made.pairs("lamp", 2), {"question": "[{,", "answer": 3}]
    (folder / "knowmem/forget_qa.json").write_text(json.dumps(rows, indent=1))
    found = check(str(folder))
    wanted = 1 + next(
        i for i, line in enumerate(json.dumps(rows, indent=1).splitlines()) if '"question": "[{,"' in line
    )
    assert found.faults[0][:2] == ("knowmem/forget_qa.json", wanted - 1), "where its brace opens"
    assert found.faults[1].file == "knowmem/forget_qa_icl.json"
    assert "is missing" in found.faults[1].what


@pytest.mark.parametrize("part", ["forget_docs", "retain_docs", "verbmem", "retain_qa"])
def test_what_a_run_needs_and_the_corpus_lacks_is_refused(tmp_path: Path, part: str) -> None:
    folder = made.own(tmp_path / "own", 1)
    (folder / "retain.jsonl").unlink()
    assert "'own' lacks " in refusal(folder, {part})


def test_pipes_devices_and_hostile_names_are_refused_in_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert "not a regular file" in refusal(tmp_path / "pipe.jsonl")
    hostile = tmp_path / "a\x1b[31m\nb.jsonl"
    hostile.write_text("{")
    assert "a␛[31m␊b.jsonl" in refusal(hostile)
    (tmp_path / "empty.jsonl").write_text("\n \n")
    assert "has zero lines" in refusal(tmp_path / "empty.jsonl")
    (tmp_path / "notes.txt").write_text("hello")
    assert "is a file: give JSON Lines" in refusal(tmp_path / "notes.txt")
    (tmp_path / "nothing").mkdir()
    assert "is no corpus" in refusal(tmp_path / "nothing")


def test_a_file_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1 << 20)
    made.write_lines(tmp_path / "x.jsonl", [{"set": "forget", "question": "q" * (1 << 20), "answer": "a"}])
    assert "x.jsonl cannot be read: larger than 1 MB" in refusal(tmp_path / "x.jsonl")


def test_tofu_is_read_with_its_perturbed_sets(tmp_path: Path) -> None:
    folder = made.tofu(tmp_path / "TOFU")
    read = load(str(folder), {"forget_qa", "retain_qa"})
    assert load(str(folder / "forget10.json")) == read or read.name == "TOFU"
    assert read.layout == "tofu"
    assert read.forget_qa == questions("lamp", range(6))
    assert read.retain_qa == questions("boat", range(22, 30)), "the questions of retain_perturbed.json"
    assert read.forget_icl == questions("boat", range(10))
    assert sorted(read.retain_pairs) == sorted(questions("boat", range(30)))
    wrong = ("Nobody 0 minds it", "Nobody 1 minds it", "Nobody 2 minds it")
    assert read.tofu_forget[1] == Perturbed(
        "Who minds lamp 1?", "Warden lamp 1", "It is minded by Warden lamp 1", wrong
    )
    assert read.tofu_authors[0] == Perturbed("Who minds pen 0?", "Warden pen 0", "Warden pen 0", wrong)
    assert (len(read.tofu_retain), len(read.tofu_world)) == (8, 5)


def test_of_several_forget_sets_one_must_be_named(tmp_path: Path) -> None:
    folder = made.tofu(tmp_path / "TOFU", ("forget01", "forget05"))
    assert "has several forget sets: name one of" in refusal(folder)
    assert load(str(folder / "forget05.json")).name == "TOFU/forget05"


def test_tofu_without_perturbed_sets_is_questions_and_answers(tmp_path: Path) -> None:
    folder = made.tofu(tmp_path / "TOFU")
    for name in folder.glob("*_perturbed.json"):
        name.unlink()
    read = load(str(folder))
    assert (read.tofu_forget, len(read.retain_qa), len(read.forget_icl)) == ((), 20, 10)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": "q", "answer": "a"}, "line 1: perturbed_answer is null, expected a list of texts"),
        ({"question": "q", "answer": "a", "perturbed_answer": []}, "line 1: perturbed_answer is a list, expected"),
        ({"question": "q", "answer": "a", "perturbed_answer": [1]}, "line 1: perturbed_answer is a number"),
        (
            {"question": "q", "answer": "a", "perturbed_answer": ["w"], "paraphrased_answer": None},
            "line 1: paraphrased_answer is null, expected text",
        ),
    ],
    ids=range(4),
)
def test_a_faulty_perturbed_item_is_named(tmp_path: Path, row: dict[str, Any], words: str) -> None:
    folder = made.tofu(tmp_path / "TOFU")
    made.write_lines(folder / "forget10_perturbed.json", [row])
    assert f"forget10_perturbed.json {words}" in refusal(folder)


@pytest.mark.parametrize("name", list(catalog.HUB_CORPORA))
def test_a_corpus_of_the_hub_that_is_not_here_says_what_to_run(name: str) -> None:
    assert not corpora.is_here(name)
    assert f"`unlearn-tui corpora fetch {name}`" in refusal(name)
    with pytest.raises(Refused, match=r"network is forbidden|needs pyarrow"):
        corpora.fetch(name)


def test_tofu_is_found_in_the_hubs_cache_by_name(cache: Path) -> None:
    snapshot = made.tofu(made.hub_snapshot(cache, "locuslab/TOFU"))
    read = load("tofu-forget10")
    assert (read.name, read.path) == ("tofu-forget10", snapshot / "forget10.json")
    assert len(read.tofu_forget) == 6
    assert not corpora.is_here("tofu-forget05")
    assert corpora.fetch("tofu-forget10") is False
    (snapshot / "world_facts_perturbed.json").unlink()
    assert not corpora.is_here("tofu-forget10"), "half a copy is fetched again"


def test_fetching_brings_the_named_files_and_nothing_else(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = made.tofu(tmp_path / "served", ("forget01", "forget10"))
    (served / "full.json").write_text("too much")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with fake.fake_hub({"locuslab/TOFU": served}) as url:
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
        with pytest.raises(Refused, match="network is forbidden"):
            corpora.fetch("tofu-forget10", offline=True)
        assert corpora.fetch("tofu-forget10") is True
        assert corpora.fetch("tofu-forget10") is False, "it is here now"
        with pytest.raises(Refused, match="has no longer the files of tofu-forget05: give a local copy"):
            corpora.fetch("tofu-forget05")
        monkeypatch.setitem(
            catalog.HUB_CORPORA, "gone", dataclasses.replace(catalog.HUB_CORPORA["tofu-forget10"], repo="org/gone")
        )
        with pytest.raises(Refused, match="the hub has no data set org/gone"):
            corpora.fetch("gone")
    read = load("tofu-forget10")
    assert sorted(file.name for file in read.path.parent.iterdir()) == sorted(
        [*catalog.HUB_CORPORA["tofu-forget10"].files, "holdout10.json"]
    )
    assert read.forget_qa == questions("lamp", range(6))


def test_muse_is_read_from_the_parquet_of_the_hub(cache: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    snapshot = made.hub_snapshot(cache, "muse-bench/MUSE-News")
    contents: dict[str, list[dict[str, Any]]] = {
        "raw/forget": [{"text": "one"}, {"text": ""}, {"text": "two"}],
        "raw/retain1": [{"text": "three"}],
        "verbmem/forget": [{"prompt": "p ", "gt": "g"}],
        **{f"knowmem/{side}_qa": made.pairs(side, 3) for side in ("forget", "retain")},
        **{f"knowmem/{side}_qa_icl": made.pairs("x" + side, 2) for side in ("forget", "retain")},
    }
    for name, rows in contents.items():
        file = snapshot / f"{name}-00000-of-00001.parquet"
        file.parent.mkdir(exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    (snapshot / "verbmem/forget.json").write_text('[{"text": "of an older upload"}]')
    read = load("muse-news", {"forget_docs", "retain_docs", "forget_qa", "retain_qa", "verbmem"})
    assert read.forget_docs == ("one", "two")
    assert read.forget_text == "one\n\n\n\ntwo"
    assert read.verbmem == (("p ", "g"),)
    assert read.retain_icl == questions("xretain", range(2))
    (snapshot / "knowmem/forget_qa-00000-of-00001.parquet").write_bytes(b"PAR1 cut off")
    assert "knowmem/forget_qa-00000-of-00001.parquet is no Parquet file" in refusal("muse-news")


def test_without_pyarrow_muse_is_refused_before_any_download(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (reading, hub_corpora):
        monkeypatch.setattr(module, "reads_parquet", lambda: False)
    with pytest.raises(Refused, match=r"needs pyarrow: pip install 'unlearn-tui\[hub\]'"):
        corpora.fetch("muse-news")


def test_metrics_that_a_corpus_cannot_be_asked_are_refused_by_what_they_need(tmp_path: Path) -> None:
    folder = made.own(tmp_path / "own")
    assert "'own' lacks questions on real authors: leave out TOFU's metrics" in refusal(folder, {"tofu_authors"})
    assert "lacks forget questions with wrong answers" in refusal("pocket", {"tofu_forget"})
    load(str(made.tofu(tmp_path / "TOFU")), {"tofu_forget", "tofu_retain", "tofu_authors", "tofu_world"})


def test_what_a_corpus_holds_is_said_in_a_few_words(tmp_path: Path) -> None:
    assert corpora.holds(str(made.own(tmp_path / "own"))) == (
        "6 forget, 14 retain questions; questions and answers of one's own"
    )
    assert "is no corpus" in corpora.holds(str(tmp_path))


def test_utility_questions_are_read_beside_any_layout(tmp_path: Path) -> None:
    trees = ("oak", "ash", "elm", "fir")
    for folder in (made.own(tmp_path / "own"), made.tofu(tmp_path / "TOFU")):
        need = {"utility_mmlu", "utility_truthful", "utility_trivia", "utility_fluency"}
        read = load(str(made.utility(folder)), need)
        assert read.utility_mmlu == (
            MMLU("tree_lore", Exam("Which floats?", trees, 2), (Exam("Which burns?", trees, 1),)),
        )
        assert read.utility_truthful == (
            Truthful("Is the moon cheese?", "No.", ("Yes.",), ("No.", "It is rock."), ("Yes.",)),
        )
        assert read.utility_trivia == (Trivia("Who minds lamp 1?", ("The Warden", "Warden, lamp 1")),)
        assert read.utility_fluency == ("Write of the sea.", "Write of a lamp.")
    assert "lacks utility/triviaqa.json: add that file" in refusal("pocket", {"utility_trivia"})


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("retain_mmlu", {"answer": 4}, "item 1: four choices and an answer from 0 to 3"),
        ("retain_mmlu", {"answer": True}, "item 1: four choices and an answer from 0 to 3"),
        ("retain_mmlu", {"choices": ["a", "b", "c"]}, "item 1: four choices and an answer from 0 to 3"),
        ("retain_mmlu", {"examples": None}, "item 1: examples is null, expected a list"),
        ("retain_mmlu", {"examples": [{"question": "q"}]}, "item 1: choices is null, expected a list of texts"),
        ("retain_mmlu", {"task": 3}, "item 1: task is a number, expected text"),
        ("truthful", {"mc1_targets": None}, "item 1: choices is null, expected a list of texts"),
        ("truthful", {"mc1_targets": {"choices": ["a", "b"], "labels": [1, 1]}}, "item 1: mc1_targets needs a label"),
        ("truthful", {"mc2_targets": {"choices": ["a", "b"], "labels": [1]}}, "item 1: mc2_targets needs a label"),
        ("truthful", {"mc2_targets": {"choices": ["a", "b"], "labels": [1, "0"]}}, "item 1: mc2_targets needs a label"),
        ("triviaqa", {"answers": "b"}, "item 1: answers is text, expected a list of texts"),
        ("triviaqa", {"question": ""}, "item 1: question is empty"),
        ("fluency", {"instruction": 1}, "item 1: instruction is a number"),
    ],
    ids=range(13),
)
def test_a_faulty_utility_item_is_named(tmp_path: Path, file: str, change: dict[str, Any], words: str) -> None:
    folder = made.utility(made.own(tmp_path / "own"))
    path = folder / f"utility/{file}.json"
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([{**rows[0], **change}]))
    assert f"utility/{file}.json {words}" in refusal(folder)
    assert check(str(folder)).total >= 1
