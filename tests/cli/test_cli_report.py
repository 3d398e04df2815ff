"""report: what it writes, where, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import story
from test_cli_refusals import refused
from test_cli_runs import done


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    path = tmp_path / "here"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def test_the_page_is_written_beside_the_caller_and_its_name_printed(
    home: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = story.write_run(home)
    out, err = done(["report", "last"], capsys)
    assert (out, err) == (f"{run.id}.html\n", "")
    assert [p.name for p in here.iterdir()] == [f"{run.id}.html"]
    page = (here / f"{run.id}.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "master baker" in page


@pytest.mark.parametrize(("flags", "name"), [(["--markdown"], "{}.md"), (["--out", "page.md"], "page.md")])
def test_markdown_where_it_is_asked_for_or_named(
    flags: list[str], name: str, home: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = story.write_run(home)
    out, _ = done(["report", run.id, *flags], capsys)
    assert out == name.format(run.id) + "\n"
    assert (here / out.strip()).read_text("utf-8").startswith("# What was unlearned came back at INT4")


def test_a_page_on_stdout_leaves_no_file(home: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story.write_run(home)
    out, _ = done(["report", "last", "--out", "-", "--answers", "0"], capsys)
    assert out.endswith("</html>\n")
    assert "master baker" not in out
    assert list(here.iterdir()) == []


def test_a_file_that_is_there_is_replaced_only_when_told(
    home: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story.write_run(home)
    Path("mine.html").write_text("mine")
    assert "exists already: add --overwrite" in refused(["report", "last", "--out", "mine.html"], home, capsys)
    assert Path("mine.html").read_text() == "mine"
    done(["report", "last", "--out", "mine.html", "--overwrite"], capsys)
    assert Path("mine.html").read_text("utf-8").startswith("<!DOCTYPE")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nobody"], "there is no run 'nobody'"),
        (["last", "--out", "folder"], "is a folder: name a file in it"),
        (["last", "--out", "none/page.html"], "there is no folder 'none'"),
        (["last", "--out", "folder/locked/page.html"], "there is no folder"),
        (["last", "--out", f"{'n' * 300}.html"], "cannot be written: File name too long; name another"),
        (["last", "--answers", "-1"], "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    args: list[str], said: str, home: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    story.write_run(home)
    (here / "folder").mkdir()
    assert said in refused(["report", *args], home, capsys)
    assert [p.name for p in here.iterdir()] == ["folder"]


def test_a_damaged_result_is_one_line(home: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = story.write_run(home)
    run.result_path.write_bytes(b"{")
    assert "result.json is damaged" in refused(["report", "last"], home, capsys)


def test_the_shipped_run_has_a_report_in_an_empty_home(
    home: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = done(["report", "demo"], capsys)
    assert out == "demo.html\n"
    assert "came back at INT4" in (here / "demo.html").read_text("utf-8")


def test_a_report_loads_neither_torch_nor_textual(home: Path, here: Path) -> None:
    code = """
import sys
from unlearn_tui import cli
assert cli._run(["report", "demo"]) == 0
print([name for name in ("torch", "transformers", "textual") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert ran.stdout.splitlines()[-1] == "[]"
