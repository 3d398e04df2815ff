"""What result.json says about where it comes from: versions, the machine, hashes of everything that was read or made."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from pathlib import Path

import msgspec
import pytest
from prepared import Prepared
from unharmed import corpus, small

from unlearn_tui.protocol.result import Result
from unlearn_tui.report.html import html
from unlearn_tui.report.markdown_page import markdown
from unlearn_tui.report.page import Page
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.corpora import load
from unlearn_tui.state.run import fold_all
from unlearn_tui.versions import versions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TARGET, RETRAIN = asset("pocket", "target"), asset("pocket", "retrain")
TOKENIZER = ("generation_config.json", "tokenizer.json", "tokenizer_config.json")


def sha256(folder: Path, *names: str) -> str:
    """Over "name, NUL, SHA-256 of the content in hex, line feed" of every file, by name, as sources/fingerprints.py."""
    told = ""
    for name in sorted(names):
        told += f"{name}\0{hashlib.sha256((folder / name).read_bytes()).hexdigest()}\n"
    return hashlib.sha256(told.encode()).hexdigest()


def model(folder: Path) -> str:
    return sha256(folder, "config.json", "model.safetensors")


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpus(tmp_path_factory.mktemp("corpus"), 4, 1)


@pytest.fixture(scope="module")
def runs(engines: Prepared, questions: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunDir]:
    """A run that unlearns without a cache, one that checks two models, one that makes a target."""
    few = {"precision": ["fp16"], "metric": ["knowmem_forget"], "steps": 2}
    asked = {
        "unlearn": {"cache": False},
        "check": {"task": "check", "unlearned": str(RETRAIN), "retrain": str(RETRAIN)},
        "memorise": {"task": "memorise", "method": "memorise"},
    }
    home = tmp_path_factory.mktemp("home")
    made = {name: RunDir.create(home, small(questions, **few, **more), versions()) for name, more in asked.items()}
    for run in made.values():
        assert engines.run(run.path) == 0, run.log_path.read_text()
    return made


def test_hashes_are_those_of_the_files(runs, questions):
    read = {
        "target": model(TARGET),
        "tokenizer": sha256(TARGET, *TOKENIZER),
        "corpus": load(str(questions)).fingerprint,
    }
    expected = {
        "unlearn": read | {"unlearned": model(runs["unlearn"].checkpoints / "unlearned")},
        "check": read
        | {
            "unlearned": model(RETRAIN),
            "retrain": model(RETRAIN),
            "retrain_tokenizer": sha256(RETRAIN, *TOKENIZER),
        },
        "memorise": read | {"memorised": model(runs["memorise"].checkpoints / "memorised")},
    }
    assert {name: run.result().hashes for name, run in runs.items()} == expected


def test_the_machine_is_told_and_nobody_is_named(runs):
    for run in runs.values():
        result = run.result()
        assert result.versions == versions()
        found = result.hardware
        assert {"os", "cpu", "cores", "threads", "kernels", "memory", "device", "bf16"} <= found.keys()
        assert all(found.values())
        assert (found["device"], found["threads"]) == ("cpu", "1")
        assert found["bf16"] in ("native", "emulated")
        assert found["cores"].endswith(f" of {os.cpu_count()}")
        said = " ".join(found.values()).split()
        assert socket.gethostname() not in said
        assert getpass.getuser() not in said
        assert str(Path.home()) not in json.dumps(found)


def test_reports_show_both(runs):
    run = runs["check"]
    result = run.result()
    page = Page(result, fold_all(run.events()), [])
    for text in (html(page), markdown(page)):
        for name, value in result.hashes.items():
            assert value in text, name
        assert result.hardware["cores"] in text


def test_a_result_from_before_opens_and_its_reports_say_nothing_of_either(runs):
    table = json.loads(runs["check"].result_path.read_text())
    del table["hardware"], table["hashes"]
    old = msgspec.json.decode(json.dumps(table).encode(), type=Result)
    assert (old.hardware, old.hashes) == ({}, {})
    page = Page(old, fold_all([]), [])
    assert "SHA-256" not in html(page) + markdown(page)
