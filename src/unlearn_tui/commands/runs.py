"""runs, show, stop, export: what reads and tends run directories."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Annotated

from typer import Argument, Context, Option, Typer

from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused

runs = Typer(
    help="List runs; rm, prune and du remove and measure them.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@runs.callback()
def list_(context: Context, home: o.Home = None, plain: o.Plain = False, json: o.Json = False) -> None:
    """List runs, newest first; rm, prune and du remove and measure them."""
    if context.invoked_subcommand:
        context.obj = home
        return
    from unlearn_tui.report.sections import Grid
    from unlearn_tui.report.text import ago, cut, safe, size
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.store import list_runs

    base = home_of(home)
    found = list_runs(base)
    if json:
        console.show_json([{**vars(r), "path": str(r.path.relative_to(base))} for r in found])
        return
    if not found:
        console.say(f"no runs in {base}: unlearn-tui demo makes two")
        return
    now = time.time()
    rows = [
        (
            safe(r.id),
            r.status,
            safe(r.method),
            cut(safe(r.model), 24),
            cut(safe(r.corpus), 16),
            cut(safe(r.reason), 40),
            size(r.size),
            ago(now - r.created),
        )
        for r in found
    ]
    head = ("run", "status", "method", "model", "corpus", "reason", "size", "age")
    console.show_grids([Grid("", head, rows, left=6)], plain)


Refs = Annotated[list[str], Argument(metavar="RUN...", help="Ids, unique beginnings of them, or 'last'.")]


@runs.command()
def rm(context: Context, run: Refs, home: o.Home = None) -> None:
    """Remove runs with all their files; a live run is refused."""
    from unlearn_tui.report.text import size
    from unlearn_tui.runs import store
    from unlearn_tui.runs.home import home as home_of

    base = home_of(home or context.obj)
    # all names are looked up before anything goes
    goners = list(dict.fromkeys([store.find(base, ref) for ref in run]))
    for found in goners:
        # a path names any folder with a spec.toml in it, a user's own among them
        if found.path.parent.resolve() != (base / "runs").resolve():
            raise Refused(f"{str(found.path)!r} is no run of the home {str(base)!r}: remove the folder by other means")
    for found in goners:
        freed = store.info(found).size
        store.remove(found)
        console.say(f"removed {found.id} ({size(freed)})")


@runs.command()
def prune(
    context: Context,
    keep: Annotated[int | None, Option("--keep", min=0, help="All but this many of the newest.")] = None,
    failed: Annotated[bool, Option("--failed", help="Only runs that failed or died.")] = False,
    every: Annotated[bool, Option("--all", help="All of them.")] = False,
    home: o.Home = None,
) -> None:
    """Remove runs that are not live: the failed ones, the older ones, or all."""
    if keep is None and not failed and not every:
        raise Refused("which runs are to go is not said: add --failed, --keep N or --all")
    from unlearn_tui.report.text import size
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.store import prune as remove

    gone = remove(home_of(home or context.obj), keep or 0, failed)
    for run in gone:
        console.say(f"removed {run.id} ({size(run.size)})")
    if not gone:
        console.say("nothing to remove")


@runs.command()
def du(context: Context, home: o.Home = None, plain: o.Plain = False, json: o.Json = False) -> None:
    """What runs take on the disk, by part."""
    from unlearn_tui.report.sections import Grid
    from unlearn_tui.report.text import safe, size
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.store import usage

    parts = ("checkpoints", "answers", "log", "other")
    used = usage(home_of(home or context.obj))
    if json:
        console.show_json([{"run": r.id, "total": r.size, **by} for r, by in used])
        return
    rows = [(safe(r.id), r.status, *(size(by[p]) for p in parts), size(r.size)) for r, by in used]
    rows.append(("total", "", *(size(sum(by[p] for _, by in used)) for p in parts), size(sum(r.size for r, _ in used))))
    console.show_grids([Grid("", ("run", "status", *parts, "total"), rows, left=2)], plain)


def show(
    run: o.RunRef,
    answers: Annotated[
        int, Option("--answers", metavar="N", min=0, help="Also N questions with every answer, most recovered first.")
    ] = 0,
    svg: Annotated[
        Path | None, Option("--svg", metavar="FILE", help="Write the same as a picture, instead of showing it.")
    ] = None,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
) -> None:
    """The result of a run, or how far it has come."""
    from unlearn_tui.commands.present import picture, results
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.store import find

    found = find(home_of(home), run)
    if svg is not None:
        picture(found, svg, answers)
        return
    results([found], plain, json, examples=answers)


def stop(
    run: o.RunRef,
    now: Annotated[bool, Option("--now", help="At once, not after the current step.")] = False,
    home: o.Home = None,
) -> None:
    """Stop a run after its current step; unlearn-tui resume goes on with it."""
    from unlearn_tui.protocol.commands import Stop
    from unlearn_tui.runs.control import send
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.lock import is_alive
    from unlearn_tui.runs.store import find

    found = find(home_of(home), run)
    if not is_alive(found):
        console.say(f"run {found.id} is not running: nothing to stop")
        return
    reply = send(found, Stop(now=now))
    if not reply.ok:
        raise Refused(f"run {found.id} does not stop: {reply.text}")
    console.say(reply.text or f"run {found.id} stops {'now' if now else 'after this step'}")


def export(
    run: o.RunRef,
    path: Annotated[Path, Argument(metavar="PATH", help="A new folder for the checkpoint.")],
    home: o.Home = None,
) -> None:
    """Write a run's unlearned checkpoint as a folder that AutoModelForCausalLM.from_pretrained loads."""
    import secrets
    import shutil

    from unlearn_tui.report.text import safe
    from unlearn_tui.runs.directory import REINFORCED
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.home import reason
    from unlearn_tui.runs.store import find, is_shipped
    from unlearn_tui.sources.checkpoints import free_space

    found = find(home_of(home), run)
    source = found.made
    if is_shipped(found):
        raise Refused(
            "the recorded run demo comes without its checkpoint: unlearn-tui run makes one like it, then export that"
        )
    if (found.checkpoints / REINFORCED / "config.json").is_file():
        raise Refused(
            f"run {found.id} unlearned with two models together, which are no one checkpoint: the one that it trained, "
            f"which knows more, is {str(found.checkpoints / REINFORCED)!r}"
        )
    if not (source / "config.json").is_file():
        raise Refused(
            f"run {found.id} has no unlearned checkpoint yet: unlearn-tui resume {found.id} goes on to the end of it"
        )
    with contextlib.suppress(RuntimeError):  # ~nobody is a name like any other
        path = path.expanduser()
    path = path.absolute()
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
            raise Refused(f"{str(path)!r} exists already: give a new folder")
        size = sum(f.stat().st_size for f in source.rglob("*") if f.is_file())
        free_space(path.parent, size, "the checkpoint", "path")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, part)
        part.replace(path)
    except OSError as error:
        raise Refused(f"{str(path)!r} cannot be written: {reason(error)}; give another place") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    console.write(f"{safe(path)}\n")
