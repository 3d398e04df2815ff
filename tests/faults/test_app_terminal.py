"""The app on a real pseudo-terminal: opened, killed under, left, resized, in tmux."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest

from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import is_alive

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src"


def _surroundings() -> dict[str, str]:
    """Without what would fix the size of a terminal whatever it is resized to, as pytest-xdist does."""
    return {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}


class Terminal:
    """A child in a session of its own on a pseudo-terminal, and what it has painted."""

    def __init__(self, args: list[str], env: dict[str, str], columns: int = 80, rows: int = 24) -> None:
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.sent = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import fcntl,termios,os,sys; fcntl.ioctl(0,termios.TIOCSCTTY,0); "
             "os.execv(sys.executable,[sys.executable,*sys.argv[1:]])", *args],
            stdin=slave, stdout=slave, stderr=slave, env={**_surroundings(), **env}, start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if hasattr(self, "screen"):
            self.screen.resize(rows, columns)
            self.process.send_signal(signal.SIGWINCH)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def read(self, seconds: float = 0.05) -> None:
        with contextlib.suppress(OSError):
            while select.select([self.master], [], [], seconds)[0]:
                data = os.read(self.master, 65536)
                if not data:
                    return
                self.sent += data
                self.stream.feed(data)
                seconds = 0.0

    def until(self, *texts: str, seconds: float = 30.0) -> str:
        deadline = time.monotonic() + seconds
        while True:
            self.read()
            painted = "\n".join(self.screen.display)
            if all(text in painted for text in texts):
                return painted
            assert time.monotonic() < deadline, painted

    def ended(self, seconds: float = 15.0) -> int:
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            self.read()
            assert time.monotonic() < deadline, "\n".join(self.screen.display)
        self.read()
        return int(self.process.returncode)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.master)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    paths = [str(SOURCES), str(HERE.parent / "cli"), str(HERE.parent / "unit")]
    (tmp_path / "home" / "runs").mkdir(parents=True)
    (tmp_path / "home" / "app.json").write_text('{"choices": {"tour": "seen"}}')  # not the first start
    return {
        "UNLEARN_TUI_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "1",
        "TERM": "xterm-256color",
        "PYTHONPATH": os.pathsep.join(paths),
        "TMUX": "",
    }


@pytest.fixture
def terminal(env: dict[str, str]) -> Iterator[Terminal]:
    """The app, painted."""
    made = Terminal(["-m", "unlearn_tui"], env)
    made.until("[1 models]", "? keys")
    yield made
    made.close()
    if made.process.poll() is None:
        made.process.kill()
    made.process.wait()


def test_q_gives_the_terminal_back_as_it_was(terminal: Terminal) -> None:
    before = termios.tcgetattr(terminal.master)
    terminal.press("q")
    assert terminal.ended() == 0
    assert b"\x1b[?1049l" in terminal.sent
    after = termios.tcgetattr(terminal.master)
    assert after[3] & termios.ECHO
    assert after[3] & termios.ICANON
    assert before != after


def test_the_first_start_shows_the_tour_once_and_escape_skips_it(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home" / "app.json").unlink()
    for first in (True, False):
        made = Terminal(["-m", "unlearn_tui"], env)
        try:
            if first:
                made.until("tour 1 of 5", "Fennelport")
                made.press("\x1b")
            made.until("[1 models]", "? keys")
            made.press("q")
            assert made.ended() == 0
            assert b"tour 1 of 5" not in made.sent or first
        finally:
            made.close()


def test_a_replay_opens_the_app_on_its_screen(env: dict[str, str]) -> None:
    made = Terminal(["-m", "unlearn_tui", "replay", "demo", "--speed", "100"], env)
    try:
        made.until("REPLAY ×100", "came back")
        made.press("q")
        assert made.ended() == 0
    finally:
        made.close()


def test_a_closed_terminal_ends_the_app_quietly(terminal: Terminal) -> None:
    terminal.close()
    terminal.process.wait(10)
    assert terminal.process.returncode == 129


def test_sighup_ends_the_app_and_sigterm_restores_the_terminal(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.ended() == 143
    assert b"\x1b[?1049l" in terminal.sent


def test_a_terminal_that_dies_without_sighup_ends_the_app_too(env: dict[str, str]) -> None:
    # in a session without a controlling terminal nobody sends SIGHUP, and reading gives end of file for ever
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "unlearn_tui"],
        stdin=slave, stdout=slave, stderr=slave, env={**os.environ, **env}, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    sent = b""
    while "models]" not in sent.decode(errors="replace"):
        assert select.select([master], [], [], 30)[0]
        sent += os.read(master, 65536)
    os.close(master)
    process.wait(10)


def test_resizing_while_it_runs_keeps_the_screen_whole(terminal: Terminal) -> None:
    for columns, rows in ((160, 48), (40, 12), (30, 10), (100, 30), (80, 24)):
        terminal.resize(columns, rows)
        time.sleep(0.1)
    painted = terminal.until("[1 models]", "? keys")
    assert "too small" not in painted


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_copying_inside_tmux_reaches_its_buffer(tmp_path: Path, env: dict[str, str]) -> None:
    socket = str(tmp_path / "tmux")
    tmux = ["tmux", "-S", socket, "-f", "/dev/null"]

    def ask(*args: str) -> str:
        return subprocess.run([*tmux, *args], capture_output=True, text=True, check=False).stdout

    variables = " ".join(f"{k}='{v}'" for k, v in env.items() if k not in ("TMUX", "TERM"))
    ask("new-session", "-d", "-x", "120", "-y", "30", f"{variables} {sys.executable} -m unlearn_tui")
    try:
        deadline = time.monotonic() + 30
        while "pocket-target" not in ask("capture-pane", "-p"):
            assert time.monotonic() < deadline, ask("capture-pane", "-p")
            time.sleep(0.1)
        ask("send-keys", "y")
        while "sent to tmux" not in ask("capture-pane", "-p"):
            assert time.monotonic() < deadline, ask("capture-pane", "-p")
            time.sleep(0.1)
        copied = ask("show-buffer").strip()
        assert copied
        assert copied == (tmp_path / "home" / "last-copy.txt").read_text().strip()
    finally:
        ask("kill-server")


def test_leaving_says_which_run_goes_on(terminal: Terminal, tmp_path: Path, env: dict[str, str]) -> None:
    # an engine that tells a story instead of training, started from elsewhere
    started = subprocess.run(
        [sys.executable, "-m", "cli_with_story_engine", "run", "--detach"],
        env={**os.environ, **env, "STORY": "endless"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    run = started.stdout.strip()
    try:
        terminal.until(f"run {run} is going on")
        terminal.press("A")
        terminal.until("[3 run]", run[:12])
        terminal.press("q")
        assert terminal.ended() == 0
        terminal.until(f"run {run} goes on: open unlearn-tui again, or", f"  unlearn-tui attach {run}")
        assert is_alive(RunDir(tmp_path / "home" / "runs" / run))
    finally:
        subprocess.run(
            [sys.executable, "-m", "unlearn_tui.cli", "stop", run, "--now"], env={**os.environ, **env}, check=False
        )


SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if not pid:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, "-m", "unlearn_tui"])
os.waitpid(pid, os.WUNTRACED)
os.tcsetpgrp(0, os.getpgrp())
print("it is stopped", flush=True)
sys.stdin.readline()
os.tcsetpgrp(0, pid)
os.kill(pid, signal.SIGCONT)
os.waitpid(pid, 0)
"""
"""As much of a shell as ctrl+z and fg take."""


def test_ctrl_z_goes_to_the_shell_and_fg_paints_everything_again(env: dict[str, str]) -> None:
    made = Terminal(["-c", SHELL], env)
    try:
        made.until("[1 models]", "? keys")
        made.press("\x1a")
        made.until("it is stopped")
        made.screen.reset()
        made.press("\n")
        made.until("[1 models]", "pocket-target", "? keys")
        made.press("q")
        assert made.ended() == 0
    finally:
        made.close()
        if made.process.poll() is None:
            made.process.kill()
        made.process.wait()


def test_ctrl_z_does_not_stop_what_no_shell_could_bring_back(terminal: Terminal) -> None:
    terminal.press("\x1a")
    terminal.until("no shell to go back to")
