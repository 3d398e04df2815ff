"""--help is quick, complete, and loads neither Textual nor torch."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from unlearn_tui import __version__, catalog, cli
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.validate import flag

COMMANDS = (
    *("demo", "run", "check", "runs", "show", "attach", "stop", "resume", "export", "ask"),
    *("models", "methods", "precisions", "metrics", "corpora", "doctor"),
    *("report", "serve"),
)
HEAVY = ("textual", "torch", "transformers", "bitsandbytes", "optimum", "accelerate", "huggingface_hub", "numpy")


def helped(*args: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli._run([*args, "--help"]) == 0
    return re.sub(r"[\s│]+", " ", capsys.readouterr().out)


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["--version"], ["methods"], ["precisions"]])
def test_nothing_heavy_is_loaded(args: list[str], home: Path) -> None:
    code = f"""
import sys
from unlearn_tui import cli
assert cli._run({args!r}) == 0
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "args",
    [
        ["show", "last"],
        ["runs"],
        ["runs", "du"],
        ["stop", "last"],
        ["corpora"],
        ["models"],
        ["doctor"],
        ["run", "--lr", "0"],
    ],
)
def test_commands_that_look_load_no_torch(args: list[str], home: Path) -> None:
    code = f"""
import sys
from unlearn_tui import cli
cli._run({args!r})
print([name for name in ("torch", "transformers", "textual") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_is_listed_and_has_help_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    listed = helped(capsys=capsys)
    for command in COMMANDS:
        assert f" {command} " in listed
        assert len(helped(command, capsys=capsys)) > 100
    for command in ("rm", "prune", "du"):
        assert "Usage" in helped("runs", command, capsys=capsys)


def test_without_a_command_and_a_terminal_the_app_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run([]) == 2
    assert capsys.readouterr().err.startswith("error: the app needs a terminal")


def test_flags_of_the_app_do_not_go_with_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for flags in (["--ascii"], ["--no-mouse"], ["--theme", "ansi-dark"], ["--open", "last"]):
        assert cli._run([*flags, "runs"]) == 2
        assert "are for the app" in capsys.readouterr().err


def test_home_may_stand_before_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNLEARN_TUI_HOME", "")
    assert cli._run(["--home", str(tmp_path / "here"), "runs"]) == 0
    assert str(tmp_path / "here") in capsys.readouterr().err


def test_every_field_of_a_run_has_its_flag(capsys: pytest.CaptureFixture[str]) -> None:
    text = helped("run", capsys=capsys)
    for field in set(RunSpec.__struct_fields__) - {"schema", "task", "preset", "unlearned"}:
        assert f" {flag(field)} " in text, field


def test_help_names_every_method_precision_and_update_mode(capsys: pytest.CaptureFixture[str]) -> None:
    text = helped("run", capsys=capsys)
    for name in (*catalog.METHODS, *catalog.PRECISIONS, *catalog.MUSE_METRICS, *catalog.METRIC_SETS):
        assert re.search(rf"\b{name}\b", text), name


def test_every_metric_is_listed_with_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["metrics", "--plain"]) == 0
    text = capsys.readouterr().out
    for metric in catalog.METRICS.values():
        assert re.search(rf"^{metric.id} +{re.escape(metric.label)} +{re.escape(metric.summary)}", text, re.M)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["--version"]) == 0
    assert capsys.readouterr().out == f"unlearn-tui {__version__}\n"
