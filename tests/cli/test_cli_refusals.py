"""Bad input: exit 2, one clear line on stderr, nothing on stdout, no run in the home."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import story
from fake_checkpoints import make_checkpoint, tokenizer

from unlearn_tui import cli
from unlearn_tui.sources.assets import asset


def refused(args: list[str], home: Path, capsys: pytest.CaptureFixture[str]) -> str:
    runs = sorted((home / "runs").glob("*")) if home.exists() else []
    code = cli._run(args)
    out, err = capsys.readouterr()
    assert (code, out) == (2, ""), err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    assert (sorted((home / "runs").glob("*")) if home.exists() else []) == runs
    return err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--method ga_krl", "unknown method 'ga_krl': did you mean ga_klr"),
        ("--precision fp16,bnb-fp5", "unknown precision 'bnb-fp5': did you mean bnb-fp4"),
        ("--precision bnb-fp4", "no full precision"),
        ("--precision ,", "--precision is empty"),
        ("--precision fp16,fp16", "names fp16 twice"),
        ("--metric knowmem_froget", "did you mean knowmem_forget"),
        ("--ablate fp16", "no zero bin"),
        ("--weights fp8", "unknown update mode"),
        ("--optimizer-state fp8", "--optimizer-state"),
        ("--forget-text docs", "choose raw or qa"),
        ("--npo-length max", "choose sum or mean"),
        ("--lora-rank -1", "--lora-rank -1 is out of range: it must be at least 0"),
        ("--lora-rank 1.5", "--lora-rank"),
        ("--lora-rank 8 --lora-alpha 0", "--lora-alpha 0 is out of range: it must be more than 0"),
        ("--lora-rank 8 --sure once", "--lora-rank and --sure both given"),
        ("--resist bnb-fp5", "unknown precision 'bnb-fp5': did you mean bnb-fp4"),
        ("--resist bnb-int8", "--resist bnb-int8 has no zero bin that an edit can be carried out of: bnb-fp4, bnb-nf4"),
        ("--resist bnb-nf4", "--resist bnb-nf4 is not in --precision: add it"),
        ("--resist bnb-fp4 --weights fp32", "--resist is for pure bf16 updates: with fp32"),
        ("--resist bnb-fp4 --lora-rank 8", "--resist is for pure bf16 updates: with bf16, LoRA 8"),
        ("--lr 0", "more than 0"),
        ("--lr -1e-5", "more than 0"),
        ("--lr nan", "--lr nan is out of range"),
        ("--lr inf", "--lr inf is out of range"),
        ("--lr fast", "unlearn-tui run --help"),
        ("--steps 0", "at least 1"),
        ("--steps 2.5", "--steps"),
        ("--steps 5 --epochs 2", "--steps and --epochs both given"),
        ("--epochs 0", "more than 0"),
        ("--batch 0", "at least 1"),
        ("--threads -1", "at least 0"),
        ("--seed -1", "at least 0"),
        ("--min-k 42", "--min-k 42 is not known: choose 5, 10, 20, 30, 40, 50, 60"),
        (
            "--corpus facts --metric knowmem_forget,privleak",
            "privleak/forget.json is missing, the texts to be forgotten",
        ),
        ("--device tpu", "choose auto, cpu, cuda or cuda:N"),
        ("--canary 46", "--canary 46 is out of range: the corpus has forget questions 0 to 45"),
        ("--canary -1", "--canary -1 is out of range"),
        ("--canary=", "--canary is empty"),
        (f"--steps {'9' * 400}", "--steps of more than 63 bits"),
        (f"--save-every {2**63}", "--save-every of more than 63 bits"),
        ("--ablate bnb-fp4,bnb-fp4", "names bnb-fp4 twice"),
        ("--device cuda:٣", "choose auto, cpu, cuda or cuda:N"),
        (f"--device cuda:{'9' * 99}", "choose auto, cpu, cuda or cuda:N"),
        (f"--method {'x' * 10_000}", "xxx…xxx"),
        (f"--{'x' * 10_000}", "xxx…xxx"),
        ("--corpus poket", "did you mean pocket? or give a folder"),
        ("--model no-such-model", "no-such-model"),
        ("--model org/name", "network is off"),
        ("--retrain no-such-model", "no-such-model"),
        ("--frobnicate", "--frobnicate"),
        ("--json --events", "--json and --events"),
        ("nosuch.toml", "'nosuch.toml' cannot be read"),
    ],
)
def test_a_bad_flag_is_refused(
    flags: str, said: str, home: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["run", *([] if "--model" in flags else ["--model", model]), *flags.split()]
    assert said in refused(args, home, capsys)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lr = ", "is not TOML"),
        ("learning_rate = 1e-5", "unknown field 'learning_rate'"),
        ("step = 5", "did you mean steps"),
        ("'\x1b[31m' = 1", "is not TOML"),
        ("a = " + "[" * 5000, "nested too deep"),
        ("#" * 1_100_000, "larger than 1 MB"),
        (f"steps = {'9' * 400}", "--steps of more than 63 bits"),
        ('canary = " "', "--canary is empty"),
        ('task = ["check"]', "$.task"),
        ('task = "chekc"', "unknown task 'chekc'"),
        ("\ufefflr = 0.0", "more than 0"),
        ('lr = "fast"', "$.lr"),
        ("lr = nan", "--lr nan"),
        ("steps = 5\nepochs = 2.0", "--steps and --epochs"),
        ("schema = 2", "schema 2"),
        ('task = "check"', "give it to unlearn-tui check"),
        ('precision = "fp16"', "$.precision"),
    ],
)
def test_a_bad_spec_file_is_refused(
    text: str, said: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(text, encoding="utf-8")
    assert said in refused(["run", str(spec)], home, capsys)


def test_a_spec_file_that_is_no_text_is_refused(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_bytes(b"lr = \xff")
    assert "no UTF-8 text" in refused(["run", str(spec)], home, capsys)


def test_lora_without_its_library_is_refused_with_the_command_that_installs_it(
    home: Path, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "peft" else found(name, *rest))
    said = refused(["run", "--model", model, "--lora-rank", "8"], home, capsys)
    assert "--lora-rank needs peft, which is not installed: pip install 'unlearn-tui[lora]'" in said


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def missing_shard(folder: Path) -> None:
    (folder / "model-00002-of-00002.safetensors").unlink()


def truncated_shard(folder: Path) -> None:
    shard = folder / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-10])


def broken_tokenizer_settings(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text("{{{")


def foreign_config(folder: Path) -> None:
    table = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**table, "hidden_size": 99}))


def foreign_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(tokens=999)))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (no_config, "config.json"),
        (missing_shard, "model-00002-of-00002.safetensors"),
        (truncated_shard, "model-00002-of-00002.safetensors"),
        (foreign_tokenizer, "does not match"),
        (broken_tokenizer_settings, "tokenizer_config.json"),
        (foreign_config, "the embedding is 16×8, not 16×99"),
    ],
)
@pytest.mark.parametrize("command", ["run", "check", "models", "ask"])
def test_a_bad_checkpoint_is_refused(
    command: str,
    harm: Callable[[Path], None],
    said: str,
    home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = make_checkpoint(tmp_path / "bad", shards=2)
    good = make_checkpoint(tmp_path / "good", shards=2)
    harm(bad)
    args = {
        "run": ["--model", str(bad)],
        "check": ["--target", str(good), "--unlearned", str(bad)],
        "models": [str(bad)],
        "ask": [str(bad), "Who?"],
    }
    assert said in refused([command, *args[command]], home, capsys)


def no_forget_questions(folder: Path) -> None:
    (folder / "knowmem" / "forget_qa.json").unlink()


def bad_json(folder: Path) -> None:
    (folder / "knowmem" / "retain_qa.json").write_text('[{"question": "a",\n')


def wrong_type(folder: Path) -> None:
    (folder / "knowmem" / "forget_qa.json").write_text('[{"question": "a", "answer": 3}]')


def zero_items(folder: Path) -> None:
    (folder / "verbmem" / "forget.json").write_text("[]")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (no_forget_questions, "knowmem/forget_qa.json is missing"),
        (bad_json, "retain_qa.json line 2 is bad JSON"),
        (wrong_type, "item 1: answer is a number, expected text"),
        (zero_items, "verbmem/forget.json has zero items"),
    ],
)
def test_a_bad_corpus_is_refused(
    harm: Callable[[Path], None], said: str, home: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "corpus"
    shutil.copytree(asset("pocket", "corpus"), folder)
    harm(folder)
    assert said in refused(["run", "--model", model, "--corpus", str(folder)], home, capsys)


def test_only_the_parts_that_a_run_reads_are_needed(home: Path, model: str, tmp_path: Path) -> None:
    from unlearn_tui.commands.preflight import check_sources, spec_of

    folder = tmp_path / "corpus"
    shutil.copytree(asset("pocket", "corpus"), folder)
    shutil.rmtree(folder / "knowmem")
    flags = {"model": model, "corpus": str(folder), "forget_text": "raw", "metric": "verbmem_forget"}
    check_sources(spec_of(flags), home)


def test_two_models_of_different_shape_are_no_check(
    home: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_checkpoint(tmp_path / "other", vocab_size=17)
    said = refused(["check", "--target", model, "--unlearned", str(other)], home, capsys)
    assert "17 tokens against 16" in said
    assert "needs --unlearned" in refused(["check", "--target", model], home, capsys)


def test_a_disk_without_room_is_refused(
    home: Path, model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))  # type: ignore[attr-defined]
    assert "1.0 MB free" in refused(["run", "--model", model], home, capsys)
    assert cli._run(["doctor"]) == 1


def test_a_home_that_cannot_be_written_is_refused(
    tmp_path: Path, home: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for args in (["run", "--model", model], ["runs"], ["demo"], ["show", "last"]):
        assert "cannot be used" in refused([*args, "--home", str(file)], home, capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_home_is_refused(home: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "runs").mkdir(parents=True)
    (home / "runs").chmod(0o500)
    assert "read-only" in refused(["run", "--model", model], home, capsys)


@pytest.mark.parametrize("command", ["show", "attach", "stop", "resume", "export", "runs rm"])
def test_an_unknown_run_is_refused_with_the_nearest_name(
    command: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = story.write_run(home)
    tail = ["out"] if command == "export" else []
    assert f"did you mean {run.id}" in refused([*command.split(), f"{run.id}x", *tail], home, capsys)


def test_an_unknown_command_and_an_unknown_preset_are_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'demo'" in refused(["demoo"], home, capsys)
    assert "did you mean effect" in refused(["demo", "--preset", "efect"], home, capsys)


def test_names_with_control_characters_are_shown_as_symbols(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "␛" in refused(["run", "--model", "a\x1b[31m"], home, capsys)
    assert "\\x1b" in refused(["run", "--method", "a\x1b[31m"], home, capsys)
    assert "not UTF-8" in refused(["run", "--name", "a\udcff"], home, capsys)


def test_asking_nothing_or_nobody_is_refused(home: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "question is empty" in refused(["ask", model, " "], home, capsys)
    assert "no-such" in refused(["ask", "no-such", "Who?"], home, capsys)


def test_folders_and_runs_are_pinned_so_that_a_resume_from_elsewhere_finds_them(tmp_path, monkeypatch):
    import shutil

    from unlearn_tui.commands.preflight import pinned
    from unlearn_tui.protocol.spec import RunSpec
    from unlearn_tui.sources.assets import asset

    shutil.copytree(asset("pocket", "target"), tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    spec = pinned(RunSpec(model="./mine", corpus="corpus", retrain="pocket-retrain"), tmp_path)
    assert spec.model == str(tmp_path / "mine")
    assert spec.corpus == str(tmp_path / "corpus")
    assert spec.retrain == "pocket-retrain"


def test_a_default_metric_that_the_corpus_has_nothing_for_is_left_out_and_said_and_a_named_one_is_refused(
    home: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from unlearn_tui.commands import run as command

    begun: list[list[str]] = []
    monkeypatch.setattr(command, "_follow", lambda runs, *_, **__: begun.extend(r.spec().metric for r in runs) or 0)
    assert cli._run(["run", "--model", model, "--corpus", "facts", "--home", str(home)]) == 0
    assert "corpus facts has nothing for verbmem_forget: scored are knowmem_forget, k" in capsys.readouterr().err
    assert begun == [["knowmem_forget", "knowmem_retain"]]
    spec = tmp_path / "mine.toml"
    spec.write_text('metric = ["verbmem_forget"]\ncorpus = "facts"\n')
    said = "verbmem/forget.json is missing"
    assert said in refused(["run", str(spec), "--model", model], home, capsys)
    named = ["run", "--model", model, "--corpus", "facts", "--metric", "knowmem_forget,verbmem_forget"]
    assert said in refused(named, home, capsys)
