"""Results on stdout: drawn, plain or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn_tui.commands import console
from unlearn_tui.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from unlearn_tui.protocol.result import Result
    from unlearn_tui.runs.directory import RunDir


def outcome(run: RunDir) -> Result:
    """The run's result.json where the run is finished, else what its log says so far. Raises Refused if damaged."""
    from unlearn_tui.report.outcome import of_state
    from unlearn_tui.runs.home import reason
    from unlearn_tui.runs.store import status
    from unlearn_tui.state.run import fold_all

    try:
        state, why = status(run)
    except OSError as error:
        raise Refused(
            f"run {run.id!r}: its log cannot be read: {reason(error)}; put the file back, or resume it"
        ) from None
    result = run.result() if state not in ("running", "new") else None
    # a run that was resumed and died again has the result of its better days
    if result is not None and result.status == state:
        return result
    made = of_state(run.id, run.spec(), fold_all(run.events()))
    made.status, made.error = state, why or made.error
    return made


def results(
    runs: list[RunDir],
    plain: bool = False,
    json: bool = False,
    several: bool = False,
    examples: int = 0,
    brief: bool = False,
) -> None:
    """Each run's report; with `json` one object, or an array where `several` were asked for."""
    from unlearn_tui.report import plain as text
    from unlearn_tui.report.answers import examples as pick

    made = [outcome(run) for run in runs]
    if json:
        console.show_json(made if several else made[0])
        return
    for i, (run, result) in enumerate(zip(runs, made, strict=True)):
        picked = pick(run.path, result, examples) if examples else []
        if console.rich_stdout(plain):
            from rich.console import Group
            from rich.rule import Rule

            from unlearn_tui.report import tables

            report = tables.result(result, picked, brief)
            console.show(Group(Rule(style="dim"), report) if len(runs) > 1 else report)
        else:
            console.write(("\n" if i else "") + text.result(result, picked, brief))
    if several:
        _summary(made, plain)


def picture(run: RunDir, path: Path, examples: int, width: int = 118) -> None:
    """The brief report of one run as an SVG of a terminal. Raises Refused if `path` cannot be written."""
    import io

    from rich.console import Console

    from unlearn_tui.report import tables
    from unlearn_tui.report.answers import examples as pick
    from unlearn_tui.report.text import safe
    from unlearn_tui.runs.directory import write_atomic

    result = outcome(run)
    recorder = Console(record=True, width=width, file=io.StringIO(), markup=False, emoji=False, highlight=False)
    recorder.print(tables.result(result, pick(run.path, result, examples) if examples else [], brief=True))
    try:
        write_atomic(
            path, recorder.export_svg(title=f"unlearn-tui show {safe(run.id)}").encode(errors="replace"), 0o666
        )
    except OSError as error:
        raise Refused(f"{str(path)!r} cannot be written: {error.strerror}; choose another place", "svg") from None
    console.say(f"wrote {path}")


def _summary(made: list[Result], plain: bool) -> None:
    """The sentence of each run, one below the other."""
    from unlearn_tui.report.sections import headline
    from unlearn_tui.report.text import safe

    lines = [f"{safe(r.spec.get('preset') or r.run)}: {headline(r)}" for r in made]
    if console.rich_stdout(plain):
        from rich.console import Group
        from rich.rule import Rule
        from rich.text import Text

        console.show(Group(Rule(style="dim"), *(Text(line, "bold") for line in lines)))
    else:
        console.write("\n" + "\n".join(lines) + "\n")
