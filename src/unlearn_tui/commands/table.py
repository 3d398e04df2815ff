"""table: the paper's tables from one's own finished runs; --run makes what is missing, as a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from typer import Argument, Exit, Option

from unlearn_tui import catalog
from unlearn_tui.catalog.published import COLUMNS
from unlearn_tui.commands import options as o
from unlearn_tui.commands.console import say, write
from unlearn_tui.commands.watch import Output
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.protocol.sweep import Sweep, cells
from unlearn_tui.state.paper_tables import EIGHT, FIRST, FOUR, Made, PaperTable, build, choose, row_of
from unlearn_tui.versions import lacking

if TYPE_CHECKING:
    from collections.abc import Sequence

SURE_ON = ("ga_gdr", "npo_klr")
"""The methods that the paper's Table 3 has SURE on, as far as it is known."""
POCKET_SEEDS = (0, 1)
_QUIET = {"canary_every": 0, "probe_every": 0}
_MUSE = {"news": "muse-bench/MUSE-news", "books": "muse-bench/MUSE-books"}
_SURE_BOOKS: dict[str, dict[str, Any]] = {
    "npo_klr": {"alpha": 20.0, "sure_percentile": 90.0},
    "ga_gdr": {"alpha": 400.0, "sure_percentile": 99.0},
}
"""Appendix D as an independent reproduction gives it; of NEWS nothing is known to us, the same is taken there."""


def table(
    number: Annotated[int, Argument(metavar="1|2|3", min=1, max=3, help="Which table of the paper.")],
    corpus: Annotated[
        str, Option("--corpus", metavar="CORPUS", help="pocket, news, books (MUSE's), or any other that runs name.")
    ] = "pocket",
    run: Annotated[bool, Option("--run", help="Make the runs that are missing first, as a sweep.")] = False,
    dry_run: Annotated[
        bool, Option("--dry-run", help="List the runs that --run would make, with the time expected.")
    ] = False,
    seeds: Annotated[str | None, Option("--seeds", metavar="LIST", help="Only these, for example 0,1.")] = None,
    model: Annotated[str | None, Option("--model", metavar="MODEL", help="The target that --run unlearns.")] = None,
    spec: Annotated[
        Path | None, Option("--base", metavar="SPEC.toml", help="Settings of the runs that --run makes.")
    ] = None,
    csv: Annotated[Path | None, Option("--csv", metavar="PATH", help="Write it as CSV.")] = None,
    markdown: Annotated[bool, Option("--markdown", help="Print it as Markdown.")] = False,
    home: o.Home = None,
    plain: o.Plain = False,
    json: o.Json = False,
) -> None:
    """A table of the paper with the figures of your own finished runs; the paper's beside them where the corpus is MUSE's.

    1: six methods at full precision, 8 and 4 bits. 2: the same at 4 bits by other quantizers. 3: SURE.
    """
    from unlearn_tui.runs.home import home as home_of
    from unlearn_tui.state.paper import corpus_of

    if json and markdown:
        raise Refused("--json and --markdown both given: stdout holds one of them, choose", "json")
    base = home_of(home)
    paper = corpus_of(corpus)
    named = _corpus(corpus, paper)
    chosen_seeds = _seeds(seeds)
    sweep = plan(number, named, paper, chosen_seeds, model, spec)
    code = 0
    if run or dry_run:
        from unlearn_tui.commands.sweep import drive, expect, prepared

        if sweep is None:
            raise Refused(f"--corpus {corpus}: say which --model is to be unlearned, or its settings with --base")
        sweep = prepared(_fitted(sweep), base)
        if dry_run:
            expect(sweep, base, Output(plain, json))
            return
        code = drive(sweep, base, Output(plain, json), present=False)
    made = collect(number, named, paper, sweep, chosen_seeds, base)
    if not made.lines and not run:
        how = f"unlearn-tui table {number} --corpus {corpus} --run makes them"
        say(f"no finished run of {named} has such figures yet: {how}")
    _present(made, csv, markdown, json, plain)
    raise Exit(code)


def _corpus(corpus: str, paper: str) -> str:
    """The corpus as specs name it: news and books are MUSE's."""
    return f"muse-{corpus}" if corpus == paper else corpus


def _seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise Refused(f"--seeds {text!r} is no list of numbers: give for example 0,1", "seed") from None
    if any(not catalog.RANGES["seed"].holds(seed) for seed in found) or len(set(found)) < len(found):
        raise Refused(f"--seeds {text!r}: each at least 0, and once", "seed")
    return found


def plan(
    number: int, corpus: str, paper: str, seeds: Sequence[int] | None, model: str | None, file: Path | None
) -> Sweep | None:
    """The runs of a table: the presets' settings for pocket, the paper's for MUSE, those of `file` where it is given.

    None where nobody says what is to be unlearned. Raises Refused for a bad `file`.
    """
    from unlearn_tui.commands.preflight import spec_of

    base: dict[str, Any] = {"corpus": corpus, "precision": precisions(number, corpus), **_QUIET}
    methods = list(SURE_ON if number == 3 and corpus != "pocket" else FIRST)
    if "privleak" in catalog.METRICS:
        base["metric"] = list(COLUMNS)
    if file is not None:
        asked = {k: v for k, v in msgspec.to_builtins(spec_of({}, file)).items() if v is not None}
        for field in ("seed", "method", "schema", "corpus", "precision", "sure", "steps", "epochs"):
            value = asked.pop(field, None)
            if field in ("steps", "epochs") and value is not None:
                base[field] = value
        base = {**asked, **base}
    elif paper:
        base |= {"model": f"{_MUSE[paper]}_target", "retrain": f"{_MUSE[paper]}_retrain"}
        base |= {k: v.value for k, v in catalog.paper_values(paper, "").items()}
    elif corpus == "pocket":
        base |= {"model": "pocket-target", "retrain": "pocket-retrain"}
    elif model is None:
        return None
    if model is not None:
        base["model"] = model
        if model != "pocket-target":
            base.pop("retrain", None)
    repeats: list[Any] = list(seeds if seeds is not None else POCKET_SEEDS if corpus == "pocket" else (0,))
    also: list[dict[str, list[Any]]] = []
    plainly = []
    for method in methods:
        own = {k: [v.value] for k, v in catalog.paper_values(paper, method).items() if v.method} if paper else {}
        if own and file is None:
            also.append({"method": [method], **own, "seed": repeats})
        else:
            plainly.append(method)
    if plainly:
        also.insert(0, {"method": plainly, "seed": repeats})
    if number != 2 or corpus == "pocket":
        for method in SURE_ON:
            own = {k: [v] for k, v in _SURE_BOOKS[method].items()} if paper else {}
            also.append({"method": [method], "sure": ["once"], "lr": [1e-4], **own, "seed": repeats})
    return Sweep(
        name="pocket tables" if corpus == "pocket" else f"table {number} {paper or Path(corpus).name}",
        base=base,
        over=also[0],
        also=also[1:],
    )


def _fitted(sweep: Sweep) -> Sweep:
    """Without the metrics that the corpus has nothing for: a table shows them as –."""
    from unlearn_tui.commands.preflight import fitted

    spec, left = fitted(cells(sweep)[0].spec)
    return msgspec.structs.replace(sweep, base={**sweep.base, "metric": spec.metric}) if left else sweep


def precisions(number: int, corpus: str) -> list[str]:
    """What a table's runs score: every 4-bit family that works here for Table 2. On pocket one sweep makes all tables."""
    if number != 2 and corpus != "pocket":
        return ["fp16", EIGHT, FOUR]
    others = [p.id for p in catalog.PRECISIONS.values() if p.bits == 4 and p.id != FOUR and not lacking(p.package)]
    return ["fp16", *([EIGHT] if corpus == "pocket" else []), FOUR, *others]


def collect(
    number: int, corpus: str, paper: str, sweep: Sweep | None, seeds: Sequence[int] | None, home: Path
) -> PaperTable:
    """The table from the finished runs of a home."""
    from unlearn_tui.runs.overview import Overviews

    runs = [
        Made(found.info.id, found.spec, found.result)
        for found in Overviews(home).read()
        if found.spec and found.result and found.info.status == "finished" and _is_of(found.spec, corpus, paper)
    ]
    made = [cell.spec for cell in cells(sweep)] if sweep else []
    asked = [row for row in dict.fromkeys(map(row_of, made)) if number != 3 or row.partition("+")[0] in SURE_ON]
    return build(number, corpus, paper, choose(runs, made, seeds), asked)


def _is_of(spec: RunSpec, corpus: str, paper: str) -> bool:
    from unlearn_tui.state.paper import corpus_of

    if paper:
        return corpus_of(spec.corpus) == paper
    return spec.corpus in (corpus, str(Path(corpus).absolute()), str(Path(corpus).resolve()))


def _present(made: PaperTable, csv: Path | None, markdown: bool, json: bool, plain: bool) -> None:
    from unlearn_tui.commands import console
    from unlearn_tui.report import export
    from unlearn_tui.report import paper_tables as report

    if csv is not None:
        export.write(csv, {f"table {made.number}": report.export(made)}, "csv")
        say(f"wrote {csv}")
    if json:
        console.show_json(
            {
                "schema": 1,
                "table": made.number,
                "corpus": made.corpus,
                "rows": [
                    {
                        "row": line.row,
                        "precision": line.precision,
                        "runs": line.runs,
                        "figures": dict(zip(made.columns, line.figures, strict=True)),
                        "paper": dict(zip(made.columns, line.paper, strict=False)) if line.paper else None,
                    }
                    for line in made.lines
                ],
                "missing": made.missing,
                "notes": report.notes(made),
            }
        )
    elif markdown:
        write(report.markdown(made))
    elif made.lines or csv is None:
        console.show_grids([report.grid(made)], plain)
        write("".join(f"{note}\n" for note in report.notes(made)))
