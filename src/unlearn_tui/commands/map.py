"""map: where knowledge returns, over learning rate, quantizer and update mode of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from unlearn_tui.commands import console
from unlearn_tui.commands import options as o
from unlearn_tui.errors import Refused


def map_(
    sweep: Annotated[
        str, Argument(metavar="SWEEP", help="A sweep: its id, a unique beginning of it, 'last', or its file.")
    ] = "last",
    metric: Annotated[
        str | None, Option("--metric", metavar="METRIC", help="Whose share; else KnowMem forget where it was scored.")
    ] = None,
    svg: Annotated[Path | None, Option("--svg", metavar="PATH", help="Write it as a picture.")] = None,
    csv: Annotated[Path | None, Option("--csv", metavar="PATH", help="Write it as CSV.")] = None,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
) -> None:
    """The recovery map of a sweep: share of the target's score by learning rate, quantizer and update mode.

    Beside each share stands what was expected before training, and where that was wrong.
    """
    from unlearn_tui.commands.sweep import named, prepared
    from unlearn_tui.report import export, sweep_files
    from unlearn_tui.report import maps as report
    from unlearn_tui.report.text import safe
    from unlearn_tui.runs import sweeps
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.runs.overview import Overviews
    from unlearn_tui.state.recovery_map import build, metrics

    base = home_of(home)
    asked = named(sweep, base)
    # a kept sweep has its folders written out; a file's must be, or its runs would not be found
    kept = any(path.stem == asked.id for path in sweeps.kept(base))
    state = sweeps.seen(asked if kept else prepared(asked, base), Overviews(base).read())
    known = metrics(state)
    if not known:
        raise Refused(
            f"sweep {state.id}: none of its runs has a verdict yet, so there is nothing to draw: "
            f"unlearn-tui sweep {safe(sweep)} runs it"
        )
    if metric is not None and metric not in known:
        raise Refused(f"--metric {metric!r}: its runs have shares of {', '.join(known)}", "metric")
    found = build(state, metric or "")
    table = sweep_files.recovery(found)
    if svg is not None:
        export.put(svg, report.svg(found))
        console.say(f"wrote {svg}")
    if csv is not None:
        export.write(csv, {"map": table}, "csv")
        console.say(f"wrote {csv}")
    if json:
        console.write(export.to_json(table))
    elif svg is None and csv is None:
        for grid in report.grids(found):
            console.show_grids([grid], plain)
            console.write("\n")
        console.write(f"{report.counted(found)}; {state.finished} of {len(state.cells)} cells finished\n")
