"""Adding a checkpoint to the Models screen: a folder that is checked first, or an id of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn_tui import catalog
from unlearn_tui.errors import Refused

if TYPE_CHECKING:
    from unlearn_tui.sources.folders import CheckpointInfo
    from unlearn_tui.state.models import Row
    from unlearn_tui.tui.app import UnlearnApp

TYPED = ""
"""The id of the first option: something of one's own."""


@dataclass(frozen=True)
class Network:
    """Whether the hub can be asked; `why` says why not."""

    why: str = ""

    @property
    def off(self) -> bool:
        """Nothing can be downloaded now."""
        return bool(self.why)


def network() -> Network:
    """Ask the environment, then the hub's address for at most two seconds."""
    from unlearn_tui.sources import hub

    if hub.is_offline():
        return Network("the network is off (HF_HUB_OFFLINE)")
    return Network() if hub.reachable() else Network("the hub cannot be reached from here")


def ask(app: UnlearnApp, cached: set[str], done: Callable[[str], object]) -> None:
    """Let the user choose or type, check it, remember it; `done` hears the path or id that is in the list now."""
    from unlearn_tui.tui.dialogs import Option

    def show(net: Network) -> None:
        options = [Option(TYPED, "type it …", "a folder, or another id of the hub")]
        options += [Option(f"={id}", what, id + " · on this disk" * (id in cached)) for id, what in catalog.HUB]
        title = f"add a folder: {net.why}" if net.off else "add a checkpoint"
        app.pick(title, options, lambda id: typed(net) if id == TYPED else check(id[1:], net), free=True)

    def typed(net: Network, value: str = "", hint: str = "") -> None:
        def taken(text: str) -> str | None:
            if not text.strip():
                return "nothing is named: type a folder's path, or org/name, or escape"
            check(text.strip(), net)
            return None

        app.prompt("add a folder or a hub id", value, taken, hint or "/path/to/a/checkpoint, or org/name of the hub")

    def check(ref: str, net: Network) -> None:
        # refused: back to the line, with the reason under it
        app.work(lambda: look(ref, app.home, net), found, lambda why: typed(net, ref, why), group="add")

    def found(info: CheckpointInfo) -> None:
        ref = str(info.path) if info.source == "folder" else info.name
        if info.source in ("folder", "hub") and ref not in app.settings.folders:
            app.settings.folders = [*app.settings.folders, ref]
            app.save_settings()
        app.say(f"{info.name} is in the list")
        done(str(info.path) if info.path else ref)

    app.say("asking whether the hub can be reached …")
    app.work(network, show, group="network")


def look(ref: str, home: Path, net: Network) -> CheckpointInfo:
    """The checkpoint of that name. Raises Refused, in one line, for what is none, or cannot be had now."""
    from unlearn_tui.sources.checkpoints import check, resolve

    info = resolve(ref, home)
    if info.path is None and net.off:
        raise Refused(f"{ref} is not on this machine and {net.why}: give a folder, or add it when there is a network")
    check(info)
    return info


def forget(app: UnlearnApp, row: Row) -> None:
    """Take what was added by hand off the list; its files stay."""
    gone = {row.ref, row.path, row.name, row.id.partition(":")[2]}
    app.settings.folders = [f for f in app.settings.folders if f not in gone and str(Path(f).resolve()) not in gone]
    app.save_settings()
    app.say(f"{row.name} is no longer remembered; its files stay")
