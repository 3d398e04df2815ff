"""Pictures of every screen at 80x24 and 160x48 from a real run of the pocket model: assets/screens/*.svg.

    python scripts/screens.py [--out DIR]

Runs the effect preset (about a minute on two cores) and looks at it from two apps of different size at the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"80x24": (80, 24), "160x48": (160, 48)}
PATIENCE = 600.0
"""Seconds until a screen must have come."""


async def until(pilot: Any, holds: Callable[[], object]) -> None:
    """Wait until something holds, and is painted."""
    passed = 0.0
    while not holds():
        await asyncio.sleep(0.1)
        passed += 0.1
        if passed > PATIENCE:
            raise TimeoutError("the run does not get on")
    await pilot.pause(0.6)


async def look(home: Path, run: Path, size: str, out: Path) -> None:
    """One viewer from the run's beginning to its end."""
    from unlearn_tui.catalog import ATTACKS
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.tui.app import UnlearnApp

    app = UnlearnApp(home, first="run", run=RunDir(run), theme_name="unlearn-dark")
    async with app.run_test(size=SIZES[size]) as pilot:

        def keep(name: str) -> None:
            (out / f"{name}-{size}.svg").write_text(app.export_screenshot(title="unlearn-tui"), encoding="utf-8")
            print(f"{name}-{size}.svg", flush=True)

        def state() -> Any:
            return app.opened.state if app.opened else None

        await until(pilot, lambda: state() and len(state().canary) >= 7)
        keep("run")
        stage = "score_unlearned"
        await until(pilot, lambda: state().stage and state().stage.id == stage and len(state().scores) > 12)
        keep("scoring")
        await until(pilot, lambda: not app.opened.live and not app.opened.reading)
        for key, name in (("1", "models"), ("2", "setup"), ("4", "compare"), ("5", "weights"), ("0", "runs")):
            await pilot.press(key)
            await pilot.pause(2.0)
            keep(name)
        inspect: Any = app.view("inspect")
        await pilot.press("4", "i")
        await until(pilot, lambda: inspect.state.asked and inspect.state.asked.ended)
        keep("inspect")
        await pilot.press("k")
        await until(pilot, lambda: len(inspect.state.history) > len(ATTACKS) - 1 and not inspect.state.busy)
        keep("attacks")


async def both(home: Path, run: Path, out: Path) -> None:
    """Two viewers of one run."""
    await asyncio.gather(*(look(home, run, size, out) for size in SIZES))


def main() -> None:
    """Run, look, keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "assets/screens")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unlearn-tui-screens-") as work:
        home = Path(work) / "home"
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["UNLEARN_TUI_HOME"] = str(home)
        # the pictures show no path of the machine that made them
        os.environ["HOME"] = work
        os.environ["HF_HOME"] = str(Path(work) / "hub")
        command = [sys.executable, "-m", "unlearn_tui", "run", "--name", "effect", "--detach", "--home", str(home)]
        run = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        asyncio.run(both(home, home / "runs" / run, args.out))


if __name__ == "__main__":
    main()
