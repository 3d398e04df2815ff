"""What can be found by typing: every command that makes sense now, themes, the runs that are live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn_tui.tui import keys, theme
from unlearn_tui.tui.dialogs import Option

if TYPE_CHECKING:
    from unlearn_tui.runs.directory import RunDir
    from unlearn_tui.runs.store import RunInfo
    from unlearn_tui.tui.app import UnlearnApp

MOVES = ("up", "down", "left", "right", "page_up", "page_down", "first", "last", "cancel", "palette")
"""Nobody looks for these by typing."""
ARROWS = ("↑↓", "←→", "shift+tab")


def commands(app: UnlearnApp) -> None:
    """Everything that can be done now, by name."""
    here = f"view('{app.front}')"
    known = {
        str(i): key
        for i, key in enumerate(app.keys_now())
        if key.action not in MOVES and key.action != here and key.label not in ARROWS
    }
    options = [Option(id, k.label, f"{keys.name(k.key)}  {k.help}") for id, k in known.items()]

    def chosen(id: str) -> None:
        key, view = known[id], app.view(app.front)
        own = key.view or (key.action in ("copy", "export") and hasattr(view, f"action_{key.action}"))
        # once the list is closed
        app.call_later(app.run_action, key.action, view if own else app)

    app.pick("commands", options, chosen)


def themes(app: UnlearnApp) -> None:
    """Our themes first, then all that Textual brings; the choice is remembered."""
    names = [*theme.NAMES, *(n for n in sorted(app.available_themes) if n not in theme.NAMES)]

    def choose(name: str) -> None:
        app.theme = app.settings.theme = name
        app.save_settings()

    app.pick("theme", [Option(n, n) for n in names], choose, app.theme)


def live_runs(app: UnlearnApp) -> None:
    """Go to the live run; to a choice of them where there are several."""

    def found() -> list[tuple[RunInfo, RunDir]]:
        from unlearn_tui.runs import store
        from unlearn_tui.runs.directory import RunDir

        return [(info, RunDir(info.path)) for info in store.list_runs(app.home) if info.status == "running"]

    def choose(runs: list[tuple[RunInfo, RunDir]]) -> None:
        if not runs:
            app.say("no run is live: 2 sets one up", "warn")
        elif len(runs) == 1:
            app.open(runs[0][1])
        else:
            by_id = {info.id: run for info, run in runs}
            options = [Option(info.id, info.id, f"{info.method} · {info.model}") for info, _ in runs]
            app.pick("attach to which run?", options, lambda id: app.open(by_id[id]))

    app.work(found, choose, group="attach")
