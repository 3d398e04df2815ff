"""Starting a run from its form: checked, created, launched, and taken back whole if the engine refuses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn_tui.errors import Refused
from unlearn_tui.protocol.events import Failed, Scored
from unlearn_tui.protocol.spec import RunSpec, to_toml
from unlearn_tui.runs.directory import RunDir, write_atomic
from unlearn_tui.state.fields import BY_NAME

if TYPE_CHECKING:
    from unlearn_tui.tui.app import UnlearnApp
    from unlearn_tui.tui.views.setup import SetupView

REFERENCES = ("unlearned", "retrain", "model", "corpus")
WATCH = 0.5
"""Seconds between two looks at a young run."""


@dataclass(frozen=True)
class Refusal:
    """Why a run cannot be, beside which field ("" for the whole)."""

    message: str
    field: str = ""


def refusal(error: Refused, spec: RunSpec) -> Refusal:
    """An engine names no fields: the first flag in its message tells, or the model or corpus that it speaks of."""
    flags = (flag.replace("-", "_") for flag in re.findall(r"--([a-z][a-z-]*)", str(error)))
    named = (name for name in REFERENCES if getattr(spec, name) and getattr(spec, name) in str(error))
    return Refusal(str(error), error.field or next((name for name in (*flags, *named) if name in BY_NAME), ""))


class Starter:
    """One run at a time on its way from the form to the Run screen."""

    def __init__(self, view: SetupView) -> None:
        self.view = view
        self.busy = False

    def start(self, spec: RunSpec) -> None:
        """Start a run of `spec`; asks first where another one is at work."""
        app = self.view.app
        others = app.live_elsewhere + (
            1 if app.opened is not None and app.opened.live and not app.opened.reading else 0
        )
        if others and not self.busy:
            at_work = "another run is at work" if others == 1 else f"{others} other runs are at work"
            question = f"{at_work}: they would share cores and memory, and each would take longer. Start this one too?"
            app.confirm(question, lambda: self._begin(spec), "start it too")
        else:
            self._begin(spec)

    def _begin(self, spec: RunSpec) -> None:
        if self.busy:
            return
        self.busy = True
        app, home = self.view.app, self.view.app.home
        app.say("checking models, corpus and disk …")
        app.work(lambda: _outcome(lambda: _launch(spec, home), spec), lambda run: self._begun(run, spec), self._failed)

    def _begun(self, run: RunDir | Refusal, spec: RunSpec) -> None:
        self.busy = False
        if isinstance(run, Refusal):
            self.view.refused(run)
            return
        app = self.view.app
        app.open(run, "run")
        app.say(f"{run.id} is on its way: q leaves, the run goes on")
        app.work(lambda: _outcome(lambda: _settled(run), spec), lambda end: self._accepted(run, end))

    def _accepted(self, run: RunDir, end: RunDir | Refusal) -> None:
        if isinstance(end, Refusal):
            # before its folder goes, so that nobody watches it go
            self.view.app.close(run)
            self.view.app.work(lambda: _remove(run))
            self.view.refused(end)

    def _failed(self, text: str) -> None:
        self.busy = False
        self.view.app.say(text, "bad")


def _outcome(job: Callable[[], RunDir], spec: RunSpec) -> RunDir | Refusal:
    try:
        return job()
    except Refused as error:
        return refusal(error, spec)


def _launch(spec: RunSpec, home: Path) -> RunDir:
    """What `unlearn-tui run --detach` does; a run that cannot be launched leaves nothing behind."""
    from unlearn_tui.commands import preflight
    from unlearn_tui.runs import launch, store

    preflight.check_sources(spec, home)
    run = preflight.create(spec, home)
    try:
        launch.launch(run)
    except Refused:
        store.remove(run)
        raise
    return run


def _settled(run: RunDir) -> RunDir:
    """Wait until the run has its first score, or has ended; raises Refused if its engine refuses it before."""
    import time

    from unlearn_tui.runs.launch import wait_accepted
    from unlearn_tui.runs.lock import is_alive

    wait_accepted(run)
    while True:
        alive = is_alive(run)
        for event in run.events():
            if isinstance(event, Scored):
                return run
            if isinstance(event, Failed) and event.kind == "refused":
                raise Refused(event.message)
        if not alive:
            return run
        time.sleep(WATCH)


def _remove(run: RunDir) -> None:
    from unlearn_tui.commands.watch import settle
    from unlearn_tui.runs import store

    settle(run)
    store.remove(run)


def save(app: UnlearnApp, spec: RunSpec, name: str) -> None:
    """Ask for a place and write the spec there as TOML."""

    def write(path: Path) -> None:
        def job() -> Path:
            from unlearn_tui.commands import preflight

            try:
                pinned = preflight.pinned(spec, app.home)
            except Refused:
                pinned = spec
            write_atomic(path, to_toml(pinned).encode(), 0o666)
            return path

        app.work(job, lambda path: app.say(f"wrote {path}: unlearn-tui run {path} starts it"))

    def done(text: str) -> str | None:
        path = Path(text.strip()).expanduser().absolute()
        if not text.strip() or path.is_dir() or not path.parent.is_dir():
            return "give a file in a folder that is there"
        if path.exists():
            app.call_later(app.confirm, f"{path} is there already. Replace it?", lambda: write(path), "replace it")
        else:
            write(path)
        return None

    app.prompt("write these settings to", str(Path.cwd() / name), done, "a file that `unlearn-tui run` reads")
