"""Where home and the runtime directory are, and whose they must be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import unlearn_tui
from unlearn_tui.errors import Refused
from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.home import SOCKET_PATH_LIMIT, home, runtime_dir


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ut-", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_flag_wins_over_the_variable_and_the_variable_over_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("UNLEARN_TUI_HOME", "~/variable")
    assert home(tmp_path / "flag") == tmp_path / "flag"
    assert home() == tmp_path / "variable"
    monkeypatch.setenv("UNLEARN_TUI_HOME", "")
    assert home().is_relative_to(tmp_path)
    assert (home() / "runs").is_dir()


def test_a_relative_home_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert home("here") == tmp_path / "here"


def test_the_runtime_directory_is_private(runtime: Path) -> None:
    assert runtime_dir() == runtime / "unlearn-tui"
    assert runtime_dir().stat().st_mode & 0o777 == 0o700


def test_a_runtime_directory_open_to_others_is_refused(runtime: Path) -> None:
    runtime_dir().chmod(0o755)
    with pytest.raises(Refused, match="chmod 700"):
        runtime_dir()


def test_a_runtime_directory_that_is_a_link_or_a_file_is_refused(runtime: Path) -> None:
    (runtime / "elsewhere").mkdir(mode=0o700)
    (runtime / "unlearn-tui").symlink_to(runtime / "elsewhere")
    with pytest.raises(Refused, match="somebody else"):
        runtime_dir()
    (runtime / "unlearn-tui").unlink()
    (runtime / "unlearn-tui").write_text("")
    with pytest.raises(Refused, match="set XDG_RUNTIME_DIR"):
        runtime_dir()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_not_used(runtime: Path) -> None:
    os.chown(runtime_dir(), 12345, -1)
    with pytest.raises(Refused, match="somebody else"):
        runtime_dir()
    os.chown(runtime, 12345, -1)
    assert not runtime_dir().is_relative_to(runtime)


@pytest.mark.parametrize("value", ["", "relative", "/no/such/place"])
def test_without_a_usable_runtime_directory_there_is_one_in_tmp(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    assert runtime_dir() == Path(f"/tmp/unlearn-tui-{os.getuid()}")


def test_a_socket_path_is_short_however_long_the_runs_path_is(runtime: Path, tmp_path: Path) -> None:
    deep = RunDir(tmp_path / ("d" * 200) / ("e" * 200))
    assert len(os.fsencode(deep.socket_path)) < SOCKET_PATH_LIMIT
    assert deep.socket_path != RunDir(tmp_path / "other").socket_path


def test_a_runtime_directory_too_long_for_a_socket_is_passed_over(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = runtime / ("x" * 80)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    assert not runtime_dir().is_relative_to(long)


def test_the_rooms_import_is_light() -> None:
    code = (
        "import sys; from unlearn_tui.runs import control, follow, launch, store;"
        "print([m for m in ('torch', 'transformers', 'textual', 'rich', 'psutil', 'platformdirs') if m in sys.modules])"
    )
    source = str(Path(unlearn_tui.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
