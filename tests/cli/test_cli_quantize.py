"""quantize: a folder on disk, and what is refused before any work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def cli(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unlearn_tui.cli", "quantize", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("pocket-target", "quanto-int8", "new"), "does not load optimum-quanto"),
        (("pocket-target", "bnb-fp4:blok=1", "new"), "it takes block="),
        (("pocket-target", "fp5", "new"), "unknown precision"),
        (("pocket-target", "bnb-fp4", "there"), "exists already"),
        (("pocket-target", "bnb-fp4", "there/file"), "exists already"),
        (("pocket-target", "bnb-fp4", "there/file/new"), "cannot be written"),
        (("no-such-model", "bnb-fp4", "new"), "no-such-model"),
        (("demo", "bnb-fp4", "new"), "without its model"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(args, said, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_text("mine")
    done = cli(*args)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert done.stderr.count("error:") == 1
    assert (tmp_path / "there/file").read_text() == "mine"
    assert not (tmp_path / "new").exists()


def test_a_shipped_model_becomes_a_folder_and_says_what_it_is_doing(home, tmp_path):
    out = tmp_path / "made" / "fp4"
    done = cli("pocket-target", "bnb-fp4:double+block=128", str(out), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["path"], found["precision"]) == (str(out), "bnb-fp4:block=128+double")
    assert found["bytes"] == sum(f.stat().st_size for f in out.iterdir())
    assert "quantize and write" in done.stderr
    config = json.loads((out / "config.json").read_text())
    assert config["quantization_config"]["bnb_4bit_use_double_quant"] is True
    assert [p.name for p in Path(out.parent).iterdir()] == ["fp4"]
