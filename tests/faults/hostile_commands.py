"""Every command that says something, over a home, a corpus and names whose every text tries to steer the terminal.

Each runs as a process of its own, on a pseudo-terminal and into a pipe. `test_cli_hostile.py` asserts that nothing came
through, `benchmarks/hostile.py` counts.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import story
from fake_checkpoints import make_checkpoint
from hostile_home import ATTACKS, evil, evil_name, write_home
from test_app_terminal import SOURCES, Terminal

from unlearn_tui.commands.report import gather
from unlearn_tui.protocol.sweep import Sweep
from unlearn_tui.report.export import FORMULA
from unlearn_tui.report.html import html
from unlearn_tui.runs import sweeps

FORMULAS = ("=1+1", '+cmd|"/c calc"', "-2+3", "@SUM(1)", "\t=1", "\r=1", "＝1+1")
MARKDOWN = (
    "| pipe ` tick ``` [l](http://pwn.example) <script>alert(1)</script> <img src=x onerror=y> **b** # h\n\n# h2\n```\n"
)
STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""What must not leave the program; a line's end and a tab may."""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LIVE = re.compile(r"\r|\x1b\[(?:\?25[lh]|[0-9]*A|2K|1G|[0-9]*G)")
"""Hiding the cursor, going up and clearing a line: how Rich redraws a live view."""


@dataclass
class Surroundings:
    """What was written for the commands to read."""

    home: Path
    work: Path
    runs: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    corpora: list[str] = field(default_factory=list)
    texts: int = 0
    """Texts in files and names that hold something that must not come through."""


class Said(NamedTuple):
    """What a command wrote: on a terminal, and into pipes."""

    terminal: bytes
    painted: str
    out: bytes
    err: bytes
    code: int


def write_all(folder: Path) -> Surroundings:
    """The home of hostile_home.py, and corpora, checkpoints, a sweep and a spec beside it."""
    home = folder / evil("home")[:40].replace("/", "|") / "\x9d0;x\x9c\u202e[red]"
    (home / "runs").mkdir(parents=True)
    runs = write_home(home)
    made = Surroundings(home, folder / "work")
    made.work.mkdir()
    # the newest that finished is the first without evil ids
    made.runs = [str(run.path) for run in runs]
    texts = [*ATTACKS, *FORMULAS, MARKDOWN]
    lines = folder / f"{evil_name(2)}.jsonl"
    rows: list[Any] = [{"set": "forget", "question": f"{t}?", "answer": evil(t)} for t in texts]
    rows += [{"set": "retain", "question": f"{t}??", "answer": t + "."} for t in texts]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    broken = folder / f"{evil_name(5)}.jsonl"
    broken.write_text("".join(json.dumps(row) + "\n" for row in [{"set": t} for t in texts]) + "\x1b]0;pwned\x07{\n")
    muse = folder / evil_name(7)
    (muse / "knowmem").mkdir(parents=True)
    (muse / "privleak").mkdir()
    for name in ("forget_qa", "forget_qa_icl"):
        (muse / f"knowmem/{name}.json").write_text(
            json.dumps([{"question": t + ".", "answer": t + "."} for t in texts])
        )
    (muse / "privleak/retrain.json").write_text(json.dumps({evil(): 0.5}))
    made.corpora = [str(lines), str(broken), str(muse)]
    good = make_checkpoint(folder / evil_name(3), model_type=evil())
    bad = make_checkpoint(folder / evil_name(8), shards=2)
    index = bad / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {evil("t"): f"{evil_name(4)}.safetensors"}}))
    adapter = folder / evil_name(6)
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": evil()}))
    made.models = [str(good), str(bad), str(adapter)]
    asked = {"model": evil("org/"), "corpus": evil("/c/"), "canary": evil()}
    sweeps.keep(home, Sweep(name=evil(), base={**asked, "preset": evil(), "name": evil()}, over={"seed": [0, 1]}))
    import tomli_w

    (folder / "spec.toml").write_text(
        tomli_w.dumps({"model": evil(), "corpus": evil(), "method": "ga", evil("field"): 1})
    )
    (folder / "sweep.toml").write_text(
        tomli_w.dumps({"name": evil(), "base": {"model": evil()}, "over": {evil("f"): [1]}})
    )
    (folder / "bad.toml").write_bytes(b"\x1b]0;pwned\x07 = \xe2\x80\xae")
    for path in folder.rglob("*"):
        made.texts += bool(STEERS.search(str(path)))
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes().decode("utf-8", "surrogateescape")
            made.texts += sum(data.count(json.dumps(t)[1:-1][:9]) for t in ATTACKS[:8])
    return made


def commands(there: Surroundings) -> list[list[str]]:
    """Every command with output, and refusals that repeat what was asked."""
    bad, folder = evil(), there.work.parent
    asked: list[list[str]] = [
        *(["models"], ["models", "--json"], *(["models", model] for model in there.models), ["models", bad]),
        *(["runs"], ["runs", "--json"], ["runs", "du"], ["runs", "du", "--json"], ["runs", "rm", bad]),
        *(["corpora", c] for c in there.corpora),
        *(["corpora", "--json"], ["corpora"], ["corpora", bad], ["corpora", "fetch", bad]),
        *(["corpora", "check", c, *more] for c in there.corpora for more in ([], ["--json"])),
        *(["show", run, "--answers", "4", "--plain"] for run in there.runs),
        *(["show", there.runs[0], "--answers", "9"], ["show", there.runs[1], "--json"], ["show", bad]),
        *(["attach", run, "--plain"] for run in there.runs[:4]),
        *(["attach", there.runs[2]], ["attach", there.runs[0], "--events"]),
        *(["replay", run, "--plain", "--speed", "10000"] for run in there.runs),
        ["replay", there.runs[0], "--from", bad, "--plain"],
        *(["report", run, "--out", "-"] for run in there.runs),
        *(["report", run, "--out", "-", "--markdown"] for run in there.runs),
        *(
            ["report", there.runs[0], "--out", f"{bad[:60]}/x.html"],
            ["report", there.runs[0], "--out", str(there.home)],
        ),
        *(["export", there.runs[0], str(folder / f"{evil_name(1)} out")], ["export", there.runs[0], str(there.home)]),
        *(["export", bad, "x"], ["stop", there.runs[0]], ["stop", bad], ["resume", bad]),
        *(
            ["map", "last", "--plain"],
            ["map", "last", "--json"],
            ["map", "last", "--csv", "map.csv", "--svg", "map.svg"],
        ),
        *(["map", bad], ["map", "last", "--metric", bad], ["sweep", "last", "--dry-run"], ["sweep", bad]),
        *(["sweep", str(folder / "sweep.toml")], ["sweep", str(folder / "bad.toml")]),
        *(
            ["table", "1", "--corpus", evil("/c/"), *more]
            for more in ([], ["--markdown"], ["--json"], ["--csv", "t.csv"])
        ),
        *(["table", "1", "--seeds", bad], ["table", "1", "--base", str(folder / "spec.toml")]),
        *(["run", str(folder / "spec.toml")], ["run", str(folder / "bad.toml")], ["run", bad], ["check", bad, bad]),
        *(["run", f"--{flag}", bad] for flag in ("model", "corpus", "method", "precision", "metric", "device")),
        *(["run", "--model", model] for model in there.models),
        *(["run", "--corpus", c, "--model", "pocket-target", "--method", bad] for c in there.corpora),
        *(["memorise", "--model", bad], ["quantize", bad, "x"], ["quantize", there.models[0], "x"]),
        *(["ask", bad, bad], ["ask", there.models[0], bad], ["ask", "pocket-target", "q", "--attack", bad]),
        *(["doctor"], ["doctor", "--json"], ["doctor", "--home", "/dev/null/" + bad[:80]]),
        *(
            [bad],
            ["show", f"--{bad}"],
            ["--home", "/dev/null/" + bad[:80], "runs"],
            ["serve", "--port", bad],
            ["--open", bad],
        ),
    ]
    return asked


def environment(there: Surroundings) -> dict[str, str]:
    """Of a command: no network, no hub but an empty one."""
    return {
        "UNLEARN_TUI_HOME": str(there.home), "HF_HUB_OFFLINE": "1", "HF_HOME": str(there.work.parent / "hub"), "TMUX": "",
        "TERM": "xterm-256color", "PYTHONPATH": str(SOURCES), "COLUMNS": "", "LINES": "",
    }  # fmt: skip


def run(there: Surroundings, args: list[str]) -> Said:
    """One command, twice."""
    env = environment(there)
    os.chdir(there.work)
    terminal = Terminal(["-m", "unlearn_tui", *args], env, 100, 30)
    terminal.ended(120)
    terminal.close()
    for name in ("map.csv", "map.svg", "t.csv"):
        (there.work / name).unlink(missing_ok=True)
    piped = subprocess.run(
        [sys.executable, "-m", "unlearn_tui", *args], env={**os.environ, **env}, capture_output=True, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    painted = "\n".join(terminal.screen.display)
    return Said(terminal.sent, painted, piped.stdout, piped.stderr, piped.returncode)


def through(data: bytes, own: tuple[re.Pattern[str], ...] = ()) -> list[str]:
    """Every place in what was written that is neither text nor a sequence of the program's own."""
    text = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    for pattern in own:
        text = pattern.sub("", text)
    found = [f"{m[0]!r} in {text[max(m.start() - 30, 0) : m.end() + 20]!r}" for m in STEERS.finditer(text)]
    return found + [f"no UTF-8: {text[max(m.start() - 30, 0) :][:60]!r}" for m in re.finditer("[\udc80-\udcff]", text)]


def faults(there: Surroundings, args: list[str], said: Said, page: set[tuple[str, str]]) -> list[str]:
    """What is wrong with what a command wrote."""
    found = [f"on the terminal: {f}" for f in through(said.terminal, (COLOURS, LIVE))]
    found += [f"in a pipe: {f}" for stream in (said.out, said.err) for f in through(stream)]
    found += [f"painted: {f}" for f in through(said.painted.encode("utf-8", "surrogatepass"))]
    if re.search(rb"Traceback|error: unforeseen", said.terminal + said.out + said.err):
        found.append(f"a traceback: {said.err[-600:]!r}")
    if said.code not in (0, 1, 2):
        found.append(f"exit code {said.code}")
    if said.code == 2 and said.err.count(b"\n") != 1:
        found.append(f"a refusal of more than a line: {said.err[:600]!r}")
    text = said.out.decode("utf-8", "replace")
    if "--json" in args and said.code == 0:
        json.loads(text)
    if "--markdown" in args:
        found += in_markdown(text)
    elif args[0] == "report" and said.code == 0:
        found += [f"not of the template: {pair}" for pair in sorted(parts_of(text) - page)]
    for path in there.work.glob("*.csv"):
        found += in_csv(path.read_bytes().decode())
        found += [f"in {path.name}: {f}" for f in through(path.read_bytes())]
    for path in there.work.glob("*.svg"):
        tags = {tag for tag, _ in parts_of(path.read_text())} - {"svg", "style", "title", "text", "rect"}
        found += [f"in the picture: {tag}" for tag in tags]
        found += [f"in {path.name}: {f}" for f in through(path.read_bytes())]
    return found


class _Parts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {(tag, ""), *((tag, name) for name, _ in attrs)}

    def handle_comment(self, data: str) -> None:
        self.found.add(("comment", ""))

    def handle_pi(self, data: str) -> None:
        self.found.add(("instruction", ""))


def parts_of(page: str) -> set[tuple[str, str]]:
    """Elements and attributes of a page."""
    parser = _Parts()
    parser.feed(page)
    parser.close()
    return parser.found


def parts_of_a_sound_page(folder: Path) -> set[tuple[str, str]]:
    """What the template itself has; none of it does anything."""
    sound = parts_of(html(gather(story.write_run(folder), 3)))
    assert not {"script", "a", "img", "link", "iframe", "object", "form", "base"} & {tag for tag, _ in sound}
    assert not any(name.startswith("on") or name in ("href", "src", "style") for _, name in sound)
    return sound


def in_markdown(text: str) -> list[str]:
    """Cells that break out of their table, markup that is not the page's own."""
    found = []
    bare = re.sub(r"\\[\\`*_\[\]|~$#:.]", "", text)
    if len(re.findall(r"(?m)^```", bare)) % 2:
        found.append("a fence that does not close")
    head = ""
    lines = bare.split("\n")
    for i, line in enumerate(lines):
        # four spaces below a paragraph are code, in which nothing is read; below a list they are not
        if (
            i > 1
            and line.startswith("    ")
            and not lines[i - 1]
            and not lines[i - 2].lstrip().startswith(("-", "*", "+"))
        ):
            continue
        if line.startswith("|") and head and line.count("|") != head.count("|"):
            found.append(f"a row of another width: {line[:200]!r}")
        head = (head or line) if line.startswith("|") else ""
        if re.search(r"\]\(|<(?!br>|/?details>|/?summary>)|!\[|://", line):
            found.append(f"markup: {line[:300]!r}")
    return found


def in_csv(text: str) -> list[str]:
    """Cells that a spreadsheet would compute."""
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    return [f"a formula: {c[:80]!r}" for c in cells if c.startswith(FORMULA) and not _is_number(c)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
