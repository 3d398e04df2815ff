"""The program itself is made to break: one line says so, the traceback is in a file, the terminal is as it was."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from test_app_terminal import SOURCES, Terminal, env  # noqa: F401

from unlearn_tui.commands import unforeseen

SECRET = "s3cr3t-marker-0451"
RAISES = "def broken(*a, **k):\n    hidden = 'value-of-a-variable'\n    raise TypeError('no \\x1b[31m such\\nthing')\n"
COMMAND = RAISES + "import unlearn_tui.runs.store as m\nm.list_runs = broken\n"
MAIN = "import sys\nfrom unlearn_tui.__main__ import main\nmain()\n"


def command(code: str, home: Path, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """`unlearn-tui ARGS`, in a process where `code` ran first."""
    return subprocess.run(
        [sys.executable, "-c", code + MAIN, *args],
        env={**os.environ, "UNLEARN_TUI_HOME": str(home), "PYTHONPATH": str(SOURCES), **environ},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip


def crash(home: Path) -> str:
    """The only one there is."""
    [path] = (home / "crashes").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    return path.read_text()


def test_a_command_that_breaks_is_one_line_and_a_file(tmp_path: Path) -> None:
    done = command(COMMAND, tmp_path, "runs", HF_TOKEN=SECRET, HTTPS_PROXY=f"http://me:{SECRET}@proxy.example")
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("error: unforeseen: TypeError: no ␛[31m such␊thing; its traceback is in ")
    assert f"{tmp_path}/crashes/" in line
    assert "`unlearn-tui doctor`" in line
    said = crash(tmp_path)
    assert "Traceback (most recent call last)" in said
    assert "in broken" in said
    assert "arguments: ['runs']" in said
    assert "torch" in said
    assert "value-of-a-variable" not in said
    assert SECRET not in said + line
    assert all(line.isprintable() for line in said.split("\n"))


def test_a_secret_in_the_message_or_the_arguments_is_masked(tmp_path: Path) -> None:
    code = f"def broken(*a):\n    raise ValueError('at http://me:pa55@host/ with {SECRET}')\n"
    code += "import unlearn_tui.runs.store as m\nm.list_runs = m.find = broken\n"
    done = command(code, tmp_path, "show", f"{SECRET}x", HF_TOKEN=SECRET)
    assert done.returncode == 1
    kept = crash(tmp_path)
    assert "arguments: ['show', '<HF_TOKEN>x']" in kept
    assert SECRET not in done.stderr + kept
    assert "pa55" not in done.stderr + kept


def test_debug_prints_the_traceback_too(tmp_path: Path) -> None:
    done = command(COMMAND, tmp_path, "runs", UNLEARN_TUI_DEBUG="1")
    assert "Traceback (most recent call last)" in done.stderr
    assert "\x1b" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: unforeseen: TypeError")


def test_home_on_the_command_line_is_where_it_goes(tmp_path: Path) -> None:
    for i, args in enumerate((["runs", "--home", "H"], ["--home=H", "runs"])):
        home = tmp_path / str(i)
        done = command(COMMAND, tmp_path / "other", *(arg.replace("H", str(home)) for arg in args))
        assert str(home) in done.stderr
        crash(home)
    assert not (tmp_path / "other" / "crashes").exists()


def test_without_a_home_that_can_be_written_it_goes_to_the_temporary_folder(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "crashes").write_text("in the way")
    done = command(COMMAND, tmp_path / "home", "runs", TMPDIR=str(tmp_path))
    [path] = tmp_path.glob("unlearn-tui-crash-*.log")
    assert str(path) in done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    # and nowhere at all
    code = (
        COMMAND
        + "import os\nreal = os.open\ndef full(p, f, *m, **k):\n    if f & os.O_CREAT: raise OSError(28, 'full')\n"
    )
    done = command(
        f"{code}    return real(p, f, *m, **k)\nos.open = full\n", tmp_path / "home", "runs", TMPDIR=str(tmp_path)
    )
    [line] = done.stderr.splitlines()
    assert "its traceback could not be written, UNLEARN_TUI_DEBUG=1 shows it" in line
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("f()", "unforeseen: RecursionError"),
        ("raise MemoryError", "unforeseen: MemoryError;"),
        ("raise Odd", "unforeseen: Odd: (it cannot say what);"),
        ("raise ValueError('x' * 10**7)", "unforeseen: ValueError: x"),
        ("raise OSError('without a number')", "unforeseen: OSError: without a number"),
        ("raise ExceptionGroup('two', [ValueError('a'), TypeError('b')])", "unforeseen: ExceptionGroup: two"),
    ],
)
def test_whatever_is_raised_is_one_short_line(raised: str, said: str, tmp_path: Path) -> None:
    odd = "class Odd(Exception):\n    def __str__(self): raise ValueError\n"
    done = command(
        f"{odd}def f(*a):\n    {raised}\nimport unlearn_tui.runs.store as m\nm.list_runs = f\n", tmp_path, "runs"
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert said in line
    assert len(line) < 700
    assert "Traceback" in crash(tmp_path) or "MemoryError" in crash(tmp_path)
    assert len(crash(tmp_path)) < 500_000


def test_a_program_that_cannot_even_load_says_so(tmp_path: Path) -> None:
    broken = tmp_path / "typer"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('half installed')")
    done = command("", tmp_path / "home", "runs", PYTHONPATH=f"{tmp_path}:{SOURCES}")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: unforeseen: ImportError: half installed; its traceback is in ")


def test_a_thread_that_breaks_is_a_line_too(tmp_path: Path) -> None:
    code = RAISES + "import threading, unlearn_tui.runs.store as m\n"
    code += "def f(*a):\n    t = threading.Thread(target=broken)\n    t.start()\n    t.join()\n    return []\n"
    code += "m.list_runs = f\n"
    done = command(code, tmp_path, "runs")
    assert done.returncode == 0
    assert "error: unforeseen: TypeError" in done.stderr
    assert "Traceback" not in done.stderr
    assert "in broken" in crash(tmp_path)


def test_the_newest_twenty_are_kept(tmp_path: Path) -> None:
    (tmp_path / "crashes").mkdir()
    for i in range(30):
        (tmp_path / "crashes" / f"20200101-0000{i:02}-1.log").write_text("")
    (tmp_path / "crashes" / "notes.txt").write_text("mine")
    path = unforeseen.keep(ValueError("new"), tmp_path)
    names = sorted(p.name for p in (tmp_path / "crashes").glob("*.log"))
    assert path is not None
    assert names == [*(f"20200101-0000{i:02}-1.log" for i in range(11, 30)), path.name]
    assert (tmp_path / "crashes" / "notes.txt").exists()
    # the same fault again, as of something that is tried every second, writes no second file
    error = ValueError("again")
    assert unforeseen.keep(error, tmp_path) == unforeseen.keep(error, tmp_path)


APP = RAISES + "from unlearn_tui.tui.app import UnlearnApp\nfrom unlearn_tui.tui.watcher import Watcher\n"
BREAKS = {
    "a key": "UnlearnApp.action_keys = broken\n",
    "mount": "UnlearnApp.on_mount = broken\n",
    "compose": "UnlearnApp.compose = broken\n",
    "painting": "from unlearn_tui.tui.chrome import Header\nHeader.draw = broken\n",
    "a timer": "UnlearnApp._look_for_terminal = broken\n",
    "closing": "UnlearnApp.on_unmount = broken\n",
    "style": "UnlearnApp.CSS = 'Screen { nonsense'\n",
    "loading": "import unlearn_tui.tui.start as s\ns.start = broken\n",
}


@pytest.mark.parametrize("where", BREAKS)
def test_an_app_that_breaks_gives_the_terminal_back_and_says_one_line(
    where: str,
    env: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> None:
    made = Terminal(["-c", APP + BREAKS[where] + MAIN], {**env, "HF_TOKEN": SECRET}, columns=300)
    try:
        if where in ("a key", "closing"):
            made.until("[1 models]", "? keys")
            made.press("?" if where == "a key" else "q")
        assert made.ended(30) == 1
        after = termios.tcgetattr(made.master)
        assert after[3] & termios.ECHO
        assert after[3] & termios.ICANON
        sent = made.sent
        if b"\x1b[?1049h" in sent:
            for mode in (b"1049", b"1000", b"1003", b"1006", b"2004", b"1004"):
                assert sent.rfind(b"\x1b[?%bl" % mode) > sent.rfind(b"\x1b[?%bh" % mode), mode
            assert sent.rfind(b"\x1b[?25h") > sent.rfind(b"\x1b[?25l")
        told = sent[sent.rfind(b"error: unforeseen: ") :].decode()
        name = "TokenError" if where == "style" else "TypeError"
        assert told.startswith(f"error: unforeseen: {name}")
        assert "; runs go on" in told or where == "loading"
        assert told.count("\n") == 1
        assert "\x1b" not in told
        assert b"Traceback" not in sent
        assert sent.count(b"error: unforeseen") == 1
        assert sent.rfind(b"\x1b[?1049l") < sent.rfind(b"error: unforeseen")
    finally:
        made.close()
    said = crash(tmp_path / "home")
    assert "Traceback" in said
    assert "in broken" in said or where == "style"
    assert SECRET not in said


@pytest.mark.parametrize("where", ["a callback", "a thread", "a job"])
def test_what_breaks_beside_the_screens_is_said_in_the_footer_and_they_go_on(
    where: str,
    env: dict[str, str],  # noqa: F811
    tmp_path: Path,
) -> None:
    act = {
        "a callback": "    self.work(lambda: 1, broken)\n",
        "a thread": "    import threading\n    threading.Thread(target=broken).start()\n",
        "a job": "    self.work(broken)\n",
    }[where]
    made = Terminal(["-c", f"{APP}def act(self):\n{act}UnlearnApp.action_keys = act\n{MAIN}"], env, columns=160)
    try:
        made.until("[1 models]", "? keys")
        made.press("?")
        made.until("unforeseen: TypeError: no ␛[31m such␊thing; see", "[1 models]")
        made.press("q")
        assert made.ended() == 0
        assert b"Traceback" not in made.sent
    finally:
        made.close()
    assert "in broken" in crash(tmp_path / "home")
