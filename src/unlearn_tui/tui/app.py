"""The app: header, six screens of which one is in front, footer; what the screens share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Size

from unlearn_tui.errors import Refused
from unlearn_tui.report.text import brief
from unlearn_tui.tui import keys, paint, settings, theme
from unlearn_tui.tui.chrome import Footer, Header
from unlearn_tui.tui.jobs import Jobs
from unlearn_tui.tui.lines import Line
from unlearn_tui.tui.pane import Pane
from unlearn_tui.tui.view import View

if TYPE_CHECKING:
    from unlearn_tui.report.export import Table
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.state.replay import Player, Tape
    from unlearn_tui.tui.dialogs import Option
    from unlearn_tui.tui.replaying import Replayer
    from unlearn_tui.tui.watcher import Opened, Watcher

SMALLEST = (40, 12)
paint.install()
T = TypeVar("T")


class Small(Pane):
    """What stands there instead when the terminal is too small."""

    DEFAULT_CSS = "Small { display: none; }"

    def draw(self, width: int, height: int) -> list[Line]:
        """Two short lines."""
        need = f"needs {SMALLEST[0]}x{SMALLEST[1]}, has {width}x{height}"
        return [[("terminal too small", "bold")], [(need, "")], [("q quits, runs go on", "dim")]]


class UnlearnApp(App[int]):
    """`first`: the screen to begin with; `run`: opened at once."""

    CSS = """
    Screen { layout: vertical; background: $background; color: $foreground; }
    #views { height: 1fr; }
    #views > View { display: none; }
    """
    ENABLE_COMMAND_PALETTE = False
    TITLE = "unlearn-tui"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(k.key, k.action, k.label, show=False) for k in keys.KEYS if not k.view),
        Binding("ctrl+c", "interrupted", show=False, priority=True),
    ]

    def __init__(
        self,
        home: Path,
        ascii: bool = False,
        first: str = "models",
        run: RunDir | None = None,
        theme_name: str = "",
        replay: tuple[Tape, Player] | None = None,
    ) -> None:
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.home, self.ascii, self.front, self._run, self._replay = home, ascii, first, run, replay
        self.settings = settings.load(home)
        self.opened: Opened | None = None
        self.live_elsewhere = 0
        """Live runs that are not opened."""
        self.seen: list[RunDir] = []
        """Runs that were opened, the last at the end: said at exit."""
        self.line_styles: dict[str, Any] = {}
        self._watcher: Watcher | None = None
        self._begun = self.begins_with_tour = False
        self._jobs = Jobs(self)
        self.animation_level = "none"
        self.register_theme(theme.DARK)
        self.register_theme(theme.LIGHT)
        wanted = theme_name or self.settings.theme
        self.theme = wanted if wanted in self.available_themes else theme.DARK.name

    # -- being built ---------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """The chrome; screens follow after the first paint, the one in front before the others."""
        self.line_styles = theme.styles(self)
        yield Header()
        yield Vertical(id="views")
        yield Small(id="small")
        yield Footer()

    def on_mount(self) -> None:
        """Signals, the opened run, and the rest of the screens once this one is painted."""
        self.theme_changed_signal.subscribe(self, lambda _: self._recolour())
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))  # ctrl+z, fg: the screen was lost
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._fault_on_loop)
        for name, handler in (("SIGHUP", self._hang_up), ("SIGTERM", lambda: self.exit(143, 143))):
            if hasattr(signal, name) and threading.current_thread() is threading.main_thread():
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.add_signal_handler(getattr(signal, name), handler)
        self._make_room(self.size)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        if not self.is_running:
            return
        self._begun = True
        if self._run is not None:
            self.open(self._run, "", self._replay)
            if self._replay and self._replay[0].ending:
                self.say(self._replay[0].ending, "warn")
        self.switch(self.front)
        if self.begins_with_tour:
            self.action_tour()
        self.set_timer(0.3, self._build_rest)
        self.set_timer(0.5, self._look_for_live)
        self.set_interval(3.0, self._look_for_live)
        self.set_interval(1.0, self._look_for_terminal)

    def _build_rest(self) -> None:
        # imported in a thread, so that keys are heard meanwhile; one mount, since each lays out and paints all anew
        def imported() -> None:
            for name in keys.VIEWS:
                import_module(f"unlearn_tui.tui.views.{name}")

        def build(_: object) -> None:
            if not self.is_running:
                return
            missing = [name for name in keys.VIEWS if not self.screen_stack[0].query(f"#view-{name}")]
            if missing:
                self.screen_stack[0].query_one("#views").mount(*map(make_view, missing))

        self.work(imported, build)

    def _hang_up(self) -> None:
        # the terminal has gone: writing to it would only fail. Settings are on disk, runs live elsewhere
        os._exit(129)

    def _look_for_terminal(self) -> None:
        # Textual reads a dead terminal for ever, at full speed, where no SIGHUP comes (a lost tmux or container)
        if self.is_headless or not sys.__stdin__:
            return
        poll = select.poll()
        poll.register(sys.__stdin__.fileno(), 0)
        if poll.poll(0):
            self._hang_up()

    async def on_event(self, event: events.Event) -> None:
        """A key takes old news off the footer."""
        if self._begun and isinstance(event, events.Key) and not event.is_forwarded:
            self.screen_stack[0].query_one(Footer).hush()
        await super().on_event(event)

    def on_resize(self, event: events.Resize) -> None:
        """Too small a terminal gets two lines instead of ruins."""
        self._make_room(event.size)

    def _make_room(self, size: Size) -> None:
        small = size.width < SMALLEST[0] or size.height < SMALLEST[1]
        for widget in self.screen_stack[0].query("#small, Header, #views, Footer"):
            widget.display = small is (widget.id == "small")

    def _recolour(self) -> None:
        self.line_styles = theme.styles(self)
        for pane in self.screen.query(Pane):
            pane.notify_style_update()
            pane.refresh()

    # -- what nobody foresaw -------------------------------------------------------------------------------------------

    @property
    def fault(self) -> Exception | None:
        """What broke the app."""
        return self._exception

    def _handle_exception(self, error: Exception) -> None:
        # Textual would print pages of traceback with the values of variables; what is said is said by start
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    def let_go(self) -> None:
        """Where closing down broke: what gives the terminal back may still wait to be written."""
        if self._driver is not None:
            with contextlib.suppress(Exception):
                self._driver.close()

    def _fault_on_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What a callback raised, or a task that nobody waits for: the screens go on."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self._note(error)

    def fault_in_thread(self, args: threading.ExceptHookArgs) -> None:
        """A thread has ended with an exception: the screens go on."""
        error, loop = args.exc_value, self._loop
        if isinstance(error, Exception) and loop is not None:
            with contextlib.suppress(RuntimeError):  # the app has ended
                loop.call_soon_threadsafe(self.in_context, self._note, error)

    def _note(self, error: Exception) -> None:
        from unlearn_tui.commands import unforeseen

        path = unforeseen.keep(error, self.home)
        if self._begun and self.is_running:
            self.say(f"{unforeseen.name(error)}{f'; see {path}' if path else ''}", "bad")

    # -- what screens use ----------------------------------------------------------------------------------------------

    def view(self, name: str) -> View:
        """A screen by name, built if it is not there yet."""
        found = self.screen_stack[0].query(f"#view-{name}")
        if found:
            return found.first(View)
        view = make_view(name)
        self.screen_stack[0].query_one("#views").mount(view)
        return view

    def switch(self, name: str) -> None:
        """Bring a screen to the front."""
        view = self.view(name)
        if name != self.front:
            self.view(self.front).display = False
            self.front = name
        view.display = True
        view.focus()
        view.redraw()
        self._chrome()

    def open(self, rundir: RunDir, view: str = "run", replay: tuple[Tape, Player] | None = None) -> None:
        """Watch a run, another one or the same again, or a `replay` of it, and bring `view` to the front ("" leaves the
        screen).
        """
        from unlearn_tui.tui.watcher import Opened, Watcher

        try:
            spec = rundir.spec()
        except Refused as error:
            self.say(str(error), "bad")
            return
        same = self.opened is not None and self.opened.rundir == rundir and self._watcher is not None
        if not same or replay is not None or self.replayer is not None:
            if self._watcher:
                self._watcher.leave()
            from unlearn_tui.state.run import RunState

            self.opened = Opened(rundir, spec, RunState(), reading=True)
            if replay is None:
                self._watcher = Watcher(rundir, spec, self._tell)
            else:
                from unlearn_tui.tui.replaying import Replayer

                self._watcher = Replayer(rundir, spec, self._tell, *replay)
            self._watcher.start()
            self.seen = [*(r for r in self.seen if r != rundir), rundir]
        if view:
            self.switch(view)

    @property
    def replayer(self) -> Replayer | None:
        """What plays the opened run, where it is a replay."""
        from unlearn_tui.tui.replaying import Replayer

        return self._watcher if isinstance(self._watcher, Replayer) else None

    def close(self, rundir: RunDir) -> None:
        """Forget a run that is about to be removed."""
        self.seen = [r for r in self.seen if r != rundir]
        if self.opened is not None and self.opened.rundir == rundir:
            if self._watcher:
                self._watcher.leave()
            self._watcher = self.opened = None
            self._chrome()

    def say(self, text: str, kind: str = "") -> None:
        """One line in the footer's place for a few seconds; kind "", "warn" or "bad"."""
        self.screen_stack[0].query_one(Footer).say(brief(text), kind)

    def work(
        self,
        job: Callable[[], T],
        done: Callable[[T], object] | None = None,
        failed: Callable[[str], object] | None = None,
        group: str = "",
    ) -> None:
        """Run `job` in a thread, then `done` with its value here. Refused and OSError go to `failed` as one line, or
        to the footer. A newer job of the same `group` makes the result of the older one be dropped.
        """
        self._jobs.start(job, done, failed, group)

    def in_context(self, call: Callable[[Any], object], value: object) -> None:
        """Call from the loop what expects to be called by the app."""
        with self._context():
            call(value)

    def pick(
        self, title: str, options: Sequence[Option], done: Callable[[str], object], chosen: str = "", free: bool = False
    ) -> None:
        """Let the user choose from a list; `free`: or type something else, which comes with = before it."""
        from unlearn_tui.tui.dialogs import Pick

        self.push_screen(Pick(title, options, chosen, free), _when(done))

    def confirm(self, question: str, done: Callable[[], object], yes: str = "yes") -> None:
        """Ask before something that cannot be undone."""
        from unlearn_tui.tui.dialogs import Confirm

        self.push_screen(Confirm(question, yes), _when(lambda _: done()))

    def prompt(self, title: str, value: str, done: Callable[[str], str | None], hint: str = "") -> None:
        """Ask for a line of text; what `done` returns is shown as an error, and the line stays."""
        from unlearn_tui.tui.dialogs import Prompt

        self.push_screen(Prompt(title, value, done, hint))

    def read(self, title: str, lines: Callable[[int], list[Line]], end: bool = False) -> None:
        """Show a page that scrolls; `end`: what comes last is what counts, as in a log."""
        from unlearn_tui.tui.reader import Read

        self.push_screen(Read(title, lines, end))

    def copy(self, text: str, what: str) -> None:
        """To the terminal's clipboard, and a file."""
        from unlearn_tui.tui import clipboard

        clipboard.osc52(text, self.copy_to_clipboard)
        self.work(lambda: clipboard.keep(text, self.home), lambda where: self.say(f"{what} {where}"))

    def export(self, name: str, tables: dict[str, Table]) -> None:
        """Ask for format and place, then write."""
        from unlearn_tui.tui.exporting import ask

        ask(self, name, tables)

    def remember(self, **choices: str) -> None:
        """Keep choices (compare_sort="recovered") for the next start."""
        self.settings.choices.update(choices)
        self.save_settings()

    def save_settings(self) -> None:
        """Write them, away from the event loop."""
        import msgspec

        kept = msgspec.json.decode(msgspec.json.encode(self.settings), type=settings.Settings)
        self.work(lambda: settings.save(self.home, kept), group="settings")

    def keys_now(self) -> list[keys.Key]:
        """The keys that make sense at this moment, each action once."""
        if not self._begun:
            return []
        view = self.view(self.front)
        found: dict[str, keys.Key] = {}
        for key in keys.of(self.front):
            if key.action not in found and (not key.view or view.can(key.action)) and self._can(key, view):
                found[key.action] = key
        return list(found.values())

    # -- keys that work everywhere -------------------------------------------------------------------------------------

    def _can(self, key: keys.Key, view: View) -> bool:
        if key.view:
            return True
        if key.action in ("copy", "export"):
            return hasattr(view, f"action_{key.action}") and view.can(key.action)
        if key.action == "attach":
            return self.live_elsewhere > 0 or (self.opened is not None and self.opened.live)
        return True

    def action_view(self, name: str) -> None:
        """A digit."""
        self.switch(name)

    def action_copy(self) -> None:
        """The screen did not take y: it has nothing to copy."""
        self.say("nothing to copy here", "warn")

    def action_export(self) -> None:
        """The screen did not take e."""
        self.say("nothing to export here", "warn")

    def action_leave(self) -> None:
        """q: quit. Runs go on, which the command line says once the terminal is back."""
        self.exit(0)

    def action_detach(self) -> None:
        """D."""
        self.exit(0)

    def action_cancel(self) -> None:
        """Escape on a screen: leave its filter, if it has one."""
        view = self.view(self.front)
        if hasattr(view, "action_cancel"):
            view.action_cancel()

    def action_interrupted(self) -> None:
        """Ctrl-C belongs to whoever wants the engine dead; here q leaves and x stops."""
        self.say("q leaves (runs go on); a run is stopped with x on its screen (3)")

    def action_suspend_process(self) -> None:
        """Ctrl-Z; not where no shell made this a job of its own, and nobody could bring it back."""
        if os.getpgrp() == os.getsid(0):
            self.say("no shell to go back to here; q leaves, runs go on", "warn")
        else:
            super().action_suspend_process()

    def action_attach(self) -> None:
        """Go to the live run."""
        from unlearn_tui.tui.palette import live_runs

        live_runs(self)

    def action_tour(self) -> None:
        """T"""
        from unlearn_tui.tui.tour import begin

        begin(self)

    def action_theme(self) -> None:
        """F2"""
        from unlearn_tui.tui.palette import themes

        themes(self)

    def action_picture(self) -> None:
        """F8: this screen as SVG, in the folder that the program was started in."""
        from unlearn_tui.tui.exporting import picture

        picture(self)

    def action_keys(self) -> None:
        """?"""
        from unlearn_tui.tui.help import key_lines

        self.read(f"keys · {self.front}", lambda width: key_lines(self.front, width))

    def action_help(self) -> None:
        """h"""
        from unlearn_tui.tui.help import word_lines

        metrics = self.view(self.front).metrics_shown()
        self.read(f"{self.front} in plain words", lambda width: word_lines(self.front, width, metrics))

    def action_palette(self) -> None:
        """Everything that can be done now, found by typing."""
        from unlearn_tui.tui.palette import commands

        commands(self)

    # -- runs ----------------------------------------------------------------------------------------------------------

    def _tell(self, opened: Opened) -> None:
        """From the watcher's thread: the newest state replaces the one before."""
        with contextlib.suppress(RuntimeError):  # the app has ended
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._told, opened)

    def _told(self, opened: Opened) -> None:
        if self.opened is None or self.opened.rundir != opened.rundir or not self.is_running:
            return
        if (opened.replay is None) is not (self.replayer is None):  # the last words of the watcher before
            return
        ended = opened.state.ended and not self.opened.state.ended
        with self._context():
            self.opened = opened
            self.view(self.front).told()
            self._chrome()
            if ended and not self.opened.reading:
                self._look_for_live()

    def _chrome(self) -> None:
        self.screen_stack[0].query_one(Header).redraw()
        self.screen_stack[0].query_one(Footer).redraw()

    def chrome(self) -> None:
        """Header and footer may have changed: what can be pressed depends on the cursor."""
        self._chrome()

    def _look_for_live(self) -> None:
        from unlearn_tui.runs.launch import reap
        from unlearn_tui.runs.store import live_ids

        def look() -> list[str]:
            reap()
            return live_ids(self.home)

        def heard(ids: list[str]) -> None:
            others = [id for id in ids if self.opened is None or id != self.opened.rundir.id]
            if len(others) != self.live_elsewhere:
                grown = len(others) > self.live_elsewhere
                self.live_elsewhere = len(others)
                self._chrome()
                if grown and self.opened is None:
                    self.say(f"run {others[0]} is going on: A shows it")

        self.work(look, heard, lambda _: None, group="live")


def _when(done: Callable[[str], object]) -> Callable[[str | None], None]:
    """A dialog's callback: nothing happens where it was left without an answer."""

    def heard(answer: str | None) -> None:
        if answer is not None:
            done(answer)

    return heard


def make_view(name: str) -> View:
    """A new screen; its module is imported now, not at start."""
    module = import_module(f"unlearn_tui.tui.views.{name}")
    view: View = getattr(module, f"{name.capitalize()}View")(id=f"view-{name}")
    return view
