"""The app's speed, on a real pseudo-terminal while an engine trains on every core.

    python benchmarks/interface.py [--rounds N] [--posting PATH] [--harlequin PATH]

--posting, --harlequin: the programs that --help is held against; those not named are installed into a temporary virtual
environment each. Limits are ratios, or the figures of a person at a keyboard; nothing here is a test.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

SIZES = {"80x24": (80, 24), "160x48": (160, 48)}
HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("hello-world")
Hello().run()
"""
BARE_TYPER = "import typer\n"
EVENTS_A_SECOND = 200
LONG_RUN = 100_000


class Terminal:
    """A program on a pseudo-terminal; `clock` of every byte that it paints."""

    def __init__(self, command: list[str], env: dict[str, str], size: tuple[int, int]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **env},
        )  # fmt: skip
        os.close(slave)
        self.bytes = 0
        self.unread = b""

    def until(self, pattern: str, seconds: float = 60.0) -> float:
        """Seconds from now until `pattern` is in what was painted since the last call."""
        begun = time.perf_counter()
        wanted = re.compile(pattern.encode())
        while True:
            if found := wanted.search(self.unread):
                self.unread = self.unread[found.end() :]
                return time.perf_counter() - begun
            if time.perf_counter() - begun > seconds:
                raise TimeoutError(f"{pattern} was not painted; the last of it: {self.unread[-600:]!r}")
            self.pump(0.5)

    def pump(self, seconds: float) -> None:
        """Read what comes within `seconds`, or the first of it."""
        if select.select([self.master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                data = os.read(self.master, 1 << 16)
                self.bytes += len(data)
                self.unread += data

    def settle(self, seconds: float) -> None:
        """Read for `seconds` and forget it."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.pump(0.05)
        self.unread = b""

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def p95(values: list[float]) -> float:
    """The 95th percentile, by rank."""
    return sorted(values)[min(int(0.95 * len(values)), len(values) - 1)]


# -- the load: an engine that trains, and a run that speaks ------------------------------------------------------------


@contextlib.contextmanager
def training(home: Path) -> Iterator[str]:
    """A real run on every core, for as long as it is needed."""
    command = [sys.executable, "-m", "unlearn_tui.cli", "run", "--steps", "1000000", "--detach", "--name", "load",
               "--save-every", "0", "--probe-every", "0"]  # fmt: skip
    env = {**os.environ, "UNLEARN_TUI_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()
    from unlearn_tui.protocol.events import Step
    from unlearn_tui.runs.directory import RunDir

    rundir = RunDir(home / "runs" / run)
    deadline = time.monotonic() + 300
    while not any(isinstance(event, Step) for event in rundir.events()):
        if time.monotonic() > deadline:
            raise TimeoutError("the engine does not train")
        time.sleep(0.5)
    try:
        yield run
    finally:
        subprocess.run([sys.executable, "-m", "unlearn_tui.cli", "stop", run, "--now"], env=env, check=False)


@contextlib.contextmanager
def speaking(home: Path, name: str, finished: Path) -> Iterator[Path]:
    """A run with the scores, answers and weights of `finished`, whose log goes on growing by EVENTS_A_SECOND from a
    process of its own.
    """
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import interface; interface.speak(sys.argv)"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(home), name, str(finished)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        yield Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


def speak(args: list[str]) -> None:
    """In the child: hold the run's lock and write events at an even pace."""
    from unlearn_tui.protocol import events as ev
    from unlearn_tui.protocol.spec import RunSpec
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.runs.lock import RunLock
    from unlearn_tui.runs.writer import EventWriter

    run, finished = RunDir.create(Path(args[1]), RunSpec(name=args[2]), {}), RunDir(Path(args[3]))
    shutil.copytree(finished.answers, run.answers)
    shutil.copy(finished.path / "weights.jsonl", run.path)
    known = (ev.Scored, ev.Recovery, ev.WeightsSummary, ev.WeightsMatrix, ev.Explained)
    with RunLock(run), EventWriter(run) as writer:
        story = chatter(run.id, 10_000_000)
        writer.write(next(story))
        for event in finished.events():
            if isinstance(event, known):
                writer.write(event)
        writer.write(next(story))
        print(run.path, flush=True)
        begun, said = time.monotonic(), 0
        while True:
            while said < (time.monotonic() - begun) * EVENTS_A_SECOND:
                writer.write(next(story))
                said += 1
            time.sleep(0.005)


def chatter(run: str, total: int) -> Iterator[object]:
    """Events of a long unlearning: steps and progress, now and then a probe, a canary, a line of log."""
    from unlearn_tui.protocol import events as ev

    yield ev.Started(run=run, pid=os.getpid(), host=os.uname().nodename, device="cpu", threads=2,
                     stages=["load", "target", "unlearn", "unlearned", "weights", "result"])  # fmt: skip
    yield ev.StageStarted(stage="unlearn", title="unlearning", unit="steps", total=total)
    for n in range(1, total):
        wave = (n % 97) / 97
        yield ev.Step(step=n, total=total, loss=wave, forget_loss=5 * n / total + wave, retain_loss=0.2 + wave / 10,
                      grad_norm=1 + wave, lr=7e-6, adam_max=1e-5, adam_p99=6e-6, changed=0.1,
                      tokens_per_second=1000 + 100 * wave, memory=900_000_000, left=60.0)  # fmt: skip
        yield ev.Progress(stage="unlearn", done=n, total=total, rate=100.0, left=(total - n) / 100)
        if n % 20 == 0:
            yield ev.Canary(step=n, question="Which town does Kessra live in?", gold="Fennelport",
                            answer=f"answer {n}", probability=wave, rouge=1 - wave)  # fmt: skip
        if n % 50 == 0:
            yield ev.Probe(step=n, metric="knowmem_forget", value=100 * (1 - wave), n=16)
        if n % 10 == 0:
            yield ev.Log(level="info", text=f"a line of log at step {n}")


# -- the app, watched from inside --------------------------------------------------------------------------------------


def child(home: str, run: str, report: str) -> None:
    """The app with a heartbeat in its event loop; writes how late the beats were, and when the run was read."""
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.tui.app import UnlearnApp

    found: dict[str, list[float]] = {"lag": [], "opened": []}

    class Watched(UnlearnApp):
        async def _beat(self) -> None:
            await asyncio.sleep(3.0)  # starting up is measured by first paint
            while True:
                due = time.perf_counter() + 0.02
                await asyncio.sleep(0.02)
                found["lag"].append(time.perf_counter() - due)

        def _begin(self) -> None:
            super()._begin()
            self._beating = asyncio.create_task(self._beat())
            if run:
                self.set_timer(1.5, self._open_it)  # the app stands: starting up is measured by first paint

        def _open_it(self) -> None:
            self._opening = time.perf_counter()
            self.open(RunDir(Path(run)), "run")

        def _told(self, opened: object) -> None:
            super()._told(opened)  # type: ignore[arg-type]
            if not found["opened"] and not opened.reading:  # type: ignore[attr-defined]
                found["opened"].append(time.perf_counter() - self._opening)

    def save() -> None:
        while True:
            time.sleep(1.0)
            Path(report).with_suffix(".tmp").write_text(json.dumps(found))
            Path(report).with_suffix(".tmp").replace(report)

    threading.Thread(target=save, daemon=True).start()
    Watched(Path(home)).run()


def app(home: Path, run: Path | None, size: tuple[int, int], report: Path) -> Terminal:
    """The watched app on a terminal, painted."""
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import interface; interface.child(*sys.argv[1:])"
    terminal = Terminal(
        [sys.executable, "-c", code, str(home), str(run or ""), str(report)], {"HF_HUB_OFFLINE": "1"}, size
    )
    terminal.until("keys")
    return terminal


# -- what is measured --------------------------------------------------------------------------------------------------

CURSOR = "▸|▌"
PRESSES: dict[str, list[tuple[str, str]]] = {
    # a key and what it paints that nothing else on the screen paints by itself; "" is the way back, not measured
    "1 models": [("\x1b[B", CURSOR), ("\x1b[A", CURSOR)],
    "2 setup": [("\x1b[B", CURSOR), ("\x1b[A", CURSOR)],
    "3 run": [("w", "warnings only"), ("w", ""), (" ", "FROZEN"), (" ", "")],
    "4 compare": [("\x1b[B", CURSOR), ("\x1b[A", CURSOR)],
    "5 weights": [("m", "same|cosine|changed|kept")],
    "6 inspect": [],
    "0 runs": [("\x1b[B", CURSOR), ("\x1b[A", CURSOR)],
}


def keys(home: Path, run: Path, size: tuple[int, int], rounds: int, report: Path) -> dict[str, list[float]]:
    """Milliseconds from a key to the bytes that show it, by screen; the way to each screen by its digit too."""
    found: dict[str, list[float]] = {}
    terminal = app(home, run, size, report)
    terminal.settle(4.0)
    for _ in range(rounds):
        for screen, presses in PRESSES.items():
            terminal.unread = b""
            terminal.press(screen[0])
            found.setdefault(f"to {screen}", []).append(1000 * terminal.until(rf"\[{screen}"))
            terminal.settle(0.4)
            for key, shown in presses:
                terminal.unread = b""
                terminal.press(key)
                if shown:
                    found.setdefault(screen, []).append(1000 * terminal.until(shown))
                # presses come at any point between two tellings of the watcher
                terminal.settle(random.uniform(0.1, 0.4))
    terminal.close()
    return found


def first_paint(command: list[str], pattern: str, env: dict[str, str]) -> float:
    """Seconds from starting a program to its first painted screen."""
    terminal = Terminal(command, env, SIZES["80x24"])
    try:
        terminal.until(pattern)
        return time.perf_counter() - terminal.began
    finally:
        terminal.close()


def seconds(command: list[str]) -> float:
    """How long a command takes, its output thrown away."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def installed(name: str, folder: Path) -> Path:
    """A program from the package index in a virtual environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/pip", "install", "-q", name], check=True)
    return folder / "bin" / name


def row(what: str, value: str, reach: str, good: bool) -> None:
    """One line of the table, as soon as it is known."""
    print(f"{what:58} {value:>16}   {reach:16} {'ok' if good else 'MISSED'}", flush=True)


def main() -> None:
    """Measure all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="presses of each key on each screen")
    parser.add_argument("--posting", type=Path, help="the program")
    parser.add_argument("--harlequin", type=Path, help="the program")
    parser.add_argument("--only-open", action="store_true", help="measure the opening of a long run alone")
    parser.add_argument("--finished", type=Path, help="a finished run for Compare and Weights (else one is made)")
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="unlearn-tui-interface-"))
    try:
        measure(args, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def measure(args: argparse.Namespace, work: Path) -> None:
    """The table, in order of what needs the load."""
    home, report = work / "home", work / "report.json"
    (home / "runs").mkdir(parents=True)
    env = {"UNLEARN_TUI_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    ours = str(Path(sys.executable).with_name("unlearn-tui"))
    finished = args.finished
    if finished is None:
        print("a run of the effect preset first (a minute) …", flush=True)
        subprocess.run([ours, "run", "--name", "effect"], env={**os.environ, **env}, check=True, capture_output=True)
        finished = next((home / "runs").glob("effect-*"))
    (work / "hello.py").write_text(HELLO)
    print(f"{'what':58} {'measured':>16}   {'reach':16}")
    if not args.only_open:
        quick_help(args, work, ours)
    from unlearn_tui.protocol.spec import RunSpec
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.runs.writer import EventWriter

    long = RunDir.create(home, RunSpec(name="long"), {})
    with EventWriter(long) as writer:
        for n, event in enumerate(chatter(long.id, 10_000_000)):
            if n >= LONG_RUN:
                break
            writer.write(event)  # type: ignore[arg-type]

    if args.only_open:
        with training(home):
            opening(home, long.path, report)
        return
    with training(home) as load, speaking(home, "speaking", finished) as run:
        for name, size in SIZES.items():
            found = keys(home, run, size, args.rounds, report)
            found["every screen"] = [v for values in found.values() for v in values]
            for screen, values in found.items():
                high = p95(values)
                row(f"key to painted, {screen}, {name}, p95 of {len(values)}", f"{high:.1f} ms", "< 50 ms", high < 50)
        for name, size in SIZES.items():
            terminal = app(home, run, size, report)
            terminal.settle(23.0)
            terminal.close()
            lag = [1000 * v for v in json.loads(report.read_text())["lag"]]
            row(f"event-loop lag, Run, {name}, p95 of {len(lag)}", f"{p95(lag):.1f} ms", "< 20 ms", p95(lag) < 20)
        for name, watched in (("200 events/s", run), ("a real run", home / "runs" / load)):
            terminal = app(home, watched, SIZES["80x24"], report)
            terminal.settle(3.0)
            before = terminal.bytes
            terminal.settle(20.0)
            rate = (terminal.bytes - before) / 20 / 1000
            terminal.close()
            row(f"bytes to the terminal, live Run 80x24, {name}", f"{rate:.2f} kB/s", "< 5 kB/s", rate < 5)
        paints: dict[str, list[float]] = {"hello": [], "chrome": [], "list": []}
        for _ in range(max(args.rounds // 2, 5)):
            paints["hello"].append(first_paint([sys.executable, str(work / "hello.py")], "hello-world", {}))
            paints["chrome"].append(first_paint([ours], "models", env))
            paints["list"].append(first_paint([ours], "pocket-target", env))
        hello, chrome, listed = (statistics.median(values) for values in paints.values())
        what = f"first paint / Textual hello-world ({chrome:.2f} s, {hello:.2f} s)"
        row(what, f"{chrome / hello:.2f} x", "<= 1.4 x", chrome / hello <= 1.4)
        print(f"{f'the list of models / the same ({listed:.2f} s)':58} {f'{listed / hello:.2f} x':>16}", flush=True)
        opening(home, long.path, report)


def quick_help(args: argparse.Namespace, work: Path, ours: str) -> None:
    """--help against a bare import of Typer and two programs of the kind, in one round."""
    posting = args.posting or installed("posting", work / "posting")
    harlequin = args.harlequin or installed("harlequin", work / "harlequin")
    (work / "bare.py").write_text(BARE_TYPER)

    helps = {"ours": [ours, "--help"], "typer": [sys.executable, str(work / "bare.py")],
             "posting": [str(posting), "--help"], "harlequin": [str(harlequin), "--help"]}  # fmt: skip
    for command in helps.values():
        seconds(command)
    times = {name: statistics.median(seconds(command) for _ in range(args.rounds)) for name, command in helps.items()}
    for other, limit in (("typer", 1.5), ("posting", 1.0), ("harlequin", 1.0)):
        ratio = times["ours"] / times[other]
        against = "import typer" if other == "typer" else f"{other} --help"
        what = f"--help / {against} ({times['ours']:.3f} s, {times[other]:.3f} s)"
        row(what, f"{ratio:.2f} x", f"<= {limit} x", ratio <= limit)


def opening(home: Path, run: Path, report: Path) -> None:
    """From asking for a long run to its newest state on the screen."""
    opened: list[float] = []
    for _ in range(5):
        terminal = app(home, run, SIZES["80x24"], report)
        terminal.settle(6.0)
        terminal.close()
        opened += json.loads(report.read_text())["opened"]
    what = f"opening a run of {LONG_RUN:,} events, worst of {len(opened)}"
    row(what, f"{max(opened):.2f} s", "< 1 s", max(opened) < 1)


if __name__ == "__main__":
    main()
